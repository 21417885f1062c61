//! The real-time signals: the kernel knows them by number alone, and no safe interface takes one.
#![expect(
    unsafe_code,
    reason = "sigaddset(3) and kill(2) with a number; each block says why it is sound"
)]

use nix::{libc, sys::signal::SigSet, unistd::Pid};

/// `mask` with every real-time signal in it that is not ignored.
pub(crate) fn add_to(mask: &SigSet, ignored: u64) -> SigSet {
    let mut raw = *mask.as_ref();
    for number in
        (libc::SIGRTMIN()..=libc::SIGRTMAX()).filter(|number| ignored & (1 << (number - 1)) == 0)
    {
        // SAFETY: the set is initialised, and the C library itself says that these numbers are in
        // its range.
        unsafe { libc::sigaddset(&raw mut raw, number) };
    }
    // SAFETY: it was a set before, and has only valid signals more.
    unsafe { SigSet::from_sigset_t_unchecked(raw) }
}

/// Sends a signal by its number.
pub(crate) fn send(to: Pid, number: i32) {
    // SAFETY: two numbers go in. It may just have ended; then its end is the next thing that is
    // heard.
    unsafe { libc::kill(to.as_raw(), number) };
}
