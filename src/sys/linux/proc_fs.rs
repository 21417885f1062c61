//! Reads `/proc`: one open folder, and buffers that the caller keeps.

use std::{
    ffi::{CStr, CString, OsStr},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{Dir, Mode, OFlags, RawDir},
    io::Errno,
};

use crate::sys::linux::reader_pool::ReaderPool;

/// Longer environments and command lines are cut.
const MAX_LENGTH: u64 = 4 << 20;

/// Longer than almost every environment, so that one read is enough.
const USUAL_LENGTH: usize = 32 << 10;

/// An open `/proc`.
#[derive(Debug)]
pub(crate) struct ProcFs {
    root: OwnedFd,
    /// Something could not be read for lack of descriptors or memory.
    exhausted: AtomicBool,
    readers: ReaderPool,
}

/// The fields of `/proc/PID/stat` that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcStat {
    /// The letter of proc(5).
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    /// The kernel's flags of the process.
    pub(crate) flags: u64,
    /// Clock ticks from boot to its start.
    pub(crate) start: u64,
}

impl ProcStat {
    /// `PF_KTHREAD` of linux/sched.h.
    const KERNEL_THREAD: u64 = 0x0020_0000;

    /// `PF_EXITING` of linux/sched.h.
    const EXITING: u64 = 0x4;

    /// Whether its first thread is ending or has ended.
    pub(crate) fn is_exiting(self) -> bool {
        self.flags & Self::EXITING != 0
    }

    pub(crate) fn is_kernel_thread(self) -> bool {
        self.flags & Self::KERNEL_THREAD != 0
    }

    /// Parses the fields after the last `)`: a name may contain blanks and parentheses (proc(5)).
    fn parse(text: &[u8]) -> Option<ProcStat> {
        let after = text.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields = std::str::from_utf8(text.get(after..)?).ok()?.split_ascii_whitespace();
        // Field 3 of proc(5) comes first; `nth` skips the fields in between.
        Some(ProcStat {
            state: *fields.next()?.as_bytes().first()?,
            parent: fields.next()?.parse().ok()?,
            session: fields.nth(1)?.parse().ok()?,
            flags: fields.nth(2)?.parse().ok()?,
            start: fields.nth(12)?.parse().ok()?,
        })
    }
}

/// The fields of `/proc/PID/status` that are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcStatus {
    pub(crate) real_user: Option<u32>,
    /// The owner of `/proc/PID` is no substitute: it is root where a process may not be read.
    pub(crate) effective_user: Option<u32>,
    /// The number of PID namespaces that the process has a pid in, from ours downwards.
    pub(crate) pid_namespaces: Option<usize>,
    /// The pid in the innermost of them.
    pub(crate) innermost_pid: Option<u32>,
    /// The mask of the ignored signals.
    pub(crate) ignored_signals: Option<u64>,
}

impl ProcStatus {
    fn parse(text: &str) -> ProcStatus {
        let mut status = ProcStatus::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let mut fields = value.split_whitespace();
            match name {
                "Uid" => {
                    let mut next = || fields.next()?.parse().ok();
                    (status.real_user, status.effective_user) = (next(), next());
                }
                "NSpid" => {
                    status.pid_namespaces = Some(fields.clone().count());
                    status.innermost_pid = fields.next_back().and_then(|pid| pid.parse().ok());
                }
                "SigIgn" => {
                    status.ignored_signals =
                        fields.next().and_then(|mask| u64::from_str_radix(mask, 16).ok());
                }
                _ => {}
            }
        }
        status
    }
}

