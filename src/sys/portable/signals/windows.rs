//! Console events, which Windows has instead of signals.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close,
    ctrl_logoff, ctrl_shutdown,
};

use crate::engine::signal::Signal;
use crate::sys::portable::signals::ReceivedSignal;

pub(crate) struct SignalStreams {
    ctrl_c: CtrlC,
    ctrl_break: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
    /// Set by the thread that waits for a child.
    child_end: Arc<AtomicBool>,
}

impl SignalStreams {
    pub(crate) fn open() -> io::Result<SignalStreams> {
        Ok(SignalStreams {
            ctrl_c: ctrl_c()?,
            ctrl_break: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
            child_end: Arc::default(),
        })
    }

    /// The end of a child wakes no sleep, so it is checked after each.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        arrived: &mut VecDeque<ReceivedSignal>,
    ) -> Poll<()> {
        let events = [
            (self.ctrl_c.poll_recv(context), Signal::SigInt),
            (self.ctrl_break.poll_recv(context), Signal::SigInt),
            (self.close.poll_recv(context), Signal::SigHup),
            (self.logoff.poll_recv(context), Signal::SigTerm),
            (self.shutdown.poll_recv(context), Signal::SigTerm),
        ];
        arrived.extend(
            events
                .into_iter()
                .filter(|(came, _)| came.is_ready())
                .map(|(_, signal)| ReceivedSignal::Stop(signal)),
        );
        if self.child_end.swap(false, Ordering::AcqRel) {
            arrived.push_back(ReceivedSignal::ChildEnd);
        }
        if arrived.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    pub(crate) fn child_end(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.child_end)
    }
}

/// Does nothing: a guard checks at intervals here.
pub(crate) fn wake_guard() {}
