//! Starts COMMAND as if monopoll were not there, but with the locks.
//!
//! There is no safe interface for the steps between clone and exec, so this module is allowed
//! `unsafe`. Only async-signal-safe calls are made there: fcntl, close, prctl, getppid,
//! sigaction, sigprocmask and execvpe.
#![expect(
    unsafe_code,
    reason = "clone and what happens in its child; each block says why it is sound"
)]
#![expect(clippy::disallowed_methods, reason = "this is where COMMAND is started")]

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::{io, ptr};

use nix::errno::Errno;
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use rustix::io::FdFlags;

use crate::supervise::child::Inheritance;
use crate::sys::machine::signals;
use crate::sys::signal_numbers;

/// The stack of the child; execvpe(3) puts the arguments of a script without a `#!` line there too.
const STACK: usize = 32 << 10;

/// Starts `program` with `args`, as vfork(2) does: the child shares the guard's memory until exec,
/// and the calling thread waits. Copying the page tables costs as much as a full scan.
pub(super) fn spawn(
    program: &Path,
    args: &[OsString],
    inheritance: &Inheritance<'_>,
) -> io::Result<Pid> {
    let (variable, value) = &inheritance.variable;
    let image = ExecImage::new(program, args, variable, value)?;
    let child = ChildSetup {
        closed: closed_at_start(),
        locks: inheritance.locks.iter().map(|lock| lock.as_fd().as_raw_fd()).collect(),
        ignored: ignored_for_the_child()?,
        mask: inheritance.poller.original_mask(),
        death_signal: signal_numbers::of(inheritance.death_signal),
        guard: std::process::id(),
    };
    let failure = AtomicI32::new(0);
    let begin = || {
        let Err(errno) = child.prepare().and_then(|()| image.execute());
        failure.store(errno as i32, Ordering::Relaxed);
        127
    };
    let mut stack = vec![0_u8; STACK + size_of_val(image.args.as_slice())];
    // SAFETY: with CLONE_VFORK this thread continues when the child has called exec or has ended,
    // so all that `begin` borrows outlives it, and nothing else uses `stack`. It makes only the
    // async-signal-safe calls listed above and allocates nothing, so the memory that it shares with
    // the guard's other threads stays intact.
    let pid = unsafe {
        clone(
            Box::new(begin),
            &mut stack,
            CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK,
            Some(Signal::SIGCHLD as i32),
        )
    }?;
    // The guard outlives a log that reaches the limit of file sizes. The child has its own copy of
    // what is ignored.
    // SAFETY: no handler is installed, neither before nor after.
    let ignored = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
    debug_assert!(ignored.is_ok(), "{ignored:?}");
    match failure.load(Ordering::Relaxed) {
        0 => Ok(pid),
        errno => {
            let _ = waitpid(pid, None);
            Err(io::Error::from_raw_os_error(errno))
        }
    }
}

/// A program with its arguments and its environment, as execve(2) takes them.
struct ExecImage {
    program: CString,
    args: Vec<*const c_char>,
    environ: Vec<*const c_char>,
    _strings: Vec<CString>,
}

enum Never {}

impl ExecImage {
    fn new(
        program: &Path,
        args: &[OsString],
        variable: &str,
        value: &OsStr,
    ) -> io::Result<ExecImage> {
        let name = [variable.as_bytes(), b"="].concat();
        let own = CString::new([name.as_slice(), value.as_bytes()].concat())?;
        let inherited = inherited_environ();
        let kept = inherited.into_iter().filter(|entry| !entry.to_bytes().starts_with(&name));
        let entries: Vec<CString> = kept.chain([own]).collect();
        let args: Vec<CString> =
            args.iter().map(|arg| CString::new(arg.as_bytes())).collect::<Result<_, _>>()?;
        let pointers = |strings: &[CString]| {
            strings.iter().map(|it| it.as_ptr()).chain([ptr::null()]).collect()
        };
        Ok(ExecImage {
            program: CString::new(program.as_os_str().as_bytes())?,
            args: pointers(&args),
            environ: pointers(&entries),
            _strings: args.into_iter().chain(entries).collect(),
        })
    }

