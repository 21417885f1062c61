//! One sleep for everything that can happen: signals are told; ends of processes and changes of files are looked for.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::Runtime;

#[cfg(unix)]
use self::unix::Sources;
#[cfg(unix)]
pub(crate) use self::unix::ignored;
#[cfg(windows)]
use self::windows::Sources;
use super::{handle::Handle, watch::Watch};
use crate::{engine::signal::Signal, host::clock};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

/// How often to look at what nobody tells of.
const BLIND: Duration = Duration::from_millis(50);

/// Something that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// A signal that asks to end, or what this system has in its place.
    Ask(Signal),
    /// A child has ended.
    Child,
}

impl Arrived {
    /// A child has ended: there is nothing to forward.
    pub(crate) fn tells_of_a_child(self) -> bool {
        self == Arrived::Child
    }

    /// The signal, if it is one that asks a process to end.
    pub(crate) fn asks_to_end(self) -> Option<Signal> {
        match self {
            Arrived::Ask(signal) => Some(signal),
            Arrived::Child => None,
        }
    }
}

/// What ends a sleep before its time.
#[derive(Debug)]
pub(crate) struct Alarm(Source);

#[derive(Debug)]
enum Source {
    /// The signals of a process that is ours.
    Signals(RefCell<Inner>),
    /// A word of the program that we are a part of: its signals are its own.
    Bell(Bell),
}

/// Ends every sleep of the alarm that it belongs to, from the first time it is rung.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    /// Ends the sleep, and every later one.
    pub(crate) fn ring(&self) {
        let (rung, told) = &*self.0;
        *rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
    }

    /// Whether it was rung, waited for so long at most.
    fn is_rung_within(&self, time: Duration) -> bool {
        let (rung, told) = &*self.0;
        let rung = rung.lock().unwrap_or_else(PoisonError::into_inner);
        *told.wait_timeout_while(rung, time, |rung| !*rung).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[derive(Debug)]
struct Inner {
    runtime: Runtime,
    sources: Sources,
    arrived: VecDeque<Arrived>,
}

/// What a bell is in the place of a signal's number: no signal has it.
const CALLED_OFF: u8 = 0;

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// This signal says: give up; [`CALLED_OFF`] is a bell.
    Signal(u8),
    /// A watched file changed, or may have.
    Told,
    /// One of the processes has ended.
    Ended,
    /// It is time.
    Late,
}

impl Alarm {
    /// From here on signals are taken by [`next`](Self::next); those that were ignored before stay ignored.
    pub(crate) fn set() -> io::Result<Alarm> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sources = {
            let _context = runtime.enter();
            Sources::open()?
        };
        Ok(Alarm(Source::Signals(RefCell::new(Inner { runtime, sources, arrived: VecDeque::new() }))))
    }

    /// One that takes no signals, and the bell that it hears.
    #[expect(clippy::unnecessary_wraps, reason = "on Linux the kernel may refuse")]
    pub(crate) fn with_bell() -> io::Result<(Alarm, Bell)> {
        let bell = Bell::default();
        Ok((Alarm(Source::Bell(bell.clone())), bell))
    }

    /// Whether its bell was rung.
    pub(crate) fn is_rung(&self) -> bool {
        match &self.0 {
            Source::Signals(_) => false,
            Source::Bell(bell) => bell.is_rung_within(Duration::ZERO),
        }
    }

    /// Waits so long for something to arrive; whether something has.
    fn wait(&self, time: Duration) -> bool {
        match &self.0 {
            Source::Signals(inner) => inner.borrow_mut().wait(time),
            Source::Bell(bell) => bell.is_rung_within(time),
        }
    }

    /// The next one that has arrived.
    pub(crate) fn next(&self) -> Option<Arrived> {
        let mut inner = match &self.0 {
            Source::Signals(inner) => inner.borrow_mut(),
            Source::Bell(_) => return None,
        };
        if inner.arrived.is_empty() {
            inner.wait(Duration::ZERO);
        }
        inner.arrived.pop_front()
    }

    /// Sleeps until a signal that ends a start, a change, the end of one of `processes`, or this time on the patience clock.
    pub(crate) fn sleep(alarm: Option<&Alarm>, watch: Option<&Watch>, processes: &[&Handle], until: Option<Duration>) -> Wake {
        loop {
            if let Some(wake) = Self::doze(alarm, watch, processes, until) {
                return wake;
            }
            if alarm.is_some_and(Alarm::is_rung) {
                return Wake::Signal(CALLED_OFF);
            }
            while let Some(arrived) = alarm.and_then(Alarm::next) {
                if let Some(signal) = arrived.asks_to_end() {
                    return Wake::Signal(unix_number(signal));
                }
            }
        }
    }

    /// As `sleep`, but anything that arrives ends it: `None`, and [`next`](Self::next) says what.
    pub(crate) fn doze(alarm: Option<&Alarm>, watch: Option<&Watch>, processes: &[&Handle], until: Option<Duration>) -> Option<Wake> {
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
            if watch.is_some_and(Watch::tells) {
                return Some(Wake::Told);
            }
        }
    }

    /// To be called by whoever waits for a child where no signal tells of its end.
    #[cfg(windows)]
    pub(crate) fn bell(&self) -> std::sync::Arc<std::sync::atomic::AtomicBool> {
        match &self.0 {
            Source::Signals(inner) => inner.borrow().sources.bell(),
            Source::Bell(_) => std::sync::Arc::default(),
        }
    }
}

impl Inner {
    /// Waits this long for something to arrive; whether something has.
    fn wait(&mut self, time: Duration) -> bool {
        let Inner { runtime, sources, arrived } = self;
        let next = std::future::poll_fn(|context| sources.poll(context, arrived));
        // It is `Err` where the time was over first.
        runtime.block_on(async { tokio::time::timeout(time, next).await }).is_ok() || !arrived.is_empty()
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing on this system tells of what is looked for here")]
fn nap_without_signals(time: Duration) {
    std::thread::sleep(time);
}

/// The number that the signal has on every Unix but for SIGUSR1 and SIGUSR2, which are Linux's here: 128+n is how it is shown.
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
