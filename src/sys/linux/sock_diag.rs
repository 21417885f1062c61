//! Finds TCP connections through the kernel (`sock_diag(7)`), which searches its table of sockets
//! and returns only the requested ones.
//!
//! rustix has no netlink messages, so the few fixed structures of `linux/netlink.h` and
//! `linux/inet_diag.h` are written and parsed here byte by byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use crate::sys::clock;
use crate::sys::linux::diag_bytecode::bytecode;
use crate::sys::peer_pattern::PeerPattern;

/// An established TCP connection, or one that is being opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpConnection {
    /// The inode of the socket, which descriptors refer to.
    pub inode: u64,
    /// The user that opened the socket.
    pub uid: u32,
    pub peer: SocketAddr,
}

/// `TCP_ESTABLISHED` and `TCP_SYN_SENT` of `net/tcp_states.h`.
pub(super) const STATES: [u32; 2] = [1, 2];

/// The time limit of an answer. 20,000 sockets take a few milliseconds.
const TIME_LIMIT: Duration = Duration::from_millis(500);

/// The kernel never fills more than this at once.
const BUFFER_BYTES: usize = 32 << 10;

/// The sequence number of the only request on a socket.
const SEQUENCE: u32 = 1;

const HEADER_BYTES: usize = 16;

// linux/netlink.h
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// The table changed, so the answer may be incomplete.
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
// linux/inet_diag.h
/// The older of two requests. It searches the table once for IPv4 and IPv6, while
/// `SOCK_DIAG_BY_FAMILY` needs a request for each.
const TCPDIAG_GETSOCK: u16 = 18;
const INET_DIAG_REQ_BYTECODE: u16 = 1;
const INET_DIAG_MSG_BYTES: usize = 72;

/// Returns the connections of this thread's network namespace to any of `peers`.
pub fn tcp_connections(peers: &[PeerPattern]) -> io::Result<Vec<TcpConnection>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let until = clock::monotonic() + TIME_LIMIT;
    let mut found = Vec::new();
    ask(&socket, &request(peers)?)?;
    read_answer(&socket, until, &mut found)?;
    // The kernel has already applied the same patterns; check them again.
    found.retain(|it| peers.iter().any(|pattern| pattern.matches(it.peer)));
    Ok(found)
}

