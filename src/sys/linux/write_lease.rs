//! Asks the kernel whether a file is open for writing, in which case it could not be executed
//! (ETXTBSY).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// `F_SETSIG` of asm-generic/fcntl.h, which the libc crate does not have.
const F_SETSIG: libc::c_int = 10;

/// Returns whether a file is known to be open for writing: the kernel then grants no read lease
/// (fcntl(2)). Only the file's owner can find out.
#[expect(unsafe_code, reason = "fcntl(2): no safe interface takes a lease")]
pub(crate) fn is_open_for_writing(path: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a program, not a file of ours")]
    let Ok(file) = File::open(path) else { return false };
    let fd = file.as_raw_fd();
    // SAFETY: `file` keeps the descriptor open, and none of these calls takes a pointer. A signal
    // about this very short lease would be SIGURG, which is ignored by default.
    unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) != 0 {
            return false;
        }
        if libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == 0 {
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
            return false;
        }
    }
    io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_being_written_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_open_for_writing(file.path()));
        let path = file.into_temp_path();
        assert!(!is_open_for_writing(&path));
    }
}
