//! Finds the holders of a lock without taking it, because a probe would make another start fail.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::scan::linux::process_links::{file_behind, without_deleted};
use crate::scan::lock_views::IDENTIFY;
use crate::state::lock_file::LockFile;
use crate::sys::clock;
use crate::sys::file_id::FileId;
use crate::sys::linux::proc_fs::{ProcFs, read_text};

/// The inode of the initial PID namespace (`PROC_PID_INIT_INO`), in which the list of locks shows
/// every owner.
pub(crate) const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// The kernel's list of locks. Generating it takes several milliseconds, mostly spent waiting.
#[derive(Debug)]
pub(crate) struct LockTable {
    text: String,
    /// False if it could not be read, so that a lock that is not listed may be held.
    pub(super) is_read: bool,
}

impl LockTable {
    pub(crate) fn read() -> LockTable {
        let read = std::fs::read("/proc/locks");
        let is_read = read.is_ok();
        let text = String::from_utf8_lossy(&read.unwrap_or_default()).into_owned();
        LockTable { text, is_read }
    }

    /// Returns whether the list was read at once. Of a longer one, the kernel may leave out locks
    /// while others are taken and released.
    fn is_one_page(&self) -> bool {
        const PAGE: usize = 4 << 10;
        self.text.len() < PAGE
    }

    /// Returns whether no process has locked a file.
    pub(crate) fn shows_free(&self, file: &File, id: FileId) -> bool {
        let shows_free = |list: &LockTable| list.is_read && list.lockers_of(file, id).is_empty();
        shows_free(self) && (self.is_one_page() || (0..3).all(|_| shows_free(&LockTable::read())))
    }

    /// Returns whether a process has locked this file (`None`: any file). Its device is not
    /// compared: stat(2) may name another one.
    pub(super) fn lists(pid: u32, id: Option<FileId>) -> bool {
        let is_it = |line: LockLine| line.pid == pid && id.is_none_or(|id| id.ino == line.ino);
        let lists = || LockTable::read().text.lines().filter_map(LockLine::parse).any(is_it);
        // A long list may leave out locks while others are taken and released.
        (0..3).any(|_| lists())
    }

    /// Returns the processes that locked a file. They may have ended and left the lock to a child.
    /// Pids outside of this PID namespace are 0.
    pub(crate) fn lockers_of(&self, file: &File, id: FileId) -> BTreeSet<u32> {
        let lines = self.text.lines().filter_map(LockLine::parse);
        let mut lines = lines.filter(|line| line.ino == id.ino).peekable();
        if lines.peek().is_none() {
            return BTreeSet::new();
        }
        // The list shows the device of the file system, from which stat(2) may differ (btrfs,
        // overlayfs).
        let devices = [Some(split(id.dev)), mount_device(file)];
        let lines = lines.filter(|line| devices.contains(&Some(line.device)));
        lines.map(|line| line.pid).collect()
    }
}

/// A line such as `1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF`. `->` marks a waiter.
pub struct LockLine {
    pub pid: u32,
    pub device: (u32, u32),
    pub ino: u64,
}

impl LockLine {
    pub fn parse(line: &str) -> Option<LockLine> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        // Owners outside of this PID namespace are shown as -1 or 0.
        let pid = fields
            .nth(2)?
            .parse::<i64>()
            .ok()
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or_default();
        let mut file = fields.next()?.split(':');
        let major = u32::from_str_radix(file.next()?, 16).ok()?;
        let minor = u32::from_str_radix(file.next()?, 16).ok()?;
        Some(LockLine { pid, device: (major, minor), ino: file.next()?.parse().ok()? })
    }
}

fn split(dev: u64) -> (u32, u32) {
    (rustix::fs::major(dev), rustix::fs::minor(dev))
}

fn mount_device(file: &File) -> Option<(u32, u32)> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().to_owned();
    let mounts = read_text("/proc/self/mountinfo").ok()?;
    let device = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        (fields.next() == Some(mount.as_str())).then(|| fields.nth(1)).flatten()
    })?;
    let (major, minor) = device.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

pub(crate) fn all_are_listed(proc: &ProcFs, me: u32) -> bool {
    pid_namespace(proc, me).is_ok_and(|namespace| namespace == FIRST_PID_NAMESPACE)
}

pub(crate) fn pid_namespace(proc: &ProcFs, pid: u32) -> io::Result<u64> {
    let link = proc.link(pid, "ns/pid")?;
    let inode = link.to_str().and_then(|link| link.strip_prefix("pid:[")?.strip_suffix(']'));
    let inode = inode.and_then(|inode| inode.parse().ok());
    inode.ok_or_else(|| io::Error::other("cannot read the PID namespace"))
}

/// Returns the visible holders of a lock without taking it; `None` if no process is visible.
pub fn visible_holders(lock: &LockFile) -> Option<Vec<u32>> {
    let proc = ProcFs::open().ok()?;
    let listed = LockTable::read().lockers_of(&lock.file, lock.id);
    let mut holders = holders(&proc, lock.id, &listed);
    // If the list of locks is incomplete, scans briefly take the lock in shared mode.
    holders.retain(|pid| !only_shares(&proc, *pid, lock.id));
    Some(holders.into_iter().collect())
}

