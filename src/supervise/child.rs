//! COMMAND as its guard handles it on Linux: it forwards with the origin of a signal in mind, and
//! reaps every orphan.

use std::{ffi::OsString, io, path::Path};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::Signal,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};

use crate::{
    engine::{ladder::StopOptions, signal},
    error::ExitStatus,
    state::lock_file::HeldLock,
    supervise::spawn,
    sys::machine::{
        poll::Poller,
        signals::{self, ReceivedSignal},
    },
};

/// What the child gets from its guard.
#[derive(Debug)]
pub(crate) struct Inheritance<'a> {
    /// The locks: while anything of the tree has one open, nobody else starts.
    pub(crate) locks: &'a [HeldLock],
    /// It knows the signal mask that monopoll was started with.
    pub(crate) alarm: &'a Poller,
    /// What the child gets when its guard is killed.
    pub(crate) on_guards_death: signal::Signal,
    /// Added to its environment.
    pub(crate) held: (&'static str, OsString),
}

/// COMMAND, once it was started.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
}

/// What there was to reap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    /// COMMAND's end, if it came just now.
    pub(crate) child: Option<ExitStatus>,
    /// Nobody is left below this process.
    pub(crate) childless: bool,
}

/// From here on orphans of the tree are children of this process.
///
/// # Errors
/// As prctl(2).
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// What this system can do of it: everything.
pub(crate) fn within_reach(manner: StopOptions) -> StopOptions {
    manner
}

impl Child {
    /// Starts `program` as `args`. It must be called on the main thread: PDEATHSIG fires when the
    /// thread that forked ends.
    ///
    /// # Errors
    /// As fork(2) and execvp(3).
    pub(crate) fn spawn(
        program: &Path,
        args: &[OsString],
        inheritance: &Inheritance<'_>,
    ) -> io::Result<Child> {
        let pid = spawn::spawn(program, args, inheritance)?;
        Ok(Child { pid: Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX)) })
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Sends it on, unless the terminal gave it to the whole group already.
    pub(crate) fn forward(&self, arrived: ReceivedSignal) {
        let in_my_group =
            nix::unistd::getpgid(Some(self.pid)).is_ok_and(|group| group == nix::unistd::getpgrp());
        if !(arrived.by_terminal && in_my_group && !is_for_me_alone(arrived)) {
            signals::send(self.pid, arrived.number);
        }
        if arrived.is(Signal::SIGTSTP) {
            // Ctrl-Z stops both, and the shell that waits for the guard sees it stopped.
            let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        }
    }

    /// Reaps whoever has ended, COMMAND or an orphan of its tree.
    pub(crate) fn reap(&mut self) -> Reaped {
        let mut reaped = Reaped { child: None, childless: false };
        loop {
            // Looked at first and reaped after: COMMAND's pid must not be used again while a signal
            // may be on its way.
            let status =
                waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
            reaped.childless = status == Err(Errno::ECHILD);
            let Ok(status) = status else { return reaped };
            let Some(ended) = status.pid() else { return reaped };
            if ended == self.pid {
                reaped.child = Some(match status {
                    WaitStatus::Exited(_, code) => {
                        ExitStatus::Child(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
                    }
                    WaitStatus::Signaled(_, signal, _) => {
                        ExitStatus::Signalled(u8::try_from(signal as i32).unwrap_or(u8::MAX))
                    }
                    _ => ExitStatus::Fault,
                });
            }
            if waitpid(ended, Some(WaitPidFlag::WNOHANG)).is_err() {
                return reaped;
            }
        }
    }
}

/// A terminal that is closed tells only the leader of its session.
fn is_for_me_alone(arrived: ReceivedSignal) -> bool {
    arrived.is(Signal::SIGHUP)
        && nix::unistd::getsid(None).is_ok_and(|leader| leader == nix::unistd::getpid())
}
