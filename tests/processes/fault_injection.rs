//! Each call that monopoll makes to the kernel fails once, with each error that may really occur,
//! and SIGTERM or SIGKILL arrives at the calls that change something. strace(1) injects the
//! faults, so std and all crates are included, and monopoll has no code for that.
//!
//! A random sample by default: `MONOPOLL_FAULTS_SECONDS` is its time, `MONOPOLL_FAULTS_SEED`
//! repeats it. `MONOPOLL_FAULTS` chooses: `all`, `SCENARIO` (all of it), `sample SCENARIO`, `sample
//! SCENARIO CALL FAULT`, or `SCENARIO CALL FAULT N`, as a failure is named.
#![expect(clippy::disallowed_macros, reason = "a failure names its fault and its seed")]

mod calls;
mod scenarios;
mod scene;
mod trace;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, thread};

use monopoll_test_bots::stage::{Stage, is_root, skip};

use self::scenarios::{SCENARIOS, Scenario};
use self::scene::Scene;
use self::trace::{Fault, faults_of_calls, injected, was_injected};
use crate::random::{Random, seed, setting};

const TEST: &str = "fault_injection::a_failing_call_never_starts_a_second_bot_and_is_never_silent";

/// The scenario that this process plays, in a PID namespace of its own.
const SCENARIO: &str = "MONOPOLL_FAULTS_SCENARIO";

/// Scenarios that are played at the same time.
const AT_ONCE: usize = 2;

/// What `MONOPOLL_FAULTS` chooses.
struct Chosen {
    /// `None`: all of them.
    scenario: Option<String>,
    faults: ChosenFaults,
}

enum ChosenFaults {
    Sample,
    /// Those of one call with one error.
    SampleOf {
        call: String,
        kind: String,
    },
    All,
    One(Fault),
}

impl Chosen {
    fn from_environment() -> Chosen {
        let words = env::var("MONOPOLL_FAULTS").unwrap_or_default();
        let words: Vec<&str> = words.split_whitespace().collect();
        let (scenario, faults) = match words[..] {
            [] => (None, ChosenFaults::Sample),
            ["all"] => (None, ChosenFaults::All),
            [scenario] => (Some(scenario), ChosenFaults::All),
            ["sample", scenario] => (Some(scenario), ChosenFaults::Sample),
            ["sample", scenario, call, kind] => {
                let (call, kind) = (call.to_owned(), kind.to_owned());
                (Some(scenario), ChosenFaults::SampleOf { call, kind })
            }
            [scenario, call, kind, nth] => {
                let (call, kind) = (call.to_owned(), kind.to_owned());
                let fault = Fault { call, kind, nth: nth.parse().unwrap() };
                (Some(scenario), ChosenFaults::One(fault))
            }
            _ => panic!("MONOPOLL_FAULTS: {words:?} chooses nothing"),
        };
        Chosen { scenario: scenario.map(ToOwned::to_owned), faults }
    }
}

/// What one process found.
#[derive(Debug, Default)]
struct Found {
    cases: usize,
    injected: usize,
    failures: Vec<String>,
}

#[test]
fn a_failing_call_never_starts_a_second_bot_and_is_never_silent() {
    if let Ok(name) = env::var(SCENARIO) {
        let scenario = SCENARIOS.iter().find(|it| it.name == name).unwrap();
        return play_all(scenario);
    }
    if !is_root() {
        return;
    }
    if Command::new("strace").arg("--version").output().is_err() {
        return skip("it needs strace");
    }
    let Chosen { scenario, .. } = Chosen::from_environment();
    let is_chosen = |it: &&Scenario| scenario.as_ref().is_none_or(|name| name == it.name);
    let queue = Mutex::new(SCENARIOS.iter().filter(is_chosen).collect::<Vec<_>>());
    let count = queue.lock().unwrap().len();
    assert!(count > 0, "{scenario:?} is no scenario");
    let seed = seed("MONOPOLL_FAULTS_SEED");
    let seconds = setting("MONOPOLL_FAULTS_SECONDS").unwrap_or(40);
    let share =
        seconds * u64::try_from(AT_ONCE.min(count)).unwrap() * 1000 / u64::try_from(count).unwrap();
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop();
                    let Some(scenario) = next else { return };
                    let failed = play_in_namespace(scenario, seed, share);
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} faults\n{}", failures.len(), failures.join("\n"));
}

