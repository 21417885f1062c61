//! Servers below a guard that others use too: a terminal multiplexer with more sessions than that
//! of COMMAND's script, or a process manager's daemon with more apps. The guard is their subreaper,
//! so it ends them with all their programs.

use std::time::Duration;

use crate::engine::counter_evidence::{Doubt, ProgramBelow};
use crate::engine::fact::Fact;
use crate::engine::helper_programs::may_be_a_bot;
use crate::engine::managed_by::{ManagedBy, Pm2App, Pm2Mode};
use crate::engine::process::{Process, Server};
use crate::engine::snapshot::GuardView;

/// A multiplexer starts with its first session. A later program may be of another one.
const FIRST_SESSION: Duration = Duration::from_secs(10);

/// Returns the doubt about a server below a guard, unless all its programs are known to be
/// COMMAND's.
pub(super) fn server_of_others(guard: &GuardView, tree: &[Process]) -> Option<Doubt> {
    let root = guard.process?.pid;
    tree.iter().find_map(|it| {
        let kind = it.server?;
        let program = program_of_others(guard, it, kind, tree)?;
        let [server, program] = [it, program].map(|it| ProgramBelow::new(it, root));
        Some(Doubt::ServerOfOthers { kind, server, program })
    })
}

fn program_of_others<'a>(
    guard: &GuardView,
    server: &Process,
    kind: Server,
    tree: &'a [Process],
) -> Option<&'a Process> {
    let is_its_program = |it: &&Process| it.parent == Fact::Known(server.id.pid);
    let programs: Vec<&Process> =
        tree.iter().filter(is_its_program).filter(|it| may_be_a_bot(it)).collect();
    // Only a terminal below the guard has its marker to give.
    let is_asked_for_below = |it: &Process| {
        let above = it.guard.known().and_then(Option::as_ref);
        above.is_some_and(|above| Some(above.process) == guard.process)
    };
    let latest = programs.iter().max_by_key(|it| it.id.start).copied();
    let is_first = |it: &Process| {
        let ages = server.age.known().zip(it.age.known());
        ages.is_some_and(|(server, program)| server.saturating_sub(*program) <= FIRST_SESSION)
    };
    programs.iter().find(|it| !is_asked_for_below(it)).copied().or_else(|| match kind {
        Server::Pm2 if programs.iter().all(|it| is_forked(it)) => None,
        Server::Pm2 | Server::Supervisord => latest.filter(|_| programs.len() > 1),
        Server::Multiplexer => latest.filter(|it| programs.len() > 1 || !is_first(it)),
    })
}

fn is_forked(app: &Process) -> bool {
    matches!(app.manager(), Some(ManagedBy::Pm2(Some(Pm2App { mode: Pm2Mode::Fork, .. }))))
}
