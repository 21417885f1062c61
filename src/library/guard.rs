//! The guard of a program that polls itself, without a separate monopoll process.

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

/// Holds an instance for this program: no other program that uses monopoll polls until it is
/// dropped.
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
/// Acquire the guard before polling. When [`lost`](Guard::lost) resolves, stop polling and finish
/// the updates received so far. Drop the guard once nothing polls anymore: that removes the record
/// and releases the lock within milliseconds.
///
/// # Guarantees
///
/// - [`acquire`](Guard::acquire) decides like `monopoll run` with the same configuration, so
///   programs with the library and bots under `run` follow the same rules.
/// - A process cannot have two guards of the same instance.
/// - Under a `monopoll run` of the same instance, the guard adopts that run's lock: nothing is
///   locked twice, and a drop releases nothing before the program ends. The run named in the
///   environment must be alive, be an ancestor of this process, and hold the lock.
/// - Dropping the future of `acquire` cancels the start promptly and leaves nothing behind.
/// - The kernel releases the lock no matter how the process ends. Children started with `exec`, as
///   [`std::process::Command`] does, do not inherit it.
/// - The guard installs no signal handler, changes no signal mask, and starts no child except that
///   of `[check]`. A single thread keeps the lock and sleeps until something happens.
///
/// # Requests
///
/// A newer start or `monopoll stop` sends a request through the lock folder. A *graceful* request
/// is acknowledged at once, and `lost` resolves. The requester continues as soon as the guard is
/// dropped, even if the program keeps running, and is refused if that takes longer than its plan
/// allows. This process is neither signaled nor killed, because a library cannot know what else its
/// program does.
///
/// A request with *force* resolves `lost` too, but is acknowledged only after everything is
/// released. If that takes more than two seconds, the requester kills this process, so `force` also
/// ends a program that hangs.
///
/// # Assumptions
///
/// Every process that runs this program's executable must acquire a guard before it polls. Such a
/// process is recognized by its ticket, never by a pattern or token, so that programs that start at
/// the same time do not mistake each other for unguarded pollers. A program that daemonizes must do
/// so before it acquires the guard, because the lock belongs to the process that took it.
#[derive(Debug)]
pub struct Guard {
    instance: Instance,
    lock: PathBuf,
    replies: watch::Receiver<GuardReply>,
    cancel: CancelHandle,
    /// Closed once everything is released; `None` if nothing waits for that.
    given_back: Option<Mutex<mpsc::Receiver<()>>>,
}

impl Guard {
    /// Ends other pollers or waits for them, as configured, and acquires the instance. Its name is
    /// `instance` of the configuration, else that of the `monopoll run` above, else `bot<id>` by
    /// the bot token.
    ///
    /// # Errors
    /// Fails if the policy says to leave another poller running (75, 77; 0 after a newer start), if
    /// the instance has no name (64), or if the lock cannot be used (73). Nothing is left behind.
    /// [`Error::status`] is the status to exit with.
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

    /// Returns the id of the held instance.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.instance.as_str()
    }

    /// Returns the lock file of the held instance, the first in `lock.paths`. A bot may store a
    /// file of its own at this path plus an extension, such as `.journal`: the next holder of the
    /// instance finds it there.
    #[must_use]
    pub fn lock_path(&self) -> &Path {
        &self.lock
    }

    /// Resolves when the instance is lost or should be released, at once if that has already
    /// happened. Never resolves after the guard is dropped.
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
            // The thread never sends. The error means that it has ended.
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
        // If the future was dropped, there is no receiver.
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
        // This thread drops the guard, and would otherwise wait for itself.
        unwanted.given_back = None;
    }
    held.hold(&poller, &reply, done);
}
