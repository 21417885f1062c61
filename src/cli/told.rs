//! What `run` says to whoever reads its standard error. It never writes to the child's standard output.

use super::{Common, say};
use crate::{
    engine::{
        action::OnLost,
        instance::Instance,
        plan::{Conflict, Step, Suspect},
        policy::Patience,
    },
    guard::settle::Progress,
    host::{container::Enclosure, execute::Event},
    report::mask,
    wrap::supervise::Incident,
};

/// That a start is guarded in its own container alone (S20).
pub(super) fn enclosure(common: &Common, instance: &Instance, enclosure: Option<&Enclosure>) {
    if let Some(enclosure) = enclosure.filter(|_| !common.quiet) {
        say(format_args!("monopoll: {instance}: {}; {}", enclosure.what(), enclosure.way_out()));
    }
}

/// A start that is settling.
pub(super) fn progress(common: &Common, instance: &Instance, progress: &Progress<'_>) {
    for line in lines(common, instance, progress) {
        say(format_args!("monopoll: {line}"));
    }
}

/// What is said about it.
pub(super) fn lines(common: &Common, instance: &Instance, progress: &Progress<'_>) -> Vec<String> {
    if common.quiet {
        return Vec::new();
    }
    let lines: Vec<String> = match progress {
        Progress::Waiting(plan) => plan.waits().map(|conflict| format!("waiting for {}{}", named(conflict), limit(conflict))).collect(),
        Progress::Acting(plan) => plan.kills().map(|conflict| format!("ending {} ({})", named(conflict), conflict.action)).collect(),
        Progress::Did(event) if common.verbose > 0 => vec![match event {
            Event::Asked(Some(pid)) => format!("asked the guard (pid {pid})"),
            Event::Asked(None) => "asked the guard in another PID namespace".to_owned(),
            Event::Sent(id, blow) => format!("sent {} to pid {}", blow.name(), id.pid),
            Event::Ended(Some(pid)) => format!("pid {pid} and everything below it has ended"),
            Event::Ended(None) => "the guard in another PID namespace has left".to_owned(),
        }],
        Progress::Did(_) => Vec::new(),
        Progress::Clear(plan) => plan.suspects.iter().map(suspicion).collect(),
    };
    lines.into_iter().map(|line| format!("{instance}: {line}")).collect()
}

fn suspicion(suspect: &Suspect) -> String {
    let name = mask::printable(suspect.process.name.known().map_or("?", String::as_str));
    format!("warning: pid {} ({name}) has {}; it is left alone", suspect.process.id.pid, suspect.reason)
}

/// Something that happened while the child ran.
pub(super) fn incident(common: &Common, incident: Incident) {
    match incident {
        Incident::Leftovers(count) if common.verbose > 0 => {
            say(format_args!("monopoll: COMMAND has ended; ending {count} processes that it left behind"));
        }
        Incident::Leftovers(_) => {}
        Incident::Stuck(id) => warning(common, &format!("pid {} outlived SIGKILL: it hangs in the kernel", id.pid)),
        Incident::Unwritten(what) => warning(common, &what),
        Incident::Retaken => warning(common, "the lock file was deleted, moved or replaced; it is held again"),
        Incident::Unusable(error) => warning(common, &format!("the lock file is gone and cannot be held again for now: {error}")),
        Incident::Lost(OnLost::Stop) => warning(common, "the lock is lost to another guard; COMMAND is ended, as `lock.on_lost` says"),
        Incident::Lost(OnLost::Warn) => warning(common, "the lock is lost to another guard; COMMAND goes on, as `lock.on_lost` says"),
    }
}

/// Something that is not as it should be, and does not stop the start.
pub(super) fn warning(common: &Common, what: &str) {
    if !common.quiet {
        say(format_args!("monopoll: warning: {what}"));
    }
}

fn named(conflict: &Conflict) -> String {
    let command = match (&conflict.guard, &conflict.root) {
        (Some(guard), _) => guard.command.clone(),
        (None, Some(root)) => root.args.known().map(|args| mask::command(args)).unwrap_or_default(),
        (None, None) => return "an unknown holder of the lock".to_owned(),
    };
    let pid = conflict.root.as_ref().map_or_else(|| "in another PID namespace".to_owned(), |root| format!("pid {}", root.id.pid));
    format!("`{}` ({pid})", mask::printable(&command))
}

fn limit(conflict: &Conflict) -> String {
    match conflict.steps.first() {
        Some(Step::Wait { timeout: Patience::For(time) }) => format!(", at most {}", humantime::format_duration(*time)),
        Some(Step::Wait { timeout: Patience::Forever }) => ", as long as it takes".to_owned(),
        Some(Step::Ask { .. } | Step::Signal { .. }) | None => String::new(),
    }
}
