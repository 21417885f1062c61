//! Noticing that files change, by looking: a folder's time moves when something is put into it or
//! taken out of it.

#![expect(
    clippy::disallowed_types,
    reason = "file systems stamp changes by the wall clock: a young stamp is looked at again"
)]

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::sys::clock;

/// File systems count time in ticks, FAT in two seconds: a change this young may have one behind it
/// that does not show.
const COARSEST: Duration = Duration::from_secs(2);

/// A set of things that are watched.
#[derive(Debug, Default)]
pub struct FileWatch {
    folders: RefCell<Vec<(PathBuf, Option<SystemTime>)>>,
}

impl FileWatch {
    /// Watches nothing yet.
    #[must_use]
    pub fn new() -> FileWatch {
        FileWatch::default()
    }

    /// Tells when files are put into these folders or taken out of them.
    pub(crate) fn changes_in(&mut self, folders: &[&Path]) {
        *self.folders.get_mut() =
            folders.iter().map(|folder| (PathBuf::from(folder), None)).collect();
    }

    /// Whether something may have changed since the last [`drain`](Self::drain).
    pub(crate) fn tells(&self) -> bool {
        self.folders
            .borrow()
            .iter()
            .any(|(folder, seen)| seen.is_none() || *seen != changed(folder))
    }

    /// Takes what has been told; whoever is told looks at everything again, and cannot know that it
    /// was for nothing.
    pub(crate) fn drain(&self) -> bool {
        for (folder, seen) in self.folders.borrow_mut().iter_mut() {
            let is_old = |at: &SystemTime| {
                clock::WallClock::now().duration_since(*at).is_ok_and(|age| age > COARSEST)
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
    fn a_file_that_is_put_into_a_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = FileWatch::new();
        watch.changes_in(&[folder.path()]);
        watch.drain();
        std::fs::File::create(folder.path().join("request")).unwrap();
        assert!(watch.tells());
        watch.drain();
        assert!(watch.tells(), "one as young as that may have another behind it");
    }
}
