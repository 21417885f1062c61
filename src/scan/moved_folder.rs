//! A folder that was moved while its guard ran. The folder that took its place may have another
//! bot, and a guessed name is the same for both.

use std::path::{Path, PathBuf};

use crate::engine::process::{Process, Role};
use crate::scan::passing_failure::canonicalize;
use crate::scan::scan_request::ScanRequest;
use crate::sys::file_id::is_same_file;

impl ScanRequest {
    /// Returns the folder of a guard of this instance if it is another one than that of this start,
    /// which has its former path. None if that path goes through a link, as to the next release.
    /// `root` is the root of the guard.
    pub(super) fn moved_folder(&self, process: &Process, root: &Path) -> Option<PathBuf> {
        let command = self.command.as_ref()?;
        let is_guard = process.role == Role::Monopoll && process.is_of_my_instance();
        let theirs = process.cwd.known().filter(|cwd| is_guard && **cwd != command.cwd)?;
        let is_moved = is_same_file(root, Path::new("/"))
            && theirs.is_dir()
            && !is_same_file(theirs, &command.cwd)
            && canonicalize(&command.folder)? == command.folder;
        is_moved.then(|| theirs.clone())
    }
}
