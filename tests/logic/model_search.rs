//! Searches all interleavings of several starts, guards and faults up to a bound. The code is the
//! real one, from the ticket to the end of the guard, and so are the files; processes, signals and
//! time are scripted.

mod choices;
mod conflicts;
mod files;
mod fingerprint;
mod guard_host;
mod kernel;
mod machine;
mod rules;
mod scan;
mod search;
mod start_host;
mod starts;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;
use tracing::Dispatch;

use monopoll::internals::engine::token::OwnTokens;
use monopoll::internals::guard::not_started::NotStarted;
use monopoll::internals::guard::start_request::{OnYoungProcess, OwnPrograms, StartRequest};
use monopoll::internals::scan::command::Command;
use monopoll::internals::state::history_event::{GiveUp, GiveUpCause};
use monopoll::{Config, Sources};

use crate::fixture;
use machine::Machine;
use search::{Fault, Scenario, Search};

const GRACEFUL: &[&str] = &["on_conflict=graceful"];
const FORCE: &[&str] = &["on_conflict=force"];
/// A guard that lost its lock keeps its bot.
const WARN: &[&str] = &["on_conflict=graceful", "lock.on_lost=warn"];
const REFUSE: &[&str] = &["on_conflict=refuse"];
const WAIT: &[&str] = &["on_conflict=wait", "timeouts.wait=1m"];

fn give_up(_: &NotStarted) -> GiveUp {
    GiveUp { cause: GiveUpCause::Policy, why: "as the search says".to_owned() }
}

fn request(folder: &Path, settings: &[&str]) -> StartRequest {
    let lock = folder.join("locks/x.lock");
    let set = [
        format!("lock.paths=['{}']", lock.display()),
        "instance=x".to_owned(),
        // The history is no part of a state.
        "limits.max_takeovers=30".to_owned(),
    ];
    let set = set.into_iter().chain(settings.iter().map(|set| (*set).to_owned())).collect();
    let cwd = folder.to_owned();
    let config = Config::load(&Sources { set, cwd: cwd.clone(), ..Sources::default() });
    StartRequest {
        config: config.unwrap(),
        instance: "x".parse().unwrap(),
        command: Some(Command::find(vec!["sh".into()], cwd).unwrap()),
        tokens: OwnTokens::default(),
        user: fixture::user("bot"),
        locks: vec![lock],
        programs: OwnPrograms::default(),
        give_up,
        on_young_process: OnYoungProcess::Decide,
    }
}

/// Lets the starts of a scenario run until nothing happens anymore.
fn run(search: Search, folder: &TempDir, requests: &[Arc<StartRequest>], to: &Dispatch) -> Search {
    let locks = folder.path().join("locks");
    let _ = fs::remove_dir_all(&locks);
    let machine = Arc::new(Machine::new(requests.len(), search, locks));
    let threads: Vec<_> = requests
        .iter()
        .enumerate()
        .map(|(me, request)| starts::spawn_start(&machine, me, request, to))
        .collect();
    machine.run();
    for thread in threads {
        thread.join().unwrap();
    }
    Arc::into_inner(machine).unwrap().into_search()
}

/// Searches a scenario. Panics with the steps of the first run that breaks a rule.
#[track_caller]
fn search(scenario: Scenario) {
    let began = Instant::now();
    let folder = tempfile::Builder::new().prefix("monopoll-").tempdir_in("/dev/shm");
    let folder = folder.or_else(|_| tempfile::tempdir()).unwrap();
    let requests: Vec<_> =
        scenario.starts.iter().map(|it| Arc::new(request(folder.path(), it))).collect();
    let dispatch = Dispatch::new(starts::PauseAtAccess);
    let mut search = Search::new(scenario);
    loop {
        search = run(search, &folder, &requests, &dispatch);
        if search.violation.is_some() {
            search.repeat_with_log();
            search = run(search, &folder, &requests, &dispatch);
            let steps = search.log.unwrap_or_default().join("\n");
            let (name, why) = (search.scenario.name, search.violation.unwrap_or_default());
            panic!("`{name}` breaks a rule: {why}\n{steps}");
        }
        if !search.next_run() {
            break;
        }
    }
    let (name, counts) = (search.scenario.name, search.counts);
    assert!(counts.accesses > 20 * counts.runs, "the search does not see the accesses to files");
    // Past the test harness, which would hide it: the figures are the result.
    let _ = writeln!(
        std::io::stderr(),
        "{name}: {} states, {} runs, {:.1} s",
        counts.states,
        counts.runs,
        began.elapsed().as_secs_f64()
    );
}

