//! The file system of a folder: rejects network file systems, and collects facts for `doctor`.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sys::folder_owner::FolderOwner;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    Given,
    Refused(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    pub owner: String,
    pub mode: u32,
    pub file_system: Option<String>,
    pub free_bytes: u64,
    /// `None` if the file system does not count inodes.
    pub free_inodes: Option<u64>,
    pub writing: Support,
    pub network: Option<&'static str>,
    /// The first of this folder and its ancestors that others can write to, and its owner.
    pub exposed: Option<(PathBuf, FolderOwner)>,
    /// The first of this folder and its ancestors that belongs to another user, and that user's id.
    pub foreign: Option<(PathBuf, u32)>,
}

#[cfg(unix)]
pub(crate) use self::unix::require_local;
#[cfg(unix)]
pub use self::unix::{facts, is_local_and_writable};

#[cfg(unix)]
mod unix {
    #![expect(clippy::disallowed_methods, reason = "reads what the system says of a folder")]

    use std::fs;
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use rustix::fs::{Access, FileType, Mode, OFlags};

    use super::{Error, FolderFacts, Path, Support};
    use crate::error::errno_may_pass;
    use crate::sys::folder_permissions::{self, UnsafeFolder};
    use crate::sys::{mounts, users};

    const OPEN_FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::RDONLY);
    const MAKE_FILES: Access = Access::WRITE_OK.union(Access::EXEC_OK);

    /// Rejects network file systems, whose locks are not reliable across hosts.
    pub(crate) fn require_local(folder: impl AsFd, path: &Path) -> Result<(), Error> {
        let network = network_name(folder).map_err(|errno| {
            Error::unsafe_lock_due_to(path, "its file system cannot be determined", errno)
        })?;
        match network {
            None => Ok(()),
            Some(name) => {
                let why = format!("the folder is on a network file system ({name})");
                Err(Error::unsafe_lock(path, &why)
                    .with_hint("choose a folder on a local disk in `lock.paths`"))
            }
        }
    }

    /// Returns whether a folder, or its first existing ancestor, is on a local disk and writable.
    pub fn is_local_and_writable(folder: &Path) -> io::Result<bool> {
        let Some(existing) = first_existing(folder)? else { return Ok(false) };
        let opened = rustix::fs::access(existing, MAKE_FILES)
            .and_then(|()| rustix::fs::open(existing, OPEN_FOLDER, Mode::empty()))
            .and_then(network_name);
        match opened {
            Ok(network) => Ok(network.is_none()),
            Err(errno) if errno_may_pass(errno) => Err(errno.into()),
            Err(_) => Ok(false),
        }
    }

    /// Returns the folder or its first ancestor that exists.
    fn first_existing(folder: &Path) -> io::Result<Option<&Path>> {
        for folder in folder.ancestors() {
            match rustix::fs::stat(folder) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => {
                    return Ok(Some(folder));
                }
                Err(errno) if errno_may_pass(errno) => return Err(errno.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }

    pub fn facts(folder: &Path) -> Option<FolderFacts> {
        let metadata = fs::metadata(folder).ok()?;
        let statistics = rustix::fs::statvfs(folder).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let path = fs::canonicalize(folder).ok();
        let (exposed, foreign) = match path.as_deref().and_then(folder_permissions::exposed) {
            None => (None, None),
            Some((folder, UnsafeFolder::Writers(owner))) => {
                (Some((folder.to_owned(), owner)), None)
            }
            Some((folder, UnsafeFolder::Owner(uid))) => (None, Some((folder.to_owned(), uid))),
        };
        Some(FolderFacts {
            owner: users::user(metadata.uid()).name,
            mode: metadata.mode() & 0o1777,
            file_system: path
                .as_deref()
                .and_then(|path| mounts::covering(&mounts, path))
                .map(|mount| mount.file_system),
            free_bytes: statistics.f_bavail.saturating_mul(statistics.f_frsize),
            // File systems that create inodes on demand report 0 of 0.
            free_inodes: (statistics.f_files > 0).then_some(statistics.f_favail),
            writing: match rustix::fs::access(folder, MAKE_FILES) {
                Ok(()) => Support::Given,
                Err(error) => Support::Refused(error.to_string()),
            },
            network: rustix::fs::open(folder, OPEN_FOLDER, Mode::empty())
                .and_then(network_name)
                .ok()
                .flatten(),
            exposed,
            foreign,
        })
    }

    /// File systems shared with other hosts, by the magic numbers of statfs(2) and linux/magic.h.
    /// FUSE is included because its backing store is unknown.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const SHARED: [(u64, &str); 14] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x0102_1997, "9P"),
        (0x5346_414f, "AFS"),
        (0x6b41_4653, "kAFS"),
        (0x7375_7245, "Coda"),
        (0x00c3_6400, "Ceph"),
        (0x0bd0_0bd0, "Lustre"),
        (0x4750_4653, "GPFS"),
        (0x0116_1970, "GFS2"),
        (0x7461_636f, "OCFS2"),
        (0x6573_5546, "FUSE"),
    ];

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn network_name(folder: impl AsFd) -> rustix::io::Result<Option<&'static str>> {
        let magic = u64::try_from(rustix::fs::fstatfs(folder)?.f_type).unwrap_or_default();
        // The field is signed and 32 bits wide on some systems, so compare only the lower 32 bits.
        let shared = SHARED.iter().find(|(known, _)| *known == magic & 0xffff_ffff);
        Ok(shared.map(|(_, name)| *name))
    }

    /// Only distinguishes local file systems from others (`MNT_LOCAL` of sys/mount.h, which is the
    /// same on both systems).
    #[cfg(any(target_os = "macos", target_os = "freebsd"))]
    fn network_name(folder: impl AsFd) -> rustix::io::Result<Option<&'static str>> {
        const LOCAL: u64 = 0x1000;
        let flags = u64::from(rustix::fs::fstatfs(folder)?.f_flags);
        Ok((flags & LOCAL == 0).then_some("it is not mounted from a local disk"))
    }

    /// There is no safe interface for this on these systems.
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "macos",
        target_os = "freebsd"
    )))]
    fn network_name(_folder: impl AsFd) -> rustix::io::Result<Option<&'static str>> {
        Ok(None)
    }
}

/// Rejects network shares. Drive letters were resolved before.
#[cfg(windows)]
pub(crate) fn require_local(folder: &Path) -> Result<(), Error> {
    use std::path::{Component, Prefix};

    match folder.components().next() {
        Some(Component::Prefix(prefix))
            if matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..)) =>
        {
            Err(Error::unsafe_lock(folder, "the folder is on a network share")
                .with_hint("choose a folder on a local disk in `lock.paths`"))
        }
        _ => Ok(()),
    }
}

/// Opening the folder has already shown everything that can be known.
#[cfg(windows)]
pub fn facts(_folder: &Path) -> Option<FolderFacts> {
    None
}
