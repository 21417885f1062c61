//! Detects changes of files with inotify, or by checking every 50 ms if its limit is reached.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::sys::UNFINISHED;

/// The interval of checks if the limit on inotify instances is reached.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

pub struct FileWatch(Option<Inotify>);

impl FileWatch {
    #[expect(clippy::new_without_default, reason = "it opens a descriptor")]
    pub fn new() -> FileWatch {
        FileWatch(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok())
    }

    pub(crate) const NOTICES_CLOSES: bool = true;

    /// Watches for closes of this file, each of which may release its lock.
    pub(crate) fn watch_closes(&mut self, file: &Path) {
        self.add(file, AddWatchFlags::IN_CLOSE);
    }

    /// Watches for files added to or removed from these folders, and for moves of the folders.
    pub(crate) fn watch_changes(&mut self, folders: &[&Path]) {
        let gone = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        // A folder moves with its ancestors. Unreadable ancestors cannot be watched, and rarely
        // move. Add them first, because only the last mask of a folder counts.
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
            // A partial watch is worse than none: without one, files are checked at intervals.
            self.0 = None;
        }
    }

    pub(crate) fn check_interval(&self) -> Option<Duration> {
        self.0.is_none().then_some(CHECK_INTERVAL)
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Takes all events, and returns whether any may matter. Unfinished files do not, because a
    /// writer would wake itself forever.
    pub(crate) fn drain(&self) -> bool {
        let Some(inotify) = &self.0 else { return true };
        let unfinished = |name: &std::ffi::OsString| {
            Path::new(name).extension().is_some_and(|extension| extension == UNFINISHED)
        };
        let mut has_changed = false;
        while let Ok(events) = inotify.read_events()
            && !events.is_empty()
        {
            has_changed |= events.iter().any(|event| !event.name.as_ref().is_some_and(unfinished));
        }
        has_changed
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "real files are written")]

    use super::*;

    #[test]
    fn unfinished_files_are_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let (new, whole) = (folder.path().join("record.new"), folder.path().join("record"));
        let mut watch = FileWatch::new();
        watch.watch_changes(&[folder.path()]);
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
