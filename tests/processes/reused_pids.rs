//! Pids that are reused: no signal reaches a process that only got the pid of another, and no
//! process that has another's pid is missed.

use std::fs;

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::Stage;

use crate::namespaces::ELSEWHERE;
use crate::same_command::write;

#[test]
fn a_bystander_is_never_signaled_however_often_pids_are_reused() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    write(&stage, "victim.py", include_str!("reused_pids/victim.py"));
    write(&stage, "bystander.py", include_str!("reused_pids/bystander.py"));
    write(&stage, "driver.py", include_str!("reused_pids/driver.py"));
    let monopoll = programs::monopoll().display().to_string();
    let lock = format!("lock.paths=[\"{}\"]", stage.lock().display());
    let limits = "limits={max_takeovers=30,takeover_window='1s'}";
    let start = [&monopoll, "--instance", "test", "--set", &lock, "--set", limits];
    let driver = ["driver.py", "30"].iter().chain(&start).copied().collect::<Vec<&str>>();
    stage.program("python3", &driver).through(&ELSEWHERE).end().exits(0);
    let hits = fs::read_to_string(stage.folder().join("hits")).unwrap_or_default();
    assert_eq!(hits, "");
}

#[test]
fn a_program_started_at_the_end_is_found_although_its_pid_was_in_use_before() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    write(&stage, "victim.py", include_str!("reused_pids/starting_victim.py"));
    write(&stage, "driver.py", include_str!("reused_pids/starting_driver.py"));
    let monopoll = programs::monopoll().display().to_string();
    let lock = format!("lock.paths=[\"{}\"]", stage.lock().display());
    let timeouts = "timeouts={graceful='500ms',force='500ms'}";
    let start = ["driver.py", &monopoll, "--instance", "test", "--set", &lock];
    let settings = ["--set", timeouts, "--set", "limits.max_takeovers=30"];
    let start = [&start[..], &settings].concat();
    for round in 0..10 {
        let ended = stage.program("python3", &start).through(&ELSEWHERE).end().exits(0);
        assert!(ended.out.contains("refused"), "round {round}: {ended:?}");
    }
}
