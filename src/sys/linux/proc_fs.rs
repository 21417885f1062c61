//! Reads `/proc` through a single open folder, into the caller's buffers.

use std::ffi::{CStr, CString, OsStr};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::fs::{Dir, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::engine::process::ProcessId;
use crate::error::errno_may_pass;
use crate::sys::linux::blocked_reads::ProcessPart;
use crate::sys::linux::proc_stat::{ProcStat, ProcStatus};
use crate::sys::linux::reader_pool::{ReaderPool, reading};

/// Longer environments and command lines are truncated.
const MAX_LENGTH: u64 = 4 << 20;

/// Longer than almost any environment, so that one read is enough.
const USUAL_LENGTH: usize = 32 << 10;

pub(crate) struct ProcFs {
    root: OwnedFd,
    /// The error of a read that may succeed later, such as a lack of descriptors or memory; or 0.
    passing: AtomicI32,
    pub(crate) readers: ReaderPool,
    /// The mount namespace of this process.
    own_mounts: OnceLock<PathBuf>,
}

impl ProcFs {
    pub(crate) fn open() -> io::Result<ProcFs> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        Ok(ProcFs {
            root: rustix::fs::open("/proc", flags, Mode::empty())?,
            passing: AtomicI32::new(0),
            readers: ReaderPool::default(),
            own_mounts: OnceLock::new(),
        })
    }

    /// Requires that its pids belong to this process's PID namespace.
    pub(crate) fn require_own_namespace(&self, me: u32) -> io::Result<()> {
        let target = rustix::fs::readlinkat(&self.root, "self", Vec::new())?;
        let is_me = target.to_str().ok().and_then(|pid| pid.parse().ok()) == Some(me);
        if is_me { Ok(()) } else { Err(io::Error::other("/proc belongs to another PID namespace")) }
    }

    /// Remembers an error that may pass, for `require_complete`: the process may exist.
    pub(crate) fn note_error(&self, error: Errno) -> Errno {
        // A timeout is no failure of the scan: that one process is unknown, all others were read.
        if errno_may_pass(error) && error != Errno::TIMEDOUT {
            self.passing.store(error.raw_os_error(), Ordering::Relaxed);
        }
        error
    }

    fn note_io_error(&self, error: io::Error) -> io::Error {
        Errno::from_io_error(&error).map(|errno| self.note_error(errno));
        error
    }

    /// Requires that no such error has occurred since the last call.
    pub(crate) fn require_complete(&self) -> io::Result<()> {
        match self.passing.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        self.list(USUAL_LENGTH, &mut |batch| {
            pids.extend(batch);
            Ok(())
        })?;
        Ok(pids)
    }

    /// Returns the pid assigned last in this PID namespace.
    pub(crate) fn last_pid(&self) -> io::Result<u32> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.root, "loadavg", flags, Mode::empty())
            .map_err(|error| self.note_error(error))?;
        let mut line = [0; 128];
        let read = retry_on_intr(|| rustix::io::read(&file, &mut line))?;
        let text = line.get(..read).and_then(|line| std::str::from_utf8(line).ok());
        let last = text.and_then(|it| it.split_whitespace().next_back()?.parse().ok());
        last.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Lists all pids in batches of about this many bytes.
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

    /// Calls `call` with the path of a process's file, built on the stack, because readers share
    /// one heap, whose allocations wait for each other.
    fn with_path<T>(
        &self,
        pid: u32,
        file: &str,
        mut call: impl FnMut(BorrowedFd<'_>, &CStr) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if self.readers.blocked.includes(pid, part_of(file)) {
            return Err(Errno::TIMEDOUT);
        }
        let mut path = [0; 64];
        let fits = write!(&mut path[..], "{pid}/{file}\0").is_ok();
        let called = reading(pid, part_of(file), || match CStr::from_bytes_until_nul(&path) {
            Ok(path) if fits => retry_on_intr(|| call(self.root.as_fd(), path)),
            Ok(_) | Err(_) => {
                let path = CString::new(format!("{pid}/{file}")).map_err(|_| Errno::INVAL)?;
                retry_on_intr(|| call(self.root.as_fd(), &path))
            }
        });
        called.map_err(|error| self.note_error(error))
    }

    fn open_file(&self, pid: u32, file: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.with_path(pid, file, |root, path| {
            rustix::fs::openat(root, path, flags | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Returns whether the command line and environment of a process of this user are not read,
    /// because that blocks.
    pub(crate) fn is_own_and_blocks(&self, pid: u32) -> bool {
        self.readers.blocked.is_own(pid)
    }

    /// Reads a file. What blocks in the kernel is not read again.
    pub(crate) fn read(&self, pid: u32, file: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
        let fd = self.open_file(pid, file, OFlags::empty())?;
        buffer.clear();
        buffer.reserve(USUAL_LENGTH);
        let room = buffer.capacity();
        reading(pid, part_of(file), || {
            let read =
                retry_on_intr(|| rustix::io::read(&fd, rustix::buffer::spare_capacity(buffer)))
                    .map_err(|error| self.note_error(error))?;
            // A short read means the end of the file.
            if read == room {
                let rest = std::fs::File::from(fd).take(MAX_LENGTH).read_to_end(buffer);
                rest.map_err(|error| self.note_io_error(error))?;
            }
            Ok(())
        })
    }

    /// Returns the facts of this very process; `None` if they cannot be read, or if another process
    /// has its pid now. A zombie keeps its pid.
    pub(crate) fn stat_of(&self, id: ProcessId) -> Option<ProcStat> {
        self.stat(id.pid, &mut Vec::new()).ok().filter(|stat| stat.start == id.start)
    }

    pub(crate) fn stat(&self, pid: u32, buffer: &mut Vec<u8>) -> io::Result<ProcStat> {
        self.read(pid, "stat", buffer)?;
        ProcStat::parse(buffer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    pub(crate) fn link(&self, pid: u32, name: &str) -> io::Result<PathBuf> {
        let target =
            self.with_path(pid, name, |root, path| rustix::fs::readlinkat(root, path, Vec::new()))?;
        Ok(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
    }

    /// Returns whether a process has other mounts than this one. `None` if it cannot be read, as of
    /// other users' processes.
    pub(crate) fn has_other_mounts(&self, pid: u32) -> Option<bool> {
        let theirs = self.link(pid, "ns/mnt").ok()?;
        if let Some(mine) = self.own_mounts.get() {
            return Some(theirs != *mine);
        }
        let mine = self.link(std::process::id(), "ns/mnt").ok()?;
        Some(theirs != *self.own_mounts.get_or_init(|| mine))
    }

    /// Returns whether a process has no executable: it is a kernel thread or a zombie, or has gone.
    pub(crate) fn has_no_executable(&self, pid: u32) -> bool {
        let mut target = [std::mem::MaybeUninit::uninit(); 1];
        let length = self.with_path(pid, "exe", |root, path| {
            rustix::fs::readlinkat_raw(root, path, &mut target).map(|(read, _)| read.len())
        });
        length == Err(Errno::NOENT)
    }

    pub(crate) fn owner(&self, pid: u32) -> io::Result<u32> {
        let stat = rustix::fs::statat(&self.root, pid.to_string(), rustix::fs::AtFlags::empty());
        Ok(stat.map_err(|error| self.note_error(error))?.st_uid)
    }

    pub(crate) fn file_behind(&self, pid: u32, name: &str) -> io::Result<(u64, u64)> {
        let stat = self.with_path(pid, name, |root, path| {
            rustix::fs::statat(root, path, rustix::fs::AtFlags::empty())
        })?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Returns the device and inode of the file at an absolute path as the process sees it, with
    /// its mounts and links.
    pub(crate) fn file_in_root_of(&self, pid: u32, path: &Path) -> io::Result<(u64, u64)> {
        let root = self.open_file(pid, "root", OFlags::PATH)?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let path = path.strip_prefix("/").unwrap_or(path);
        let open = || rustix::fs::openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let file = retry_on_intr(open).map_err(|error| self.note_error(error))?;
        let stat = rustix::fs::fstat(file).map_err(|error| self.note_error(error))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Opens a file that is too large to read as a whole.
    pub(crate) fn file(&self, pid: u32, file: &str) -> io::Result<std::fs::File> {
        Ok(self.open_file(pid, file, OFlags::empty())?.into())
    }

    pub(crate) fn try_open(&self, pid: u32, file: &str) -> Result<(), Errno> {
        self.open_file(pid, file, OFlags::empty()).map(drop)
    }

    pub(crate) fn status(&self, pid: u32, buffer: &mut Vec<u8>) -> io::Result<ProcStatus> {
        self.read(pid, "status", buffer)?;
        Ok(ProcStatus::parse(buffer))
    }

    pub(crate) fn descriptors(&self, pid: u32) -> io::Result<Vec<u32>> {
        let folder = self.open_file(pid, "fd", OFlags::DIRECTORY)?;
        let mut descriptors = Vec::new();
        for entry in Dir::read_from(&folder).map_err(|error| self.note_error(error))? {
            let entry = entry.map_err(|error| self.note_error(error))?;
            if let Ok(name) = entry.file_name().to_str()
                && let Ok(descriptor) = name.parse()
            {
                descriptors.push(descriptor);
            }
        }
        Ok(descriptors)
    }
}

/// Reads a text of `/proc` that is about no other process. Without a buffer, `fs::read_to_string`
/// begins with reads of 32 bytes.
pub(crate) fn read_text(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(USUAL_LENGTH);
    std::fs::File::open(path)?.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn part_of(file: &str) -> ProcessPart {
    match file {
        "cmdline" | "environ" => ProcessPart::Memory,
        _ => ProcessPart::Others,
    }
}
