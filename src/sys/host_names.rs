//! The name of this host, and the addresses of other hosts.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[cfg(unix)]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(windows)]
pub fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// Returns the addresses of a host; `None` if they cannot be resolved within `limit`. The system
/// call has no timeout, so its thread is left behind and ends by itself.
pub(crate) fn addresses(host: &str, limit: Duration) -> Option<Vec<IpAddr>> {
    let (send, found) = mpsc::sync_channel(1);
    let host = host.to_owned();
    let look_up = move || {
        let addresses = (host.as_str(), 0).to_socket_addrs();
        // The caller may have given up.
        let _ = send.send(addresses.map(|all| all.map(|it| it.ip()).collect::<Vec<_>>()));
    };
    thread::Builder::new().name("look up".to_owned()).spawn(look_up).ok()?;
    let addresses = found.recv_timeout(limit).ok()?.ok()?;
    (!addresses.is_empty()).then_some(addresses)
}
