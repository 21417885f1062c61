//! Default policies, processes and snapshots. Each test changes only what matters to it.

use std::path::PathBuf;
use std::time::Duration;

use monopoll::internals::engine::action::{Action, AfterWait, OnConflict, SameToken};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::{self, Known};
use monopoll::internals::engine::instance::{BotId, NameSource};
use monopoll::internals::engine::ladder::{AfterGraceful, WaitLimit};
use monopoll::internals::engine::likeness::{CommandLikeness, ComparedCommand};
use monopoll::internals::engine::pattern::{
    CmdlinePattern, ContainerLimit, NamePattern, Pattern, UserLimit,
};
use monopoll::internals::engine::plan::{Conflict, Plan};
use monopoll::internals::engine::policy::{
    Conditions, MatchEntry, Policy, Purpose, Rule, Timeouts,
};
use monopoll::internals::engine::process::{Process, ProcessId, Relation, Role, RunState, User};
use monopoll::internals::engine::reason::RefusalCause;
use monopoll::internals::engine::respawn::EarlierRounds;
use monopoll::internals::engine::shield::Shield;
use monopoll::internals::engine::signal::Signal;
use monopoll::internals::engine::snapshot::{
    Caller, GuardView, LockState, LockView, SignalSupport, Snapshot,
};
use monopoll::internals::engine::takeover_limit::TakeoverHistory;
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::engine::token::{CarriedTokens, ChangedEnvFile, MyToken, TokenPlace};
use monopoll::internals::report::reasons;

pub(crate) const MY_PID: u32 = 900;
pub(crate) const MINE: CarriedTokens = mine(MyToken::Seen(TokenPlace::CommandLine), 1);
pub(crate) const INHERITED: CarriedTokens = mine(MyToken::Seen(TokenPlace::Environment), 1);
pub(crate) const NO_TOKEN: CarriedTokens = mine(MyToken::NotSeen, 0);
/// The start has no token to compare.
pub(crate) const NOT_COMPARED: CarriedTokens = mine(MyToken::NotLookedFor, 0);
pub(crate) const ANOTHER_BOTS: CarriedTokens =
    CarriedTokens { other: Known(Some(BotId(9))), ..mine(MyToken::NotSeen, 1) };
/// This bot's token and that of a bot which the start has no token of.
pub(crate) const TWO_BOTS: CarriedTokens = CarriedTokens { other: ANOTHER_BOTS.other, ..MINE };
/// The environment cannot be read.
pub(crate) const UNREADABLE: CarriedTokens =
    CarriedTokens { mine: Fact::Unknown, other: Fact::Unknown, count: 0 };

const fn mine(mine: MyToken, count: usize) -> CarriedTokens {
    CarriedTokens { mine: Known(mine), other: Known(None), count }
}

/// Returns the default policy with this `on_conflict`.
pub(crate) fn policy(on_conflict: OnConflict) -> Policy {
    Policy {
        purpose: Purpose::Start,
        on_conflict,
        after_wait: AfterWait::Refuse,
        same_token: SameToken::Refuse,
        matches: Vec::new(),
        rules: Vec::new(),
        timeouts: Timeouts {
            wait: WaitLimit::For(Duration::from_mins(1)),
            graceful: Duration::from_secs(30),
            force: Duration::from_secs(5),
        },
        signal: Signal::SigTerm,
        escalation: AfterGraceful::Kill,
        max_targets: 5,
        max_takeovers: 5,
        takeover_window: Duration::from_mins(1),
    }
}

/// Returns an unmanaged `python3 main.py` of the same user, a child of PID 1, unrelated to the
/// start.
pub(crate) fn process(pid: u32) -> Process {
    Process {
        id: ProcessId { pid, start: u64::from(pid) * 100 },
        parent: Known(1),
        name: Known("python3".to_owned()),
        args: Known(vec!["python3".to_owned(), "main.py".to_owned()]),
        exe: Known(PathBuf::from("/usr/bin/python3")),
        cwd: Known(PathBuf::from("/srv/bot")),
        user: Known(user("bot")),
        container: Known(None),
        state: Known(RunState::Sleeping),
        age: Known(Duration::from_secs(192)),
        managed_by: Known(None),
        launchers: Known(Vec::new()),
        orphaned: Known(false),
        blocks_reads: false,
        holds_lock: Known(false),
        tokens: NO_TOKEN,
        env_file_bot: Fact::Known(None),
        copied_configuration: None,
        moved_folder: None,
        is_connected_nearby: false,
        other_variable: Known(None),
        command_doubt: Known(None),
        guard: Known(None),
        connected: Fact::Unknown,
        restarts: Known(false),
        found_by: None,
        same_program: Known(false),
        may_be_spawned: Known(false),
        likeness: Known(CommandLikeness::Different),
        compared: compared("/srv/other/main.py"),
        relation: Known(Relation::None),
        role: Role::Program,
        server: None,
    }
}

/// Returns a process that runs the same command.
pub(crate) fn same_command(pid: u32) -> Process {
    Process {
        likeness: Known(CommandLikeness::Same),
        same_program: Known(true),
        compared: compared("/srv/bot/main.py"),
        ..process(pid)
    }
}

fn compared(program: &str) -> Fact<ComparedCommand> {
    Known(ComparedCommand { program: program.to_owned(), args: Vec::new(), same_args: true })
}