/// Returns the processes that have the file open and locked. If one of `first` has it, all other
/// holders inherited it, so no more are searched.
pub(crate) fn holders(proc: &ProcFs, file: FileId, first: &BTreeSet<u32>) -> BTreeSet<u32> {
    let known = holders_among(proc, file, first);
    if !known.is_empty() {
        return known;
    }
    let mut buffer = Vec::new();
    // Limit the processor time instead of the time, so that a busy machine does not make a holder
    // unknown.
    let until = clock::thread_cpu() + IDENTIFY;
    // Processes of other users come last: only a program that changed its user has the file, and
    // any user can open many others.
    let own_user = rustix::process::geteuid().as_raw();
    let (own, others): (Vec<u32>, Vec<u32>) = proc
        .pids()
        .unwrap_or_default()
        .into_iter()
        .partition(|pid| proc.owner(*pid).ok() == Some(own_user));
    let mut search = |pids: Vec<u32>| -> BTreeSet<u32> {
        // Newest first: processes that a guard left behind are younger than most of the system.
        pids.into_iter()
            .rev()
            .take_while(|_| clock::thread_cpu() < until)
            .filter(|pid| holds(proc, *pid, file, &mut buffer))
            .collect()
    };
    let found = search(own);
    if found.is_empty() { search(others) } else { found }
}

pub(crate) fn holders_among(proc: &ProcFs, file: FileId, pids: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut buffer = Vec::new();
    pids.iter().copied().filter(|pid| holds(proc, *pid, file, &mut buffer)).collect()
}

fn holds(proc: &ProcFs, pid: u32, file: FileId, buffer: &mut Vec<u8>) -> bool {
    !lock_modes(proc, pid, file, buffer).is_empty()
}

/// Returns whether a process has the lock only in shared mode. If the list of locks is incomplete,
/// a scan briefly takes the lock this way. A monopoll stopped at that moment does not hold the
/// instance.
pub(crate) fn only_shares(proc: &ProcFs, pid: u32, file: FileId) -> bool {
    lock_modes(proc, pid, file, &mut Vec::new()).iter().all(|mode| *mode == LockMode::Shared)
}

/// Returns the files of these names that a process has locked, at the paths where they are now, or
/// were when they were deleted.
pub(crate) fn locked_files(
    proc: &ProcFs,
    pid: u32,
    has_name: impl Fn(Option<&OsStr>) -> bool,
) -> Vec<PathBuf> {
    let mut buffer = Vec::new();
    let mut files = Vec::new();
    for descriptor in proc.descriptors(pid).unwrap_or_default() {
        let Ok(path) = proc.link(pid, &format!("fd/{descriptor}")).map(without_deleted) else {
            continue;
        };
        if has_name(path.file_name()) && !modes(proc, pid, descriptor, &mut buffer).is_empty() {
            files.push(path);
        }
    }
    files
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockMode {
    Exclusive,
    Shared,
}

fn lock_modes(proc: &ProcFs, pid: u32, file: FileId, buffer: &mut Vec<u8>) -> Vec<LockMode> {
    let descriptors = proc.descriptors(pid).unwrap_or_default().into_iter();
    descriptors
        .filter(|it| file_behind(proc, pid, &format!("fd/{it}")) == Some(file))
        .flat_map(|it| modes(proc, pid, it, buffer))
        .collect()
}

/// Returns whether a process holds a lock by this descriptor, and hands it on to what it executes.
/// flock(1) does; a program that locks a file of its own seldom does.
pub(super) fn hands_lock_on(proc: &ProcFs, pid: u32, descriptor: u32) -> bool {
    let mut text = Vec::new();
    if modes(proc, pid, descriptor, &mut text).is_empty() {
        return false;
    }
    let text = String::from_utf8_lossy(&text);
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok());
    let close_on_exec = u64::from(OFlags::CLOEXEC.bits());
    flags.is_some_and(|flags| flags & close_on_exec == 0)
}

/// `/proc/PID/fdinfo/N` shows the locks of descriptor N.
fn modes(proc: &ProcFs, pid: u32, descriptor: u32, buffer: &mut Vec<u8>) -> Vec<LockMode> {
    if proc.read(pid, &format!("fdinfo/{descriptor}"), buffer).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(buffer);
    let locks = text.lines().filter(|line| line.starts_with("lock:") && line.contains("FLOCK"));
    let mode =
        |line: &str| if line.contains("READ") { LockMode::Shared } else { LockMode::Exclusive };
    locks.map(mode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_listed_with_its_holder() {
        let path = tempfile::tempdir().unwrap().keep().join("lock");
        let file = File::create(&path).unwrap();
        let id = FileId::of(&file).unwrap();
        assert_eq!(LockTable::read().lockers_of(&file, id), BTreeSet::new());
        file.lock().unwrap();
        let me = std::process::id();
        assert_eq!(LockTable::read().lockers_of(&file, id), BTreeSet::from([me]));
        let proc = ProcFs::open().unwrap();
        assert!(holders(&proc, id, &BTreeSet::new()).contains(&me));
        assert!(!only_shares(&proc, me, id));
        file.lock_shared().unwrap();
        assert!(only_shares(&proc, me, id));
        assert!(holders(&proc, id, &BTreeSet::new()).contains(&me));
        // Open but not locked.
        let again = File::open(&path).unwrap();
        file.unlock().unwrap();
        assert_eq!(holders(&proc, id, &BTreeSet::new()), BTreeSet::new());
        drop(again);
    }

    #[test]
    fn lines_without_a_holder_are_ignored() {
        assert!(LockLine::parse("1: -> FLOCK  ADVISORY  WRITE 12 fe:00:7 0 EOF").is_none());
        assert!(LockLine::parse("1: POSIX  ADVISORY  WRITE 12 fe:00:7 0 EOF").is_none());
        assert!(LockLine::parse("").is_none());
        let entry = LockLine::parse("1: FLOCK  ADVISORY  WRITE 12 fe:1a:7 0 EOF").unwrap();
        assert_eq!((entry.pid, entry.device, entry.ino), (12, (0xfe, 0x1a), 7));
    }
}
