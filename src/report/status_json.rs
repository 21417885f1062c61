//! A status as JSON; see `schemas/status.schema.json`. The order of the fields is the order of the
//! keys.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::Action;
use crate::engine::snapshot::LockState;
use crate::guard::instance_status::{InstanceState, InstanceStatus};
use crate::report::format::unix_rfc3339;
use crate::report::plan_json::{ConflictDocument, HolderDocument, NearMissDocument};
use crate::report::{Context, plan_json};
use crate::state::history_event::{HistoryEvent, HistoryEventKind};
use crate::text::mask_secrets;

/// The output of `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "monopoll status")]
pub enum StatusDocument {
    /// The status of the named instance.
    One {
        /// The version of this format.
        #[schemars(range(min = 1, max = 1))]
        version: u32,
        #[serde(flatten)]
        instance: Box<InstanceDocument>,
    },
    /// The status of every instance, if none was named.
    All {
        /// The version of this format.
        #[schemars(range(min = 1, max = 1))]
        version: u32,
        /// Sorted by name.
        instances: Vec<InstanceDocument>,
    },
}

/// An instance and its holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InstanceDocument {
    pub instance: String,
    pub state: InstanceState,
    /// Null if unknown.
    pub holder: Option<GuardDocument>,
    /// The takeovers that are remembered, oldest first.
    pub takeovers: Vec<TakeoverDocument>,
    /// What the holder has reported: possible second pollers that it left running, oldest first.
    pub alerts: Vec<AlertDocument>,
    /// The conflicts that a start would have, including the holder, as in `plan`.
    pub conflicts: Vec<ConflictDocument>,
    /// Processes that are almost the same command. Empty if all instances are listed.
    pub near_misses: Vec<NearMissDocument>,
}

/// The holder of an instance and its child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GuardDocument {
    #[serde(flatten)]
    pub holder: HolderDocument,
    /// The guard's child; null if there is none yet, or in another PID namespace.
    pub child_pid: Option<u32>,
    /// The profile that the guard was started with.
    pub profile: Option<String>,
    /// The guard's version; null if the holder is not a guard.
    pub monopoll: Option<String>,
}

/// A start that ended a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TakeoverDocument {
    /// RFC 3339; null after the year 9999.
    pub at: Option<String>,
    /// The ended process; null if it was in another PID namespace.
    pub from_pid: Option<u32>,
    /// The new holder; null if its start failed after all.
    pub to_pid: Option<u32>,
    pub action: Action,
    /// The time from the first signal or request to the end of the whole tree.
    pub took_ms: u64,
}

/// A report of a guard while its COMMAND runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AlertDocument {
    /// RFC 3339; null after the year 9999.
    pub at: Option<String>,
    /// A sentence, with secrets masked.
    pub why: String,
    /// How often it was reported in a row.
    pub times: u32,
}

pub fn one(status: &InstanceStatus, context: &Context<'_>) -> StatusDocument {
    StatusDocument::One { version: 1, instance: Box::new(instance(status, context)) }
}

pub fn all(statuses: &[InstanceStatus], context: &Context<'_>) -> StatusDocument {
    StatusDocument::All {
        version: 1,
        instances: statuses.iter().map(|status| instance(status, context)).collect(),
    }
}

fn instance(status: &InstanceStatus, context: &Context<'_>) -> InstanceDocument {
    InstanceDocument {
        instance: mask_secrets(&status.instance),
        state: status.state,
        holder: holder(status, context),
        takeovers: status.history.iter().filter_map(takeover).collect(),
        alerts: status.alerts().map(alert).collect(),
        conflicts: status
            .plan
            .iter()
            .flat_map(|plan| &plan.conflicts)
            .map(|it| plan_json::conflict(it, context))
            .collect(),
        near_misses: status
            .plan
            .iter()
            .flat_map(|plan| &plan.near_misses)
            .map(plan_json::near_miss)
            .collect(),
    }
}

fn holder(status: &InstanceStatus, context: &Context<'_>) -> Option<GuardDocument> {
    let plan = status.plan.as_ref()?;
    let held = plan.locks.iter().find_map(|lock| match &lock.state {
        LockState::Held(pids) => Some(pids.as_slice()),
        LockState::Unknown => Some(&[][..]),
        LockState::Free | LockState::Mine => None,
    });
    // A guard whose lock file was deleted or replaced holds it according to its record.
    let held = held.or_else(|| plan.guards.first().map(|_| &[][..]))?;
    let record = status.record.as_ref();
    Some(GuardDocument {
        holder: plan_json::holder(plan, context, held)?,
        child_pid: status.child,
        profile: record.and_then(|record| record.profile.as_deref()).map(mask_secrets),
        monopoll: record.map(|record| mask_secrets(&record.monopoll)),
    })
}

fn takeover(event: &HistoryEvent) -> Option<TakeoverDocument> {
    let HistoryEventKind::Takeover { ended, to_pid } = &event.kind else { return None };
    Some(TakeoverDocument {
        at: unix_rfc3339(event.at),
        from_pid: ended.from_pid,
        to_pid: *to_pid,
        action: ended.action,
        took_ms: ended.took_ms,
    })
}

fn alert((event, why, times): (&HistoryEvent, &str, u32)) -> AlertDocument {
    AlertDocument { at: unix_rfc3339(event.at), why: mask_secrets(why), times }
}
