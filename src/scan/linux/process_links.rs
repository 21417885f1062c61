//! What the links of a process lead to: its executable, its folder, and the files behind them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::sys::file_id::FileId;
use crate::sys::linux::proc_fs::ProcFs;

/// Returns the working directory of a process, or its former path if it was deleted.
pub(super) fn folder(proc: &ProcFs, pid: u32) -> Option<PathBuf> {
    proc.link(pid, "cwd").ok().map(without_deleted)
}

pub(super) fn file_behind(proc: &ProcFs, pid: u32, link: &str) -> Option<FileId> {
    proc.file_behind(pid, link).ok().map(|(dev, ino)| FileId { dev, ino })
}

pub(super) fn executable(proc: &ProcFs, pid: u32) -> Option<PathBuf> {
    proc.link(pid, "exe").ok().map(without_deleted)
}

pub(super) fn without_deleted(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(original) => PathBuf::from(OsStr::from_bytes(original)),
        None => path,
    }
}
