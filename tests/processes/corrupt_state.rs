//! A corrupt, missing or unreadable record, counter or request never leads to a kill or a crash.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use monopoll_test_bots::stage::{Stage, is_alive, send};
use nix::sys::signal::Signal;
use serde_json::Value;

const KINDS: [&str; 5] = ["record", "counter", "request", "answer", "history"];

/// The content of corrupt files.
fn garbage() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"garbage".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"-1".to_vec(),
        b"18446744073709551615\n".to_vec(),
        b"99999999999999999999999999\n".to_vec(),
        vec![0xff; 300],
        vec![b'7'; 200_000],
        br#"{"version":1,"ticket":18446744073709551615,"pid":1,"start":0}"#.to_vec(),
    ]
}

fn private_folder(stage: &Stage) {
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn a_start_with_corrupt_files_starts() {
    for text in garbage() {
        let stage = Stage::new();
        private_folder(&stage);
        for kind in KINDS {
            fs::write(stage.state_file(kind), &text).unwrap();
        }
        stage.run(&["--exit", "7"]).on_conflict("force").end().exits(7);
    }
}

#[test]
fn corrupt_files_of_a_running_guard_end_no_other_process() {
    for text in garbage() {
        let stage = Stage::new();
        let bystander = stage.program("sleep", &["60"]).start();
        let first = stage.run(&[]).start();
        stage.ready(1);
        for kind in KINDS {
            fs::write(stage.state_file(kind), &text).unwrap();
        }
        let second = stage.run(&[]).on_conflict("graceful").start();
        stage.ready(2);
        first.end();
        assert!(second.is_alive() && bystander.is_alive());
        stage.assert_no_overlap();
    }
}

/// Replaces a file.
type Put = fn(&Path);

#[test]
fn special_files_in_place_of_state_files_never_lead_to_a_kill() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let make: [(&str, Put); 3] = [
        ("folder", |path| fs::create_dir(path).unwrap()),
        ("link", |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap()),
        ("another's", |path| {
            fs::write(path, "5").unwrap();
            std::os::unix::fs::chown(path, Some(12345), None).unwrap();
        }),
    ];
    for kind in KINDS {
        for (what, make) in make {
            let stage = Stage::new();
            private_folder(&stage);
            let bystander = stage.bot(&["another"]).start();
            make(&stage.state_file(kind));
            let ended = stage.run(&["--as", "nobody", "--exit", "7"]).on_conflict("force").end();
            assert!(matches!(ended.code, Some(7 | 73)), "{what} as {kind}: {ended:?}");
            assert!(bystander.is_alive());
        }
    }
    assert!(!fs::read_to_string("/etc/passwd").unwrap().is_empty());
}

/// Changes the record that a killed guard has left behind.
fn with_a_record(stage: &Stage, change: impl FnOnce(&mut Value)) {
    let guard = stage.run(&["--as", "first"]).start();
    stage.nth_pid_of(1, "first");
    let text = stage.wait_until("the record", || {
        fs::read_to_string(stage.state_file("record")).ok().filter(|it| it.contains("running"))
    });
    guard.signal(nix::sys::signal::Signal::SIGKILL);
    guard.end();
    stage.nth_pid_of(1, "end");
    let mut record: Value = serde_json::from_str(&text).unwrap();
    change(&mut record);
    fs::write(stage.state_file("record"), record.to_string()).unwrap();
}

#[test]
fn a_record_that_names_a_bystander_does_not_kill_it() {
    let stage = Stage::new();
    let bystander = stage.program("sleep", &["60"]).start();
    let stat = fs::read_to_string(format!("/proc/{}/stat", bystander.pid())).unwrap();
    let since: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    with_a_record(&stage, |record| {
        record["process"]["pid"] = bystander.pid().into();
        record["process"]["start"] = since.into();
    });
    let _second = stage.run(&[]).on_conflict("force").start();
    stage.ready(1);
    assert!(bystander.is_alive());
}

#[test]
fn a_record_of_another_boot_is_ignored() {
    let stage = Stage::new();
    with_a_record(&stage, |record| record["boot"] = "another".into());
    stage.run(&["--exit", "7"]).on_conflict("refuse").end().exits(7);
}

#[test]
fn a_new_ticket_is_larger_than_every_record_in_the_folder() {
    let stage = Stage::new();
    with_a_record(&stage, |record| record["ticket"] = 500.into());
    fs::rename(stage.state_file("record"), stage.locks().join("another.lock.record")).unwrap();
    fs::remove_file(stage.state_file("counter")).unwrap();
    stage.run(&["--exit", "7"]).end().exits(7);
    assert_eq!(stage.counter(), 501);
}

#[test]
fn a_guard_rewrites_its_record_and_counter_when_they_are_deleted() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    for kind in ["record", "counter"] {
        let path = stage.state_file(kind);
        stage.wait_until("the file", || path.exists().then_some(()));
        fs::remove_file(&path).unwrap();
        stage.wait_until(&format!("the {kind} again"), || path.exists().then_some(()));
    }
    assert!(guard.is_alive() && is_alive(bot));
}

#[test]
fn a_stale_request_with_the_same_ticket_ends_no_guard() {
    let stage = Stage::new();
    private_folder(&stage);
    let question = concat!(
        r#"{"id":"1-1-1","to":1,"from_pid":1,"force":true,"signal":"SIGTERM","#,
        r#""graceful":"1s","kill":"1s","escalate":true}"#
    );
    fs::write(stage.state_file("request"), question).unwrap();
    let guard = stage.run(&["--leaves", "--exit", "7"]).start();
    let bot = stage.ready(1);
    stage
        .wait_until("the question's end", || (!stage.state_file("request").exists()).then_some(()));
    send(bot, Signal::SIGUSR1);
    guard.end().exits(7);
}

#[test]
fn a_counter_at_its_maximum_starts_over() {
    let stage = Stage::new();
    private_folder(&stage);
    fs::write(stage.state_file("counter"), ((1_u64 << 53) - 2).to_string()).unwrap();
    stage.run(&["--exit", "7"]).end().exits(7);
    assert_eq!(stage.counter(), 1);
}

#[test]
fn an_unwritable_history_is_one_warning() {
    let stage = Stage::new();
    private_folder(&stage);
    // A folder at the path of the temporary file makes writing fail, even for root.
    fs::create_dir(stage.state_file("history.new")).unwrap();
    let ended = stage.run(&["--exit", "7"]).end().exits(7);
    assert_eq!(ended.err.matches("warning: cannot write the history").count(), 1, "{ended:?}");
    stage.run(&["--exit", "7"]).flag("--quiet").end().exits(7);
    let _bot = stage.bot(&[]).start();
    stage.ready(1);
    let refused = stage.run(&[]).end().exits(75).says("refused: ");
    assert_eq!(refused.err.lines().count(), 2, "{refused:?}");
}
