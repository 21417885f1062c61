//! A lock that nobody inherits: fslock on a file that we opened safely ourselves, so that it follows no link.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use fslock::LockFile;

use super::{
    clock,
    machine::{
        self,
        wait::{Alarm, Wake},
        watch::Watch,
    },
};

/// The lock on a counter or a turnstile; it goes when this does.
#[derive(Debug)]
pub struct Unshared {
    lock: LockFile,
    path: PathBuf,
    /// Each close wakes whoever waits: it stays open as long as the lock does.
    file: File,
    /// Kept from one wait to the next.
    watch: Option<Watch>,
}

/// The kernel tells of a close just before it lets the lock go: how long to wait for that.
pub(crate) const AFTER_A_CLOSE: [Duration; 5] =
    [Duration::from_micros(50), Duration::from_micros(150), Duration::from_millis(1), Duration::from_millis(5), Duration::from_millis(25)];

/// The same for a lock that is let go before it is closed, but where its holder dies: many may wait for it, and a try costs each.
const AFTER_A_HOLDERS_DEATH: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(25)];

/// What whoever waits for a lock wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Still {
    /// It, and to be asked again at this time at the latest.
    Until(Duration),
    /// Nothing any more.
    Enough,
}

impl Unshared {
    /// A lock on the file that is open here, and is at `path`.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(file: File, path: &Path) -> std::io::Result<Unshared> {
        Ok(Unshared { lock: LockFile::open(&machine::path_of(&file, path))?, path: path.to_owned(), file, watch: None })
    }

    /// The file, for whoever asks whether it still lies there.
    pub(crate) fn as_file(&self) -> &File {
        &self.file
    }

    /// One try.
    ///
    /// # Errors
    /// As flock(2).
    pub fn try_lock(&mut self) -> std::io::Result<bool> {
        self.lock.owns_lock().then_some(true).map_or_else(|| self.lock.try_lock(), Ok)
    }

    /// Tries until it is had or the time is over.
    ///
    /// # Errors
    /// As flock(2).
    pub fn wait(&mut self, patience: Duration) -> std::io::Result<bool> {
        let until = clock::patience().saturating_add(patience);
        self.wait_until(Some(until), None, &mut |_| Still::Until(Duration::MAX)).map(|waited| waited == Waited::Locked)
    }

    /// Tries until it is had, the time is over (`None`: never), or a signal arrives. `still` is told what time it is whenever
    /// it has to be waited for, and whenever that was in vain again.
    pub(crate) fn wait_until(
        &mut self,
        until: Option<Duration>,
        alarm: Option<&Alarm>,
        still: &mut dyn FnMut(Duration) -> Still,
    ) -> std::io::Result<Waited> {
        if self.try_lock()? {
            return Ok(Waited::Locked);
        }
        let path = &self.path;
        if let Some(watch) = &self.watch {
            watch.drain();
        }
        let watch = self.watch.get_or_insert_with(|| {
            let mut watch = Watch::new();
            watch.closes_of(path);
            watch
        });
        let mut tries = AFTER_A_HOLDERS_DEATH.iter();
        loop {
            // Watching came first: a close between the last try and now has been told.
            if self.lock.try_lock()? {
                return Ok(Waited::Locked);
            }
            let now = clock::patience();
            let next = tries.next().map(|pause| now + *pause);
            let Still::Until(again) = still(now) else { return Ok(Waited::Enough) };
            let again = Some(again).filter(|again| *again < Duration::MAX);
            let at = [next, until, again].into_iter().flatten().min();
            match Alarm::sleep(alarm, Some(watch), &[], at) {
                Wake::Signal(signal) => return Ok(Waited::Signal(signal)),
                Wake::Told => {
                    watch.drain();
                    tries = AFTER_A_HOLDERS_DEATH.iter();
                }
                Wake::Ended | Wake::Late => {}
            }
            if until.is_some_and(|until| clock::patience() >= until) {
                return Ok(if self.lock.try_lock()? { Waited::Locked } else { Waited::TooLong });
            }
        }
    }
}

/// How a wait for a lock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    Locked,
    TooLong,
    /// It is not wanted any more.
    Enough,
    Signal(u8),
}
