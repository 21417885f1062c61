//! Everybody is described, as sysinfo has read all of it anyway, and those that matter are kept.

use std::collections::{BTreeMap, BTreeSet};

use tracing::trace;

use crate::{
    engine::{
        action::SameToken,
        fact::{Fact, Truth},
        process::{Process, ProcessId},
        token::{CarriedToken, TokenPlace},
    },
    scan::{
        lock_probe::ScanScope,
        portable::describe::Describer,
        request::{Relevance, ScanRequest},
    },
    sys::portable::{pidfd::ProcessHandle, process_table::ProcessTable},
};

/// Looks for whoever concerns `query`, and describes these processes and those of `known` with all
/// their descendants; whoever `query` asks for is described too, alone.
pub(crate) fn survey(
    table: &ProcessTable,
    query: &ScanRequest,
    known: &BTreeSet<u32>,
    breadth: ScanScope,
    me: u32,
    handles: &mut BTreeMap<ProcessId, ProcessHandle>,
) -> Vec<Process> {
    let describer = Describer::new(table, query, me);
    let mut everybody: BTreeMap<u32, Process> = BTreeMap::new();
    let mut candidates = known.clone();
    let mut suspects = BTreeSet::new();
    for pid in table.ids().into_keys().filter(|pid| *pid != me || query.asked == Some(me)) {
        let Some(process) = describer.describe(pid, Fact::Known(known.contains(&pid))) else {
            continue;
        };
        let concern = if pid == me { Relevance::None } else { concern(query, &process) };
        match concern {
            Relevance::None => {}
            Relevance::Suspect if breadth == ScanScope::InTheWay => {}
            Relevance::Suspect => drop(suspects.insert(pid)),
            Relevance::Candidate => drop(candidates.insert(pid)),
        }
        everybody.insert(pid, process);
    }
    let (processes, few) = (everybody.len(), candidates.len());
    trace!(
        processes,
        candidates = few,
        suspects = suspects.len(),
        "of {processes} processes {few} may be in the way"
    );
    let mut all = table.with_descendants(candidates, me);
    all.extend(suspects);
    all.extend(query.asked);
    let kept: Vec<Process> = all.into_iter().filter_map(|pid| everybody.remove(&pid)).collect();
    handles.extend(kept.iter().map(|process| (process.id, ProcessHandle { id: process.id })));
    kept
}

/// How close a look it is worth; what cannot be read is no reason.
fn concern(query: &ScanRequest, process: &Process) -> Relevance {
    let by_pattern = if query.policy.matches.is_empty() {
        process.same_command == Fact::Known(true)
    } else {
        query.policy.matches.iter().any(|entry| entry.pattern.matches(process) == Truth::True)
    };
    if by_pattern {
        return Relevance::Candidate;
    }
    match process.token {
        _ if query.policy.same_token == SameToken::Off => Relevance::None,
        Fact::Known(CarriedToken::Mine(TokenPlace::CommandLine)) => Relevance::Candidate,
        Fact::Known(CarriedToken::Mine(TokenPlace::Environment))
            if process.same_program == Fact::Known(true) =>
        {
            Relevance::Candidate
        }
        Fact::Known(CarriedToken::Mine(TokenPlace::Environment)) => Relevance::Suspect,
        Fact::Known(CarriedToken::NotLookedFor | CarriedToken::None | CarriedToken::Other(_))
        | Fact::Unknown => Relevance::None,
    }
}
