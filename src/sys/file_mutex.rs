//! A lock that children do not inherit: fslock on a file that was opened without following links.
//!
//! Waiters are in the kernel's queue, so a release wakes only the first one.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use fslock::LockFile;

use crate::sys::clock;
use crate::sys::file_id::is_in_place;
use crate::sys::machine::poll::{Poller, WakePipe};
use crate::sys::wake::Interrupted;

pub struct FileMutex {
    lock: LockFile,
    file: File,
    path: PathBuf,
}

/// The pauses before retries after a close, which the kernel reports just before it releases the
/// lock.
pub(crate) const RELEASE_PAUSES: [Duration; 5] = [
    Duration::from_micros(50),
    Duration::from_micros(150),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitDecision {
    /// Keep waiting, and ask again at this time at the latest.
    WaitUntil(Duration),
    GiveUp,
}

pub enum WaitEnd {
    Locked(FileMutex),
    TimedOut,
    GaveUp,
    Signal(u8),
}

impl FileMutex {
    pub(crate) fn open(file: File, path: &Path) -> io::Result<FileMutex> {
        Ok(FileMutex { lock: LockFile::open(&path_of(&file, path))?, file, path: path.to_owned() })
    }

    /// Returns whether the file is still at its path. A deleted or replaced file excludes no one.
    pub(crate) fn is_in_place(&self) -> bool {
        is_in_place(&self.file, &self.path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tries once. The inner `Err` gives the file back: another start has the lock.
    pub fn try_lock(mut self) -> io::Result<Result<FileMutex, FileMutex>> {
        Ok(if self.lock.try_lock()? { Ok(self) } else { Err(self) })
    }

    /// Waits for the lock; `None` after the timeout.
    pub(crate) fn wait(self, timeout: Duration) -> io::Result<Option<FileMutex>> {
        let until = clock::monotonic().saturating_add(timeout);
        let waited =
            self.wait_until(Some(until), None, &mut |_| WaitDecision::WaitUntil(Duration::MAX))?;
        Ok(if let WaitEnd::Locked(locked) = waited { Some(locked) } else { None })
    }

    /// Waits until the mutex is locked, the time is over (`None`: never), or a signal ends the
    /// start. `decide` is called with the time as soon as waiting is necessary, and then at the
    /// times that it returns.
    pub(crate) fn wait_until(
        self,
        until: Option<Duration>,
        poller: Option<&Poller>,
        decide: &mut dyn FnMut(Duration) -> WaitDecision,
    ) -> io::Result<WaitEnd> {
        let FileMutex { lock, file, path } = match self.try_lock()? {
            Ok(locked) => return Ok(WaitEnd::Locked(locked)),
            Err(other) => other,
        };
        let mut next = |now| match until.filter(|until| now >= *until) {
            Some(_) => Err(WaitEnd::TimedOut),
            None => match decide(now) {
                WaitDecision::WaitUntil(again) => Ok(until.map_or(again, |until| until.min(again))),
                WaitDecision::GiveUp => Err(WaitEnd::GaveUp),
            },
        };
        let mut at = match next(clock::monotonic()) {
            Ok(at) => at,
            Err(end) => return Ok(end),
        };
        let queued = QueuedWait::start(lock)?;
        loop {
            match Poller::sleep_on_pipe(poller, &queued.pipe, at) {
                Err(Interrupted(signal)) => return Ok(WaitEnd::Signal(signal)),
                Ok(true) => {
                    return Ok(WaitEnd::Locked(FileMutex { lock: queued.take()?, file, path }));
                }
                Ok(false) => {}
            }
            at = match next(clock::monotonic()) {
                Ok(at) => at,
                Err(end) => return Ok(end),
            };
        }
    }
}

/// Returns a path that cannot become a link, because fslock opens the file again.
#[cfg(target_os = "linux")]
fn path_of(file: &File, _path: &Path) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Returns the path itself. Its folder was checked when the file was opened.
#[cfg(not(target_os = "linux"))]
fn path_of(_file: &File, path: &Path) -> PathBuf {
    path.to_owned()
}

/// A place in the kernel's queue. A thread waits there, because only a signal ends that wait early.
/// If the waiter gives up, the thread releases the lock as soon as it gets it.
struct QueuedWait {
    pipe: WakePipe,
    locked: Receiver<io::Result<LockFile>>,
}

impl QueuedWait {
    fn start(mut lock: LockFile) -> io::Result<QueuedWait> {
        let (pipe, wake_on_drop) = WakePipe::new()?;
        let (send, locked) = mpsc::sync_channel(1);
        thread::Builder::new().name("queue".to_owned()).spawn(move || {
            let result = loop {
                match lock.lock() {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result,
                }
            };
            // If nobody receives the lock, it is dropped and thereby released.
            let _ = send.send(result.map(|()| lock));
            drop(wake_on_drop);
        })?;
        Ok(QueuedWait { pipe, locked })
    }

    fn take(&self) -> io::Result<LockFile> {
        self.locked.recv().map_err(|_| io::Error::other("waiting for the lock failed"))?
    }
}
