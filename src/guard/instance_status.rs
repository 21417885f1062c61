//! The status of an instance at one moment.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::evidence::Evidence;
use crate::engine::instance::NameSource;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::{OtherGuard, Process, ProcessId, Role};
use crate::engine::snapshot::{GuardView, LockState};
use crate::state::history_event::{HistoryEvent, HistoryEventKind};
use crate::state::record::{HostProcess, Record, RecordStage};
use crate::text::{quote, sanitize, shell_quote, short_command_line};

#[derive(Debug, Clone)]
pub struct InstanceStatus {
    pub instance: String,
    pub state: InstanceState,
    /// Why the state is unknown.
    pub doubt: Option<String>,
    /// `None` if the locks cannot be examined.
    pub plan: Option<Plan>,
    /// The record of the guard that holds it, or that left its child behind.
    pub record: Option<Record>,
    /// The child, if its pid is from this PID namespace.
    pub child: Option<u32>,
    /// Oldest first.
    pub history: Vec<HistoryEvent>,
}

/// Whether an instance is held, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// A guard that has no child yet; or a start or a stop that holds the lock and is still ending
    /// conflicts.
    Starting,
    /// A guard and its child.
    Running,
    /// A guard that is ending its tree.
    Stopping,
    /// No guard, and no process that a start would find.
    Stopped,
    /// No guard, but a process that a start would find, or the child of a guard that has ended.
    Unguarded,
    /// The holder of the lock is neither a guard of this instance nor known as the bot, the bot
    /// runs under the guard of another one, or the state cannot be read.
    Unknown,
}

impl InstanceState {
    pub fn is_held(self) -> bool {
        match self {
            InstanceState::Starting | InstanceState::Running | InstanceState::Stopping => true,
            InstanceState::Stopped | InstanceState::Unguarded | InstanceState::Unknown => false,
        }
    }
}

impl InstanceStatus {
    /// The living guard that has a record.
    pub fn guard(&self) -> Option<&GuardView> {
        self.plan.as_ref()?.guards.first()
    }

    /// Returns the monopoll process that holds a lock of this instance but has no record next to
    /// the first lock. It is the guard of another instance that shares the lock.
    pub fn unrecorded_guard(&self) -> Option<ProcessId> {
        let plan = self.plan.as_ref().filter(|_| self.state == InstanceState::Unknown)?;
        holders(plan).find(|root| root.role == Role::Monopoll).map(|root| root.id)
    }

