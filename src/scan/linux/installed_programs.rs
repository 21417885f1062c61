//! The folders of installed programs, in which no project lies.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const FOLDERS: [&str; 5] = ["/bin/", "/lib/", "/sbin/", "/snap/", "/usr/"];

/// Returns whether a file is in one of the folders, or below it.
pub(super) fn is_installed(file: &Path) -> bool {
    FOLDERS.iter().any(|folder| file.as_os_str().as_bytes().starts_with(folder.as_bytes()))
}
