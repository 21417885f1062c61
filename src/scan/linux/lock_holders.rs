//! Who has a lock, without taking it: a probe would make somebody else's try fail.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::File,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::Path,
    time::Duration,
};

use crate::sys::{clock, file_id::FileId, linux::proc_fs::ProcFs};

/// How long to look for the holder before it counts as unknown (S8).
pub(crate) const IDENTIFY: Duration = Duration::from_millis(100);

/// The inode of the first PID namespace (`PROC_PID_INIT_INO`): from there every lock's owner is
/// shown.
pub(crate) const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// What the kernel's list of locks says about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockListing {
    /// Somebody has it; who took it may have ended since, and left it to a child.
    Held(BTreeSet<u32>),
    /// Nobody that could be listed.
    No,
}

/// The kernel's list of locks at one moment. To draw it up takes the kernel some milliseconds, in
/// which it waits and works not.
#[derive(Debug, Default)]
pub(crate) struct LockTable(String);

impl LockTable {
    /// Reads `/proc/locks`; where it cannot be read, nobody is listed.
    pub(crate) fn read() -> LockTable {
        let mut text = Vec::new();
        let read = File::open("/proc/locks")
            .and_then(|mut locks| std::io::Read::read_to_end(&mut locks, &mut text));
        read.map(|_| LockTable(String::from_utf8_lossy(&text).into_owned())).unwrap_or_default()
    }

    /// What it says about this file.
    pub(crate) fn says_of(&self, file: &File, id: FileId) -> LockListing {
        let entries: Vec<LockLine> = self
            .0
            .lines()
            .filter_map(LockLine::parse)
            .filter(|entry| entry.ino == id.ino)
            .collect();
        if entries.is_empty() {
            return LockListing::No;
        }
        // The list names the device of the file system; stat(2) may name another one (btrfs,
        // overlayfs).
        let devices = [Some(split(id.dev)), mount_device(file)];
        let holders: BTreeSet<u32> = entries
            .iter()
            .filter(|entry| devices.contains(&Some(entry.device)))
            .map(|entry| entry.pid)
            .collect();
        if holders.is_empty() { LockListing::No } else { LockListing::Held(holders) }
    }
}

/// A line such as `1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF`; a `->` in it is a waiter, no
/// holder.
struct LockLine {
    pid: u32,
    device: (u32, u32),
    ino: u64,
}

impl LockLine {
    fn parse(line: &str) -> Option<LockLine> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        // -1 and 0 are owners that this namespace does not know.
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

/// The device that `/proc/self/mountinfo` has for the mount of an open file.
fn mount_device(file: &File) -> Option<(u32, u32)> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().to_owned();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let device = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        (fields.next() == Some(mount.as_str())).then(|| fields.nth(1)).flatten()
    })?;
    let (major, minor) = device.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether the owner of every lock is listed for me.
pub(crate) fn all_are_listed(proc: &ProcFs, me: u32) -> bool {
    namespace(proc, me) == Some(FIRST_PID_NAMESPACE)
}

