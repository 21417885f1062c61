//! A single sleep for signals, which wake it, and for ends of processes and changes of files, which
//! are checked at intervals.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::engine::signal::Signal;
use crate::sys::clock;
use crate::sys::portable::file_watch::FileWatch;
use crate::sys::portable::process_handle::ProcessHandle;
use crate::sys::portable::signals::{ReceivedSignal, SignalStreams};
use crate::sys::wake::{CANCELLED, Interrupted, Wake};

const CHECK_INTERVAL: Duration = Duration::from_millis(50);

pub struct Poller(SignalSource);

enum SignalSource {
    Signals(RefCell<PollerState>),
    /// For a program that uses the library and handles its own signals.
    Cancel(CancelHandle),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct CancelHandle(Arc<(Mutex<bool>, Condvar)>);

impl CancelHandle {
    /// Ends the current sleep and all later ones.
    pub(crate) fn cancel(&self) {
        let (is_cancelled, changed) = &*self.0;
        *is_cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    fn is_cancelled_within(&self, time: Duration) -> bool {
        let (is_cancelled, changed) = &*self.0;
        let guard = is_cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        *changed
            .wait_timeout_while(guard, time, |is_cancelled| !*is_cancelled)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

#[derive(Debug)]
pub(crate) struct WakePipe(Arc<AtomicBool>);

/// Wakes the sleeper on drop, no matter how its thread ends.
pub(crate) struct WakeOnDrop(Arc<AtomicBool>);

impl WakePipe {
    #[expect(clippy::unnecessary_wraps, reason = "on Linux it takes descriptors")]
    pub(crate) fn new() -> io::Result<(WakePipe, WakeOnDrop)> {
        let is_closed = Arc::new(AtomicBool::new(false));
        Ok((WakePipe(Arc::clone(&is_closed)), WakeOnDrop(is_closed)))
    }
}

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

struct PollerState {
    runtime: Runtime,
    streams: SignalStreams,
    arrived: VecDeque<ReceivedSignal>,
}

impl Poller {
    /// Receives signals from now on through [`next_signal`](Self::next_signal). Signals that were
    /// ignored before stay ignored.
    pub(crate) fn for_signals() -> io::Result<Poller> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let streams = {
            let _context = runtime.enter();
            SignalStreams::open()?
        };
        let state = PollerState { runtime, streams, arrived: VecDeque::new() };
        Ok(Poller(SignalSource::Signals(RefCell::new(state))))
    }

    #[expect(clippy::unnecessary_wraps, reason = "on Linux the kernel may refuse")]
    pub(crate) fn with_cancel() -> io::Result<(Poller, CancelHandle)> {
        let cancel = CancelHandle::default();
        Ok((Poller(SignalSource::Cancel(cancel.clone())), cancel))
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match &self.0 {
            SignalSource::Signals(_) => false,
            SignalSource::Cancel(cancel) => cancel.is_cancelled_within(Duration::ZERO),
        }
    }

    /// Returns whether a signal arrives within this time.
    fn wait(&self, time: Duration) -> bool {
        match &self.0 {
            SignalSource::Signals(state) => state.borrow_mut().wait(time),
            SignalSource::Cancel(cancel) => cancel.is_cancelled_within(time),
        }
    }

    pub(crate) fn next_signal(&self) -> Option<ReceivedSignal> {
        let SignalSource::Signals(state) = &self.0 else { return None };
        let mut state = state.borrow_mut();
        if state.arrived.is_empty() {
            state.wait(Duration::ZERO);
        }
        state.arrived.pop_front()
    }

    /// Takes the signals that have arrived, up to the first that ends a start.
    pub(crate) fn interruption(&self) -> Option<Interrupted> {
        if self.is_cancelled() {
            return Some(Interrupted(CANCELLED));
        }
        let signal =
            std::iter::from_fn(|| self.next_signal()).find_map(ReceivedSignal::stop_signal);
        signal.map(|signal| Interrupted(exit_number(signal)))
    }

    /// Sleeps until the other end of `pipe` is closed or until `until`. Returns whether it is
    /// closed.
    pub(crate) fn sleep_on_pipe(
        poller: Option<&Poller>,
        pipe: &WakePipe,
        until: Duration,
    ) -> Result<bool, Interrupted> {
        loop {
            let left = until.saturating_sub(clock::monotonic());
            if let Some(interrupted) = poller.and_then(Poller::interruption) {
                return Err(interrupted);
            }
            let is_closed = pipe.0.load(Ordering::Acquire);
            if is_closed || left.is_zero() {
                return Ok(is_closed);
            }
            wait_for_signals(poller, left.min(CHECK_INTERVAL));
        }
    }

    /// Sleeps until a signal, a change of a watched file, the end of a process, or `until`.
    pub(crate) fn poll(
        poller: Option<&Poller>,
        watch: Option<&FileWatch>,
        processes: &[&ProcessHandle],
        until: Option<Duration>,
    ) -> Wake {
        loop {
            let left = until.map(|until| until.saturating_sub(clock::monotonic()));
            if left.is_some_and(|left| left.is_zero()) {
                return Wake::TimedOut;
            }
            let pause = left.map_or(CHECK_INTERVAL, |left| left.min(CHECK_INTERVAL));
            if wait_for_signals(poller, pause) {
                return Wake::Signal;
            }
            if processes.iter().any(|process| process.has_ended()) {
                return Wake::ProcessEnded;
            }
            if watch.is_some_and(FileWatch::has_changed) {
                return Wake::FileChanged;
            }
        }
    }

    /// Returns a flag to set at the end of a child, because no signal reports it.
    #[cfg(windows)]
    pub(crate) fn child_end(&self) -> Arc<AtomicBool> {
        match &self.0 {
            SignalSource::Signals(state) => state.borrow().streams.child_end(),
            SignalSource::Cancel(_) => Arc::default(),
        }
    }
}

impl PollerState {
    fn wait(&mut self, time: Duration) -> bool {
        let PollerState { runtime, streams, arrived } = self;
        let next = std::future::poll_fn(|context| streams.poll(context, arrived));
        // `Err` means that the time is over.
        runtime.block_on(async { tokio::time::timeout(time, next).await }).is_ok()
            || !arrived.is_empty()
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing on this system reports what is checked")]
fn wait_for_signals(poller: Option<&Poller>, time: Duration) -> bool {
    if let Some(poller) = poller {
        return poller.wait(time);
    }
    std::thread::sleep(time);
    false
}

/// Returns Linux's number of a signal, for an exit status of 128+n on every system.
fn exit_number(signal: Signal) -> u8 {
    match signal {
        Signal::SigHup => 1,
        Signal::SigInt => 2,
        Signal::SigQuit => 3,
        Signal::SigUsr1 => 10,
        Signal::SigUsr2 => 12,
        Signal::SigTerm => 15,
    }
}
