//! Finds TCP connections in `/proc/PID/net/tcp` and `tcp6`, which list all sockets of a process's
//! network namespace. Slower than netlink, but always available, and it shows other namespaces.

use std::io::{self, BufRead, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::sys::clock;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::sock_diag::{STATES, TcpConnection};
use crate::sys::peer_pattern::PeerPattern;

/// The time limit for both files. 20,000 sockets take 30 to 60 milliseconds.
const TIME_LIMIT: Duration = Duration::from_millis(500);

/// The size limit for each file: 200,000 lines of IPv4.
const MAX_BYTES: u64 = 32 << 20;

/// More than twice the longest line.
const MAX_LINE_BYTES: u64 = 512;

/// Returns the connections in the network namespace of a process to any of `peers`.
pub(crate) fn tcp_connections_by_file(
    proc: &ProcFs,
    pid: u32,
    peers: &[PeerPattern],
) -> io::Result<Vec<TcpConnection>> {
    let until = clock::monotonic() + TIME_LIMIT;
    let mut found = Vec::new();
    for name in ["net/tcp", "net/tcp6"] {
        let file = match proc.file(pid, name) {
            // A kernel without IPv6 lacks this file, although the namespace exists.
            Err(error) if name == "net/tcp6" && error.kind() == io::ErrorKind::NotFound => {
                proc.file(pid, "net/tcp").map(drop)?;
                continue;
            }
            file => BufReader::with_capacity(USUAL_READ, file?.take(MAX_BYTES)),
        };
        read_table(file, peers, &mut found, &mut || clock::monotonic() >= until)?;
    }
    Ok(found)
}

/// The kernel generates one page at a time.
const USUAL_READ: usize = 16 << 10;

/// Parses a table. Adds the connections to any of `peers` to `found`.
pub fn read_table(
    mut table: impl BufRead,
    peers: &[PeerPattern],
    found: &mut Vec<TcpConnection>,
    is_late: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    let (mut line, mut total) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = table.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        total += length as u64;
        if total >= MAX_BYTES || is_late() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if length == 0 {
            return Ok(());
        }
        // Skip the line with the titles of the columns.
        if total == length as u64 {
            continue;
        }
        let row = std::str::from_utf8(&line).ok().and_then(Row::parse);
        let row = row.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        if STATES.contains(&row.state)
            && peers.iter().any(|pattern| pattern.matches(row.connection.peer))
        {
            found.push(row.connection);
        }
    }
}

struct Row {
    state: u32,
    connection: TcpConnection,
}

impl Row {
    /// Parses `0: 0100007F:A0B4 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 4711`:
    /// number, local address, peer, state, two queues, timer, retransmissions, user, timeout,
    /// inode.
    fn parse(line: &str) -> Option<Row> {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let peer = parse_peer(fields.next()?)?;
        let state = u32::from_str_radix(fields.next()?, 16).ok()?;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Row { state, connection: TcpConnection { inode, uid, peer } })
    }
}

/// Parses an address of 32-bit words in native byte order, and a port.
fn parse_peer(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes())
    };
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let octets = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TITLES: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n";

    const EVERY_PEER: PeerPattern = PeerPattern { network: None, port: None };

    fn read(table: &[u8]) -> io::Result<Vec<TcpConnection>> {
        let mut found = Vec::new();
        read_table(table, &[EVERY_PEER], &mut found, &mut || false)?;
        Ok(found)
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_shows_the_peer_and_the_inode() {
        let rest = "00000000:00000000 00:00000000 00000000     0        0 4711 1 00 20 4 30 10 -1";
        let v6 = "0000000000000000FFFF00000100007F";
        let table = format!(
            "{TITLES}   0: 0100007F:A0B4 DCA79A95:01BB 01 {rest}\n   \
             1: 0100007F:1F90 00000000:0000 0A {rest}\n   \
             2: {v6}:A0B4 {v6}:1F90 02 {rest}\n"
        );
        let found = read(table.as_bytes()).unwrap();
        let expected = ["149.154.167.220:443", "[::ffff:127.0.0.1]:8080"];
        assert_eq!(found.iter().map(|it| it.peer.to_string()).collect::<Vec<_>>(), expected);
        assert!(found.iter().all(|it| it.inode == 4711));
    }

    #[test]
    fn a_table_that_is_not_read_to_its_end_is_an_error() {
        let table = format!("{TITLES}   0: 0100007F:A0B4 DCA79A95:01BB 01\n");
        assert_eq!(read(table.as_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let late = read_table(TITLES.as_bytes(), &[], &mut Vec::new(), &mut || true);
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(read(TITLES.as_bytes()).unwrap(), []);
    }

    proptest! {
        #[test]
        fn arbitrary_lines_are_an_error_or_connections(line in "[ :0-9A-Fé]{0,200}") {
            let _ = read(format!("{TITLES}{line}").as_bytes());
        }
    }
}
