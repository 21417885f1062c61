//! A start that was given up, as it is said to a person.

use crate::{
    engine::{instance::Instance, plan::Refusal},
    error::{Error, ExitStatus},
    guard::start::NotStarted,
    text::printable,
};

/// What is said, and what the start exits with.
pub(crate) fn refused(instance: &Instance, stop: NotStarted) -> Error {
    match stop {
        NotStarted::Refused { refusal, why, .. } => {
            // It may say what others named: a unit, a program, a command line.
            let why = printable(&why).into_owned();
            let (status, what) = match refusal {
                Refusal::Superseded => (ExitStatus::Done, why),
                Refusal::Permission => (ExitStatus::Permission, format!("refused: {why}")),
                Refusal::Policy | Refusal::Storm => {
                    (ExitStatus::Refused, format!("refused: {why}"))
                }
            };
            Error::new(status, format!("{instance}: {what}"))
        }
        NotStarted::Asked => Error::new(
            ExitStatus::Done,
            format!("{instance}: a newer start took over before this one had started"),
        ),
        NotStarted::Interrupted(signal) => Error::new(
            ExitStatus::Signalled(signal),
            format!("{instance}: ended by a signal before the start; nothing is left behind"),
        ),
        NotStarted::Replaced => Error::new(
            ExitStatus::LockFile,
            format!("{instance}: the lock was deleted or replaced during the start"),
        )
        .with_hint("try again"),
        NotStarted::Failed(error) => error,
    }
}
