//! The owners of folders that others can write to, and what they can do about it.

use std::path::Path;

use crate::text::printable;

/// The owner of a folder that monopoll uses. Folders of other owners are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderOwner {
    Me,
    Root,
}

/// Returns the hint for a lock folder, or an ancestor, that other users can write to.
pub(crate) fn writers_hint(folder: &Path, owner: FolderOwner) -> String {
    let folder = folder.to_string_lossy();
    let folder = printable(&folder);
    match owner {
        FolderOwner::Me => {
            format!("`chmod go-w {folder}`, or choose another folder in `lock.paths`")
        }
        // Without write permission for others, this user could not use the folder. The owner of a
        // Kubernetes volume is root.
        FolderOwner::Root => format!(
            "as root `chmod +t {folder}` (in a pod: an init container), mount a folder of your own \
             there, or choose another one in `lock.paths`"
        ),
    }
}