    fn execute(&self) -> Result<Never, Errno> {
        // SAFETY: both lists end with a null pointer, and `self` owns what their pointers point to.
        unsafe { libc::execvpe(self.program.as_ptr(), self.args.as_ptr(), self.environ.as_ptr()) };
        Err(Errno::last())
    }
}

unsafe extern "C" {
    /// environ(7)
    static environ: *const *const c_char;
}

/// Returns every entry of this process's environment, also those without `=`, which
/// `std::env::vars_os` leaves out.
fn inherited_environ() -> Vec<CString> {
    let mut entries = Vec::new();
    // SAFETY: the list ends with a null pointer, its entries are strings, and the guard changes no
    // variable.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            entries.push(CStr::from_ptr(*next).to_owned());
            next = next.add(1);
        }
    }
    entries
}

struct ChildSetup {
    /// The standard streams that were closed when monopoll was started: Rust's start-up opens
    /// `/dev/null` for them.
    closed: Vec<RawFd>,
    locks: Vec<RawFd>,
    ignored: Vec<Signal>,
    mask: SigSet,
    death_signal: rustix::process::Signal,
    guard: u32,
}

impl ChildSetup {
    fn prepare(&self) -> Result<(), Errno> {
        for lock in &self.locks {
            // SAFETY: the guard keeps these descriptors open as long as it lives, and the child has
            // copies.
            let lock = unsafe { BorrowedFd::borrow_raw(*lock) };
            rustix::io::fcntl_setfd(lock.as_fd(), FdFlags::empty())
                .map_err(|error| Errno::from_raw(error.raw_os_error()))?;
        }
        rustix::process::set_parent_process_death_signal(Some(self.death_signal))
            .map_err(|error| Errno::from_raw(error.raw_os_error()))?;
        // If the guard was killed since clone, no death signal comes.
        if nix::unistd::getppid().as_raw().unsigned_abs() != self.guard {
            return Err(Errno::ESRCH);
        }
        for stream in &self.closed {
            // SAFETY: nothing in the child uses it.
            unsafe { libc::close(*stream) };
        }
        // SAFETY: no handler is installed. Rust's start-up ignores SIGPIPE.
        unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
        for ignored in &self.ignored {
            // SAFETY: no handler is installed; the signal was ignored when monopoll was started.
            unsafe { signal(*ignored, SigHandler::SigIgn) }?;
        }
        self.mask.thread_set_mask()
    }
}

/// Returns the signals that the child must ignore although its guard does not: with SIGCHLD
/// ignored, the kernel would reap COMMAND, and its status would be lost.
fn ignored_for_the_child() -> io::Result<Vec<Signal>> {
    let mut ignored = Vec::new();
    let at_start = signals::ignored_at_start();
    if at_start & signals::bit(Signal::SIGPIPE) != 0 {
        ignored.push(Signal::SIGPIPE);
    }
    if at_start & signals::bit(Signal::SIGCHLD) != 0 {
        // SAFETY: no handler is installed, neither before nor after.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
        ignored.push(Signal::SIGCHLD);
    }
    Ok(ignored)
}

/// A bit for each standard stream that was closed at the start.
static CLOSED_AT_START: AtomicU32 = AtomicU32::new(0);

const STANDARD_STREAMS: [RawFd; 3] = [0, 1, 2];

fn closed_at_start() -> Vec<RawFd> {
    let closed = CLOSED_AT_START.load(Ordering::Relaxed);
    STANDARD_STREAMS.into_iter().filter(|stream| closed & (1 << stream) != 0).collect()
}

extern "C" fn before_start() {
    // First: the other one opens a file.
    for stream in STANDARD_STREAMS {
        // SAFETY: asks for a flag of a descriptor that may be closed.
        if unsafe { libc::fcntl(stream, libc::F_GETFD) } == -1 {
            CLOSED_AT_START.fetch_or(1 << stream, Ordering::Relaxed);
        }
    }
    signals::remember_ignored();
}

/// Runs before Rust's start-up, which ignores SIGPIPE and opens closed standard streams, and so
/// hides the original state.
// SAFETY: an ELF program's `.init_array` is a list of functions that are called before main; this
// one only reads.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_START: extern "C" fn() = before_start;
