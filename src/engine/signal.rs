//! The signals that can be configured, by their POSIX names on every system.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A signal that asks a process to end.
///
/// SIGKILL is not included: `on_conflict = "force"` and `kill.escalate` send it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, PartialOrd, Ord,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// Hang up.
    SigHup,
    /// Interrupt, as Ctrl-C sends it.
    SigInt,
    /// Quit, as Ctrl-\ sends it.
    SigQuit,
    /// Terminate, as service managers send it.
    SigTerm,
    /// The first user-defined signal.
    SigUsr1,
    /// The second user-defined signal.
    SigUsr2,
}

impl Signal {
    pub const ALL: [Signal; 6] = [
        Signal::SigTerm,
        Signal::SigInt,
        Signal::SigQuit,
        Signal::SigHup,
        Signal::SigUsr1,
        Signal::SigUsr2,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Signal::SigHup => "SIGHUP",
            Signal::SigInt => "SIGINT",
            Signal::SigQuit => "SIGQUIT",
            Signal::SigTerm => "SIGTERM",
            Signal::SigUsr1 => "SIGUSR1",
            Signal::SigUsr2 => "SIGUSR2",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalToSend {
    Signal(Signal),
    Kill,
    /// SIGCONT, so that a stopped process handles the signal sent before.
    Continue,
}

impl SignalToSend {
    pub fn name(self) -> &'static str {
        match self {
            SignalToSend::Signal(signal) => signal.name(),
            SignalToSend::Kill => "SIGKILL",
            SignalToSend::Continue => "SIGCONT",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalResult {
    Delivered,
    Gone,
    Denied,
}
