//! Finds the process at the other end of a connection.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use serde::Serialize;

/// A process, by its pid and its start time in clock ticks, since pids are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Process {
    pub pid: u32,
    pub started: u64,
}

/// Returns the process at the other end of a connection from `peer` to `here`; `None` if it has
/// closed the connection. Checks known pollers first, because bots open many connections.
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
    // The newest process is the most likely to have just connected.
    pids.sort_unstable_by(|a, b| b.cmp(a));
    pids.into_iter().find(|pid| has_open(*pid, socket))
}

/// Returns the process that currently has this pid.
pub(super) fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain spaces and parentheses. The start time is field 22, the 20th after the
    // name.
    let started = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(Process { pid, started })
}

fn has_open(pid: u32, socket: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.as_os_str() == socket)
}

/// Returns the inode of the socket with the local address `peer` and the remote address `here`.
fn inode(peer: SocketAddr, here: SocketAddr) -> Option<String> {
    let wanted = [hex(peer)?, hex(here)?];
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    sockets.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let found = fields.get(1..3)? == wanted;
        found.then(|| fields.get(9).map(ToString::to_string)).flatten()
    })
}

/// Formats an address like the kernel: the four bytes as a number in native byte order.
fn hex(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let number = u32::from_ne_bytes(Ipv4Addr::octets(address.ip()));
    Some(format!("{number:08X}:{:04X}", address.port()))
}
