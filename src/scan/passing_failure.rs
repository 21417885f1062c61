//! Failures that may pass, such as too many open files, while the files of COMMAND are read.
//!
//! The functions that read them take what they cannot read as absent. The bot that COMMAND starts
//! would then not be recognized, and a second one would start. So the first such failure is noted,
//! and COMMAND is refused.
#![expect(clippy::disallowed_methods, reason = "finds the files of COMMAND")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{Error, ExitStatus, may_pass};
use crate::text::printable;

thread_local! {
    static FIRST: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Reads files of COMMAND. Fails with "try again later" if one of them could not be read for a
/// reason that may pass.
pub(super) fn reading<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    FIRST.take();
    let result = read()?;
    FIRST.take().map_or(Ok(result), Err)
}

/// Notes a failure that may pass, and otherwise takes a file that cannot be read as absent.
pub(super) fn noted<T>(path: &Path, result: io::Result<T>) -> Option<T> {
    result.map_err(|error| note(path, error)).ok()
}

/// Notes a failure if it may pass.
pub(super) fn note(path: &Path, error: io::Error) {
    if may_pass(&error) {
        let path = path.to_string_lossy();
        let path = printable(&path);
        let message = format!("cannot find out what COMMAND starts: cannot read `{path}`: {error}");
        note_refusal(Error::new(ExitStatus::Refused, message).due_to(error));
    }
}

/// Notes why one of the commands that COMMAND starts cannot be used now.
pub(super) fn note_refusal(error: Error) {
    if error.status() == ExitStatus::Refused {
        FIRST.with_borrow_mut(|first| {
            first.get_or_insert(error);
        });
    }
}

pub(super) fn is_file(path: &Path) -> bool {
    noted(path, fs::metadata(path)).is_some_and(|it| it.is_file())
}

pub(super) fn canonicalize(path: &Path) -> Option<PathBuf> {
    noted(path, fs::canonicalize(path))
}