/// Plays a scenario where few processes are seen, so that the calls are the same each time.
fn play_in_namespace(scenario: &Scenario, seed: u64, milliseconds: u64) -> Option<String> {
    let shell = ["sh", "-c", "\"$@\"; exit $?", "sh"];
    let played = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(shell)
        .arg(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(SCENARIO, scenario.name)
        .env("MONOPOLL_FAULTS_SEED", seed.to_string())
        .env("MONOPOLL_FAULTS_MILLISECONDS", milliseconds.to_string())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&played.stderr).into_owned();
    let mut lines: BTreeSet<&str> = printed.lines().collect();
    lines.retain(|line| line.starts_with(scenario.name) || line.starts_with("== "));
    for line in lines {
        eprintln!("{line}");
    }
    (!played.status.success()).then_some(printed)
}

/// Plays a scenario with its faults.
fn play_all(scenario: &Scenario) {
    let began = Instant::now();
    let (faults, until) = match Chosen::from_environment().faults {
        ChosenFaults::One(fault) => (vec![fault], None),
        ChosenFaults::All => (faults_of(scenario), None),
        chosen @ (ChosenFaults::Sample | ChosenFaults::SampleOf { .. }) => {
            // A guard looks at its tree more often in one run than in another. A call that only
            // one of two runs makes may not come again, so that its fault would not be injected.
            let again = faults_of(scenario);
            let mut faults = faults_of(scenario);
            faults.retain(|fault| again.contains(fault));
            if let ChosenFaults::SampleOf { call, kind } = chosen {
                faults.retain(|fault| (&fault.call, &fault.kind) == (&call, &kind));
            }
            Random::new(setting("MONOPOLL_FAULTS_SEED").unwrap()).shuffle(&mut faults);
            let time = Duration::from_millis(setting("MONOPOLL_FAULTS_MILLISECONDS").unwrap());
            (faults, Some(began + time))
        }
    };
    let all = faults.len();
    let mut found = Found::default();
    for fault in faults {
        if until.is_some_and(|until| Instant::now() > until) {
            break;
        }
        play(scenario, &fault, &mut found);
    }
    let Found { cases, injected, failures } = found;
    eprintln!(
        "{}: {} failures in {cases} of {all} faults, {injected} of them injected, {:.1} s",
        scenario.name,
        failures.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(cases > 0, "no time for a single fault: raise MONOPOLL_FAULTS_SECONDS");
    assert!(injected * 10 >= cases * 7, "too few faults were injected");
}

/// Plays a scenario without a fault, and lists the faults of its calls.
fn faults_of(scenario: &Scenario) -> Vec<Fault> {
    let stage = Stage::new();
    let scene = Scene { stage: &stage, fault: None };
    let verdict = (scenario.play)(&scene).and_then(|()| scene.finish());
    assert_eq!(verdict, Ok(()), "without a fault\n{}", stage.transcript());
    faults_of_calls(&scene.output(), scenario.has_loader).into_iter().collect()
}

fn play(scenario: &Scenario, fault: &Fault, found: &mut Found) {
    let stage = Stage::new();
    let scene = Scene { stage: &stage, fault: Some(fault) };
    let verdict = (scenario.play)(&scene).and_then(|()| scene.finish());
    found.cases += 1;
    found.injected += usize::from(was_injected(fault, &scene.output()));
    if let Err(why) = verdict {
        let injected = injected(&scene.output());
        let (name, transcript) = (scenario.name, stage.transcript());
        let failure = format!("== {name} {fault}: {why}\n{injected}{transcript}");
        eprintln!("{failure}");
        found.failures.push(failure);
    }
}
