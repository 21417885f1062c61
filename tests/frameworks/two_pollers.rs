//! The problem that monopoll solves: two `main.py` compete for one token.

use std::collections::BTreeSet;
use std::fs;

use crate::scene::{Framework, Scene, python};
use nix::sys::signal::Signal;
use serde_json::Value;

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
