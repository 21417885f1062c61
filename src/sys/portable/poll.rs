//! One sleep for everything that can happen: signals are told; ends of processes and changes of
//! files are looked for.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::Runtime;

#[cfg(unix)]
use self::unix::SignalStreams;
#[cfg(unix)]
pub(crate) use self::unix::ignored;
#[cfg(windows)]
use self::windows::SignalStreams;
use crate::{
    engine::signal::Signal,
    sys::{
        clock,
        portable::{file_watch::FileWatch, pidfd::ProcessHandle, wake_pipe::WakePipe},
    },
};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

/// How often to look at what nobody tells of.
const BLIND: Duration = Duration::from_millis(50);

/// Something that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceivedSignal {
    /// A signal that asks to end, or what this system has in its place.
    Ask(Signal),
    /// A child has ended.
    Child,
}

impl ReceivedSignal {
    /// A child has ended: there is nothing to forward.
    pub(crate) fn tells_of_a_child(self) -> bool {
        self == ReceivedSignal::Child
    }

    /// The signal, if it is one that asks a process to end.
    pub(crate) fn asks_to_end(self) -> Option<Signal> {
        match self {
            ReceivedSignal::Ask(signal) => Some(signal),
            ReceivedSignal::Child => None,
        }
    }
}

/// What ends a sleep before its time.
#[derive(Debug)]
pub struct Poller(SignalSource);

#[derive(Debug)]
enum SignalSource {
    /// The signals of a process that is ours.
    Signals(RefCell<PollerState>),
    /// A word of the program that we are a part of: its signals are its own.
    Recall(CancelHandle),
}

/// Calls back whoever sleeps with the alarm that it belongs to.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelHandle(Arc<(Mutex<bool>, Condvar)>);

impl CancelHandle {
    /// Ends the sleep, and every later one.
    pub(crate) fn call(&self) {
        let (called, told) = &*self.0;
        *called.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
    }

    /// Whether it was called, waited for so long at most.
    fn was_called_within(&self, time: Duration) -> bool {
        let (called, told) = &*self.0;
        let called = called.lock().unwrap_or_else(PoisonError::into_inner);
        *told
            .wait_timeout_while(called, time, |called| !*called)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

#[derive(Debug)]
struct PollerState {
    runtime: Runtime,
    sources: SignalStreams,
    arrived: VecDeque<ReceivedSignal>,
}

/// What a recall is in the place of a signal's number: no signal has it.
const RECALLED: u8 = 0;

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// This signal says: give up; [`RECALLED`] is the program's word.
    Signal(u8),
    /// A watched file changed, or may have.
    Told,
    /// One of the processes has ended.
    Ended,
    /// It is time.
    Late,
}

impl Poller {
    /// From here on signals are taken by [`next`](Self::next); those that were ignored before stay
    /// ignored.
    pub(crate) fn set() -> io::Result<Poller> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sources = {
            let _context = runtime.enter();
            SignalStreams::open()?
        };
        Ok(Poller(SignalSource::Signals(RefCell::new(PollerState {
            runtime,
            sources,
            arrived: VecDeque::new(),
        }))))
    }

    /// One that takes no signals, and what calls its sleeper back.
    #[expect(clippy::unnecessary_wraps, reason = "on Linux the kernel may refuse")]
    pub(crate) fn with_recall() -> io::Result<(Poller, CancelHandle)> {
        let recall = CancelHandle::default();
        Ok((Poller(SignalSource::Recall(recall.clone())), recall))
    }

    /// Whether its sleeper was called back.
    pub(crate) fn is_recalled(&self) -> bool {
        match &self.0 {
            SignalSource::Signals(_) => false,
            SignalSource::Recall(recall) => recall.was_called_within(Duration::ZERO),
        }
    }

    /// Waits so long for something to arrive; whether something has.
    fn wait(&self, time: Duration) -> bool {
        match &self.0 {
            SignalSource::Signals(inner) => inner.borrow_mut().wait(time),
            SignalSource::Recall(recall) => recall.was_called_within(time),
        }
    }

