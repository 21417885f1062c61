//! The guard of a program that has the library in it: the program itself is the poller, and no
//! process of ours runs next to it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::engine::instance::Instance;
use crate::error::{Error, ExitStatus};
use crate::library::adopt_or_start;
use crate::library::guard_thread::GuardReply;
use crate::library::lost::Lost;
use crate::scan::cannot_scan;
use crate::sys::machine::poll::{CancelHandle, Poller};

/// Holds an instance for this program: while it lives, no other program that uses monopoll polls.
///
/// ```no_run
/// # async fn poll_until_it_ends() {}
/// # async fn bot() -> Result<(), monopoll::Error> {
/// let config = monopoll::Config::load(&monopoll::Sources::from_process()?)?;
/// let guard = monopoll::Guard::acquire(&config).await?;
/// tokio::select! {
///     () = poll_until_it_ends() => {}
///     lost = guard.lost() => eprintln!("standing down: {lost}"),
/// }
/// drop(guard);
/// # Ok(())
/// # }
/// ```
///
/// # Expected flow
///
/// Acquire it before polling starts. When [`lost`](Guard::lost) resolves, stop polling and finish
/// the updates that were taken. Drop it when nothing polls any more: that removes the record,
/// releases the lock, and returns within milliseconds.
///
/// # Guarantees
///
/// - [`acquire`](Guard::acquire) decides as `monopoll run` does, by the same configuration, so
///   programs with the library and bots under `run` follow the same rules.
/// - A second guard of the same instance in one process is refused.
/// - Under a `monopoll run` of the same instance it adopts that guard: nothing is taken twice, and
///   dropping it gives nothing back before the program ends. The guard that the environment names
///   must live, be above this process, and have the lock.
/// - Dropping the future of `acquire` cancels it, within moments and without leftovers.
/// - The kernel frees the lock however the process ends. Children that are started with `exec`, as
///   by [`std::process::Command`], do not inherit it.
/// - No signal handler, no signal mask, and no child but that of `[check]`. One thread keeps the
///   lock; it sleeps until something happens.
///
/// # Requests
///
/// A newer start, or `monopoll stop`, sends a request through the lock folder. A *graceful* one is
/// acknowledged at once, and `lost` resolves; this process is not signaled, however long it takes.
/// The requester continues as soon as the guard is dropped, also where the program itself lives on,
/// and is refused where that takes longer than its plan allows. Nothing is killed then: a library
/// cannot know what else its program does.
///
/// After a request with *force*, `lost` resolves too, but the acknowledgement comes only when
/// everything has been released. If that takes more than two seconds, the requester kills this
/// process: `force` ends a program that hangs.
///
/// # Assumptions
///
/// Every process that runs this program's own executable acquires a guard before it polls: it is
/// recognized by its ticket, never by pattern or token, so that programs that start at the same
/// moment do not take each other for pollers without a guard. A program that daemonizes does so
/// before it acquires the guard: the lock belongs to the process that took it.
#[derive(Debug)]
pub struct Guard {
    instance: Instance,
    lock: PathBuf,
    replies: watch::Receiver<GuardReply>,
    cancel: CancelHandle,
    /// Closed when everything was released; `None` where nothing waits for that.
    given_back: Option<Mutex<mpsc::Receiver<()>>>,
}

impl Guard {
    /// Ends or waits for other pollers as `config` says, and acquires the instance: `instance` of
    /// the configuration, else the one of the `monopoll run` above, else `bot<id>` by the bot's
    /// token.
    ///
    /// # Errors
    /// Another process polls and the policy says to leave it (75, 77; 0 after a newer start), no
    /// instance is named (64), or the lock cannot be used (73). Nothing is left behind then.
    /// [`Error::status`] is what the program should exit with.
    pub async fn acquire(config: &Config) -> Result<Guard, Error> {
        let (poller, cancel) = Poller::with_cancel().map_err(cannot_scan)?;
        let (answer, answered) = oneshot::channel();
        let (config, its_cancel) = (config.clone(), cancel.clone());
        thread::Builder::new()
            .name("monopoll".to_owned())
            .spawn(move || run_guard_thread(&config, poller, its_cancel, answer))
            .map_err(|error| {
                Error::new(ExitStatus::Fault, format!("cannot start a thread: {error}"))
            })?;
        let mut cancel_on_drop = CancelOnDrop(Some(cancel));
        let acquired = answered.await;
        cancel_on_drop.0 = None;
        acquired.unwrap_or_else(|_| {
            Err(Error::new(ExitStatus::Fault, "the thread that acquires the guard has panicked"))
        })
    }

    /// The id of the held instance.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.instance.as_str()
    }

    /// The lock file of the held instance, the first of `lock.paths` in their order. A bot may keep
    /// a file of its own at this path with an extension added, such as `.journal`: the next holder
    /// of the instance finds it there.
    #[must_use]
    pub fn lock_path(&self) -> &Path {
        &self.lock
    }

    /// Resolves when the instance is no longer held, or is to be released; at once if that has
    /// happened already. It never resolves after the guard was dropped.
    pub fn lost(&self) -> impl Future<Output = Lost> + Send + Sync + use<> {
        let mut replies = self.replies.clone();
        async move {
            let reply =
                replies.wait_for(|reply| *reply != GuardReply::Held).await.map(|reply| *reply);
            match reply {
                Ok(GuardReply::Lost(lost)) => lost,
                Ok(GuardReply::Held | GuardReply::GivenBack) => std::future::pending().await,
                Err(_) => Lost::Unwatched,
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(given_back) = self.given_back.take() {
            // The thread sends nothing; the error says that it has ended.
            let _ = given_back.into_inner().unwrap_or_else(PoisonError::into_inner).recv();
        }
    }
}

struct CancelOnDrop(Option<CancelHandle>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.cancel();
        }
    }
}

fn run_guard_thread(
    config: &Config,
    poller: Poller,
    cancel: CancelHandle,
    answer: oneshot::Sender<Result<Guard, Error>>,
) {
    let (held, poller) = match adopt_or_start::adopt_or_start(config, poller) {
        Ok(acquired) => acquired,
        // Where it was cancelled, nothing receives this.
        Err(error) => return drop(answer.send(Err(error))),
    };
    let (reply, replies) = watch::channel(GuardReply::Held);
    let (done, given_back) = mpsc::channel();
    let guard = Guard {
        instance: held.instance().clone(),
        lock: held.lock_path().to_owned(),
        replies,
        cancel,
        given_back: Some(Mutex::new(given_back)),
    };
    if let Err(Ok(mut unwanted)) = answer.send(Ok(guard)) {
        // This thread drops the guard, and cannot wait for itself.
        unwanted.given_back = None;
    }
    held.hold(&poller, &reply, done);
}
