//! What ends a check on Unix: two signals for whoever waits for it, and one for its whole process
//! group.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::SignalKind;

use crate::error::{Error, ExitStatus};
use crate::sys::tokio_signals::{HandledSignal, IgnoredSignals};

/// The process group of the check.
pub(super) struct Group(Option<Pid>);

impl Group {
    pub(super) fn prepare(command: &mut Command) {
        command.process_group(0);
    }

    pub(super) fn of(child: &Child) -> Group {
        Group(child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw))
    }

    pub(super) fn kill(&self) {
        if let Some(group) = self.0 {
            // It may just have ended by itself.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// The signals that end a start; one that was ignored stays ignored.
pub(super) struct Ending {
    interrupt: HandledSignal,
    terminate: HandledSignal,
    hangup: HandledSignal,
    quit: HandledSignal,
}

impl Ending {
    pub(super) fn new() -> Result<Ending, Error> {
        let ignored = IgnoredSignals::read();
        let heed = |kind| {
            let heeded = ignored.handle(kind);
            heeded.map_err(|error| {
                Error::from_source(ExitStatus::Fault, "signals cannot be waited for", error)
            })
        };
        Ok(Ending {
            interrupt: heed(SignalKind::interrupt())?,
            terminate: heed(SignalKind::terminate())?,
            hangup: heed(SignalKind::hangup())?,
            quit: heed(SignalKind::quit())?,
        })
    }

    pub(super) async fn arrives(&mut self) -> u8 {
        tokio::select! {
            () = self.interrupt.arrival() => 2,
            () = self.terminate.arrival() => 15,
            () = self.hangup.arrival() => 1,
            () = self.quit.arrival() => 3,
        }
    }
}