/// Returns a scenario without faults. Each start may be left this often although it could go on;
/// `MONOPOLL_SEARCH_SWITCHES` adds to that.
fn scenario(
    name: &'static str,
    starts: Vec<&'static [&'static str]>,
    max_switches: u32,
) -> Scenario {
    let more = std::env::var("MONOPOLL_SEARCH_SWITCHES").map_or(0, |more| more.parse().unwrap());
    let max_switches = max_switches + more;
    Scenario {
        name,
        starts,
        runs_already: false,
        unguarded: false,
        faults: &[],
        max_faults: 0,
        max_switches,
    }
}

fn with_faults(max_faults: u32, faults: &'static [Fault], scenario: Scenario) -> Scenario {
    Scenario { faults, max_faults, ..scenario }
}

#[test]
fn of_two_starts_the_newest_polls() {
    search(scenario("two starts", vec![GRACEFUL; 2], 1));
}

#[test]
fn of_starts_that_force_the_newest_polls() {
    search(scenario("two that force", vec![FORCE; 2], 1));
    search(scenario("one that forces, one that does not", vec![GRACEFUL, FORCE, GRACEFUL], 0));
}

#[test]
fn a_fault_while_a_start_forces_never_makes_two_poll() {
    for (name, faults) in [
        ("forced, one is killed", &[Fault::Kill] as &[Fault]),
        ("forced, one is stopped", &[Fault::Stop]),
        ("forced, the lock is lost", &[Fault::DeleteLock, Fault::ReplaceLock]),
    ] {
        search(with_faults(1, faults, scenario(name, vec![FORCE; 2], 0)));
    }
}

#[test]
fn a_guard_that_only_warns_about_a_lost_lock_never_makes_two_poll() {
    let faults = &[Fault::DeleteLock, Fault::ReplaceLock];
    search(with_faults(1, faults, scenario("one only warns", vec![WARN; 2], 0)));
}

#[test]
fn of_three_starts_the_newest_polls() {
    search(scenario("three starts", vec![GRACEFUL; 3], 0));
    search(Scenario {
        runs_already: true,
        ..scenario("two starts against a guard", vec![GRACEFUL; 3], 0)
    });
}

#[test]
fn a_start_that_refuses_leaves_the_guard_alone() {
    search(scenario("two that refuse", vec![REFUSE; 2], 1));
    search(Scenario {
        runs_already: true,
        ..scenario("one that refuses, and one that takes over", vec![GRACEFUL, REFUSE, GRACEFUL], 0)
    });
}

#[test]
fn of_two_starts_that_wait_the_next_one_polls_when_a_bot_ends() {
    let waits = scenario("two that wait", vec![WAIT; 3], 0);
    search(with_faults(1, &[Fault::Exit], Scenario { runs_already: true, ..waits }));
}

#[test]
fn a_start_or_guard_that_is_killed_at_any_step_leaves_one_bot() {
    search(with_faults(1, &[Fault::Kill], scenario("one is killed", vec![GRACEFUL; 2], 0)));
    let waits = scenario("one is killed, the other waits", vec![GRACEFUL, WAIT], 0);
    search(with_faults(1, &[Fault::Kill], waits));
}

