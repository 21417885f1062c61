//! What monopoll was made for: two `main.py` fight for one token.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::scene::{Framework, Scene, python};
use monopoll_test_bots::stage::{Running, Stage, is_alive};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The commands of the README's demo, as anybody pastes them.
#[test]
fn the_demo_of_the_readme_is_true() {
    let readme = include_str!("../../README.md").split("## The founding case").nth(1).unwrap();
    let demo = readme.split("```sh\n").nth(1).and_then(|it| it.split("```").next()).unwrap();
    // Where a person waits a moment, the test waits for what that moment is for.
    let moments: Vec<&str> =
        demo.split_inclusive('\n').filter(|line| line.starts_with("sleep ")).collect();
    let [first, second] = moments[..] else { panic!("{moments:?}") };
    let (begin, rest) = demo.split_once(first).unwrap();
    let (settle, end) = rest.split_once(second).unwrap();

    let stage = Stage::new();
    let paste = |commands: &str| paste(&stage, commands).start();
    let pollers = |shell: &Running<'_>, n: usize| {
        stage.wait_until(&format!("{n} who poll"), || {
            let printed = shell.stdout();
            let pids: BTreeSet<u32> = printed
                .lines()
                .filter_map(|line| line.strip_prefix("pid ")?.strip_suffix(" polls")?.parse().ok())
                .collect();
            (pids.len() == n).then_some(pids)
        })
    };
    let shell = paste(begin);
    let two = pollers(&shell, 2);
    let shell = paste(settle);
    let one = pollers(&shell, 1);
    assert!(
        one.is_disjoint(&two) && !two.iter().any(|pid| is_alive(*pid)),
        "one polls, and it is the new one"
    );
    let plan = shell.stdout();
    assert!(
        plan.contains("would end 2 conflicts")
            && two.iter().all(|pid| plan.contains(&format!(". pid {pid}  "))),
        "{plan}"
    );
    stage.wait_until_settled();
    let printed = paste(end).end().exits(0).out;
    assert!(
        printed.contains(" is running, since ") && printed.contains("took over from pid"),
        "{printed}"
    );
    assert!(!one.iter().any(|pid| is_alive(*pid)), "it was stopped");
}

/// The commands in the stage's folder, with its lock and this monopoll.
fn paste<'a>(stage: &'a Stage, commands: &str) -> monopoll_test_bots::stage::Start<'a> {
    let here = Path::new(env!("CARGO_BIN_EXE_monopoll")).parent().unwrap().display();
    let path = format!("{here}:{}", std::env::var("PATH").unwrap_or_default());
    let shell = stage.program("bash", &["-e", "-c", commands]).env("PATH", path);
    shell.env("MONOPOLL_LOCK__PATHS", format!("[\"{}\"]", stage.lock().display()))
}

#[test]
fn two_main_py_fight_until_monopoll_settles_it() {
    let Some(python) = python() else { return };
    let scene = Scene::new(Framework::Aiogram);
    let source = monopoll_test_bots::programs::source("aiogram_echo.py");
    fs::copy(source, scene.stage.folder().join("main.py")).unwrap();
    let main_py = || scene.connected(scene.stage.program(&python, &["main.py"])).start();
    let fighters = [main_py(), main_py()];
    let fight =
        scene.until("two 409s", |report| (report.conflicts.written >= 2).then(|| report.clone()));
    assert_eq!(fight.most_at_once, 2);

    let python = python.to_str().unwrap();
    let plan = scene
        .connected(scene.stage.monopoll(&["plan", "--json", "--", python, "main.py"]))
        .on_conflict("graceful");
    let plan: Value = serde_json::from_str(&plan.end().exits(0).out).unwrap();
    let named: BTreeSet<u64> =
        plan["conflicts"].as_array().unwrap().iter().filter_map(|it| it["pid"].as_u64()).collect();
    assert_eq!(named, fighters.iter().map(|it| u64::from(it.pid())).collect(), "{plan:#}");
    assert!(
        fighters.iter().all(monopoll_test_bots::stage::Running::is_alive),
        "a plan touches nobody"
    );

    let guarded = scene
        .connected(scene.stage.run_command(python, &["main.py"]))
        .on_conflict("graceful")
        .start();
    scene.poller(3);
    for fighter in fighters {
        fighter.end().exits(0);
    }
    let settled = scene.server.report().conflicts;
    let traffic = scene.traffic();
    scene.processes(40);
    drop(traffic);
    scene.until("everything to be taken", |report| (report.unconfirmed == 0).then_some(()));
    guarded.signal(Signal::SIGTERM);
    guarded.end().exits(0);
    let report = scene.server.report();
    assert_eq!(
        (report.conflicts.to_the_living, report.conflicts.written),
        (settled.to_the_living, settled.written),
        "{report:#?}"
    );
    let last = &report.pollers[2];
    assert!(
        report.pollers[..2].iter().all(|it| it.last_ms < last.first_ms),
        "one polls\n{report:#?}"
    );
}
