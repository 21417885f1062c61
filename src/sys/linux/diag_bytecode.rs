//! Compiles patterns for peers into the filter that the kernel runs on each socket
//! (`INET_DIAG_REQ_BYTECODE` of `linux/inet_diag.h`).
//!
//! An instruction is `struct inet_diag_bc_op`: its code, then how far to go on "yes" and on "no". A
//! socket is returned if the program ends exactly at its end, so that "no" in the last instruction
//! jumps beyond it. The kernel accepts only jumps to instructions on the path of "yes".

use std::net::IpAddr;

use rustix::net::AddressFamily;

use crate::sys::peer_pattern::PeerPattern;

/// Goes on at "no", always.
const INET_DIAG_BC_JMP: u8 = 1;
/// Compares the peer with the `struct inet_diag_hostcond` that follows.
const INET_DIAG_BC_D_COND: u8 = 8;

const OP_BYTES: usize = 4;

/// Returns a filter that lets pass the sockets whose peer any of `peers` matches. The kernel
/// compares an IPv4 address in IPv6 notation with the patterns for IPv4.
pub(super) fn bytecode(peers: &[PeerPattern]) -> Vec<u8> {
    let conditions: Vec<Vec<u8>> = peers.iter().map(host_condition).collect();
    // Built from its end, as each match jumps over all that follows it.
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
    // The longest condition has 24 bytes, and the list of patterns is a short one: a longer program
    // jumps nowhere and is refused by the kernel.
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