    /// The next one that has arrived.
    pub(crate) fn next(&self) -> Option<ReceivedSignal> {
        let mut inner = match &self.0 {
            SignalSource::Signals(inner) => inner.borrow_mut(),
            SignalSource::Recall(_) => return None,
        };
        if inner.arrived.is_empty() {
            inner.wait(Duration::ZERO);
        }
        inner.arrived.pop_front()
    }

    /// Sleeps until a signal that ends a start, a change, the end of one of `processes`, or this
    /// time on the patience clock.
    pub(crate) fn sleep(
        alarm: Option<&Poller>,
        watch: Option<&FileWatch>,
        processes: &[&ProcessHandle],
        until: Option<Duration>,
    ) -> Wake {
        loop {
            if let Some(wake) = Self::doze(alarm, watch, processes, until) {
                return wake;
            }
            if let Some(signal) = alarm.and_then(Poller::end_of_a_start) {
                return Wake::Signal(signal);
            }
        }
    }

    /// Takes what has arrived; the number of the first signal that says: give up.
    fn end_of_a_start(&self) -> Option<u8> {
        if self.is_recalled() {
            return Some(RECALLED);
        }
        std::iter::from_fn(|| self.next()).find_map(ReceivedSignal::asks_to_end).map(unix_number)
    }

    /// Sleeps until a signal that ends a start, the ringing of `bell`, or this time on the patience
    /// clock.
    pub(crate) fn listen(alarm: Option<&Poller>, bell: &WakePipe, until: Duration) -> Wake {
        loop {
            let left = until.saturating_sub(clock::patience());
            if let Some(signal) = alarm.and_then(Poller::end_of_a_start) {
                return Wake::Signal(signal);
            }
            if bell.has_rung() {
                return Wake::Told;
            }
            if left.is_zero() {
                return Wake::Late;
            }
            match alarm {
                Some(alarm) => drop(alarm.wait(left.min(BLIND))),
                None => nap_without_signals(left.min(BLIND)),
            }
        }
    }

    /// As `sleep`, but anything that arrives ends it: `None`, and [`next`](Self::next) says what.
    pub(crate) fn doze(
        alarm: Option<&Poller>,
        watch: Option<&FileWatch>,
        processes: &[&ProcessHandle],
        until: Option<Duration>,
    ) -> Option<Wake> {
        loop {
            let left = until.map(|until| until.saturating_sub(clock::patience()));
            if left.is_some_and(|left| left.is_zero()) {
                return Some(Wake::Late);
            }
            let nap = left.map_or(BLIND, |left| left.min(BLIND));
            match alarm {
                Some(alarm) if alarm.wait(nap) => return None,
                Some(_) => {}
                None => nap_without_signals(nap),
            }
            if processes.iter().any(|process| process.has_ended()) {
                return Some(Wake::Ended);
            }
            if watch.is_some_and(FileWatch::tells) {
                return Some(Wake::Told);
            }
        }
    }

    /// To be called by whoever waits for a child where no signal tells of its end.
    #[cfg(windows)]
    pub(crate) fn bell(&self) -> std::sync::Arc<std::sync::atomic::AtomicBool> {
        match &self.0 {
            SignalSource::Signals(inner) => inner.borrow().sources.bell(),
            SignalSource::Recall(_) => std::sync::Arc::default(),
        }
    }
}

impl PollerState {
    /// Waits this long for something to arrive; whether something has.
    fn wait(&mut self, time: Duration) -> bool {
        let PollerState { runtime, sources, arrived } = self;
        let next = std::future::poll_fn(|context| sources.poll(context, arrived));
        // It is `Err` where the time was over first.
        runtime.block_on(async { tokio::time::timeout(time, next).await }).is_ok()
            || !arrived.is_empty()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing on this system tells of what is looked for here"
)]
fn nap_without_signals(time: Duration) {
    std::thread::sleep(time);
}

/// The number that the signal has on every Unix but for SIGUSR1 and SIGUSR2, which are Linux's
/// here: 128+n is how it is shown.
fn unix_number(signal: Signal) -> u8 {
    match signal {
        Signal::SigHup => 1,
        Signal::SigInt => 2,
        Signal::SigQuit => 3,
        Signal::SigUsr1 => 10,
        Signal::SigUsr2 => 12,
        Signal::SigTerm => 15,
    }
}