/// Makes a process the child of another one.
pub(crate) fn child_of(parent: u32, process: Process) -> Process {
    Process { parent: Known(parent), ..process }
}

pub(crate) fn user(name: &str) -> User {
    User { id: format!("id-{name}"), name: name.to_owned() }
}

/// Returns the process of a guard, which has the lock and no other evidence.
pub(crate) fn guard_process(pid: u32) -> Process {
    Process {
        name: Known("monopoll".to_owned()),
        args: Known(["monopoll", "run", "--", "python3", "main.py"].map(str::to_owned).to_vec()),
        blocks_reads: false,
        holds_lock: Known(true),
        role: Role::Monopoll,
        ..process(pid)
    }
}

/// Returns the record of a guard.
pub(crate) fn guard(pid: Option<u32>, ticket: Option<u64>) -> GuardView {
    GuardView {
        process: pid.map(|pid| process(pid).id),
        ticket: ticket.map(Ticket),
        command: "python3 main.py".to_owned(),
        user: "bot".to_owned(),
        host: "web-1".to_owned(),
        since: 1_767_225_600,
        other_lock: None,
    }
}

/// Returns a snapshot of these processes with one lock, held by those that have it.
pub(crate) fn snapshot(processes: Vec<Process>) -> Snapshot {
    let holders: Vec<u32> =
        processes.iter().filter(|it| it.holds_lock == Known(true)).map(|it| it.id.pid).collect();
    let state = if holders.is_empty() { LockState::Free } else { LockState::Held(holders) };
    Snapshot {
        me: caller(),
        locks: vec![lock(state)],
        guards: Vec::new(),
        other_guards: Vec::new(),
        processes,
        waited: Duration::ZERO,
        rounds: EarlierRounds::default(),
        history: TakeoverHistory::default(),
    }
}

/// Returns a start of `python3 main.py` whose only token names its instance.
pub(crate) fn caller() -> Caller {
    Caller {
        pid: MY_PID,
        user: user("bot"),
        privileged: false,
        signal_support: SignalSupport::Signals,
        ticket: Some(Ticket(50)),
        start: u64::from(MY_PID) * 100,
        instance: "voice-insight".to_owned(),
        name_source: NameSource::Given,
        bots: 1,
        in_dotenv: None,
        changed_settings: None,
        changed_env_file: None,
        cwd: Some(PathBuf::from("/srv/bot")),
        command: Some("python3 main.py".to_owned()),
        script_owner: Some("id-bot".to_owned()),
        purpose: Purpose::Start,
    }
}

/// Returns the change of a file that happened when the process with this pid started.
pub(crate) fn changed_env_file(pid: u32) -> ChangedEnvFile {
    ChangedEnvFile {
        name: ".env".to_owned(),
        other_place: ".env.alice:1".to_owned(),
        bot: BotId(9),
        last_start: process(pid).id.start,
    }
}

pub(crate) fn lock(state: LockState) -> LockView {
    LockView { path: PathBuf::from("/run/monopoll/voice-insight.lock"), state }
}

/// Returns a snapshot in which a guard with this ticket has the instance and runs `python3
/// main.py`.
pub(crate) fn guarded(ticket: Option<u64>) -> Snapshot {
    let child = child_of(10, Process { holds_lock: Known(true), ..process(11) });
    Snapshot { guards: vec![guard(Some(10), ticket)], ..snapshot(vec![guard_process(10), child]) }
}

pub(crate) fn entry(cmdline: &str) -> MatchEntry {
    MatchEntry {
        pattern: Pattern {
            cmdline: Some(CmdlinePattern::new(cmdline).unwrap()),
            ..Pattern::default()
        },
        user: UserLimit::Same,
        container: ContainerLimit::Same,
    }
}

pub(crate) fn rule(name: &str, action: Action, when: Conditions) -> Rule {
    Rule { name: name.to_owned(), when, action }
}

pub(crate) fn named(name: &str) -> Pattern {
    Pattern { name: Some(NamePattern::new(name).unwrap()), ..Pattern::default() }
}

/// Returns the reason for the plan in words.
pub(crate) fn reason(plan: &Plan) -> String {
    reasons::plan_reason(plan, Purpose::Start)
}

/// Returns the cause of the plan's refusal.
pub(crate) fn cause(plan: &Plan) -> &RefusalCause {
    plan.decisive_conflict().unwrap().refusal.as_ref().unwrap()
}

/// Returns the shield that causes the refusal.
pub(crate) fn decisive_shield(plan: &Plan) -> &Shield {
    match cause(plan) {
        RefusalCause::Shielded { shield, .. } => shield,
        other => panic!("no shield decides: {other:?}"),
    }
}

/// Returns the only conflict of the plan.
pub(crate) fn only(plan: &Plan) -> &Conflict {
    assert_eq!(plan.conflicts.len(), 1, "{plan:#?}");
    &plan.conflicts[0]
}

pub(crate) fn pids(conflict: &Conflict) -> Vec<u32> {
    conflict.processes().map(|process| process.id.pid).collect()
}

pub(crate) fn plan(policy: &Policy, processes: Vec<Process>) -> Plan {
    decide(policy, &snapshot(processes))
}

pub(crate) fn unknown<T>() -> Fact<T> {
    Fact::Unknown
}
