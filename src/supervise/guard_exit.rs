//! The end of a guard, for its history and its caller: COMMAND ended, a newer start or a stop
//! asked, or the lock was lost.

use crate::engine::instance::Instance;
use crate::engine::policy::Purpose;
use crate::error::{Error, ExitStatus};
use crate::guard::lock_monitor::GuardEnd;
use crate::state::end_request::Asker;
use crate::supervise::supervision::{EndCause, SupervisionEnd};
use crate::text::count;

/// The result of a guard, for its history and its caller.
pub(super) struct GuardExit {
    pub(super) history: GuardEnd,
    pub(super) result: Result<ExitStatus, Error>,
}

impl GuardExit {
    pub(super) fn new(end: &SupervisionEnd, instance: &Instance) -> GuardExit {
        let how = match end.status {
            ExitStatus::Signaled(signal) => format!("COMMAND was ended by signal {signal}"),
            status => format!("COMMAND exited with {}", status.code()),
        };
        let gave_way =
            |what: String| Err(Error::new(ExitStatus::Done, format!("{instance}: {what}")));
        let (why, asked_by, result) = match end.cause {
            EndCause::CommandEnded(left_behind) => {
                let left_behind = left_behind.filter(|_| end.left == 0);
                (how, None, Ok(left_behind.map_or(end.status, |it| it.exit_status(end.status))))
            }
            EndCause::Asked(Asker { pid, purpose: Purpose::Start }) => (
                format!("a newer start took over; {how}"),
                Some(pid),
                gave_way(format!("a newer start (pid {pid}) took over")),
            ),
            EndCause::Asked(Asker { pid, purpose: Purpose::Stop }) => (
                format!("`monopoll stop` ended it; {how}"),
                Some(pid),
                gave_way(format!("`monopoll stop` (pid {pid}) ended it")),
            ),
            EndCause::LockLost => (
                format!("the lock was lost to another guard; {how}"),
                None,
                gave_way("the lock was lost to another guard, and COMMAND was ended".to_owned()),
            ),
            EndCause::SecondCopy => {
                let what = "what COMMAND has started ran already, so COMMAND was ended";
                let error = Error::new(ExitStatus::Refused, format!("{instance}: {what}"));
                let hint = "stop the other one, or run the bot under monopoll without a launcher, \
                            so that the next start recognizes it";
                (format!("{what}; {how}"), None, Err(error.with_hint(hint)))
            }
        };
        let why = match end.left {
            0 => why,
            left => {
                let left = count(left, "process", "processes");
                format!("{why}; {left} of its tree could not be ended")
            }
        };
        GuardExit { history: GuardEnd { why, asked_by, killed: end.killed }, result }
    }
}
