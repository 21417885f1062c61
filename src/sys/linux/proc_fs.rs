//! `/proc` as it is: one open folder, one buffer that the caller keeps.

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

/// No file that is read here is worth more than this; an environment or a command line that is
/// longer is cut.
const MOST: u64 = 4 << 20;

/// More than almost every environment has, so that one read is enough.
const USUAL: usize = 32 << 10;

/// An open `/proc`.
#[derive(Debug)]
pub(crate) struct ProcFs {
    root: OwnedFd,
    /// Something could not be read for want of a descriptor or of memory.
    exhausted: AtomicBool,
    /// They end with this.
    readers: ReaderPool,
}

/// What `/proc/PID/stat` says, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcStat {
    /// The state's letter.
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    /// The kernel's own flags of the process.
    pub(crate) flags: u64,
    /// Clock ticks from boot to its start.
    pub(crate) start: u64,
}

impl ProcStat {
    /// `PF_KTHREAD` of linux/sched.h.
    const KERNEL_THREAD: u64 = 0x0020_0000;

    /// `PF_EXITING` of linux/sched.h.
    const EXITING: u64 = 0x4;

    /// Whether its first thread is ending, or has ended.
    pub(crate) fn is_exiting(self) -> bool {
        self.flags & Self::EXITING != 0
    }

    pub(crate) fn is_kernel_thread(self) -> bool {
        self.flags & Self::KERNEL_THREAD != 0
    }

    /// The fields after the last `)`: a name may have blanks and parentheses of its own (proc(5)).
    fn parse(text: &[u8]) -> Option<ProcStat> {
        let after = text.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields = std::str::from_utf8(text.get(after..)?).ok()?.split_ascii_whitespace();
        // proc(5) counts from 1 and the state is field 3; between those that are taken the others
        // are passed over.
        Some(ProcStat {
            state: *fields.next()?.as_bytes().first()?,
            parent: fields.next()?.parse().ok()?,
            session: fields.nth(1)?.parse().ok()?,
            flags: fields.nth(2)?.parse().ok()?,
            start: fields.nth(12)?.parse().ok()?,
        })
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

    /// Whether its pids are the ones that this process would signal.
    ///
    /// # Errors
    /// There is nothing in it, or it was mounted in another PID namespace: whoever has a pid there
    /// is not who has it here.
    pub(crate) fn insist_on_mine(&self, me: u32) -> io::Result<()> {
        let target = rustix::fs::readlinkat(&self.root, "self", Vec::new())?;
        let is_me = target.to_str().ok().and_then(|pid| pid.parse().ok()) == Some(me);
        if is_me { Ok(()) } else { Err(io::Error::other("/proc is that of another PID namespace")) }
    }

    /// Notes an error that says nothing about the process: who was not seen because of it may be in
    /// the way all the same.
    pub(crate) fn note(&self, error: Errno) -> Errno {
        if matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM) {
            self.exhausted.store(true, Ordering::Relaxed);
        }
        error
    }

    /// Of what was read since this was asked last.
    ///
    /// # Errors
    /// Something was not seen that may be there.
    pub(crate) fn insist_on_all(&self) -> io::Result<()> {
        if self.exhausted.swap(false, Ordering::Relaxed) {
            Err(Errno::MFILE.into())
        } else {
            Ok(())
        }
    }

    /// Who reads in it.
    pub(crate) fn readers(&self) -> &ReaderPool {
        &self.readers
    }

