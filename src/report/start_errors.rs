//! The reason a start failed, as an error and as an entry of the history.

use crate::engine::instance::Instance;
use crate::engine::policy::Purpose;
use crate::engine::reason::RefusalKind;
use crate::error::{Error, ExitStatus};
use crate::guard::not_started::NotStarted;
use crate::report::hints::OptionsIn;
use crate::report::reasons;
use crate::state::history_event::{GiveUp, GiveUpCause};
use crate::text::printable;

pub(crate) fn error(instance: &Instance, not_started: NotStarted, options: OptionsIn) -> Error {
    match not_started {
        NotStarted::Refused(refusal) => {
            // The reason may contain untrusted text: a unit, a program, a command line.
            let why = reasons::start_refusal(&refusal, Purpose::Start);
            let why = options.spell(printable(&why).into_owned());
            let what = match refusal.kind() {
                RefusalKind::Superseded => "",
                RefusalKind::Permission | RefusalKind::Policy | RefusalKind::TooManyTakeovers => {
                    "refused: "
                }
            };
            Error::new(refusal.kind().exit_status(), format!("{instance}: {what}{why}"))
        }
        NotStarted::Superseded => Error::new(
            ExitStatus::Done,
            format!("{instance}: a newer start took over before this one had started"),
        ),
        NotStarted::Interrupted(signal) => Error::new(
            ExitStatus::Signaled(signal),
            format!("{instance}: interrupted by a signal before the start; nothing is left behind"),
        ),
        NotStarted::Replaced => Error::new(
            ExitStatus::LockFile,
            "the lock cannot be used: another program keeps replacing the lock file",
        )
        .with_hint("find what writes to its folder, or choose another folder in `lock.paths`"),
        NotStarted::Failed(error) => error,
    }
}

pub(crate) fn give_up(not_started: &NotStarted) -> GiveUp {
    let (cause, why) = match not_started {
        NotStarted::Refused(refusal) => {
            let cause = match refusal.kind() {
                RefusalKind::Policy => GiveUpCause::Policy,
                RefusalKind::TooManyTakeovers => GiveUpCause::Limit,
                RefusalKind::Permission => GiveUpCause::Permission,
                RefusalKind::Superseded => GiveUpCause::Superseded,
            };
            (cause, reasons::start_refusal(refusal, Purpose::Start))
        }
        NotStarted::Superseded => (
            GiveUpCause::Superseded,
            "a newer start took over before this one had started".to_owned(),
        ),
        NotStarted::Interrupted(signal) => {
            (GiveUpCause::Interrupted, format!("ended by signal {signal} before the start"))
        }
        NotStarted::Replaced => {
            (GiveUpCause::Failed, "the lock was deleted or replaced during the start".to_owned())
        }
        NotStarted::Failed(error) => (GiveUpCause::Failed, error.message().to_owned()),
    };
    GiveUp { cause, why }
}