#[test]
fn a_start_or_guard_that_is_stopped_at_any_step_never_makes_two_poll() {
    search(with_faults(1, &[Fault::Stop], scenario("one is stopped", vec![GRACEFUL; 2], 0)));
}

#[test]
fn a_bot_that_ends_late_or_by_itself_never_makes_two_poll() {
    let late = scenario("one ends late or by itself", vec![GRACEFUL; 2], 0);
    search(with_faults(1, &[Fault::Slow, Fault::Exit], late));
}

#[test]
fn a_deleted_lock_or_record_never_makes_two_poll() {
    let faults = &[Fault::DeleteLock, Fault::DeleteRecord];
    search(with_faults(1, faults, scenario("files are deleted", vec![GRACEFUL; 2], 0)));
}

#[test]
fn a_replaced_lock_never_makes_two_poll() {
    let replaced = scenario("the lock is replaced", vec![GRACEFUL; 2], 0);
    search(with_faults(1, &[Fault::ReplaceLock], replaced));
}

/// Returns a scenario in which the first start is a guard when the others begin.
fn against_a_guard(name: &'static str, others: &[&'static [&'static str]]) -> Scenario {
    let starts = std::iter::once(GRACEFUL).chain(others.iter().copied()).collect();
    Scenario { runs_already: true, ..scenario(name, starts, 0) }
}

#[test]
fn a_fault_among_three_starts_never_makes_two_poll() {
    for (name, faults) in [
        ("three, the lock is deleted", &[Fault::DeleteLock] as &[Fault]),
        ("three, the lock is replaced", &[Fault::ReplaceLock]),
    ] {
        search(with_faults(1, faults, against_a_guard(name, &[REFUSE; 2])));
    }
}

#[test]
fn two_faults_in_one_run_never_make_two_poll() {
    for (name, faults) in [
        ("two are killed, or one twice stopped", &[Fault::Kill, Fault::Stop]),
        ("one is killed, the lock is deleted", &[Fault::Kill, Fault::DeleteLock]),
        ("one is killed, the lock is replaced", &[Fault::Kill, Fault::ReplaceLock]),
    ] {
        search(with_faults(2, faults, against_a_guard(name, &[REFUSE])));
    }
}

#[test]
#[ignore = "it takes minutes"]
fn one_killed_among_three_starts_never_makes_two_poll() {
    search(with_faults(1, &[Fault::Kill], against_a_guard("three, one is killed", &[GRACEFUL; 2])));
}

#[test]
#[ignore = "it takes minutes"]
fn a_lost_lock_among_three_starts_never_makes_two_poll() {
    let faults = &[Fault::DeleteLock, Fault::ReplaceLock];
    search(with_faults(1, faults, against_a_guard("three, the lock is lost", &[GRACEFUL; 2])));
}

#[test]
#[ignore = "it takes minutes"]
fn two_killed_in_one_run_never_make_two_poll() {
    search(with_faults(2, &[Fault::Kill], against_a_guard("two are killed", &[GRACEFUL])));
}

#[test]
#[ignore = "it takes minutes"]
fn a_kill_and_a_lost_lock_in_one_run_never_make_two_poll() {
    let faults = &[Fault::Kill, Fault::DeleteLock, Fault::ReplaceLock];
    search(with_faults(2, faults, against_a_guard("a kill and a lost lock", &[GRACEFUL])));
}

#[test]
#[ignore = "it takes minutes"]
fn a_stop_and_a_kill_in_one_run_never_make_two_poll() {
    let faults = &[Fault::Stop, Fault::Kill];
    search(with_faults(2, faults, against_a_guard("a stop and a kill", &[GRACEFUL])));
}

#[test]
fn a_bot_that_its_parent_starts_again_never_polls_beside_a_new_one() {
    search(Scenario { unguarded: true, ..scenario("an unguarded bot", vec![GRACEFUL], 1) });
    search(Scenario { unguarded: true, ..scenario("an unguarded bot", vec![GRACEFUL; 2], 0) });
}
