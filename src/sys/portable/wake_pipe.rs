//! The end of another thread's work as something to be looked for.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// To be waited for.
#[derive(Debug)]
pub(crate) struct WakePipe(Arc<AtomicBool>);

/// Rings when it is dropped, however its thread ends.
#[derive(Debug)]
pub(crate) struct WakeOnDrop(Arc<AtomicBool>);

impl WakePipe {
    /// # Errors
    /// Never; on Linux it takes descriptors.
    #[expect(clippy::unnecessary_wraps, reason = "on Linux it takes descriptors")]
    pub(crate) fn hang() -> io::Result<(WakePipe, WakeOnDrop)> {
        let rung = Arc::new(AtomicBool::new(false));
        Ok((WakePipe(Arc::clone(&rung)), WakeOnDrop(rung)))
    }

    pub(crate) fn has_rung(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
