//! Being told that files change: inotify, and a patient second look where the system has no more of
//! it.

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::Duration,
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::sys::UNFINISHED;

/// How often to look without the kernel's word (its limit on inotify instances is reached).
const BLIND: Duration = Duration::from_millis(50);

/// A set of files that are watched.
#[derive(Debug)]
pub struct FileWatch(Option<Inotify>);

impl FileWatch {
    /// Watches nothing yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it opens a descriptor")]
    pub fn new() -> FileWatch {
        FileWatch(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok())
    }

    /// Tells when anybody closes this file: the moment at which its lock may go.
    pub(crate) fn closes_of(&mut self, file: &Path) {
        self.add(file, AddWatchFlags::IN_CLOSE);
    }

    /// Tells when files are put into these folders or taken out of them, and when one is itself
    /// moved away.
    pub(crate) fn changes_in(&mut self, folders: &[&Path]) {
        let gone = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        // With a folder moves everything below it. One that may not be read cannot be watched, and
        // seldom moves. These come first: the last word about a folder counts.
        let above = folders
            .iter()
            .flat_map(|folder| folder.ancestors().skip(1))
            .filter(|above| above.parent().is_some());
        for above in above {
            let _ = self.0.as_ref().map(|inotify| inotify.add_watch(above, gone));
        }
        for folder in folders {
            self.add(
                folder,
                AddWatchFlags::IN_MOVED_TO
                    | AddWatchFlags::IN_MOVED_FROM
                    | AddWatchFlags::IN_DELETE
                    | gone,
            );
        }
    }

    fn add(&mut self, path: &Path, what: AddWatchFlags) {
        if let Some(inotify) = &self.0
            && inotify.add_watch(path, what).is_err()
        {
            // Half a watch is worse than none: without one we look by ourselves.
            self.0 = None;
        }
    }

    /// At most how long to sleep before looking again.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.0.is_none().then_some(BLIND)
    }

    /// To be polled for reading, if there is something to poll.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Takes what has been told; whoever is told looks at everything again. Returns whether there
    /// is anything to look at: a file that could not be written whole is taken away again, and
    /// whoever wrote on hearing that would never stop.
    pub(crate) fn drain(&self) -> bool {
        let Some(inotify) = &self.0 else { return true };
        let unfinished = |name: &std::ffi::OsString| {
            Path::new(name).extension().is_some_and(|extension| extension == UNFINISHED)
        };
        let mut told = false;
        while let Ok(events) = inotify.read_events()
            && !events.is_empty()
        {
            told |= events.iter().any(|event| !event.name.as_ref().is_some_and(unfinished));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "real files are written")]

    use super::*;

    #[test]
    fn a_file_that_was_not_finished_is_nothing_to_look_at() {
        let folder = tempfile::tempdir().unwrap();
        let (new, whole) = (folder.path().join("record.new"), folder.path().join("record"));
        let mut watch = FileWatch::new();
        watch.changes_in(&[folder.path()]);
        std::fs::write(&new, "").unwrap();
        std::fs::remove_file(&new).unwrap();
        assert!(!watch.drain());
        std::fs::write(&new, "").unwrap();
        std::fs::rename(&new, &whole).unwrap();
        assert!(watch.drain());
        std::fs::remove_file(&whole).unwrap();
        assert!(watch.drain());
        assert!(!watch.drain());
    }
}
