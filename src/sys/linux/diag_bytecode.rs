//! Compiles peer patterns into a filter that the kernel runs on each socket
//! (`INET_DIAG_REQ_BYTECODE` of `linux/inet_diag.h`).
//!
//! An instruction is `struct inet_diag_bc_op`: its code, and the distances to go on "yes" and "no".
//! A socket is returned if the program ends exactly at its end, so "no" in the last instruction
//! jumps beyond it. The kernel accepts only jumps to instructions that "yes" reaches.

use std::net::IpAddr;

use rustix::net::AddressFamily;

use crate::sys::peer_pattern::PeerPattern;

/// Always takes the "no" branch.
const INET_DIAG_BC_JMP: u8 = 1;
/// Compares the peer with the `struct inet_diag_hostcond` that follows.
const INET_DIAG_BC_D_COND: u8 = 8;

const OP_BYTES: usize = 4;

/// Returns a filter for sockets whose peer matches any of `peers`. The kernel also compares
/// IPv4-mapped IPv6 addresses with IPv4 patterns.
pub(super) fn bytecode(peers: &[PeerPattern]) -> Vec<u8> {
    let conditions: Vec<Vec<u8>> = peers.iter().map(host_condition).collect();
    // Built from the end, because each match jumps over everything after it.
    conditions.iter().rev().fold(Vec::new(), |rest, condition| {
        let length = OP_BYTES + condition.len();
        let mut program = op(INET_DIAG_BC_D_COND, length, length + OP_BYTES).to_vec();
        program.extend(condition);
        if !rest.is_empty() {
            program.extend(op(INET_DIAG_BC_JMP, OP_BYTES, OP_BYTES + rest.len()));
        }
        program.extend(rest);
        program
    })
}

fn op(code: u8, yes: usize, no: usize) -> [u8; OP_BYTES] {
    // The longest condition has 24 bytes, and there are few patterns. The kernel would reject a
    // longer program, which has invalid jumps.
    let yes = u8::try_from(yes).unwrap_or_default();
    let [low, high] = u16::try_from(no).unwrap_or_default().to_ne_bytes();
    [code, yes, low, high]
}

/// Builds a `struct inet_diag_hostcond`: family, prefix, port (-1 for all), address.
fn host_condition(peer: &PeerPattern) -> Vec<u8> {
    let (family, prefix, address) = match peer.network.map(|it| (it.address, it.prefix)) {
        None => (AddressFamily::UNSPEC, 0, Vec::new()),
        Some((IpAddr::V4(address), prefix)) => {
            (AddressFamily::INET, prefix, address.octets().to_vec())
        }
        Some((IpAddr::V6(address), prefix)) => {
            (AddressFamily::INET6, prefix, address.octets().to_vec())
        }
    };
    let mut condition = vec![u8::try_from(family.as_raw()).unwrap_or_default(), prefix, 0, 0];
    condition.extend(peer.port.map_or(-1, i32::from).to_ne_bytes());
    condition.extend(address);
    condition
}
