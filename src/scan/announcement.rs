//! A file in memory, open while this process holds a lock, that other starts find among its
//! descriptors. Without it, nothing shows a start whose lock file was deleted before COMMAND runs
//! with its marker.

use crate::scan::env_marker::EnvMarker;

/// The announcement of a held lock, withdrawn on drop. COMMAND does not inherit it.
#[derive(Debug)]
pub struct Announcement {
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    _file: std::os::fd::OwnedFd,
}

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod linux {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::{Announcement, EnvMarker};
    use crate::state::lock_folder::require_size;
    use crate::sys::linux::proc_fs::ProcFs;

    const NAME: &str = "monopoll-lock";

    /// What the kernel shows as the path of such a file.
    const LINK: &str = "/memfd:monopoll-lock (deleted)";

    impl Announcement {
        /// Creates the file. `None` without descriptors or memory: other starts then rely on the
        /// lock.
        pub(crate) fn new(marker: &EnvMarker) -> Option<Announcement> {
            let content = marker.value();
            let content = content.as_bytes();
            // Kernels before 6.3 do not know NOEXEC_SEAL.
            let flags = MemfdFlags::CLOEXEC;
            let file = memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL)
                .or_else(|_| memfd_create(NAME, flags))
                .ok()?;
            require_size(content.len()).ok()?;
            let written = rustix::io::pwrite(&file, content, 0).ok()?;
            (written == content.len()).then_some(Announcement { _file: file })
        }
    }

    /// Returns the announcements of a process.
    pub(crate) fn announcements(proc: &ProcFs, pid: u32) -> Vec<EnvMarker> {
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        for descriptor in proc.descriptors(pid).unwrap_or_default() {
            let name = format!("fd/{descriptor}");
            let is_one = proc.link(pid, &name).is_ok_and(|link| link == Path::new(LINK));
            if is_one && proc.read(pid, &name, &mut buffer).is_ok() {
                found.extend(EnvMarker::parse(OsStr::from_bytes(&buffer)));
            }
        }
        found
    }
}

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(crate) use linux::announcements;

#[cfg(not(all(target_os = "linux", not(monopoll_portable))))]
impl Announcement {
    /// Other starts do not look for it on this system.
    pub(crate) fn new(_marker: &EnvMarker) -> Option<Announcement> {
        None
    }
}
