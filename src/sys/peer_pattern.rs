//! Patterns for the remote ends of connections: by network, port, or both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A network: an address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    /// In bits: at most 32 for IPv4, and 128 for IPv6.
    pub prefix: u8,
}

impl Network {
    pub const fn v4(address: [u8; 4], prefix: u8) -> Network {
        let [a, b, c, d] = address;
        Network { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    /// Creates a network from the first 48 bits of its address, for prefixes of up to 48 bits.
    pub const fn v6(start: [u16; 3], prefix: u8) -> Network {
        let [a, b, c] = start;
        Network { address: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix }
    }

    /// Returns the network of a single address. An IPv4-mapped address counts as IPv4.
    pub fn of(address: IpAddr) -> Network {
        let address = address.to_canonical();
        Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let difference = own.to_bits() ^ other.to_bits();
                difference.checked_shr(32 - u32::from(self.prefix)).is_none_or(|it| it == 0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let difference = own.to_bits() ^ other.to_bits();
                difference.checked_shr(128 - u32::from(self.prefix)).is_none_or(|it| it == 0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Matches remote ends in a network and with a port. A missing field matches all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerPattern {
    pub network: Option<Network>,
    pub port: Option<u16>,
}

impl PeerPattern {
    pub fn matches(&self, peer: SocketAddr) -> bool {
        self.port.is_none_or(|port| port == peer.port())
            && self.network.is_none_or(|network| network.contains(peer.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_in_a_network_by_the_bits_of_its_prefix() {
        let patterns = [
            PeerPattern { network: Some(Network::v4([149, 154, 160, 0], 20)), port: Some(443) },
            PeerPattern { network: Some(Network::v6([0x2001, 0x67c, 0x4e8], 48)), port: None },
            PeerPattern { network: None, port: Some(1080) },
            PeerPattern { network: Some(Network::of([127, 0, 0, 1].into())), port: Some(8081) },
        ];
        for (peer, expected) in [
            ("149.154.160.0:443", true),
            ("149.154.175.255:443", true),
            ("149.154.176.0:443", false),
            ("149.154.159.255:443", false),
            ("149.154.167.220:80", false),
            ("[::ffff:149.154.167.220]:443", true),
            ("[2001:67c:4e8:f004::9]:443", true),
            ("[2001:67c:4e8:f004::9]:1", true),
            ("[2001:67c:4e9::9]:443", false),
            ("10.0.0.1:1080", true),
            ("[fd00::1]:1080", true),
            ("127.0.0.1:8081", true),
            ("127.0.0.2:8081", false),
            ("[::1]:8081", false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(patterns.iter().any(|it| it.matches(peer)), expected, "{peer}");
        }
        let all = PeerPattern { network: Some(Network::v4([0; 4], 0)), port: None };
        assert!(all.matches("1.2.3.4:5".parse().unwrap()));
        assert!(!all.matches("[2001::1]:5".parse().unwrap()));
    }
}
