//! COMMAND is started as if monopoll were not there – and with the lock in its hands.
//!
//! What must happen between fork and exec has no safe interface, so this one small module is allowed `unsafe`. Only
//! async-signal-safe calls are made there: prctl, getppid, fcntl, sigprocmask and signal.
#![expect(unsafe_code, reason = "pre_exec and what it calls; each block says why it is sound")]
#![expect(clippy::disallowed_methods, reason = "this is where COMMAND is started")]

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::signal::{SigHandler, SigSet, Signal};
use rustix::io::FdFlags;

use super::child::{Inheritance, number};
use crate::host::machine::wait;

/// Starts `program` as `args`; returns its pid. It must be called on the main thread: PDEATHSIG fires when the thread that forked ends.
///
/// # Errors
/// As fork(2) and execvp(3).
pub(super) fn spawn(program: &Path, args: &[OsString], inheritance: &Inheritance<'_>) -> io::Result<u32> {
    let Some((name, rest)) = args.split_first() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let locks: Vec<RawFd> = inheritance.locks.iter().map(|lock| lock.as_fd().as_raw_fd()).collect();
    let (mask, guard) = (inheritance.alarm.original_mask(), std::process::id());
    let on_guards_death = number(inheritance.on_guards_death);
    let (variable, value) = &inheritance.held;
    let ignored = ignored_for_the_child()?;
    let mut command = Command::new(program);
    command.arg0(name).args(rest).env(variable, value);
    // SAFETY: the closure runs in the child between fork and exec. It makes only the async-signal-safe calls that are
    // listed above, allocates nothing, and the descriptors in `locks` are open in the child as they are in the parent.
    unsafe {
        command.pre_exec(move || prepare(&locks, &ignored, mask, on_guards_death, guard));
    }
    Ok(command.spawn()?.id())
}

fn prepare(locks: &[RawFd], ignored: &[Signal], mask: SigSet, on_guards_death: Signal, guard: u32) -> io::Result<()> {
    for lock in locks {
        // SAFETY: the guard keeps these descriptors open for as long as it lives, and fork copied them.
        let lock = unsafe { BorrowedFd::borrow_raw(*lock) };
        rustix::io::fcntl_setfd(lock.as_fd(), FdFlags::empty())?;
    }
    nix::sys::prctl::set_pdeathsig(on_guards_death)?;
    // A guard that was killed between fork and here can no longer be the one to say so.
    if nix::unistd::getppid().as_raw().unsigned_abs() != guard {
        return Err(io::Error::from_raw_os_error(nix::errno::Errno::ESRCH as i32));
    }
    for signal in ignored {
        // SAFETY: no handler is installed, the signal is ignored as it was when monopoll was started.
        unsafe { nix::sys::signal::signal(*signal, SigHandler::SigIgn) }?;
    }
    mask.thread_set_mask()?;
    Ok(())
}

/// What the child must ignore although its guard does not. A guard that ignored SIGCHLD would never learn how COMMAND
/// ended: the kernel would reap it.
fn ignored_for_the_child() -> io::Result<Vec<Signal>> {
    let mut ignored = Vec::new();
    if PIPE_WAS_IGNORED.load(Ordering::Relaxed) {
        ignored.push(Signal::SIGPIPE);
    }
    if wait::ignored() & wait::bit(Signal::SIGCHLD) != 0 {
        // SAFETY: no handler is installed, neither before nor after.
        unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
        ignored.push(Signal::SIGCHLD);
    }
    Ok(ignored)
}

/// Whether SIGPIPE was ignored when monopoll was started. Rust's start-up ignores it for itself, and nobody can tell later.
static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's start-up.
// SAFETY: an ELF program's `.init_array` is a list of functions that are called before main; this one only reads a file.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_START: extern "C" fn() = remember_pipe;

extern "C" fn remember_pipe() {
    PIPE_WAS_IGNORED.store(wait::ignored() & wait::bit(Signal::SIGPIPE) != 0, Ordering::Relaxed);
}
