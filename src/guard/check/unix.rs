//! What ends a check on Unix: two signals for whoever waits for it, and one for its whole process group.

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use crate::{
    error::{Error, ExitStatus},
    host::machine::wait,
};

/// The check and whatever it starts.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// Whatever it starts is ended with it.
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
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
    quit: Option<tokio::signal::unix::Signal>,
}

impl Ending {
    /// # Errors
    /// Signals cannot be waited for.
    pub(super) fn new() -> Result<Ending, Error> {
        let ignored = wait::ignored();
        let listen = |kind: SignalKind| {
            let is_ignored = ignored & (1 << (kind.as_raw_value() - 1)) != 0;
            (!is_ignored).then(|| signal(kind)).transpose()
        };
        let failed = |error| Error::new(ExitStatus::Fault, format!("signals cannot be waited for: {error}"));
        Ok(Ending {
            interrupt: listen(SignalKind::interrupt()).map_err(failed)?,
            terminate: listen(SignalKind::terminate()).map_err(failed)?,
            hangup: listen(SignalKind::hangup()).map_err(failed)?,
            quit: listen(SignalKind::quit()).map_err(failed)?,
        })
    }

    /// The number of the first one that arrives.
    pub(super) async fn arrives(&mut self) -> u8 {
        let next = async |signal: &mut Option<tokio::signal::unix::Signal>| match signal {
            Some(signal) => signal.recv().await,
            None => std::future::pending().await,
        };
        tokio::select! {
            _ = next(&mut self.interrupt) => 2,
            _ = next(&mut self.terminate) => 15,
            _ = next(&mut self.hangup) => 1,
            _ = next(&mut self.quit) => 3,
        }
    }
}
