//! What `run` says to whoever reads its standard error. It never writes to the child's standard output.

use super::{Common, say};
use crate::{
    engine::{
        action::OnLost,
        instance::Instance,
        plan::{Conflict, Step},
        policy::Patience,
    },
    guard::settle::Progress,
    host::execute::Event,
    report::mask,
    wrap::supervise::Incident,
};

/// A start that is settling.
pub(super) fn progress(common: &Common, instance: &Instance, progress: &Progress<'_>) {
    if common.quiet {
        return;
    }
    match progress {
        Progress::Waiting(plan) => {
            for conflict in plan.waits() {
                say(format_args!("monopoll: {instance}: waiting for {}{}", named(conflict), limit(conflict)));
            }
        }
        Progress::Acting(plan) => {
            for conflict in plan.kills() {
                say(format_args!("monopoll: {instance}: ending {} ({})", named(conflict), conflict.action));
            }
        }
        Progress::Did(event) if common.verbose > 0 => match event {
            Event::Asked(Some(pid)) => say(format_args!("monopoll: {instance}: asked the guard (pid {pid})")),
            Event::Asked(None) => say(format_args!("monopoll: {instance}: asked the guard in another PID namespace")),
            Event::Sent(id, blow) => say(format_args!("monopoll: {instance}: sent {} to pid {}", blow.name(), id.pid)),
            Event::Ended(Some(pid)) => say(format_args!("monopoll: {instance}: pid {pid} and everything below it has ended")),
            Event::Ended(None) => say(format_args!("monopoll: {instance}: the guard in another PID namespace has left")),
        },
        Progress::Did(_) => {}
        Progress::Clear(plan) => {
            for suspect in &plan.suspects {
                say(format_args!(
                    "monopoll: {instance}: warning: pid {} ({}) has {}; it is left alone",
                    suspect.process.id.pid,
                    mask::printable(suspect.process.name.known().map_or("?", String::as_str)),
                    suspect.reason
                ));
            }
        }
    }
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
