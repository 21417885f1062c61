//! Finds the relevant processes. All processes are described, because sysinfo has read everything
//! anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use tracing::trace;

use crate::engine::action::SameToken;
use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::CommandLikeness;
use crate::engine::process::Process;
use crate::engine::token::MyToken;
use crate::scan::portable::describe::Describer;
use crate::scan::process_tree::{PinnedProcesses, with_descendants};
use crate::scan::scan_request::{Relevance, ScanRequest, ScanScope};
use crate::sys::portable::process_handle::ProcessHandle;
use crate::sys::portable::process_table::{ProcessTable, TableFields};

#[expect(clippy::needless_pass_by_value, reason = "on Linux, reading threads share it")]
pub(crate) fn describe_processes(
    request: ScanRequest,
    pids: BTreeSet<u32>,
) -> io::Result<Vec<Process>> {
    let table = ProcessTable::all(TableFields::Everything)?;
    let describer = Describer::new(&table, &request, std::process::id());
    Ok(pids.into_iter().filter_map(|pid| describer.describe(pid, Fact::Unknown)).collect())
}

/// Describes the relevant processes and `holders` with all their descendants, and the process that
/// `request` asks for without its descendants.
pub(super) fn find_processes(
    table: &ProcessTable,
    request: &ScanRequest,
    holders: &BTreeSet<u32>,
    scope: ScanScope,
    me: u32,
    pinned: &mut PinnedProcesses,
) -> Vec<Process> {
    let describer = Describer::new(table, request, me);
    let mut seen: BTreeMap<u32, Process> = BTreeMap::new();
    let mut candidates = holders.clone();
    let mut suspects = BTreeSet::new();
    for pid in table.ids().into_keys().filter(|pid| *pid != me || request.asked == Some(me)) {
        let holds_lock = Fact::Known(holders.contains(&pid));
        let Some(process) = describer.describe(pid, holds_lock) else { continue };
        let relevance = if pid == me { Relevance::None } else { relevance(request, &process) };
        match relevance {
            // Connections are not read here.
            Relevance::None | Relevance::InFolder => {}
            Relevance::Suspect if scope == ScanScope::Conflicts => {}
            Relevance::Suspect => {
                suspects.insert(pid);
            }
            Relevance::Candidate => {
                candidates.insert(pid);
            }
        }
        seen.insert(pid, process);
    }
    let (processes, few) = (seen.len(), candidates.len());
    trace!(
        processes,
        candidates = few,
        suspects = suspects.len(),
        "of {processes} processes, {few} are candidates"
    );
    let mut all = with_descendants(candidates, table.parents(), me);
    all.extend(suspects);
    all.extend(request.asked);
    let kept: Vec<Process> = all.into_iter().filter_map(|pid| seen.remove(&pid)).collect();
    for process in &kept {
        pinned.insert(ProcessHandle { id: process.id });
    }
    kept
}

/// Unreadable facts make nothing relevant.
fn relevance(request: &ScanRequest, process: &Process) -> Relevance {
    let mut patterns = request.policy.matches.iter().map(|entry| &entry.pattern);
    if process.is_same_command() == Truth::True
        || patterns.any(|pattern| pattern.matches(process) == Truth::True)
    {
        return Relevance::Candidate;
    }
    let is_near = matches!(process.likeness, Fact::Known(CommandLikeness::Near(_)));
    match process.tokens.mine {
        Fact::Known(MyToken::Seen(_)) if request.policy.same_token != SameToken::Off => {
            if request.polls(process) { Relevance::Candidate } else { Relevance::Suspect }
        }
        Fact::Known(MyToken::Seen(_) | MyToken::NotLookedFor | MyToken::NotSeen)
        | Fact::Unknown => {
            if is_near {
                Relevance::Suspect
            } else {
                Relevance::None
            }
        }
    }
}
