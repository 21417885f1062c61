//! Determines which processes are connected to the Bot API, by comparing their descriptors with the
//! sockets that lead there.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tracing::debug;

use crate::engine::fact::Fact;
use crate::engine::likeness::CommandLikeness;
use crate::engine::token::{CarriedTokens, MyToken};
use crate::scan::bot_api_peers::{BotApiPeers, name_a_proxy, proxies};
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_net_tcp::tcp_connections_by_file;
use crate::sys::linux::sock_diag::tcp_connections;
use crate::sys::peer_pattern::PeerPattern;

/// Processes with more open files are not examined.
const MAX_DESCRIPTORS: usize = 1 << 16;

/// Returns whether it matters if a process is connected: to tell a poller from a process that
/// merely has the token, or runs almost the same command.
pub(super) fn needs_connection(tokens: &CarriedTokens, likeness: Fact<CommandLikeness>) -> bool {
    let is_near = match likeness {
        Fact::Known(CommandLikeness::Near(_)) => true,
        Fact::Known(CommandLikeness::Same | CommandLikeness::Different) | Fact::Unknown => false,
    };
    is_near || matches!(tokens.mine, Fact::Known(MyToken::Seen(_)))
}

/// Returns the sockets of a user that lead to the Bot API, by inode; none if they cannot be
/// read. Resolves the name of the server only if there may be one.
pub(super) fn sockets_of_user(
    proc: &ProcFs,
    peers: &BotApiPeers,
    me: u32,
    uid: u32,
) -> BTreeSet<u64> {
    let patterns = peers.without_look_up();
    let mut found = tcp_connections(&patterns)
        .or_else(|_| tcp_connections_by_file(proc, me, &patterns))
        .unwrap_or_default();
    found.retain(|it| it.uid == uid);
    if !found.is_empty() {
        let servers = peers.patterns().unwrap_or_default();
        found.retain(|it| servers.iter().any(|server| server.matches(it.peer)));
    }
    found.iter().map(|it| it.inode).collect()
}

/// Returns the sockets that a process has open, by inode; those that cannot be read are missing.
pub(super) fn open_sockets(proc: &ProcFs, pid: u32) -> BTreeSet<u64> {
    let descriptors = proc.descriptors(pid).unwrap_or_default();
    let few = descriptors.iter().take(MAX_DESCRIPTORS);
    let inode = |descriptor| {
        proc.link(pid, &format!("fd/{descriptor}")).ok().and_then(|it| socket_inode(&it))
    };
    few.filter_map(inode).collect()
}

/// The connections to the Bot API. Sockets are read when first needed.
pub(super) struct Connections<'a> {
    proc: &'a ProcFs,
    peers: &'a BotApiPeers,
    me: u32,
    /// The sockets by network namespace; `None` if they cannot be read.
    sockets: BTreeMap<NetworkNamespace, Option<Sockets>>,
    /// True if this process itself may use a proxy.
    own_proxy: OnceCell<bool>,
}

/// A device and an inode.
type NetworkNamespace = (u64, u64);

/// The relevant sockets, by inode.
type Sockets = BTreeMap<u64, Destination>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    BotApi,
    Proxy,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Kernel,
    FileOf(u32),
}

impl<'a> Connections<'a> {
    pub(super) fn new(proc: &'a ProcFs, peers: &'a BotApiPeers, me: u32) -> Self {
        Connections { proc, peers, me, sockets: BTreeMap::new(), own_proxy: OnceCell::new() }
    }

    /// Returns whether a process is connected to the Bot API. "No" requires that all of its sockets
    /// were read, and that neither it nor this process seems to use a proxy.
    pub(super) fn is_connected(&mut self, pid: u32, environ: Option<&[u8]>) -> Fact<bool> {
        match self.destinations(pid) {
            Some(found) if found.bot_api => Fact::Known(true),
            Some(found) if !found.proxy && !self.may_use_proxy(environ) => Fact::Known(false),
            Some(_) | None => Fact::Unknown,
        }
    }

    /// Returns whether a process with this environment, or this process, may use a proxy. An
    /// unreadable environment may set one.
    fn may_use_proxy(&self, environ: Option<&[u8]>) -> bool {
        let own = || name_a_proxy(own_variables().iter().map(Vec::as_slice));
        environ.is_none_or(|environ| name_a_proxy(environ.split(|byte| *byte == 0)))
            || *self.own_proxy.get_or_init(own)
    }

    fn destinations(&mut self, pid: u32) -> Option<Destinations> {
        let namespace = self.network_namespace(pid)?;
        if !self.sockets.contains_key(&namespace) {
            let sockets = self.read_sockets(pid, namespace);
            self.sockets.insert(namespace, sockets);
        }
        destinations(self.proc, pid, self.sockets.get(&namespace)?.as_ref()?)
    }

    fn network_namespace(&self, pid: u32) -> Option<NetworkNamespace> {
        self.proc.file_behind(pid, "ns/net").ok()
    }

