//! What a script does with the folder of its caller. `caller_folder.rs` finds it.

use std::path::PathBuf;

/// A script that reads the folder of its caller.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadsCaller {
    pub(super) reads: bool,
    /// The folders that it may enter from any folder.
    pub(super) entered: Vec<PathBuf>,
    /// It may enter a folder that is not known.
    pub(super) enters_unknown: bool,
    /// It may have left the folder of its caller at this line.
    pub(super) has_left: bool,
}
