//! The signals that end a check on Unix, and its process group.

use std::io;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::SignalKind;

use crate::error::{Error, ExitStatus};
use crate::sys::tokio_signals::IgnoredSignals;

/// Fails without a pair of sockets, which tokio's signals need: it panics without one.
pub(super) fn require_descriptors() -> io::Result<()> {
    UnixStream::pair().map(drop)
}

pub(super) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    pub(super) fn prepare(command: &mut Command) {
        command.process_group(0);
    }

    pub(super) fn of(child: &Child) -> ProcessGroup {
        ProcessGroup(child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw))
    }

    pub(super) fn kill(&self) {
        if let Some(group) = self.0 {
            // Fails if the group has just ended.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Handles the signals that end a start, and returns the number of the first that arrives. Ignored
/// signals stay ignored.
pub(super) fn stop_signal() -> Result<impl Future<Output = u8>, Error> {
    let ignored = IgnoredSignals::read();
    let handle = |kind| {
        ignored
            .handle(kind)
            .map_err(|error| Error::from_io(ExitStatus::Fault, "cannot wait for signals", error))
    };
    let mut interrupt = handle(SignalKind::interrupt())?;
    let mut terminate = handle(SignalKind::terminate())?;
    let mut hangup = handle(SignalKind::hangup())?;
    let mut quit = handle(SignalKind::quit())?;
    Ok(async move {
        tokio::select! {
            () = interrupt.arrival() => 2,
            () = terminate.arrival() => 15,
            () = hangup.arrival() => 1,
            () = quit.arrival() => 3,
        }
    })
}
