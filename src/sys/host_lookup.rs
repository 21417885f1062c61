//! Looks up the addresses of a host, in bounded time.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Returns the addresses of a host; `None` if they cannot be found within `limit`. The look-up has
/// no limit of its own: its thread is left behind then, and ends by itself.
pub(crate) fn addresses(host: &str, limit: Duration) -> Option<Vec<IpAddr>> {
    let (send, found) = mpsc::sync_channel(1);
    let host = host.to_owned();
    let look_up = move || {
        let addresses = (host.as_str(), 0).to_socket_addrs();
        // The caller may have given up meanwhile.
        let _ = send.send(addresses.map(|all| all.map(|it| it.ip()).collect::<Vec<_>>()));
    };
    thread::Builder::new().name("look up".to_owned()).spawn(look_up).ok()?;
    let addresses = found.recv_timeout(limit).ok()?.ok()?;
    (!addresses.is_empty()).then_some(addresses)
}
