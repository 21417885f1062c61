//! Which process is at the other end of a connection.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use serde::Serialize;

/// A process, by its pid and its start time in clock ticks: pids come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Process {
    pub pid: u32,
    pub started: u64,
}

/// The process that has the other end of a connection from `peer` to `here`; none if it has closed
/// it, and so polls no more. Whoever polled before is asked first: bots open many connections.
pub(super) fn process_of(peer: SocketAddr, here: SocketAddr, known: &[u32]) -> Option<Process> {
    let socket = format!("socket:[{}]", inode(peer, here)?);
    let again = known.iter().rev().copied().find(|pid| has_open(*pid, &socket));
    again.or_else(|| anybody_with(&socket)).and_then(process)
}

fn anybody_with(socket: &str) -> Option<u32> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // The newest is the likeliest to have just connected.
    pids.sort_unstable_by(|a, b| b.cmp(a));
    pids.into_iter().find(|pid| has_open(*pid, socket))
}

/// The process with this pid now.
pub(super) fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; the start time is the 22nd field, the 20th behind it.
    let started = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(Process { pid, started })
}

fn has_open(pid: u32, socket: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.as_os_str() == socket)
}

/// The inode of the socket whose own address is `peer` and whose other end is `here`.
fn inode(peer: SocketAddr, here: SocketAddr) -> Option<String> {
    let wanted = [hex(peer)?, hex(here)?];
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    sockets.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let found = fields.get(1..3)? == wanted;
        found.then(|| fields.get(9).map(ToString::to_string)).flatten()
    })
}

/// An address as the kernel prints it: the four bytes as one number in the machine's own order.
fn hex(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let number = u32::from_ne_bytes(Ipv4Addr::octets(address.ip()));
    Some(format!("{number:08X}:{:04X}", address.port()))
}
