//! Scans and decides without changing anything.

use std::path::PathBuf;

use crate::engine::decide::decide;
use crate::engine::plan::Plan;
use crate::engine::policy::Policy;
use crate::engine::snapshot::Snapshot;
use crate::error::Error;
use crate::guard::lock_set::{ExistingLock, LockSet};
use crate::guard::start_request::StartRequest;
use crate::report::trace;
use crate::scan;
use crate::scan::lock_views::LockProbe;
use crate::scan::scan_request::{ScanScope, StartState};
use crate::sys::clock;
use crate::terminate::process_control::StartHost;
use crate::terminate::real_host::RealHost;

pub(super) fn plan_of(request: &StartRequest) -> Result<Plan, Error> {
    let mut machine = RealHost::new(request.scan_request()).map_err(scan::cannot_scan)?;
    let lock_set = LockSet::open_existing(&request.locks)?;
    plan(&mut machine, lock_set.as_ref(), &request.locks, &request.config.policy)
}

pub(super) fn plan(
    machine: &mut RealHost,
    lock_set: Option<&LockSet>,
    locks: &[PathBuf],
    policy: &Policy,
) -> Result<Plan, Error> {
    let began = clock::monotonic();
    let snapshot = snapshot(machine, lock_set, locks)?;
    let plan = decide(policy, &snapshot);
    trace::scanned(&snapshot, &plan, policy.purpose, clock::monotonic().saturating_sub(began));
    Ok(plan)
}

pub(super) fn snapshot(
    machine: &mut RealHost,
    lock_set: Option<&LockSet>,
    locks: &[PathBuf],
) -> Result<Snapshot, Error> {
    let existing = lock_set.map(LockSet::existing_locks).transpose()?;
    let probes: Vec<LockProbe<'_>> = match &existing {
        Some(existing) => existing.iter().map(ExistingLock::probe).collect(),
        None => locks.iter().map(|path| LockProbe::Missing(path)).collect(),
    };
    let state_dir = lock_set.map(|lock_set| lock_set.state_dir().as_ref());
    let state = StartState::default();
    let scanned = machine.snapshot(&probes, state_dir, &state, ScanScope::All);
    let mut snapshot = scanned.map_err(scan::cannot_scan)?;
    if let Some(state_dir) = state_dir {
        snapshot.history.attempts = state_dir.takeover_attempts(machine.host_process());
    }
    Ok(snapshot)
}