    /// Every process, by pid.
    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        self.list(USUAL, &mut |some| {
            pids.extend(some);
            Ok(())
        })?;
        Ok(pids)
    }

    /// Every process, by pid, as many at once as have names of so many bytes.
    pub(crate) fn list(
        &self,
        bytes: usize,
        tell: &mut dyn FnMut(&[u32]) -> io::Result<()>,
    ) -> io::Result<()> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let root = rustix::fs::openat(&self.root, ".", flags, Mode::empty())
            .map_err(|error| self.note(error))?;
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
                tell(&pids)?;
                pids.clear();
            }
        }
        Ok(())
    }

    /// Makes a call about a file of a process. Its path is put together on the stack: whoever reads
    /// shares one heap with the others that do, and a string that grows there waits for them.
    fn about<T>(
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

    fn open_one(&self, pid: u32, file: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.about(pid, file, |root, path| {
            rustix::fs::openat(root, path, flags | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Reads a whole file of a process into `buffer`.
    pub(crate) fn read(&self, pid: u32, file: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
        let fd = self.open_one(pid, file, OFlags::empty()).map_err(|error| self.note(error))?;
        buffer.clear();
        buffer.reserve(USUAL);
        let room = buffer.capacity();
        let read = rustix::io::read(&fd, rustix::buffer::spare_capacity(buffer))
            .map_err(|error| self.note(error))?;
        // The kernel fills the room if it can: less than that was all there is.
        if read == room {
            std::fs::File::from(fd).take(MOST).read_to_end(buffer)?;
        }
        Ok(())
    }

    pub(crate) fn stat(&self, pid: u32, buffer: &mut Vec<u8>) -> io::Result<ProcStat> {
        self.read(pid, "stat", buffer)?;
        ProcStat::parse(buffer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Where a link of a process leads, such as `exe`.
    pub(crate) fn link(&self, pid: u32, name: &str) -> io::Result<PathBuf> {
        let target =
            self.about(pid, name, |root, path| rustix::fs::readlinkat(root, path, Vec::new()))?;
        Ok(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
    }

    /// Whether a process has no executable, as kernel threads and zombies have none, or is gone.
    pub(crate) fn is_bare(&self, pid: u32) -> bool {
        let mut target = [std::mem::MaybeUninit::uninit(); 1];
        let length = self.about(pid, "exe", |root, path| {
            rustix::fs::readlinkat_raw(root, path, &mut target).map(|(read, _)| read.len())
        });
        length == Err(Errno::NOENT)
    }

    /// The number of the user whose process it is, as far as its files are concerned.
    pub(crate) fn owner(&self, pid: u32) -> io::Result<u32> {
        Ok(rustix::fs::statat(&self.root, pid.to_string(), rustix::fs::AtFlags::empty())?.st_uid)
    }

    /// The device and inode behind a link of a process.
    pub(crate) fn file_behind(&self, pid: u32, name: &str) -> io::Result<(u64, u64)> {
        let stat = self.about(pid, name, |root, path| {
            rustix::fs::statat(root, path, rustix::fs::AtFlags::empty())
        })?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Whether a file of a process may be opened.
    pub(crate) fn try_open(&self, pid: u32, file: &str) -> Result<(), Errno> {
        self.open_one(pid, file, OFlags::empty()).map(drop)
    }

    /// The effective user of a process.
    pub(crate) fn effective_user(&self, pid: u32, buffer: &mut Vec<u8>) -> Option<u32> {
        // The folder's own owner is root where a process may not be looked at.
        self.read(pid, "status", buffer).ok()?;
        let text = String::from_utf8_lossy(buffer);
        text.lines()
            .find_map(|line| line.strip_prefix("Uid:"))?
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
    }

    /// The open descriptors of a process.
    pub(crate) fn descriptors(&self, pid: u32) -> io::Result<Vec<u32>> {
        let folder =
            self.open_one(pid, "fd", OFlags::DIRECTORY).map_err(|error| self.note(error))?;
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

/// The strings of a NUL-separated file; what is not UTF-8 is replaced.
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
    fn a_name_may_have_parentheses_and_line_breaks() {
        let line = b"42 (a) R 1 (\n)) S 7 42 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let expected =
            ProcStat { state: b'S', parent: 7, session: 40, flags: 4_194_560, start: 12345 };
        assert_eq!(ProcStat::parse(line), Some(expected));
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
