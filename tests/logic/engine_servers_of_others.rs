//! A terminal multiplexer or a process manager's daemon below a guard.

use std::time::Duration;

use crate::fixture::*;

use monopoll::internals::engine::action::OnConflict;
use monopoll::internals::engine::counter_evidence::{Doubt, ProgramBelow};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::{self, Known, Unknown};
use monopoll::internals::engine::instance::{BotId, NameSource};
use monopoll::internals::engine::managed_by::{ManagedBy, Pm2App, Pm2Mode};
use monopoll::internals::engine::plan::Plan;
use monopoll::internals::engine::process::{
    GuardedInstance, OtherGuard, Process, RunState, Server,
};
use monopoll::internals::engine::reason::RefusalCause;
use monopoll::internals::engine::snapshot::Snapshot;

const GUARD: u32 = 10;
const SERVER: u32 = 11;

fn below_guard(pid: u32) -> Fact<Option<OtherGuard>> {
    let process = process(pid).id;
    let (instance, name_source) = ("voice-insight".to_owned(), NameSource::Given);
    Known(Some(OtherGuard { instance, name_source, process, guards: GuardedInstance::Mine }))
}

fn named(name: &str, process: Process) -> Process {
    Process { name: Known(name.to_owned()), ..process }
}

/// Returns a program of the server that started so many seconds after it.
fn program_of(pid: u32, later: u64) -> Process {
    let age = Known(Duration::from_secs(192 - later));
    child_of(SERVER, Process { age, guard: below_guard(GUARD), ..process(pid) })
}

fn app(pid: u32, mode: Pm2Mode) -> Process {
    let (name, id, home) = ("app".to_owned(), None, None);
    let app = Pm2App { name, id, home, restarts: true, mode };
    Process { managed_by: Known(Some(ManagedBy::Pm2(Some(app)))), ..program_of(pid, 60) }
}

fn decided(processes: Vec<Process>) -> Plan {
    let holder = guard_process(GUARD);
    let processes = processes.into_iter().chain([holder]).collect();
    let guards = vec![guard(Some(GUARD), Some(1))];
    decide(&policy(OnConflict::Graceful), &Snapshot { guards, ..snapshot(processes) })
}

fn below(process: &Process) -> ProgramBelow {
    ProgramBelow { name: process.name.known().cloned(), pid: process.id.pid, root: GUARD }
}

#[test]
fn a_guard_is_not_ended_with_a_server_whose_programs_may_be_those_of_others() {
    let unmarked = |program: Process| Process { guard: Known(None), ..program };
    let (first, later) = (program_of(12, 1), program_of(13, 60));
    let fork = |pid| app(pid, Pm2Mode::Fork);
    let cluster = |pid| app(pid, Pm2Mode::Cluster);
    for (server, programs, of_others) in [
        (Server::Multiplexer, vec![], None),
        (Server::Multiplexer, vec![first.clone()], None),
        // The first session is over.
        (Server::Multiplexer, vec![later.clone()], Some(13)),
        (Server::Multiplexer, vec![Process { age: Unknown, ..first.clone() }], Some(12)),
        (Server::Multiplexer, vec![first.clone(), program_of(13, 1)], Some(13)),
        (Server::Multiplexer, vec![first.clone(), named("cat", later.clone())], None),
        (
            Server::Multiplexer,
            vec![first.clone(), Process { state: Known(RunState::Zombie), ..later.clone() }],
            None,
        ),
        (Server::Multiplexer, vec![unmarked(first.clone())], Some(12)),
        (Server::Supervisord, vec![later.clone()], None),
        (Server::Supervisord, vec![first.clone(), later.clone()], Some(13)),
        (Server::Pm2, vec![fork(12), fork(13)], None),
        (Server::Pm2, vec![unmarked(fork(12)), fork(13)], Some(12)),
        (Server::Pm2, vec![Process { guard: below_guard(99), ..fork(12) }], Some(12)),
        (Server::Pm2, vec![cluster(12)], None),
        (Server::Pm2, vec![fork(12), cluster(13)], Some(13)),
        (Server::Pm2, vec![Process { managed_by: Unknown, ..fork(12) }, fork(13)], Some(13)),
    ] {
        let daemon = child_of(GUARD, Process { server: Some(server), ..process(SERVER) });
        let processes: Vec<Process> = programs.iter().cloned().chain([daemon.clone()]).collect();
        let plan = decided(processes);
        let cause = of_others.map(|pid| {
            let program = below(programs.iter().find(|it| it.id.pid == pid).unwrap());
            let (kind, server) = (server, below(&daemon));
            RefusalCause::InDoubt(Doubt::ServerOfOthers { kind, server, program })
        });
        assert_eq!(only(&plan).refusal, cause, "{server:?} {programs:#?}");
    }
}

#[test]
fn a_bot_below_a_guard_whose_env_file_names_another_is_named() {
    let bot = child_of(GUARD, Process { guard: below_guard(GUARD), ..process(11) });
    let env_file_bot = Known(Some(BotId(8)));
    let other = child_of(11, Process { env_file_bot, guard: below_guard(GUARD), ..process(12) });
    let doubt = Doubt::AnotherBotBelow { program: below(&other), bot: BotId(8) };
    let refused = decided(vec![bot.clone(), other.clone()]);
    assert_eq!(only(&refused).refusal, Some(RefusalCause::InDoubt(doubt)));
    // With this bot's token, it is this bot.
    let mine = Process { tokens: MINE, ..other };
    assert_eq!(only(&decided(vec![bot, mine])).refusal, None);
}