    fn read_sockets(&self, pid: u32, namespace: NetworkNamespace) -> Option<Sockets> {
        let servers = self.peers.patterns()?;
        if self.network_namespace(self.me) != Some(namespace) {
            return read_sockets(self.proc, Source::FileOf(pid), servers);
        }
        read_sockets(self.proc, Source::Kernel, servers)
            .or_else(|| read_sockets(self.proc, Source::FileOf(self.me), servers))
    }
}

fn read_sockets(proc: &ProcFs, source: Source, servers: &[PeerPattern]) -> Option<Sockets> {
    let patterns: Vec<PeerPattern> = servers.iter().copied().chain(proxies()).collect();
    let found = match source {
        Source::Kernel => tcp_connections(&patterns),
        Source::FileOf(pid) => tcp_connections_by_file(proc, pid, &patterns),
    };
    let found = found
        .inspect_err(|error| debug!(%error, ?source, "cannot read TCP connections: {error}"))
        .ok()?;
    let destination = |peer| {
        let is_server = servers.iter().any(|pattern| pattern.matches(peer));
        if is_server { Destination::BotApi } else { Destination::Proxy }
    };
    Some(found.iter().map(|it| (it.inode, destination(it.peer))).collect())
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Destinations {
    bot_api: bool,
    proxy: bool,
}

/// Returns the destinations of a process's descriptors, up to the first that is the Bot API; `None`
/// if some cannot be read.
fn destinations(proc: &ProcFs, pid: u32, sockets: &Sockets) -> Option<Destinations> {
    let descriptors = proc.descriptors(pid).ok()?;
    // A process whose first thread has ended shows no descriptors.
    if descriptors.is_empty() || descriptors.len() > MAX_DESCRIPTORS {
        return None;
    }
    let mut found = Destinations::default();
    let mut all_were_read = true;
    for descriptor in descriptors {
        match proc.link(pid, &format!("fd/{descriptor}")) {
            Ok(file) => match socket_inode(&file).and_then(|inode| sockets.get(&inode)) {
                Some(Destination::BotApi) => {
                    return Some(Destinations { bot_api: true, ..found });
                }
                Some(Destination::Proxy) => found.proxy = true,
                None => {}
            },
            // Closed in the meantime.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => all_were_read = false,
        }
    }
    all_were_read.then_some(found)
}

fn socket_inode(file: &Path) -> Option<u64> {
    let name = std::str::from_utf8(file.as_os_str().as_bytes()).ok()?;
    name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn own_variables() -> Vec<Vec<u8>> {
    let entry = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        [name.as_bytes(), b"=", value.as_bytes()].concat()
    };
    std::env::vars_os().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::OwnedFd;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with};
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    use super::*;
    use crate::sys::peer_pattern::Network;

    /// Both ends of a connection, or those that exist.
    type Ends = Vec<OwnedFd>;

    fn to(address: SocketAddr) -> PeerPattern {
        PeerPattern { network: Some(Network::of(address.ip())), port: Some(address.port()) }
    }

    fn bound(address: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn established(listen_on: &str) -> (Ends, SocketAddr) {
        let (listener, address) = bound(listen_on);
        let client = TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        (vec![listener.into(), client.into(), server.into()], address)
    }

    /// Connects an IPv6 socket to an IPv4 address.
    fn mapped() -> (Ends, SocketAddr) {
        let (listener, address) = bound("127.0.0.1:0");
        let client = socket_with(AddressFamily::INET6, SocketType::STREAM, CLOEXEC, None).unwrap();
        let mapped = format!("[::ffff:127.0.0.1]:{}", address.port());
        connect(&client, &mapped.parse::<SocketAddr>().unwrap()).unwrap();
        (vec![listener.into(), client], address)
    }

    /// Connects to a server with a full queue, so that the kernel drops the request.
    fn being_opened() -> (Ends, SocketAddr) {
        let server = socket_with(AddressFamily::INET, SocketType::STREAM, CLOEXEC, None).unwrap();
        bind(&server, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
        listen(&server, 0).unwrap();
        let address = TcpListener::from(server.try_clone().unwrap()).local_addr().unwrap();
        let mut sockets = vec![server];
        // The connections that fit into the queue are established; only the last one is pending.
        for _ in 0..3 {
            let flags = SocketFlags::NONBLOCK | CLOEXEC;
            let client = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
            let _ = connect(&client, &address);
            sockets.push(client);
        }
        let last = sockets.pop().unwrap();
        let error = connect(&last, &address).unwrap_err();
        assert_eq!(error, rustix::io::Errno::ALREADY, "it is still being opened");
        sockets.truncate(1);
        sockets.push(last);
        (sockets, address)
    }

    /// Closed only by the server.
    fn half_closed() -> (Ends, SocketAddr) {
        let (listener, address) = bound("127.0.0.1:0");
        let mut client = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        (vec![listener.into(), client.into()], address)
    }

    fn nothing_but_a_listener() -> (Ends, SocketAddr) {
        let (listener, address) = bound("127.0.0.1:0");
        (vec![listener.into()], address)
    }

    const CLOEXEC: SocketFlags = SocketFlags::CLOEXEC;

    const NOWHERE: Destinations = Destinations { bot_api: false, proxy: false };
    const BOT_API: Destinations = Destinations { bot_api: true, proxy: false };
    const PROXY: Destinations = Destinations { bot_api: false, proxy: true };

    #[test]
    fn the_kernel_and_the_files_show_the_same_connections() {
        type Case = (&'static str, (Ends, SocketAddr), fn(SocketAddr) -> PeerPattern);
        let (proc, me) = (ProcFs::open().unwrap(), std::process::id());
        let other_port = |it: SocketAddr| PeerPattern { port: Some(it.port() ^ 1), ..to(it) };
        let other_host = |it: SocketAddr| {
            let network = Some(Network::v4([127, 0, 0, 2], 32));
            PeerPattern { network, ..to(it) }
        };
        let its_network = |it: SocketAddr| {
            let network = Some(Network::v4([127, 99, 0, 0], 16));
            PeerPattern { network, ..to(it) }
        };
        let cases: [(Case, Destinations); 10] = [
            (("IPv4", established("127.0.0.1:0"), to), BOT_API),
            (("IPv6", established("[::1]:0"), to), BOT_API),
            (("IPv4 in IPv6", mapped(), to), BOT_API),
            (("being opened", being_opened(), to), BOT_API),
            (("a network", established("127.99.3.4:0"), its_network), BOT_API),
            (("half closed", half_closed(), to), NOWHERE),
            (("only listening", nothing_but_a_listener(), to), NOWHERE),
            (("another port", established("127.0.0.1:0"), other_port), NOWHERE),
            (("another host", established("127.0.0.1:0"), other_host), NOWHERE),
            (("IPv6, asked for IPv4", established("[::1]:0"), other_host), NOWHERE),
        ];
        for source in [Source::Kernel, Source::FileOf(me)] {
            for ((name, (_sockets, address), pattern), expected) in &cases {
                let sockets = read_sockets(&proc, source, &[pattern(*address)]).unwrap();
                let found = destinations(&proc, me, &sockets).unwrap();
                assert_eq!(found.bot_api, expected.bot_api, "{name} by {source:?}");
            }
        }
        // No other test uses this address and port.
        let _proxied = established("127.99.0.1:9150");
        for source in [Source::Kernel, Source::FileOf(me)] {
            let nobody = to("192.0.2.1:1".parse().unwrap());
            let sockets = read_sockets(&proc, source, &[nobody]).unwrap();
            assert_eq!(destinations(&proc, me, &sockets), Some(PROXY), "by {source:?}");
            let by_proxy = to("127.99.0.1:9150".parse().unwrap());
            let sockets = read_sockets(&proc, source, &[by_proxy]).unwrap();
            assert_eq!(destinations(&proc, me, &sockets), Some(BOT_API), "by {source:?}");
        }
    }

    #[test]
    fn descriptors_that_cannot_be_read_lead_nowhere_known() {
        let proc = ProcFs::open().unwrap();
        let none = BTreeMap::new();
        assert_eq!(destinations(&proc, std::process::id(), &none), Some(NOWHERE));
        // Neither a zombie nor a process whose first thread has ended has descriptors.
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let it = WaitId::Pid(Pid::from_child(&ended));
        waitid(it, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        for nobody in [ended.id(), u32::MAX] {
            assert_eq!(destinations(&proc, nobody, &none), None);
        }
        ended.wait().unwrap();
    }

    #[test]
    fn only_a_process_with_my_token_and_a_near_miss_need_their_connections_read() {
        use crate::engine::likeness::CommandDifference;
        use crate::engine::token::TokenPlace;
        let tokens = |mine| CarriedTokens { mine, ..CarriedTokens::default() };
        let (other, near) = (
            Fact::Known(CommandLikeness::Different),
            Fact::Known(CommandLikeness::Near(CommandDifference::OtherFolder)),
        );
        for (mine, likeness, expected) in [
            (Fact::Known(MyToken::Seen(TokenPlace::Environment)), other, true),
            (Fact::Known(MyToken::Seen(TokenPlace::CommandLine)), other, true),
            (Fact::Known(MyToken::NotSeen), near, true),
            (Fact::Known(MyToken::NotSeen), other, false),
            (Fact::Known(MyToken::NotLookedFor), other, false),
            (Fact::Unknown, Fact::Unknown, false),
        ] {
            assert_eq!(needs_connection(&tokens(mine), likeness), expected, "{mine:?}");
        }
    }

    #[test]
    fn only_sockets_have_the_inode_of_one() {
        for (file, expected) in [
            ("socket:[4711]", Some(4711)),
            ("pipe:[4711]", None),
            ("/tmp/socket:[4711]", None),
            ("socket:[x]", None),
        ] {
            assert_eq!(socket_inode(Path::new(file)), expected, "{file}");
        }
    }
}
