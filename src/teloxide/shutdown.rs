//! The reasons to stop polling, and their sources other than the guard.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::{Error, ExitStatus};
use crate::library::Lost;

/// The reason polling ended without an error. The program should exit with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// This signal arrived.
    Signal(&'static str),
    /// The future of [`Polling::until`](super::Polling::until) resolved.
    Requested,
    /// The guard was lost, or another start asked for it.
    Lost(Lost),
    /// The program itself shut down the dispatcher.
    ShutDown,
}

/// Any stop without an error is a success.
impl From<StopReason> for ExitStatus {
    fn from(_: StopReason) -> Self {
        ExitStatus::Done
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Signal(signal) => write!(f, "{signal} arrived"),
            StopReason::Requested => f.write_str("the program asked for it"),
            StopReason::Lost(lost) => lost.fmt(f),
            StopReason::ShutDown => f.write_str("the program shut down its dispatcher"),
        }
    }
}

/// Turns a signal that arrived before the guard was acquired into an error.
pub(super) fn before_the_guard(reason: StopReason) -> Result<StopReason, Error> {
    let number = match reason {
        StopReason::Signal(INTERRUPT) => 2,
        StopReason::Signal(_) => 15,
        StopReason::Requested | StopReason::Lost(_) | StopReason::ShutDown => return Ok(reason),
    };
    Err(Error::new(
        ExitStatus::Signaled(number),
        "ended by a signal before the start; nothing is left behind",
    ))
}

pub(super) enum StopSource {
    Signals(Signals),
    Future(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl StopSource {
    pub(super) fn signals() -> Result<StopSource, Error> {
        Signals::handle()
            .map(StopSource::Signals)
            .map_err(|error| Error::from_io(ExitStatus::Fault, "cannot wait for signals", error))
    }

    /// Resolves when polling should stop. Must not be called again after that.
    pub(super) async fn wait(&mut self) -> StopReason {
        match self {
            StopSource::Signals(signals) => StopReason::Signal(signals.next().await),
            StopSource::Future(stop) => {
                stop.await;
                StopReason::Requested
            }
        }
    }
}

const INTERRUPT: &str = "SIGINT";
const TERMINATE: &str = "SIGTERM";

#[cfg(unix)]
use unix::Signals;

#[cfg(unix)]
mod unix {
    use std::io;

    use tokio::signal::unix::SignalKind;

    use super::{INTERRUPT, TERMINATE};
    use crate::sys::tokio_signals::{HandledSignal, IgnoredSignals};

    /// Receives SIGTERM and SIGINT. An ignored signal stays ignored.
    pub(crate) struct Signals {
        terminate: HandledSignal,
        interrupt: HandledSignal,
    }

    impl Signals {
        pub(crate) fn handle() -> io::Result<Signals> {
            let ignored = IgnoredSignals::read();
            Ok(Signals {
                terminate: ignored.handle(SignalKind::terminate())?,
                interrupt: ignored.handle(SignalKind::interrupt())?,
            })
        }

        pub(crate) async fn next(&mut self) -> &'static str {
            tokio::select! {
                () = self.terminate.arrival() => TERMINATE,
                () = self.interrupt.arrival() => INTERRUPT,
            }
        }
    }
}

#[cfg(windows)]
use windows::Signals;

#[cfg(windows)]
mod windows {
    use std::future::pending;
    use std::io;

    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
    };

    use super::{INTERRUPT, TERMINATE};

    /// Receives console events instead of SIGINT and SIGTERM.
    pub(crate) struct Signals {
        ctrl_c: CtrlC,
        ctrl_break: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub(crate) fn handle() -> io::Result<Signals> {
            Ok(Signals {
                ctrl_c: ctrl_c()?,
                ctrl_break: ctrl_break()?,
                close: ctrl_close()?,
                shutdown: ctrl_shutdown()?,
            })
        }

        pub(crate) async fn next(&mut self) -> &'static str {
            tokio::select! {
                Some(()) = self.ctrl_c.recv() => INTERRUPT,
                Some(()) = self.ctrl_break.recv() => INTERRUPT,
                Some(()) = self.close.recv() => TERMINATE,
                Some(()) = self.shutdown.recv() => TERMINATE,
                else => pending().await,
            }
        }
    }
}
