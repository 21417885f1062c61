//! The copy of a configuration in the folder of another bot: a folder that was copied for a second
//! bot still has the first one's `instance`.

use std::path::{Path, PathBuf};

use crate::config::find_file;
use crate::engine::process::Process;
use crate::scan::command::logical;
use crate::scan::invocation::absolute;
use crate::scan::other_release::{differing_folder, leads_to_release};
use crate::scan::scan_request::ScanRequest;
use crate::sys::file_id::is_same_file;

impl ScanRequest {
    /// Returns the file in the folder of a process of this instance that corresponds to the one
    /// that names this instance here, if it is another file that names it, too. None if this start
    /// has a token, or goes through a link to the next release of that folder. `root` is the root
    /// of the process.
    pub(super) fn copied_configuration(&self, process: &Process, root: &Path) -> Option<PathBuf> {
        let named = self.naming_file.as_ref().filter(|_| self.tokens.bots.is_empty())?;
        let theirs = process.cwd.known().filter(|_| process.is_of_my_instance())?;
        let mine = self.command.as_ref().map(|command| &command.cwd).or(self.cwd.as_ref())?;
        let file = match named.strip_prefix(mine) {
            Ok(below) => below,
            Err(_) if named.is_relative() => named,
            Err(_) => return None,
        };
        let copy = absolute(file, theirs);
        let seen = root.join(copy.strip_prefix("/").unwrap_or(&copy));
        let is_next_release = || {
            differing_folder(&mine.join(file), &copy)
                .is_some_and(|(release, _)| leads_to_release(&logical(mine), &release))
        };
        let is_copy = !is_same_file(&mine.join(file), &seen)
            && find_file::may_name(&seen, &self.instance)
            && !is_next_release();
        is_copy.then_some(copy)
    }
}