    /// Combines a snapshot with the files next to the lock, seen from `me`. `earlier` is a record
    /// that was there before the snapshot. `None` if they contradict each other, because the
    /// instance is changing hands.
    pub fn of(
        instance: &str,
        plan: Plan,
        earlier: Option<&Record>,
        record: Option<Record>,
        history: Vec<HistoryEvent>,
        me: &HostProcess,
    ) -> Option<InstanceStatus> {
        // A guard removes its record before it releases the lock.
        let is_leaving = earlier.is_some() && record.is_none();
        let held = |is: fn(&LockState) -> bool| plan.locks.iter().any(|lock| is(&lock.state));
        let taken = held(|state| matches!(state, LockState::Held(_)));
        let record = record.filter(|record| record.holder.boot == me.boot);
        // Instances may share a lock, and the record next to it may be that of another one.
        let (record, other) = match record {
            Some(record) if record.instance != instance => (None, Some(record)),
            record => (record, None),
        };
        let wrote = |guard: &GuardView, record: &Record| {
            guard.ticket.is_none() || guard.ticket == Some(record.ticket)
        };
        let first_is_taken =
            plan.locks.first().is_some_and(|lock| matches!(lock.state, LockState::Held(_)));
        let is_held_by_monopoll =
            first_is_taken && holders(&plan).any(|root| root.role == Role::Monopoll);
        let (state, record) = match (plan.guards.first(), record) {
            (Some(guard), Some(record)) if wrote(guard, &record) => {
                let state = match record.stage {
                    RecordStage::Starting => InstanceState::Starting,
                    RecordStage::Running => InstanceState::Running,
                    RecordStage::Stopping => InstanceState::Stopping,
                };
                (state, Some(record))
            }
            (Some(guard), None) if other.as_ref().is_some_and(|other| wrote(guard, other)) => {
                (InstanceState::Unknown, None)
            }
            // It announces that it holds the lock before it writes its record.
            (Some(_), None) if is_held_by_monopoll && !is_leaving => {
                (InstanceState::Starting, None)
            }
            (Some(_), _) => return None,
            (None, Some(record)) if taken && left_its_child(&plan, &record) => {
                (InstanceState::Unguarded, Some(record))
            }
            (None, None) if is_held_by_monopoll && is_leaving => return None,
            // A start takes the locks in their order: without the first it has none.
            (None, _) if is_held_by_monopoll => (InstanceState::Starting, None),
            (None, record) if taken && other.is_none() && holders_are_the_bot(&plan) => {
                (InstanceState::Unguarded, record)
            }
            (None, _) if taken || held(|state| *state == LockState::Unknown) => {
                (InstanceState::Unknown, None)
            }
            (None, _) if plan.conflicts.is_empty() => (InstanceState::Stopped, None),
            (None, _) if plan.conflicts.iter().all(|it| guard_elsewhere(it).is_some()) => {
                (InstanceState::Unknown, None)
            }
            (None, _) => (InstanceState::Unguarded, None),
        };
        let doubt = (state == InstanceState::Unknown).then(|| match &other {
            Some(other) => held_by(other),
            None => doubt(instance, &plan),
        });
        let mine = |record: &&Record| record.holder.pid_namespace == me.pid_namespace;
        let child =
            record.as_ref().filter(mine).and_then(|record| record.child).map(|child| child.pid);
        Some(InstanceStatus {
            instance: instance.to_owned(),
            state,
            doubt,
            plan: Some(plan),
            record,
            child,
            history,
        })
    }

    pub fn unknown(instance: &str, why: String) -> InstanceStatus {
        InstanceStatus {
            instance: instance.to_owned(),
            state: InstanceState::Unknown,
            doubt: Some(why),
            plan: None,
            record: None,
            child: None,
            history: Vec::new(),
        }
    }

    /// Returns the events of the guard whose record this is: the present holder or the last one.
    pub fn own_events(&self) -> impl Iterator<Item = &HistoryEvent> {
        let mine = self.record.as_ref();
        self.history.iter().filter(move |event| mine.is_some_and(|record| event.is_of(record)))
    }

    /// Returns what the guard whose record this is has reported: each event with its text, and how
    /// often.
    pub fn alerts(&self) -> impl Iterator<Item = (&HistoryEvent, &str, u32)> {
        self.own_events().filter_map(|event| {
            let (why, times) = event.alert()?;
            Some((event, why, times))
        })
    }

    /// Returns the end of the last start; `None` if none was recorded, as after SIGKILL.
    pub fn last_end(&self) -> Option<&HistoryEvent> {
        for event in self.history.iter().rev() {
            match event.kind {
                HistoryEventKind::Stop { .. } | HistoryEventKind::Clearing { .. } => {
                    return Some(event);
                }
                HistoryEventKind::Start { .. } => return None,
                HistoryEventKind::Refusal { .. }
                | HistoryEventKind::Takeover { .. }
                | HistoryEventKind::Loss { .. }
                | HistoryEventKind::Alert { .. } => {}
            }
        }
        None
    }

    /// Returns the conflicts that neither hold the lock nor run under a guard of another instance.
    /// They run alongside this instance's guard, if there is one.
    pub fn unguarded(&self) -> impl Iterator<Item = &Conflict> {
        let conflicts = self.plan.iter().flat_map(|plan| &plan.conflicts);
        conflicts.filter(|it| !it.holds_lock() && guard_elsewhere(it).is_none())
    }
}

