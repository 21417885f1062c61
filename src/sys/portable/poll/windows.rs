//! What Windows has in the place of signals: the console's keys and its end.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close,
    ctrl_logoff, ctrl_shutdown,
};

use crate::{engine::signal::Signal, sys::portable::poll::ReceivedSignal};

/// Everything that arrives.
#[derive(Debug)]
pub(crate) struct SignalStreams {
    interrupt: CtrlC,
    interrupt_harder: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
    /// Whoever waits for a child rings it.
    bell: Arc<AtomicBool>,
}

impl SignalStreams {
    pub(crate) fn open() -> io::Result<SignalStreams> {
        Ok(SignalStreams {
            interrupt: ctrl_c()?,
            interrupt_harder: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
            bell: Arc::default(),
        })
    }

    /// Takes what has arrived. The bell wakes nobody: it is looked at whenever a nap is over.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        arrived: &mut VecDeque<ReceivedSignal>,
    ) -> Poll<()> {
        let asked = [
            (self.interrupt.poll_recv(context), Signal::SigInt),
            (self.interrupt_harder.poll_recv(context), Signal::SigInt),
            (self.close.poll_recv(context), Signal::SigHup),
            (self.logoff.poll_recv(context), Signal::SigTerm),
            (self.shutdown.poll_recv(context), Signal::SigTerm),
        ];
        arrived.extend(
            asked
                .into_iter()
                .filter(|(came, _)| came.is_ready())
                .map(|(_, signal)| ReceivedSignal::Ask(signal)),
        );
        if self.bell.swap(false, Ordering::AcqRel) {
            arrived.push_back(ReceivedSignal::Child);
        }
        if arrived.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    pub(crate) fn bell(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.bell)
    }
}
