//! Guards of other locks: a guard with a guessed name, or one of my instance without my locks, is
//! asked to end the bot below it.

use std::path::PathBuf;

use crate::fixture::*;

use monopoll::internals::engine::action::{Action, OnConflict};
use monopoll::internals::engine::counter_evidence::{AnotherBot, Doubt};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::evidence::Evidence;
use monopoll::internals::engine::fact::Fact::{self, Known, Unknown};
use monopoll::internals::engine::instance::{BotId, NameSource};
use monopoll::internals::engine::ladder::{Ladder, StopMeans};
use monopoll::internals::engine::pattern::UserLimit;
use monopoll::internals::engine::policy::{MatchEntry, Policy};
use monopoll::internals::engine::process::{
    GuardedInstance, OtherGuard, Process, ProcessId, Relation,
};
use monopoll::internals::engine::reason::{Permission, RefusalCause};
use monopoll::internals::engine::shield::Shield;
use monopoll::internals::engine::snapshot::{Caller, GuardView, Snapshot};

/// Returns the guard above a process with pid 10.
fn above(guards: GuardedInstance) -> Fact<Option<OtherGuard>> {
    let (instance, name_source) = match guards {
        GuardedInstance::Mine => ("voice-insight", NameSource::Given),
        GuardedInstance::Another => ("main.py-0123456789ab", NameSource::Command),
    };
    let (instance, process) = (instance.to_owned(), process(10).id);
    Known(Some(OtherGuard { instance, name_source, process, guards }))
}

/// Returns the process of the guard, which holds none of my locks.
fn other_guard() -> Process {
    Process { holds_lock: Known(false), ..guard_process(10) }
}

/// Returns the bot below that guard.
fn bot(pid: u32, guards: GuardedInstance) -> Process {
    child_of(10, Process { guard: above(guards), ..same_command(pid) })
}

fn seen(processes: Vec<Process>) -> Snapshot {
    let other_lock = Some(PathBuf::from("/run/monopoll/main.py-0123456789ab.lock"));
    let view = GuardView { other_lock, ..guard(Some(10), Some(7)) };
    Snapshot { other_guards: vec![view], ..snapshot(processes) }
}

fn shielded(shield: Shield) -> RefusalCause {
    RefusalCause::Shielded { shield, permission: Permission::Granted }
}

#[test]
fn a_guard_of_another_lock_is_asked_to_end_the_same_command() {
    for (guards, evidence) in [
        (GuardedInstance::Another, vec![Evidence::Lock, Evidence::Command]),
        (GuardedInstance::Mine, vec![Evidence::Lock, Evidence::Command]),
    ] {
        let snapshot = seen(vec![other_guard(), bot(11, guards)]);
        let plan = decide(&policy(OnConflict::Graceful), &snapshot);
        let found = only(&plan);
        assert_eq!((pids(found), found.action), (vec![10, 11], Action::Graceful), "{plan:#?}");
        assert_eq!((&found.evidence, found.guard.is_some()), (&evidence, true));
        let Ladder::Stop(stop) = found.ladder else { panic!("{plan:#?}") };
        assert_eq!(stop.means, StopMeans::AskThenSignal);
    }
}

