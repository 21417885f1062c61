//! The way out that a refused start is told, in the line of the refusal: `plan` has all of them.

use crate::{
    engine::{
        plan::{Conflict, DecidedBy, Plan, Refusal, Verdict},
        purpose::Purpose,
    },
    report::advice,
};

/// Where everything that can be changed is said.
const MORE: &str = "`monopoll plan -- …` says more";

/// What to do about the refusal of this plan; nothing where its own sentence says so, or nothing
/// here helps.
#[must_use]
pub fn way_out(plan: &Plan) -> Option<String> {
    match plan.verdict {
        Verdict::Clear
        | Verdict::Act
        | Verdict::Wait
        | Verdict::Refuse(Refusal::Storm | Refusal::Superseded) => None,
        Verdict::Refuse(Refusal::Policy) if plan.reason.contains("limits.max_targets") => {
            Some(MORE.to_owned())
        }
        Verdict::Refuse(Refusal::Policy | Refusal::Permission) => {
            let decides = |conflict: &&Conflict| {
                conflict.refusal.as_ref().is_some_and(|(_, why)| *why == plan.reason)
            };
            let way = about(plan.conflicts.iter().find(decides)?, plan)?;
            Some(format!("{way}; {MORE}"))
        }
    }
}

fn about(conflict: &Conflict, plan: &Plan) -> Option<String> {
    match &conflict.decided_by {
        DecidedBy::OnConflict if plan.reason.starts_with("waited too long") => Some(
            "`--set timeouts.wait=…` waits longer, `--on-conflict graceful` takes over".to_owned(),
        ),
        DecidedBy::OnConflict => Some("`--on-conflict graceful` takes over".to_owned()),
        DecidedBy::Rule(_) => Some("change that rule, or put another one before it".to_owned()),
        DecidedBy::SameToken => {
            Some("`--set same_token=act` treats it as any other conflict".to_owned())
        }
        // What comes back is said with what ends it for good.
        DecidedBy::Caution if plan.reason.contains(" comes back: ") => None,
        DecidedBy::Caution => advice::caution(conflict, plan, Purpose::Start).into_iter().next(),
    }
}
