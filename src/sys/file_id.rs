//! The identity of a file, independent of its path.

use std::fs::File;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    pub dev: u64,
    pub ino: u64,
}

/// Returns whether a file that was opened at this path is still there.
#[cfg(unix)]
pub fn is_in_place(file: &File, path: &Path) -> bool {
    FileId::of_entry(path).is_some_and(|there| FileId::of(file).is_ok_and(|open| open == there))
}

/// Returns whether there is a file at this path. Windows does not tell whether it was replaced.
#[cfg(windows)]
pub fn is_in_place(_file: &File, path: &Path) -> bool {
    path.is_file()
}

/// Returns whether two paths lead to the same file. Follows links.
#[cfg(unix)]
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || FileId::at(one).is_some_and(|id| FileId::at(other) == Some(id))
}

#[cfg(windows)]
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

#[cfg(unix)]
impl FileId {
    /// Follows links.
    pub fn at(path: &Path) -> Option<FileId> {
        path.metadata().ok().map(|metadata| FileId { dev: metadata.dev(), ino: metadata.ino() })
    }

    /// Does not follow links.
    pub fn of_entry(path: &Path) -> Option<FileId> {
        FileId::of_entry_or_error(path).ok()
    }

    /// Does not follow links.
    pub(crate) fn of_entry_or_error(path: &Path) -> std::io::Result<FileId> {
        let metadata = path.symlink_metadata()?;
        Ok(FileId { dev: metadata.dev(), ino: metadata.ino() })
    }

    pub fn of(file: &File) -> std::io::Result<FileId> {
        let metadata = file.metadata()?;
        Ok(FileId { dev: metadata.dev(), ino: metadata.ino() })
    }
}