/// Returns whether the child of the guard that wrote this record lives and holds the lock.
fn left_its_child(plan: &Plan, record: &Record) -> bool {
    let holding = plan.conflicts.iter().filter(|conflict| conflict.holds_lock());
    record.child.is_some_and(|child| {
        holding.flat_map(Conflict::processes).any(|process| process.id == child)
    })
}

/// Returns whether every holder of the lock is known as the bot by more than the lock.
fn holders_are_the_bot(plan: &Plan) -> bool {
    let is_bot = |conflict: &Conflict| {
        let root = conflict.root.as_ref();
        root.is_some_and(|root| root.role == Role::Program && root.guard.known() == Some(&None))
            && conflict.evidence.iter().any(|evidence| *evidence != Evidence::Lock)
    };
    let mut holding = plan.conflicts.iter().filter(|conflict| conflict.holds_lock()).peekable();
    holding.peek().is_some() && holding.all(is_bot)
}

/// Returns the visible roots of the conflicts that hold the lock.
fn holders(plan: &Plan) -> impl Iterator<Item = &Process> {
    plan.conflicts
        .iter()
        .filter(|conflict| conflict.holds_lock())
        .filter_map(|conflict| conflict.root.as_ref())
}

/// Returns the process of a conflict that runs under a living guard with another lock.
fn guard_elsewhere<'a>(conflict: &'a Conflict) -> Option<(&'a Process, &'a OtherGuard)> {
    let root = conflict.root.as_ref()?;
    let below = |process: &'a Process| Some((process, process.guard.known()?.as_ref()?));
    match root.role {
        // The root is itself the guard with another lock.
        Role::Monopoll => {
            let mut members = conflict.tree.iter().filter_map(below);
            members.find(|(_, guard)| guard.process == root.id)
        }
        Role::Program | Role::ServesOthers => below(root),
    }
}

/// Says which other instance holds the lock.
pub(crate) fn held_by(other: &Record) -> String {
    let (instance, pid) = (quote(&other.instance), other.holder.process.pid);
    format!("its lock is held by instance {instance} (guard pid {pid})")
}

fn doubt(instance: &str, plan: &Plan) -> String {
    let is_taken =
        plan.locks.iter().any(|lock| matches!(lock.state, LockState::Held(_) | LockState::Unknown));
    if let Some((process, guard)) = plan.conflicts.iter().find_map(guard_elsewhere)
        && !is_taken
    {
        return runs_under(process, guard, instance);
    }
    match holders(plan).next() {
        Some(Process { role: Role::Monopoll, id, .. }) => {
            format!("pid {} holds its lock and is the guard of another instance", id.pid)
        }
        Some(root) => format!("pid {} holds its lock and is not a guard", root.id.pid),
        None => "its lock is held, but the holder cannot be identified".to_owned(),
    }
}

/// Says which guard has the bot, and how to ask about that instance.
fn runs_under(process: &Process, guard: &OtherGuard, mine: &str) -> String {
    const WIDTH: usize = 80;
    let command = process.args.known().filter(|args| !args.is_empty());
    let pid = process.id.pid;
    let bot = command.map_or_else(
        || format!("pid {pid}"),
        |args| format!("`{}` (pid {pid})", short_command_line(args, WIDTH)),
    );
    let (name, guard_pid) = (sanitize(&guard.instance), guard.process.pid);
    if guard.instance == mine {
        return format!(
            "{bot} runs under its guard (pid {guard_pid}) with another lock; use the same \
             `lock.paths`"
        );
    }
    let token = match guard.name_source {
        NameSource::Token => "set its token here, or ",
        NameSource::Given | NameSource::Command => "",
    };
    format!(
        "{bot} runs under the guard of {name} (pid {guard_pid}); {token}see `monopoll --instance \
         {} status`",
        shell_quote(&name)
    )
}
