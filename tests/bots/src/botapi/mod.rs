//! A Bot API server for tests and demos, on 127.0.0.1 and a free port. It has a single bot,
//! generates updates, and records which processes poll and what becomes of each update.
//!
//! It treats two pollers like the published server: `queue.rs` has the rules, and
//! `tests/frameworks/botapi_server.rs` a test for each. Not implemented: `allowed_updates` does not
//! filter, webhooks are never called, uploads (multipart) are rejected, and sent messages reach no
//! one.
//!
//! **Pollers** are told apart by process. The client's end of a connection is looked up in
//! `/proc/net/tcp`, and its socket in `/proc/*/fd`, so this works for bots in any language on the
//! same machine and in the same network namespace. A process polls from the arrival of its first
//! `getUpdates` to the end of its last one (answered, or connection closed). Two processes that
//! alternate count as polling at the same time, even if neither ever gets a 409.
//!
//! **An update is processed** when the bot sends a message with the text `update N`, where N is its
//! number. It is *lost* if it was confirmed, by a higher offset, but never processed.

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

pub struct Telegram {
    pub token: String,
    pub queue: Queue,
    pub account: Account,
    pub files: HashMap<String, File>,
    /// The number of upcoming calls to answer with 429, and the seconds to wait.
    pub flood: (u32, u32),
    /// Upcoming calls of these methods (`file`: downloads) get these answers, oldest first.
    pub failures: VecDeque<(&'static str, u16, &'static str)>,
    pub messages: i64,
    /// The messages sent by the bot, oldest first.
    pub sent: Vec<Sent>,
}

/// A message sent by the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub chat: i64,
    /// The message that this one replies to.
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
        // Count first, because the answer may arrive before the next line runs.
        self.account.injected(id);
        self.queue.push(update);
        id
    }
}

/// The state shared by the connections.
pub type Shared = Arc<Mutex<Telegram>>;

/// A server that runs until it is dropped.
pub struct Server {
    address: SocketAddr,
    telegram: Shared,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The id that a group gets when it is upgraded.
    pub const SUPERGROUP: i64 = -1_000_000_000_777;

    /// Starts a server for the bot with this token.
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

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL, to use instead of Telegram's.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds an update of this kind and returns its number.
    pub fn inject(&self, kind: Kind) -> i64 {
        self.telegram().inject(kind)
    }

    /// Adds one update of each kind.
    pub fn inject_all(&self, kinds: &[Kind]) {
        for kind in kinds {
            self.inject(*kind);
        }
    }

    /// Adds the update that `update` creates for its number.
    pub fn inject_json(&self, update: impl FnOnce(i64) -> Value) -> i64 {
        let mut telegram = self.telegram();
        let id = telegram.queue.next_id();
        telegram.account.injected(id);
        telegram.queue.push(update(id));
        id
    }

    /// Returns the messages sent by the bot, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.telegram().sent.clone()
    }

    /// Adds updates of these kinds in turn at this rate, until the flow is dropped.
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

    /// Sets the file that `getFile` returns for this id.
    pub fn file(&self, id: &str, file: File) {
        self.telegram().files.insert(id.to_owned(), file);
    }

    /// Answers the next calls with 429 and this many seconds to wait.
    pub fn flood(&self, calls: u32, retry_after: u32) {
        self.telegram().flood = (calls, retry_after);
    }

    /// Answers the next call of this method (`file`: the next download) with this status and
    /// description.
    pub fn fail(&self, method: &'static str, status: u16, description: &'static str) {
        self.telegram().failures.push_back((method, status, description));
    }

    /// Returns the statistics so far.
    pub fn report(&self) -> Report {
        self.telegram().account.report(Instant::now())
    }

    /// Returns the start of the server, from which the times in the statistics count.
    pub fn began(&self) -> Instant {
        self.telegram().account.began()
    }

    fn telegram(&self) -> MutexGuard<'_, Telegram> {
        self.telegram.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both may have panicked, which has already been reported.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Keeps adding updates until it is dropped.
#[must_use]
pub struct Flow(AbortHandle);

impl Drop for Flow {
    fn drop(&mut self) {
        self.0.abort();
    }
}