#[test]
fn what_speaks_against_the_guard_or_its_bot_refuses() {
    let (mine, another) = (GuardedInstance::Mine, GuardedInstance::Another);
    let boxed = || Known(Some("c0ffee".to_owned()));
    let deploy = || Known(user("deploy"));
    let other_user = || shielded(Shield::OtherUser("deploy".to_owned()));
    let differs = |process| {
        let other_variable = Known(Some("BOT_PROFILE".to_owned()));
        Process { other_variable, ..process }
    };
    let variable = || RefusalCause::InDoubt(Doubt::Variable("BOT_PROFILE".to_owned()));
    let below_itself = Process { guard: above(another), ..other_guard() };
    let guessed = NameSource::Command;
    let given = NameSource::Given;
    for (name_source, guard, bots, refusal) in [
        (given, other_guard(), vec![bot(11, another)], None),
        (
            given,
            Process { relation: Known(Relation::Ancestor), ..other_guard() },
            vec![bot(11, another)],
            Some(shielded(Shield::Ancestor)),
        ),
        (
            given,
            Process { container: boxed(), ..other_guard() },
            vec![bot(11, another)],
            Some(shielded(Shield::OtherContainer("c0ffee".to_owned()))),
        ),
        (
            given,
            Process { user: deploy(), ..other_guard() },
            vec![bot(11, another)],
            Some(other_user()),
        ),
        (
            given,
            Process { user: deploy(), ..other_guard() },
            vec![bot(11, mine)],
            Some(other_user()),
        ),
        (
            given,
            Process { tokens: ANOTHER_BOTS, ..other_guard() },
            vec![bot(11, another)],
            Some(shielded(Shield::AnotherBot(AnotherBot::Token(BotId(9))))),
        ),
        (
            given,
            Process { tokens: TWO_BOTS, ..other_guard() },
            vec![bot(11, another)],
            Some(RefusalCause::InDoubt(Doubt::AlsoAnotherToken(BotId(9)))),
        ),
        // A guard is marked as below itself. That its program cannot be compared is no doubt.
        (guessed, below_itself.clone(), vec![bot(11, another)], None),
        (guessed, differs(below_itself.clone()), vec![bot(11, another)], Some(variable())),
        (
            guessed,
            below_itself,
            vec![bot(11, mine)],
            Some(RefusalCause::InDoubt(Doubt::BelowGuard("main.py-0123456789ab".to_owned()))),
        ),
        (given, other_guard(), vec![differs(bot(11, another))], Some(variable())),
        (given, other_guard(), vec![bot(11, another), differs(bot(12, another))], Some(variable())),
    ] {
        let snapshot = seen([vec![guard], bots].concat());
        let me = Caller { name_source, ..caller() };
        let plan = decide(&policy(OnConflict::Graceful), &Snapshot { me, ..snapshot });
        assert_eq!((only(&plan).pid(), &only(&plan).refusal), (Some(10), &refusal), "{plan:#?}");
    }
}

#[test]
fn a_guard_that_holds_my_lock_is_asked_whoever_owns_it() {
    let owned = |process| Process { user: Known(user("deploy")), ..process };
    let child = Process { holds_lock: Known(true), ..bot(11, GuardedInstance::Mine) };
    let snapshot = Snapshot {
        guards: vec![guard(Some(10), Some(7))],
        ..snapshot(vec![owned(guard_process(10)), owned(child)])
    };
    let plan = decide(&policy(OnConflict::Graceful), &snapshot);
    assert_eq!((only(&plan).action, &only(&plan).refusal), (Action::Graceful, &None), "{plan:#?}");
}

#[test]
fn a_guard_of_another_lock_is_not_asked_to_end_what_is_not_mine() {
    let any_user = MatchEntry { user: UserLimit::Any, ..entry("main") };
    let by_entry = Policy { matches: vec![any_user], ..policy(OnConflict::Graceful) };
    let foreign = |process| Process { user: Known(user("deploy")), ..process };
    let another = || bot(11, GuardedInstance::Another);
    let reused = Process { id: ProcessId { pid: 10, start: 1 }, ..other_guard() };
    for (guard, bot) in [
        // Only an entry reaches this user's process, and no entry reaches a guard.
        (foreign(other_guard()), foreign(another())),
        // The pid of the guard belongs to another process now.
        (reused, another()),
        (other_guard(), Process { guard: Unknown, ..another() }),
    ] {
        let mut snapshot = seen(vec![guard, bot]);
        snapshot.me.privileged = true;
        let plan = decide(&by_entry, &snapshot);
        assert_eq!(pids(only(&plan)), [11], "{plan:#?}");
    }
}

#[test]
fn a_guard_of_another_lock_is_newer_if_it_started_later() {
    let me = caller();
    for (start, pid, is_newer) in [
        (me.start + 1, me.pid - 1, true),
        (me.start, me.pid + 1, true),
        (me.start, me.pid, false),
        (me.start, me.pid - 1, false),
        (me.start - 1, me.pid + 1, false),
    ] {
        let id = ProcessId { pid, start };
        let marker = above(GuardedInstance::Another).known().cloned().flatten();
        let marker = Known(marker.map(|guard| OtherGuard { process: id, ..guard }));
        let child = child_of(pid, Process { guard: marker, ..same_command(11) });
        let mut snapshot = seen(vec![Process { id, ..other_guard() }, child]);
        // Tickets of another lock are drawn from another counter.
        for ticket in [1, 99] {
            let ticket = guard(None, Some(ticket)).ticket;
            let view = snapshot.other_guards.remove(0);
            snapshot.other_guards.push(GuardView { process: Some(id), ticket, ..view });
            let plan = decide(&policy(OnConflict::Graceful), &snapshot);
            let expected = is_newer.then_some(RefusalCause::NewerStart);
            assert_eq!(only(&plan).refusal, expected, "{start} {pid}");
        }
    }
}
