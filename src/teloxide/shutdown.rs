//! What tells a bot to stop, but for its guard: signals, or the program itself.

use std::{fmt, future::Future, pin::Pin};

use crate::{
    error::{Error, ExitStatus},
    teloxide::End,
};

/// What tells it to stop.
pub(crate) enum StopSignals {
    Signals(Signals),
    Told(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl StopSignals {
    /// SIGTERM and SIGINT, from now on.
    ///
    /// # Errors
    /// There is no runtime that could tell of signals.
    pub(crate) fn by_signals() -> Result<StopSignals, Error> {
        let failed =
            |error| Error::from_source(ExitStatus::Fault, "signals cannot be waited for", error);
        Signals::take().map(StopSignals::Signals).map_err(failed)
    }

    /// This, once it resolves.
    pub(crate) fn told_by(told: impl Future<Output = ()> + Send + 'static) -> StopSignals {
        StopSignals::Told(Box::pin(told))
    }

    /// Resolves when it is to stop; not to be asked again after that.
    pub(crate) async fn wait(&mut self) -> End {
        match self {
            StopSignals::Signals(signals) => End::Signalled(signals.next().await),
            StopSignals::Told(told) => {
                told.await;
                End::Told
            }
        }
    }
}

/// What an end means for a bot that did not hold its guard yet.
///
/// # Errors
/// A signal ended it.
pub(crate) fn before_the_start(end: End) -> Result<End, Error> {
    let number = match end {
        End::Signalled(INTERRUPT) => 2,
        End::Signalled(_) => 15,
        End::Told | End::Lost(_) | End::ShutDown => return Ok(end),
    };
    Err(Error::new(
        ExitStatus::Signalled(number),
        "ended by a signal before the start; nothing is left behind",
    ))
}

const INTERRUPT: &str = "SIGINT";

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Signalled(signal) => write!(f, "{signal} arrived"),
            End::Told => f.write_str("the program says so"),
            End::Lost(lost) => lost.fmt(f),
            End::ShutDown => f.write_str("the program shut its dispatcher down"),
        }
    }
}

#[cfg(unix)]
pub(crate) use unix::Signals;

#[cfg(unix)]
mod unix {
    use tokio::signal::unix::SignalKind;

    use super::INTERRUPT;
    use crate::sys::tokio_signals::{HandledSignal, IgnoredSignals};

    /// SIGTERM and SIGINT; one that was ignored stays ignored.
    pub(crate) struct Signals {
        terminate: HandledSignal,
        interrupt: HandledSignal,
    }

    impl Signals {
        pub(crate) fn take() -> std::io::Result<Signals> {
            let ignored = IgnoredSignals::read();
            let (terminate, interrupt) = (
                ignored.handle(SignalKind::terminate())?,
                ignored.handle(SignalKind::interrupt())?,
            );
            Ok(Signals { terminate, interrupt })
        }

        pub(crate) async fn next(&mut self) -> &'static str {
            tokio::select! {
                () = self.terminate.arrival() => "SIGTERM",
                () = self.interrupt.arrival() => INTERRUPT,
            }
        }
    }
}

#[cfg(windows)]
pub(crate) use windows::Signals;

#[cfg(windows)]
mod windows {
    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
    };

    use super::INTERRUPT;

    /// What the console has in the place of SIGTERM and SIGINT.
    pub(crate) struct Signals {
        interrupt: CtrlC,
        harder: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub(crate) fn take() -> std::io::Result<Signals> {
            Ok(Signals {
                interrupt: ctrl_c()?,
                harder: ctrl_break()?,
                close: ctrl_close()?,
                shutdown: ctrl_shutdown()?,
            })
        }

        pub(crate) async fn next(&mut self) -> &'static str {
            tokio::select! {
                Some(()) = self.interrupt.recv() => INTERRUPT,
                Some(()) = self.harder.recv() => INTERRUPT,
                Some(()) = self.close.recv() => "SIGTERM",
                Some(()) = self.shutdown.recv() => "SIGTERM",
                else => std::future::pending().await,
            }
        }
    }
}
