//! The end of another thread's work as something to be polled for: a pipe whose other end that
//! thread has.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::pipe::{PipeFlags, pipe_with};

/// To be waited for.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

/// Rings when it is dropped, however its thread ends.
#[derive(Debug)]
pub(crate) struct Ringer(#[expect(dead_code, reason = "it is there to be closed")] OwnedFd);

impl Bell {
    /// # Errors
    /// There are no descriptors left.
    pub(crate) fn hang() -> io::Result<(Bell, Ringer)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok((Bell(read), Ringer(write)))
    }

    /// To be polled: it hangs up when it rings.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
