//! A Bot API server for tests and demos, on 127.0.0.1 and a port that the system picks: it has one
//! bot, invents updates for it, and keeps account of who polled when and what became of each
//! update.
//!
//! What it does about two pollers is what the published server does: `queue.rs` has the rules,
//! `tests/frameworks/botapi_server.rs` a test for each. What it leaves out: `allowed_updates` does
//! not filter, a webhook's URL is never called, uploads (multipart) are refused, and a message that
//! is sent reaches nobody.
//!
//! **Who polls** is told by process. The client's end of a connection is looked up in
//! `/proc/net/tcp`, its socket in `/proc/*/fd`; so it works for any bot in any language on this
//! machine and in this network namespace. A process polls from the arrival of its first
//! `getUpdates` to the end of its last one (answered, or its connection closed): two that take
//! turns count as two at once, although neither may ever see a 409.
//!
//! **An update is processed** when the bot sends a message whose text is `update N`, with N its
//! number. It is *lost* when it was confirmed, by an offset above it, and never processed.

mod account;
mod http;
mod methods;
mod parameters;
mod peer;
pub mod queue;
mod updates;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

pub use account::{Account, Report};
use queue::Queue;
pub use updates::{File, Kind};

/// Everything that the server knows.
pub struct Telegram {
    pub token: String,
    pub queue: Queue,
    pub account: Account,
    pub files: HashMap<String, File>,
    /// So many calls from now are answered 429, to be tried again after so many seconds.
    pub flood: (u32, u32),
    /// Calls of these methods (`file`: downloads) are answered so next, oldest first.
    pub failures: VecDeque<(&'static str, u16, &'static str)>,
    pub messages: i64,
    /// What the bot has sent, oldest first.
    pub sent: Vec<Sent>,
}

/// A message that the bot has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub chat: i64,
    /// The message that it answers.
    pub reply_to: Option<i64>,
    pub topic: Option<i64>,
    pub text: String,
}

impl Telegram {
    fn new(token: &str) -> Telegram {
        Telegram {
            token: token.to_owned(),
            queue: Queue::default(),
            account: Account::new(Instant::now()),
            files: HashMap::new(),
            flood: (0, 0),
            failures: VecDeque::new(),
            messages: 0,
            sent: Vec::new(),
        }
    }

    fn inject(&mut self, kind: Kind) -> i64 {
        let id = self.queue.next_id();
        let (update, file) = kind.update(id);
        self.files.extend(file);
        // Counted first: its answer may be on its way before the next line.
        self.account.injected(id);
        self.queue.push(update);
        id
    }
}

/// What the connections share.
pub type Shared = Arc<Mutex<Telegram>>;

/// A server that runs until this is dropped.
pub struct Server {
    address: SocketAddr,
    telegram: Shared,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// What a group becomes that is upgraded.
    pub const SUPERGROUP: i64 = -1_000_000_000_777;

    /// A server for the bot with this token.
    pub fn start(token: &str) -> Server {
        let telegram = Arc::new(Mutex::new(Telegram::new(token)));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let shared = telegram.clone();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = http::serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Server { address, telegram, handle, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a bot is told instead of Telegram's own address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An update of this kind arrives; its number.
    pub fn inject(&self, kind: Kind) -> i64 {
        self.telegram().inject(kind)
    }

    /// One update of each of these kinds arrives.
    pub fn inject_all(&self, kinds: &[Kind]) {
        for kind in kinds {
            self.inject(*kind);
        }
    }

    /// This update arrives, made for the number that it is given.
    pub fn inject_json(&self, update: impl FnOnce(i64) -> Value) -> i64 {
        let mut telegram = self.telegram();
        let id = telegram.queue.next_id();
        telegram.account.injected(id);
        telegram.queue.push(update(id));
        id
    }

    /// What the bot has sent, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.telegram().sent.clone()
    }

    /// So many updates a second arrive from now on, of these kinds in turn, until the flow is
    /// dropped.
    pub fn flow(&self, each_second: f64, kinds: &'static [Kind]) -> Flow {
        let telegram = self.telegram.clone();
        let task = self.handle.spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / each_second));
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for kind in kinds.iter().cycle() {
                tick.tick().await;
                telegram.lock().unwrap().inject(*kind);
            }
        });
        Flow(task.abort_handle())
    }

    /// What `getFile` gives for this file.
    pub fn file(&self, id: &str, file: File) {
        self.telegram().files.insert(id.to_owned(), file);
    }

    /// The next calls are answered 429, each with this many seconds to wait.
    pub fn flood(&self, calls: u32, retry_after: u32) {
        self.telegram().flood = (calls, retry_after);
    }

    /// The next call of this method (`file`: the next download) is answered with this status and
    /// description.
    pub fn fail(&self, method: &'static str, status: u16, description: &'static str) {
        self.telegram().failures.push_back((method, status, description));
    }

    /// The account up to now.
    pub fn report(&self) -> Report {
        self.telegram().account.report(Instant::now())
    }

    /// When the server began: what the account's times are counted from.
    pub fn began(&self) -> Instant {
        self.telegram().account.began()
    }

    fn telegram(&self) -> MutexGuard<'_, Telegram> {
        self.telegram.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both may have ended by a panic of their own, which is reported where it happened.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Updates that go on arriving until this is dropped.
#[must_use]
pub struct Flow(AbortHandle);

impl Drop for Flow {
    fn drop(&mut self) {
        self.0.abort();
    }
}
