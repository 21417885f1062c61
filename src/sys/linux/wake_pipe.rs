//! The end of another thread's work as something to be polled for: a pipe whose other end that
//! thread has.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::pipe::{PipeFlags, pipe_with};

/// To be waited for.
#[derive(Debug)]
pub(crate) struct WakePipe(OwnedFd);

/// Rings when it is dropped, however its thread ends.
#[derive(Debug)]
pub(crate) struct WakeOnDrop(#[expect(dead_code, reason = "it is there to be closed")] OwnedFd);

impl WakePipe {
    /// # Errors
    /// There are no descriptors left.
    pub(crate) fn hang() -> io::Result<(WakePipe, WakeOnDrop)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok((WakePipe(read), WakeOnDrop(write)))
    }

    /// To be polled: it hangs up when it rings.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
