//! The only table from configured signals to those of the kernel.

use crate::engine::signal::{Signal, SignalToSend};

pub(crate) fn of(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::SigHup => rustix::process::Signal::HUP,
        Signal::SigInt => rustix::process::Signal::INT,
        Signal::SigQuit => rustix::process::Signal::QUIT,
        Signal::SigTerm => rustix::process::Signal::TERM,
        Signal::SigUsr1 => rustix::process::Signal::USR1,
        Signal::SigUsr2 => rustix::process::Signal::USR2,
    }
}

pub(crate) fn to_send(signal: SignalToSend) -> rustix::process::Signal {
    match signal {
        SignalToSend::Kill => rustix::process::Signal::KILL,
        SignalToSend::Continue => rustix::process::Signal::CONT,
        SignalToSend::Signal(signal) => of(signal),
    }
}