impl ProcFs {
    pub(crate) fn open() -> io::Result<ProcFs> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        Ok(ProcFs {
            root: rustix::fs::open("/proc", flags, Mode::empty())?,
            exhausted: AtomicBool::new(false),
            readers: ReaderPool::default(),
        })
    }

    /// Requires that its pids are those of this process's PID namespace.
    ///
    /// # Errors
    /// Nothing is mounted there, or `/proc` of another PID namespace.
    pub(crate) fn require_own_namespace(&self, me: u32) -> io::Result<()> {
        let target = rustix::fs::readlinkat(&self.root, "self", Vec::new())?;
        let is_me = target.to_str().ok().and_then(|pid| pid.parse().ok()) == Some(me);
        if is_me { Ok(()) } else { Err(io::Error::other("/proc is that of another PID namespace")) }
    }

    /// Notes an error that says nothing about the process: it may exist all the same.
    pub(crate) fn note_error(&self, error: Errno) -> Errno {
        if matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM) {
            self.exhausted.store(true, Ordering::Relaxed);
        }
        error
    }

    /// Requires that everything was read since the last call.
    ///
    /// # Errors
    /// Descriptors or memory were exhausted.
    pub(crate) fn require_complete(&self) -> io::Result<()> {
        if self.exhausted.swap(false, Ordering::Relaxed) {
            Err(Errno::MFILE.into())
        } else {
            Ok(())
        }
    }

    /// Returns the threads that read in it.
    pub(crate) fn readers(&self) -> &ReaderPool {
        &self.readers
    }

    /// Lists all pids.
    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        self.list(USUAL_LENGTH, &mut |batch| {
            pids.extend(batch);
            Ok(())
        })?;
        Ok(pids)
    }

    /// Lists all pids in batches of about so many bytes.
    pub(crate) fn list(
        &self,
        bytes: usize,
        on_batch: &mut dyn FnMut(&[u32]) -> io::Result<()>,
    ) -> io::Result<()> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let root = rustix::fs::openat(&self.root, ".", flags, Mode::empty())
            .map_err(|error| self.note_error(error))?;
        let mut buffer = Vec::with_capacity(bytes);
        let mut entries = RawDir::new(root, buffer.spare_capacity_mut());
        let mut pids = Vec::new();
        while let Some(entry) = entries.next() {
            if let Ok(name) = entry?.file_name().to_str()
                && let Ok(pid) = name.parse()
            {
                pids.push(pid);
            }
            if entries.is_buffer_empty() {
                on_batch(&pids)?;
                pids.clear();
            }
        }
        Ok(())
    }

    /// Calls with the path of a process's file, made on the stack: readers share one heap, and
    /// allocations wait for each other.
    fn with_path<T>(
        &self,
        pid: u32,
        file: &str,
        call: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut path = [0; 64];
        let fits = write!(&mut path[..], "{pid}/{file}\0").is_ok();
        match CStr::from_bytes_until_nul(&path) {
            Ok(path) if fits => call(self.root.as_fd(), path),
            Ok(_) | Err(_) => call(
                self.root.as_fd(),
                &CString::new(format!("{pid}/{file}")).map_err(|_| Errno::INVAL)?,
            ),
        }
    }

    fn open_file(&self, pid: u32, file: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.with_path(pid, file, |root, path| {
            rustix::fs::openat(root, path, flags | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Reads a whole file of a process into `buffer`.
    pub(crate) fn read(&self, pid: u32, file: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
        let fd =
            self.open_file(pid, file, OFlags::empty()).map_err(|error| self.note_error(error))?;
        buffer.clear();
        buffer.reserve(USUAL_LENGTH);
        let room = buffer.capacity();
        let read = rustix::io::read(&fd, rustix::buffer::spare_capacity(buffer))
            .map_err(|error| self.note_error(error))?;
        // A short read is the end of the file.
        if read == room {
            std::fs::File::from(fd).take(MAX_LENGTH).read_to_end(buffer)?;
        }
        Ok(())
    }

    pub(crate) fn stat(&self, pid: u32, buffer: &mut Vec<u8>) -> io::Result<ProcStat> {
        self.read(pid, "stat", buffer)?;
        ProcStat::parse(buffer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Reads a link of a process, such as `exe`.
    pub(crate) fn link(&self, pid: u32, name: &str) -> io::Result<PathBuf> {
        let target =
            self.with_path(pid, name, |root, path| rustix::fs::readlinkat(root, path, Vec::new()))?;
        Ok(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
    }

    /// Whether a process has no executable: kernel threads, zombies, and processes that are gone.
    pub(crate) fn has_no_executable(&self, pid: u32) -> bool {
        let mut target = [std::mem::MaybeUninit::uninit(); 1];
        let length = self.with_path(pid, "exe", |root, path| {
            rustix::fs::readlinkat_raw(root, path, &mut target).map(|(read, _)| read.len())
        });
        length == Err(Errno::NOENT)
    }

    /// Returns the owner of a process's files, by number.
    pub(crate) fn owner(&self, pid: u32) -> io::Result<u32> {
        Ok(rustix::fs::statat(&self.root, pid.to_string(), rustix::fs::AtFlags::empty())?.st_uid)
    }

    /// Returns the device and inode behind a link of a process.
    pub(crate) fn file_behind(&self, pid: u32, name: &str) -> io::Result<(u64, u64)> {
        let stat = self.with_path(pid, name, |root, path| {
            rustix::fs::statat(root, path, rustix::fs::AtFlags::empty())
        })?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Whether a file of a process may be opened.
    pub(crate) fn try_open(&self, pid: u32, file: &str) -> Result<(), Errno> {
        self.open_file(pid, file, OFlags::empty()).map(drop)
    }

    /// Reads the fields of `/proc/PID/status` that are used.
    pub(crate) fn status(&self, pid: u32, buffer: &mut Vec<u8>) -> io::Result<ProcStatus> {
        self.read(pid, "status", buffer)?;
        Ok(ProcStatus::parse(&String::from_utf8_lossy(buffer)))
    }

    /// Lists the open descriptors of a process.
    pub(crate) fn descriptors(&self, pid: u32) -> io::Result<Vec<u32>> {
        let folder =
            self.open_file(pid, "fd", OFlags::DIRECTORY).map_err(|error| self.note_error(error))?;
        let mut descriptors = Vec::new();
        for entry in Dir::read_from(&folder)? {
            if let Ok(name) = entry?.file_name().to_str()
                && let Ok(descriptor) = name.parse()
            {
                descriptors.push(descriptor);
            }
        }
        Ok(descriptors)
    }
}

/// Splits a NUL-separated file into strings; invalid UTF-8 is replaced.
pub(crate) fn strings(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_contain_parentheses_and_line_breaks() {
        let line = b"42 (a) R 1 (\n)) S 7 42 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let expected =
            ProcStat { state: b'S', parent: 7, session: 40, flags: 4_194_560, start: 12345 };
        assert_eq!(ProcStat::parse(line), Some(expected));
    }

    #[test]
    fn a_status_has_users_namespaces_and_ignored_signals() {
        let text =
            "Name:\tbot\nUid:\t1000\t0\t0\t0\nNSpid:\t4711\t12\t1\nSigIgn:\t0000000000001000\n";
        let expected = ProcStatus {
            real_user: Some(1000),
            effective_user: Some(0),
            pid_namespaces: Some(3),
            innermost_pid: Some(1),
            ignored_signals: Some(0x1000),
        };
        assert_eq!(ProcStatus::parse(text), expected);
        assert_eq!(ProcStatus::parse("garbage\nUid:\tx\n"), ProcStatus::default());
    }

    #[test]
    fn garbage_is_no_stat() {
        for garbage in [&b""[..], b")", b"1 (x) S", b"1 (x) S a b c d e f g", b"\xff) \xff"] {
            assert_eq!(ProcStat::parse(garbage), None);
        }
    }

    #[test]
    fn an_empty_argument_is_an_argument() {
        assert_eq!(strings(b"a\0\0b\0"), ["a", "", "b"]);
        assert!(strings(b"").is_empty());
    }
}
