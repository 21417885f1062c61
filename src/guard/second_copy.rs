//! Finds a second copy of the bot after the start: a process that ran before, and runs the same as
//! a program of COMMAND's tree. The start cannot recognize it if COMMAND is a launcher whose files
//! do not say what it starts.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::debug;

use crate::engine::action::Action;
use crate::engine::decide::decide;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::ProcessId;
use crate::engine::reason::RefusalCause;
use crate::engine::respawn::EarlierRounds;
use crate::engine::snapshot::{Caller, Snapshot};
use crate::engine::ticket::Ticket;
use crate::scan::command::Command;
use crate::scan::machine::running_programs;
use crate::scan::scan_request::{ScanRequest, ScanScope, StartState};
use crate::sys::machine::signals;
use crate::terminate::process_control::StartHost;
use crate::terminate::real_host::RealHost;

/// A process that may be a second copy of a program in COMMAND's tree.
pub struct SecondCopy {
    /// The program of the tree.
    pub(crate) mine: String,
    pub(crate) conflict: Conflict,
    pub(crate) certainty: CopyCertainty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyCertainty {
    /// A start of the program itself would find the process.
    Certain,
    /// A start would find it, but COMMAND may be the bot, and both a worker that it shares.
    Likely,
    /// It may be another bot's.
    Doubt,
}

/// Tells a guard to end its tree, because a second copy runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct CopyAlarm(Arc<AtomicBool>);

impl CopyAlarm {
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Release);
        signals::wake_guard();
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

pub(super) struct CopySearch {
    request: ScanRequest,
    command: Command,
    token_variables: Vec<String>,
    /// The folders and arguments of the programs that were looked for.
    compared: BTreeSet<(PathBuf, Vec<OsString>)>,
}

impl CopySearch {
    /// `None` if there is no COMMAND.
    pub(super) fn new(request: ScanRequest, token_variables: Vec<String>) -> Option<CopySearch> {
        let command = request.command.clone()?;
        Some(CopySearch { request, command, token_variables, compared: BTreeSet::new() })
    }

    /// Looks for copies of the programs that have joined the tree since the last call.
    pub(super) fn find(&mut self, ticket: Ticket) -> Vec<SecondCopy> {
        let programs = running_programs().unwrap_or_else(|error| {
            debug!("cannot read what COMMAND has started: {error}");
            Vec::new()
        });
        let mut copies = Vec::new();
        for program in programs {
            let Some(command) = program.bot_command(&self.command) else { continue };
            let key = (program.cwd.clone(), program.args.clone());
            if self.compared.contains(&key) {
                continue;
            }
            let mine = command.recorded();
            // COMMAND's own process that runs something else has become the bot.
            let may_be_worker = self.command.is_rather_the_bot() && !program.is_child;
            let request = self.request.for_program(program, command, &self.token_variables);
            match conflicts(request, ticket, EarlierRounds::default(), keep_earlier) {
                Ok(plan) => {
                    debug!("compared `{mine}`, which COMMAND has started, with what ran before");
                    self.compared.insert(key);
                    let found = plan.conflicts.into_iter();
                    copies.extend(found.filter_map(|it| copy(&mine, it, may_be_worker)));
                }
                Err(error) => debug!("cannot look for a second copy: {error}"),
            }
        }
        copies
    }
}

fn copy(mine: &str, conflict: Conflict, may_be_worker: bool) -> Option<SecondCopy> {
    let certainty = match (&conflict.refusal, conflict.action) {
        (None, Action::Ignore) => return None,
        (Some(RefusalCause::InDoubt(_) | RefusalCause::Shielded { .. }), _) => CopyCertainty::Doubt,
        (_, _) if may_be_worker => CopyCertainty::Likely,
        (_, _) => CopyCertainty::Certain,
    };
    Some(SecondCopy { mine: mine.to_owned(), conflict, certainty })
}

/// Decides about what `keep` leaves in a snapshot.
pub(super) fn conflicts(
    request: ScanRequest,
    ticket: Ticket,
    rounds: EarlierRounds,
    keep: impl FnOnce(&mut Snapshot),
) -> io::Result<Plan> {
    let policy = request.policy.clone();
    let mut machine = RealHost::new(request)?;
    let state = StartState { ticket: Some(ticket), rounds, ..StartState::default() };
    let snapshot = machine.snapshot(&[], None, &state, ScanScope::Conflicts);
    machine.end_threads();
    let mut snapshot = snapshot?;
    keep(&mut snapshot);
    // This guard.
    snapshot.guards.clear();
    Ok(decide(&policy, &snapshot))
}

/// Keeps what ran before this guard, outside of its tree.
fn keep_earlier(snapshot: &mut Snapshot) {
    let Snapshot { me, processes, other_guards, .. } = snapshot;
    processes.retain(|it| !it.is_related() && is_earlier(it.id, me));
    other_guards.retain(|guard| guard.process.is_some_and(|id| is_earlier(id, me)));
}

fn is_earlier(id: ProcessId, me: &Caller) -> bool {
    (id.start, id.pid) < (me.start, me.pid)
}
