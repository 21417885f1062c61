//! The addresses of the Bot API, and of proxies that may lead there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::time::Duration;

use crate::config::ApiUrl;
use crate::sys::host_names;
use crate::sys::peer_pattern::{Network, PeerPattern};

/// Telegram's networks, from <https://core.telegram.org/resources/cidr.txt>.
const TELEGRAM: [Network; 15] = [
    Network::v4([91, 105, 192, 0], 23),
    Network::v4([91, 108, 4, 0], 22),
    Network::v4([91, 108, 8, 0], 22),
    Network::v4([91, 108, 12, 0], 22),
    Network::v4([91, 108, 16, 0], 22),
    Network::v4([91, 108, 20, 0], 22),
    Network::v4([91, 108, 56, 0], 22),
    Network::v4([95, 161, 64, 0], 20),
    Network::v4([149, 154, 160, 0], 20),
    Network::v4([185, 76, 151, 0], 24),
    Network::v6([0x2001, 0x67c, 0x4e8], 48),
    Network::v6([0x2001, 0xb28, 0xf23c], 48),
    Network::v6([0x2001, 0xb28, 0xf23d], 48),
    Network::v6([0x2001, 0xb28, 0xf23f], 48),
    Network::v6([0x2a0a, 0xf280, 0], 32),
];

const TELEGRAM_HOST: &str = "api.telegram.org";
const TELEGRAM_PORT: u16 = 443;

/// The usual ports of proxies: SOCKS, Squid, HTTP proxies, Privoxy, Tor and its browser, Clash,
/// `V2Ray`, `NekoRay`.
const PROXY_PORTS: [u16; 17] = [
    1080, 1081, 1086, 1087, 3128, 8080, 8118, 8888, 9050, 9150, 7890, 7891, 7897, 8123, 10808,
    10809, 2080,
];

/// The benchmark network (RFC 2544). Clash and similar tools resolve proxied hosts to addresses in
/// it, so a connection there may lead anywhere.
const STAND_INS: Network = Network::v4([198, 18, 0, 0], 15);

/// Compared case-insensitively.
const PROXY_VARIABLES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];

/// The time limit for resolving the name of a server.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(1);

/// The Bot API server as the remote end of a connection. The name of a server other than Telegram's
/// is resolved once, when first needed.
#[derive(Debug, Clone)]
pub struct BotApiPeers {
    server: Server,
    peers: OnceLock<Option<Vec<PeerPattern>>>,
}

#[derive(Debug, Clone)]
enum Server {
    Telegram,
    Other { host: String, port: u16 },
}

impl BotApiPeers {
    pub fn new(url: &ApiUrl) -> BotApiPeers {
        let (host, port) = (url.host().trim_matches(['[', ']']), url.port());
        let server = if host.eq_ignore_ascii_case(TELEGRAM_HOST) && port == TELEGRAM_PORT {
            Server::Telegram
        } else {
            Server::Other { host: host.to_owned(), port }
        };
        BotApiPeers { server, peers: OnceLock::new() }
    }

    /// Returns what can be said without resolving a name: any address counts then.
    pub fn without_look_up(&self) -> Vec<PeerPattern> {
        match &self.server {
            Server::Other { host, port } if host.parse::<IpAddr>().is_err() => {
                vec![PeerPattern { network: None, port: Some(*port) }]
            }
            Server::Other { .. } | Server::Telegram => self.patterns().unwrap_or_default().to_vec(),
        }
    }

    /// Returns the server's addresses and port; `None` if its name cannot be resolved.
    pub fn patterns(&self) -> Option<&[PeerPattern]> {
        self.peers.get_or_init(|| self.server.peers()).as_deref()
    }
}

impl Server {
    fn peers(&self) -> Option<Vec<PeerPattern>> {
        let all = |networks: &mut dyn Iterator<Item = Network>, port| {
            networks.map(|it| PeerPattern { network: Some(it), port: Some(port) }).collect()
        };
        match self {
            Server::Telegram => Some(all(&mut TELEGRAM.into_iter(), TELEGRAM_PORT)),
            Server::Other { host, port } => {
                let addresses = match host.parse() {
                    Ok(address) => vec![address],
                    Err(_) => host_names::addresses(host, LOOK_UP_LIMIT)?,
                };
                Some(all(&mut addresses.into_iter().map(reached).map(Network::of), *port))
            }
        }
    }
}

/// Returns the address that a connection shows. Connecting to the unspecified address reaches this
/// host.
fn reached(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// Returns the remote ends of connections that may lead to the Bot API through a proxy.
pub fn proxies() -> impl Iterator<Item = PeerPattern> {
    let by_port = |port| PeerPattern { network: None, port: Some(port) };
    let stand_ins = PeerPattern { network: Some(STAND_INS), port: None };
    PROXY_PORTS.into_iter().map(by_port).chain([stand_ins])
}

/// Returns whether any of these variables (`name=value`) sets a proxy.
pub fn name_a_proxy<'a>(variables: impl IntoIterator<Item = &'a [u8]>) -> bool {
    variables.into_iter().any(|entry| {
        let Some(at) = entry.iter().position(|byte| *byte == b'=') else { return false };
        let (name, value) = entry.split_at(at);
        let is_one = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
        PROXY_VARIABLES.iter().any(is_one) && !value[1..].trim_ascii().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn peers_of(url: &str) -> BotApiPeers {
        let setting = format!("telegram.api_url={url}");
        let sources = crate::config::Sources { set: vec![setting], ..Default::default() };
        BotApiPeers::new(&Config::load(&sources).unwrap().settings.telegram.api_url)
    }

    #[test]
    fn the_server_is_known_by_its_addresses_and_its_port() {
        for (url, peer, expected) in [
            ("https://api.telegram.org", "149.154.167.220:443", true),
            ("https://API.telegram.org", "[2001:67c:4e8:f004::9]:443", true),
            ("https://api.telegram.org", "149.154.167.220:80", false),
            ("https://api.telegram.org", "127.0.0.1:443", false),
            ("http://127.0.0.1:8081", "127.0.0.1:8081", true),
            ("http://127.0.0.1:8081", "[::ffff:127.0.0.1]:8081", true),
            ("http://127.0.0.1:8081", "127.0.0.1:8082", false),
            ("http://127.0.0.1:8081", "149.154.167.220:443", false),
            ("http://127.0.0.1", "127.0.0.1:80", true),
            ("https://[::1]", "[::1]:443", true),
            ("http://0.0.0.0:8081", "127.0.0.1:8081", true),
            ("http://localhost:8081", "127.0.0.1:8081", true),
        ] {
            let peers = peers_of(url);
            let peer = peer.parse().unwrap();
            let is_one = peers.patterns().unwrap().iter().any(|it| it.matches(peer));
            assert_eq!(is_one, expected, "{url} {peer}");
        }
    }

    #[test]
    fn a_name_that_nobody_knows_has_no_addresses() {
        assert!(peers_of("http://monopoll.invalid:8081").patterns().is_none());
    }

    #[test]
    fn a_proxy_is_named_by_a_variable_with_a_value() {
        for (variable, expected) in [
            ("https_proxy=http://proxy:3128", true),
            ("HTTP_PROXY=x", true),
            ("ALL_PROXY=socks5://x", true),
            ("all_proxy= ", false),
            ("https_proxy=", false),
            ("no_proxy=localhost", false),
            ("MY_https_proxy=x", false),
            ("https_proxy", false),
        ] {
            let variables = [b"A=b".as_slice(), variable.as_bytes()];
            assert_eq!(name_a_proxy(variables), expected, "{variable}");
        }
    }
}
