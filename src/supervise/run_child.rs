//! Runs COMMAND in an acquired instance: starts it, supervises it (`supervision.rs`), and releases
//! the instance.

use tracing::{debug, warn};

use crate::engine::ladder::StopMode;
use crate::error::{Error, ExitStatus, may_pass};
use crate::guard::follow_up_event::OnFollowUp;
use crate::guard::second_copy::CopyAlarm;
use crate::guard::start::{Acquired, StartingGuard};
use crate::guard::start_request::StartRequest;
use crate::scan::cannot_scan;
use crate::scan::command::Command;
use crate::scan::env_marker::{EnvMarker, HELD};
use crate::scan::guard_tree::GuardTree;
use crate::scan::machine::process_id;
use crate::supervise::child::{self, Child, Inheritance};
use crate::supervise::guard_exit::GuardExit;
use crate::supervise::real_guard_host::RealGuardHost;
use crate::supervise::supervision::{EndCause, GuardEvent, Supervision};
use crate::text::{count, printable};

/// Runs `command` and returns its exit status after its whole tree has ended. If the instance was
/// stopped or taken over, returns an error with status 0.
pub(crate) fn run_child(
    mut acquired: Acquired,
    request: &StartRequest,
    command: &Command,
    on_event: &mut dyn FnMut(GuardEvent),
    on_follow_up: OnFollowUp,
) -> Result<ExitStatus, Error> {
    let started = GuardTree::of_this_process()
        .map_err(cannot_scan)
        .and_then(|tree| Ok((tree, spawn(&acquired, request, command)?)));
    let (tree, child) = match started {
        Ok(started) => started,
        Err(error) => return Err(acquired.guard.give_up(error)),
    };
    debug!(pid = child.pid(), "started COMMAND as pid {}", child.pid());
    acquired.guard.record_running(process_id(child.pid()));
    let alarm = CopyAlarm::default();
    let mut scans = acquired.guard.follow_up(request, Some(alarm.clone()), on_follow_up);
    let copies = scans.as_mut().and_then(|scans| scans.copies.take());
    let Acquired { guard: StartingGuard { monitor, .. }, poller, cleanup } = acquired;
    let _kept = cleanup.into_lock_watch();
    let stop_options = request.config.policy.stop_options(StopMode::Graceful);
    let mut host = RealGuardHost::new(&poller, request, child, tree, &alarm, copies);
    let mut supervision = Supervision::new(&mut host, monitor, stop_options, on_event);
    let end = supervision.run();
    let GuardExit { history, result } = GuardExit::new(&end, &request.instance);
    // Release the lock first, so that the next start does not wait for the rest.
    let _watch = supervision.release(end.left, history);
    match (end.left, end.cause) {
        (0, EndCause::CommandEnded(Some(left_behind))) => left_behind.warn(),
        (
            0,
            EndCause::CommandEnded(None)
            | EndCause::Asked(_)
            | EndCause::LockLost
            | EndCause::SecondCopy,
        ) => {}
        (left, _) => {
            let processes = count(left, "process", "processes");
            let hold = if left == 1 { "holds" } else { "hold" };
            warn!(
                count = left,
                "{processes} of the tree could not be ended and still {hold} the lock"
            );
        }
    }
    result
}

fn spawn(acquired: &Acquired, request: &StartRequest, command: &Command) -> Result<Child, Error> {
    let Acquired { guard: StartingGuard { monitor, .. }, poller, .. } = acquired;
    let (record, locks) = (&monitor.record, &monitor.locks);
    let marker = EnvMarker {
        instance: request.instance.to_string(),
        ticket: record.ticket,
        guard: record.holder.process,
        lock: locks.first_path().to_owned(),
    };
    let inheritance = Inheritance {
        locks: locks.locks(),
        poller,
        death_signal: request.config.policy.signal,
        variable: (HELD, marker.value()),
    };
    child::adopt_orphans().map_err(|error| {
        let what = "cannot become the parent of processes that COMMAND leaves behind";
        Error::new(ExitStatus::Fault, format!("{what}: {error}"))
            .with_hint("check whether a seccomp filter forbids `prctl`")
            .due_to(error)
    })?;
    Child::spawn(&command.found, &command.args, &inheritance)
        .map_err(|error| not_executable(command, error))
}

fn not_executable(command: &Command, error: std::io::Error) -> Error {
    let status = match error.kind() {
        std::io::ErrorKind::NotFound => ExitStatus::NotFound,
        _ => ExitStatus::NotExecutable,
    };
    let name = command.base_name();
    let what = format!("COMMAND `{}` cannot be executed: {error}", printable(&name));
    if may_pass(&error) {
        return Error::new(status, what).due_to(error);
    }
    Error::new(status, what)
        .with_hint("check the file, its first line and its permissions")
        .with_source(error)
}
