//! On which file systems a lock means what it says.

use std::{os::fd::AsFd, path::Path};

use rustix::fs::{Access, Mode, OFlags};

use crate::{
    error::Error,
    scan::capabilities::{FolderFacts, Support},
    state::folder::{exposed, unsafe_lock},
    sys::{filesystem::kind::kind, mounts, permissions::UnsafeFolder},
};

/// # Errors
/// The folder is on a file system whose locks cannot be relied on.
pub(crate) fn insist_on_local(folder: impl AsFd, path: &Path) -> Result<(), Error> {
    match kind(folder) {
        None => Ok(()),
        Some(name) => {
            Err(unsafe_lock(path, &format!("the folder is on a network file system ({name})"))
                .hint("name a folder on a local disk in `lock.paths`"))
        }
    }
}

/// Whether a folder, or the first one above it that exists, is on a local disk and may be written
/// to.
#[must_use]
pub fn is_local_and_writable(folder: &Path) -> bool {
    let Some(existing) = folder.ancestors().find(|folder| folder.is_dir()) else { return false };
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let writable = rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    writable && rustix::fs::open(existing, flags, Mode::empty()).is_ok_and(|fd| kind(fd).is_none())
}

/// What can be said of a folder that exists.
#[must_use]
pub fn facts(folder: &Path) -> Option<FolderFacts> {
    #![expect(clippy::disallowed_methods, reason = "the folder is looked at")]
    use std::os::unix::fs::MetadataExt;

    let metadata = std::fs::metadata(folder).ok()?;
    let statistics = rustix::fs::statvfs(folder).ok()?;
    let owner = nix::unistd::User::from_uid(metadata.uid().into()).ok().flatten();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = std::fs::canonicalize(folder).ok();
    Some(FolderFacts {
        owner: owner.map_or_else(|| metadata.uid().to_string(), |user| user.name),
        mode: metadata.mode() & 0o1777,
        file_system: path
            .as_deref()
            .and_then(|path| mounts::covering(&mounts, path))
            .map(|mount| mount.file_system),
        free_bytes: statistics.f_bavail.saturating_mul(statistics.f_frsize),
        // File systems that make inodes as they are needed say 0 of 0.
        free_inodes: (statistics.f_files > 0).then_some(statistics.f_favail),
        writing: match rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Support::Given,
            Err(error) => Support::Refused(error.to_string()),
        },
        network: rustix::fs::open(
            folder,
            OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY,
            Mode::empty(),
        )
        .ok()
        .and_then(kind),
        exposed: path.as_deref().and_then(exposed).and_then(|(folder, danger)| {
            (danger == UnsafeFolder::Writers).then(|| folder.to_owned())
        }),
        foreign: path.as_deref().and_then(exposed).and_then(|(folder, danger)| match danger {
            UnsafeFolder::Owner(uid) => Some((folder.to_owned(), uid)),
            UnsafeFolder::Writers => None,
        }),
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod kind {
    use std::os::fd::AsFd;

    /// File systems that other hosts see too, by the magic numbers of statfs(2) and linux/magic.h.
    /// FUSE is among them because what is behind it cannot be known.
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

    /// The name of the network file system that `folder` is on, if it is on one.
    pub(crate) fn kind(folder: impl AsFd) -> Option<&'static str> {
        let magic = u64::try_from(rustix::fs::fstatfs(folder).ok()?.f_type).ok()?;
        // The kernel's field is signed and 32 bits wide on some systems: compare what both have.
        SHARED.iter().find(|(known, _)| *known == magic & 0xffff_ffff).map(|(_, name)| *name)
    }
}

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
mod kind {
    use std::os::fd::AsFd;

    /// `MNT_LOCAL` of sys/mount.h, the same on both.
    const LOCAL: u64 = 0x1000;

    /// What the file system says of itself: it is local or it is not.
    pub(crate) fn kind(folder: impl AsFd) -> Option<&'static str> {
        let flags = u64::from(rustix::fs::fstatfs(folder).ok()?.f_flags);
        (flags & LOCAL == 0).then_some("it is not mounted from a local disk")
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "freebsd"
)))]
mod kind {
    use std::os::fd::AsFd;

    /// Nothing safe tells it there.
    pub(crate) fn kind(_folder: impl AsFd) -> Option<&'static str> {
        None
    }
}