/// The inode of a process's PID namespace.
pub(crate) fn namespace(proc: &ProcFs, pid: u32) -> Option<u64> {
    let link = proc.link(pid, "ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// The processes that have one of `files` open, and locked. `first` are asked first; if one of them
/// has it, the rest can only be what inherited it from that one.
pub(crate) fn holders(proc: &ProcFs, file: FileId, first: &BTreeSet<u32>) -> BTreeSet<u32> {
    let known = holders_among(proc, file, first);
    if !known.is_empty() {
        return known;
    }
    let mut buffer = Vec::new();
    // By the work that is done: a machine that is busy with others must not make a holder unknown.
    let until = clock::own_work() + IDENTIFY;
    let pids = proc.pids().unwrap_or_default();
    // The newest first: what a guard left behind is younger than most of the system.
    pids.into_iter()
        .rev()
        .take_while(|_| clock::own_work() < until)
        .filter(|pid| holds(proc, *pid, file, &mut buffer))
        .collect()
}

/// Those of `pids` that have the file open, and locked.
pub(crate) fn holders_among(proc: &ProcFs, file: FileId, pids: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut buffer = Vec::new();
    pids.iter().copied().filter(|pid| holds(proc, *pid, file, &mut buffer)).collect()
}

fn holds(proc: &ProcFs, pid: u32, file: FileId, buffer: &mut Vec<u8>) -> bool {
    !grips(proc, pid, file, buffer).is_empty()
}

/// Whether a process has the lock only together with others: where not every lock is listed, a look
/// takes it so for an instant, and a monopoll that was stopped in that instant has not got the
/// instance.
pub(crate) fn only_shares(proc: &ProcFs, pid: u32, file: FileId) -> bool {
    grips(proc, pid, file, &mut Vec::new()).iter().all(|grip| *grip == LockMode::Shared)
}

/// Whether a process has a file locked that is called like this one: it may have been deleted, or
/// moved with its folder.
pub(crate) fn has_locked_one_named(proc: &ProcFs, pid: u32, lock: &Path) -> bool {
    let mut buffer = Vec::new();
    proc.descriptors(pid).unwrap_or_default().into_iter().any(|descriptor| {
        let path = proc.link(pid, &format!("fd/{descriptor}")).unwrap_or_default();
        let bytes = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        let name = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
        lock.file_name().is_some_and(|lock| lock.as_bytes() == name)
            && proc.read(pid, &format!("fdinfo/{descriptor}"), &mut buffer).is_ok()
            && String::from_utf8_lossy(&buffer)
                .lines()
                .any(|line| line.starts_with("lock:") && line.contains("FLOCK"))
    })
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockMode {
    Alone,
    Shared,
}

/// A lock belongs to the open file, and `/proc/PID/fdinfo/N` shows it for each descriptor of that
/// open file.
fn grips(proc: &ProcFs, pid: u32, file: FileId, buffer: &mut Vec<u8>) -> Vec<LockMode> {
    let mut grips = Vec::new();
    for descriptor in proc.descriptors(pid).unwrap_or_default() {
        let is_it = proc
            .file_behind(pid, &format!("fd/{descriptor}"))
            .is_ok_and(|(dev, ino)| FileId { dev, ino } == file);
        if is_it && proc.read(pid, &format!("fdinfo/{descriptor}"), buffer).is_ok() {
            let text = String::from_utf8_lossy(buffer);
            let locks =
                text.lines().filter(|line| line.starts_with("lock:") && line.contains("FLOCK"));
            grips.extend(locks.map(|line| {
                if line.contains("READ") { LockMode::Shared } else { LockMode::Alone }
            }));
        }
    }
    grips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_listed_with_its_holder() {
        let path = tempfile::tempdir().unwrap().keep().join("lock");
        let file = File::create(&path).unwrap();
        let id = FileId::of(&file).unwrap();
        assert_eq!(LockTable::read().says_of(&file, id), LockListing::No);
        file.lock().unwrap();
        let me = std::process::id();
        assert_eq!(LockTable::read().says_of(&file, id), LockListing::Held(BTreeSet::from([me])));
        let proc = ProcFs::open().unwrap();
        assert_eq!(holders(&proc, id, &BTreeSet::new()), BTreeSet::from([me]));
        assert!(!only_shares(&proc, me, id));
        file.lock_shared().unwrap();
        assert!(only_shares(&proc, me, id));
        assert_eq!(holders(&proc, id, &BTreeSet::new()), BTreeSet::from([me]));
        // Open is not held.
        let again = File::open(&path).unwrap();
        file.unlock().unwrap();
        assert_eq!(holders(&proc, id, &BTreeSet::new()), BTreeSet::new());
        drop(again);
    }

    #[test]
    fn lines_that_are_not_a_holders_are_passed_over() {
        assert!(LockLine::parse("1: -> FLOCK  ADVISORY  WRITE 12 fe:00:7 0 EOF").is_none());
        assert!(LockLine::parse("1: POSIX  ADVISORY  WRITE 12 fe:00:7 0 EOF").is_none());
        assert!(LockLine::parse("").is_none());
        let entry = LockLine::parse("1: FLOCK  ADVISORY  WRITE 12 fe:1a:7 0 EOF").unwrap();
        assert_eq!((entry.pid, entry.device, entry.ino), (12, (0xfe, 0x1a), 7));
    }
}