/// Builds a `struct nlmsghdr` with a `struct inet_diag_req` and the filter as its attribute.
fn request(peers: &[PeerPattern]) -> io::Result<Vec<u8>> {
    let filter = bytecode(peers);
    // Any family, ports and addresses.
    let mut body = vec![0; 52];
    let states = STATES.iter().fold(0, |states, state| states | 1_u32 << state);
    body.extend(states.to_ne_bytes());
    body.extend([0; 4]);
    let attribute_bytes = u16::try_from(filter.len() + 4).map_err(io::Error::other)?;
    body.extend(attribute_bytes.to_ne_bytes());
    body.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    body.extend(filter);
    let length = u32::try_from(HEADER_BYTES + body.len()).map_err(io::Error::other)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(TCPDIAG_GETSOCK.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend(SEQUENCE.to_ne_bytes());
    // The port that the kernel gave this socket.
    message.extend([0; 4]);
    message.extend(body);
    Ok(message)
}

fn ask(socket: &OwnedFd, request: &[u8]) -> io::Result<()> {
    let sent = rustix::io::retry_on_intr(|| send(socket, request, SendFlags::empty()))?;
    if sent == request.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn read_answer(
    socket: &OwnedFd,
    until: Duration,
    found: &mut Vec<TcpConnection>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let left = until.saturating_sub(clock::monotonic());
        // Zero would mean no limit.
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        set_socket_timeout(socket, Timeout::Recv, Some(left))?;
        let length = match recv(socket, buffer.as_mut_slice(), RecvFlags::TRUNC) {
            Ok((_, length)) => length,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let Some(datagram) = buffer.get(..length) else {
            return Err(invalid("a truncated answer"));
        };
        match read_datagram(datagram, found)? {
            Answer::Continues => {}
            Answer::Complete => return Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Continues,
    Complete,
}

/// Parses the messages in a datagram that answer the request.
pub fn read_datagram(mut rest: &[u8], found: &mut Vec<TcpConnection>) -> io::Result<Answer> {
    while !rest.is_empty() {
        let header = Header::read(rest).ok_or_else(|| invalid("a message without a header"))?;
        let message = usize::try_from(header.length).ok().and_then(|length| rest.get(..length));
        let body = message.and_then(|message| message.get(HEADER_BYTES..));
        let (Some(message), Some(body)) = (message, body) else {
            return Err(invalid("a message of a wrong length"));
        };
        // Messages are aligned to four bytes, except for the end of the last one.
        rest = rest.get(message.len().next_multiple_of(4)..).unwrap_or_default();
        if header.sequence != SEQUENCE {
            continue;
        }
        if header.flags & NLM_F_DUMP_INTR != 0 {
            return Err(invalid("an answer from a table that changed"));
        }
        match header.kind {
            NLMSG_NOOP => {}
            NLMSG_ERROR => {
                let code = number(body, 0).ok_or_else(|| invalid("an error without a number"))?;
                return Err(kernel_error(code).unwrap_or_else(|| invalid("no table")));
            }
            // Old kernels send no code.
            NLMSG_DONE => {
                let error = number(body, 0).and_then(kernel_error);
                return error.map_or(Ok(Answer::Complete), Err);
            }
            TCPDIAG_GETSOCK => {
                found.push(connection(body).ok_or_else(|| invalid("a socket without facts"))?);
            }
            _ => return Err(invalid("a message of an unknown kind")),
        }
    }
    Ok(Answer::Continues)
}

/// A `struct nlmsghdr`.
struct Header {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Header {
    fn read(message: &[u8]) -> Option<Header> {
        let half = |at| Some(u16::from_ne_bytes(*message.get(at..)?.first_chunk()?));
        let length = number(message, 0)?;
        Some(Header { length, kind: half(4)?, flags: half(6)?, sequence: number(message, 8)? })
    }
}

/// Parses a `struct inet_diag_msg`: the family at 0, the peer's port at 6 and address at 24, the
/// user at 64, the inode at 68.
fn connection(body: &[u8]) -> Option<TcpConnection> {
    let body: &[u8; INET_DIAG_MSG_BYTES] = body.first_chunk()?;
    let address: IpAddr = match AddressFamily::from_raw(u16::from(body[0])) {
        AddressFamily::INET => Ipv4Addr::from(*body.get(24..)?.first_chunk()?).into(),
        AddressFamily::INET6 => Ipv6Addr::from(*body.get(24..)?.first_chunk()?).into(),
        _ => return None,
    };
    let port = u16::from_be_bytes(*body.get(6..)?.first_chunk()?);
    let (uid, inode) = (number(body, 64)?, number(body, 68)?.into());
    Some(TcpConnection { inode, uid, peer: SocketAddr::new(address, port) })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Converts a negative error number of the kernel; zero means no error.
fn kernel_error(code: u32) -> Option<io::Error> {
    let errno = code.cast_signed().checked_neg().filter(|errno| *errno != 0)?;
    Some(io::Error::from_raw_os_error(errno))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel sent {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + body.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(sequence.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(body);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn socket(inode: u32) -> Vec<u8> {
        let mut body = vec![0; INET_DIAG_MSG_BYTES];
        body[0] = 2;
        body[6..8].copy_from_slice(&443_u16.to_be_bytes());
        body[24..28].copy_from_slice(&[149, 154, 167, 220]);
        body[68..].copy_from_slice(&inode.to_ne_bytes());
        message(TCPDIAG_GETSOCK, 2, SEQUENCE, &body)
    }

    fn read(datagrams: &[Vec<u8>]) -> Result<(Answer, Vec<u64>), String> {
        let (mut answer, mut found) = (Answer::Continues, Vec::new());
        for datagram in datagrams {
            answer = read_datagram(datagram, &mut found).map_err(|error| error.to_string())?;
        }
        Ok((answer, found.iter().map(|it| it.inode).collect()))
    }

    #[test]
    fn an_answer_of_several_parts_is_read_to_its_end() {
        let done = message(NLMSG_DONE, 2, SEQUENCE, &[0; 4]);
        let other = message(NLMSG_DONE, 2, SEQUENCE + 1, &[0; 4]);
        let two = [socket(1), socket(2)].concat();
        let last =
            [message(NLMSG_NOOP, 0, SEQUENCE, &[1]), other.clone(), socket(3), done].concat();
        assert_eq!(read(&[two.clone(), last]), Ok((Answer::Complete, vec![1, 2, 3])));
        assert_eq!(read(&[two, other]), Ok((Answer::Continues, vec![1, 2])));
    }

    #[test]
    fn what_is_no_whole_answer_is_an_error() {
        let refused = (-13_i32).to_ne_bytes();
        let whole = socket(1);
        for (datagram, expected) in [
            (message(NLMSG_ERROR, 0, SEQUENCE, &refused), "Permission denied"),
            (message(NLMSG_ERROR, 0, SEQUENCE, &[]), "an error without a number"),
            (message(NLMSG_ERROR, 0, SEQUENCE, &[0; 4]), "no table"),
            (message(NLMSG_DONE, 2, SEQUENCE, &refused), "Permission denied"),
            (message(NLMSG_DONE, 2 | NLM_F_DUMP_INTR, SEQUENCE, &[0; 4]), "a table that changed"),
            (message(TCPDIAG_GETSOCK, 2, SEQUENCE, &[2; 71]), "a socket without facts"),
            (message(TCPDIAG_GETSOCK, 2, SEQUENCE, &[1; 72]), "a socket without facts"),
            (message(99, 2, SEQUENCE, &[]), "an unknown kind"),
            (whole[..15].to_vec(), "a wrong length"),
            (whole[..80].to_vec(), "a wrong length"),
            (vec![0; 16], "a wrong length"),
            (vec![1; 3], "without a header"),
        ] {
            let error = read(&[datagram]).unwrap_err();
            assert!(error.contains(expected), "{error} has no {expected}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_an_error_or_an_answer(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            changed in 0..160_usize,
            by in any::<u8>(),
        ) {
            let _ = read(std::slice::from_ref(&bytes));
            // Whole messages, damaged in one place and followed by arbitrary bytes.
            let mut whole = [socket(1), message(NLMSG_DONE, 2, SEQUENCE, &[0; 4])].concat();
            if let Some(byte) = whole.get_mut(changed) {
                *byte = by;
            }
            whole.extend(bytes);
            let _ = read(&[whole]);
        }
    }
}
