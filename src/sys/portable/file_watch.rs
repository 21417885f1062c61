//! Detects changes of files by the time of their folder, which changes with its entries.
#![expect(
    clippy::disallowed_types,
    reason = "file systems stamp changes by the wall clock: a young stamp is checked again"
)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::sys::clock;

/// The coarsest resolution of file times (FAT: two seconds). A second change within it may be
/// invisible.
const COARSEST_TICK: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct FileWatch {
    folders: RefCell<Vec<(PathBuf, Option<SystemTime>)>>,
}

impl FileWatch {
    pub fn new() -> FileWatch {
        FileWatch::default()
    }

    pub(crate) const NOTICES_CLOSES: bool = false;

    /// Closes are not detected on these systems.
    #[expect(clippy::unused_self, reason = "on Linux closes are watched")]
    pub(crate) fn watch_closes(&mut self, _file: &Path) {}

    pub(crate) fn watch_changes(&mut self, folders: &[&Path]) {
        *self.folders.get_mut() =
            folders.iter().map(|folder| (PathBuf::from(folder), None)).collect();
    }

    /// Returns whether something may have changed since the last [`drain`](Self::drain).
    pub(crate) fn has_changed(&self) -> bool {
        self.folders
            .borrow()
            .iter()
            .any(|(folder, seen)| seen.is_none() || *seen != changed(folder))
    }

    /// Takes all changes. It is unknown whether any of them matters.
    pub(crate) fn drain(&self) -> bool {
        for (folder, seen) in self.folders.borrow_mut().iter_mut() {
            let is_old = |at: &SystemTime| {
                clock::WallClock::now().duration_since(*at).is_ok_and(|age| age > COARSEST_TICK)
            };
            *seen = changed(folder).filter(is_old);
        }
        true
    }
}

fn changed(folder: &Path) -> Option<SystemTime> {
    folder.metadata().and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_in_a_folder_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = FileWatch::new();
        watch.watch_changes(&[folder.path()]);
        watch.drain();
        std::fs::File::create(folder.path().join("request")).unwrap();
        assert!(watch.has_changed());
        watch.drain();
        assert!(watch.has_changed(), "a second change may follow in the same tick");
    }
}
