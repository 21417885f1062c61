//! Sentences about what a guard finds after its start.

use crate::engine::fact::Fact;
use crate::engine::plan::Conflict;
use crate::engine::policy::Purpose;
use crate::engine::process::Process;
use crate::engine::reason::RefusalCause;
use crate::guard::follow_up_event::FollowUpEvent;
use crate::guard::second_copy::CopyCertainty;
use crate::report::manager_remedy::remedy;
use crate::report::{format, reasons};
use crate::terminate::execute::TerminateEvent;

/// Returns the sentence about an event; `None` for events that only appear in a trace.
pub(crate) fn sentence(event: &FollowUpEvent<'_>) -> Option<String> {
    match event {
        FollowUpEvent::Ending(plan) => {
            let names: Vec<String> = plan.conflicts_to_end().map(reasons::name).collect();
            Some(format!("came back after the start, ending it again: {}", names.join(", ")))
        }
        FollowUpEvent::Terminate(TerminateEvent::Ended(Some(pid))) => {
            Some(format!("pid {pid} has ended"))
        }
        FollowUpEvent::Terminate(_) => None,
        FollowUpEvent::ComesBack(plan) => {
            Some(format!("two pollers are running: {}", reasons::plan_reason(plan, Purpose::Start)))
        }
        FollowUpEvent::SecondCopy(copy) => Some(match copy.certainty {
            CopyCertainty::Certain => {
                let (mine, other) = (&copy.mine, reasons::name(&copy.conflict));
                format!("COMMAND has started `{mine}`, but {other} ran already; ending COMMAND")
            }
            CopyCertainty::Likely => {
                let (mine, other) = (&copy.mine, reasons::name(&copy.conflict));
                format!(
                    "COMMAND has started `{mine}`, but {other} ran already; two pollers may be \
                     running: end one of them if it polls"
                )
            }
            CopyCertainty::Doubt => {
                let why =
                    reasons::conflict_refusal(&copy.conflict, Purpose::Start).unwrap_or_default();
                format!(
                    "COMMAND has started `{}`, but {why}; two pollers may be running",
                    copy.mine
                )
            }
        }),
        FollowUpEvent::LaterCopy(conflict) => Some(later_copy(conflict)),
        FollowUpEvent::Connected(process) => {
            let pid = process.id.pid;
            let command = format::short_command(process);
            Some(format!(
                "`{command}` (pid {pid}) has the same bot token and is connected to the Bot API \
                 now, so it may be a second poller; end it if it polls"
            ))
        }
    }
}

fn later_copy(conflict: &Conflict) -> String {
    if let Some(RefusalCause::InDoubt(_)) = &conflict.refusal {
        let why = reasons::conflict_refusal(conflict, Purpose::Start).unwrap_or_default();
        return format!("{why}; it began after this bot, so two pollers may be running");
    }
    let root = conflict.root.as_ref();
    let polls = root.is_some_and(|root| root.connected == Fact::Known(true));
    let pollers = if polls { "two pollers are running" } else { "two pollers may be running" };
    let manager = root.and_then(Process::manager);
    let end_one = manager.map_or_else(|| "end one of them".to_owned(), remedy);
    let name = reasons::name(conflict);
    format!("{name} began after this bot, without monopoll: {pollers}; {end_one}")
}
