//! A lock that nobody inherits: fslock on a file that we opened safely ourselves, so that it
//! follows no link.
//!
//! Whoever has to wait for it stands in the kernel's queue: a lock that is let go wakes one, the
//! first.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use fslock::LockFile;

use crate::sys::{
    clock,
    file_id::still_lies,
    machine::{
        poll::{Poller, Wake},
        wake_pipe::WakePipe,
    },
};

/// The lock on a counter, a turnstile or a queue; it goes when this does.
#[derive(Debug)]
pub(crate) struct FileMutex {
    lock: LockFile,
    file: File,
    path: PathBuf,
}

/// The kernel tells of a close just before it lets the lock go: how long to wait for that.
pub(crate) const AFTER_A_CLOSE: [Duration; 5] = [
    Duration::from_micros(50),
    Duration::from_micros(150),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
];

/// What whoever waits for a lock wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitUntil {
    /// It, and to be asked again at this time at the latest.
    Until(Duration),
    /// Nothing any more.
    Enough,
}

/// How a wait for a lock ended.
#[derive(Debug)]
pub(crate) enum WaitEnd {
    Locked(FileMutex),
    TooLong,
    /// It is not wanted any more.
    Enough,
    Signal(u8),
}

impl FileMutex {
    /// A lock on the file that is open here, and is at `path`.
    ///
    /// # Errors
    /// As open(2).
    pub(crate) fn open(file: File, path: &Path) -> io::Result<FileMutex> {
        Ok(FileMutex { lock: LockFile::open(&path_of(&file, path))?, file, path: path.to_owned() })
    }

    /// Whether its file still lies where it was opened: one that was deleted or replaced keeps
    /// nobody out.
    pub(crate) fn is_in_place(&self) -> bool {
        still_lies(&self.file, &self.path)
    }

    /// Waits so long at most; `None`: it was too long.
    ///
    /// # Errors
    /// As flock(2).
    pub(crate) fn wait(self, patience: Duration) -> io::Result<Option<FileMutex>> {
        let until = clock::patience().saturating_add(patience);
        let waited =
            self.wait_until(Some(until), None, &mut |_| WaitUntil::Until(Duration::MAX))?;
        Ok(if let WaitEnd::Locked(locked) = waited { Some(locked) } else { None })
    }

    /// Waits until it is had, the time is over (`None`: never), or a signal arrives. `still` is
    /// told what time it is as soon as it has to be waited for, and then whenever it asked to be.
    ///
    /// # Errors
    /// As flock(2); there is no thread to be had.
    pub(crate) fn wait_until(
        mut self,
        until: Option<Duration>,
        alarm: Option<&Poller>,
        still: &mut dyn FnMut(Duration) -> WaitUntil,
    ) -> io::Result<WaitEnd> {
        if self.lock.try_lock()? {
            return Ok(WaitEnd::Locked(self));
        }
        let mut next = |now| match until.filter(|until| now >= *until) {
            Some(_) => Err(WaitEnd::TooLong),
            None => match still(now) {
                WaitUntil::Until(again) => Ok(until.map_or(again, |until| until.min(again))),
                WaitUntil::Enough => Err(WaitEnd::Enough),
            },
        };
        let mut at = match next(clock::patience()) {
            Ok(at) => at,
            Err(over) => return Ok(over),
        };
        let FileMutex { lock, file, path } = self;
        let queued = QueuedWait::behind_others(lock)?;
        loop {
            match Poller::listen(alarm, &queued.bell, at) {
                Wake::Signal(signal) => return Ok(WaitEnd::Signal(signal)),
                Wake::Told => {
                    return Ok(WaitEnd::Locked(FileMutex { lock: queued.its_turn()?, file, path }));
                }
                Wake::Ended | Wake::Late => {}
            }
            at = match next(clock::patience()) {
                Ok(at) => at,
                Err(over) => return Ok(over),
            };
        }
    }
}

/// An open file by a path that cannot become a link: fslock opens this very file again.
#[cfg(target_os = "linux")]
fn path_of(file: &File, _path: &Path) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// An open file by its path: the folder was checked to be safe when it was opened.
#[cfg(not(target_os = "linux"))]
fn path_of(_file: &File, path: &Path) -> PathBuf {
    path.to_owned()
}

/// A place in the kernel's queue. A thread stands there, as nothing but a signal ends that wait
/// before its time: where the lock is not wanted any more, the thread lets it go as soon as it has
/// it.
struct QueuedWait {
    bell: WakePipe,
    locked: Receiver<io::Result<LockFile>>,
}

impl QueuedWait {
    fn behind_others(mut lock: LockFile) -> io::Result<QueuedWait> {
        let (bell, ringer) = WakePipe::hang()?;
        let (send, locked) = mpsc::sync_channel(1);
        thread::Builder::new().name("queue".to_owned()).spawn(move || {
            let had = loop {
                match lock.lock() {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    had => break had,
                }
            };
            // A lock that nobody receives is dropped, and with that let go.
            let _ = send.send(had.map(|()| lock));
            drop(ringer);
        })?;
        Ok(QueuedWait { bell, locked })
    }

    fn its_turn(&self) -> io::Result<LockFile> {
        self.locked.recv().map_err(|_| io::Error::other("the wait for a lock failed"))?
    }
}
