//! `monopoll doctor` checks everything that a start depends on, and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Ended, Stage, Start, contents, token};
use serde_json::Value;

/// `monopoll doctor -- testbot`.
fn doctor(stage: &Stage) -> Start<'_> {
    stage.monopoll(&["doctor", "--"]).argument(&testbot().display().to_string())
}

/// Returns the findings with this name: grade, text and hint.
#[track_caller]
fn findings(ended: &Ended, name: &str) -> Vec<(String, String, Option<String>)> {
    let said: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let schema =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/doctor.schema.json"))
            .unwrap();
    assert!(jsonschema::is_valid(&serde_json::from_str(&schema).unwrap(), &said), "{said:#}");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let of_name =
        said["findings"].as_array().unwrap().iter().filter(|finding| finding["name"] == name);
    of_name
        .map(|it| (text(&it["grade"]).unwrap(), text(&it["what"]).unwrap(), text(&it["hint"])))
        .collect()
}

#[test]
fn doctor_touches_nothing() {
    let stage = Stage::new();
    let ended = doctor(&stage).flag("-v").end().exits(0);
    assert!(ended.out.contains("does not exist yet; the first start creates it"), "{ended:?}");
    assert!(ended.out.contains("\nFound no problems and "), "{ended:?}");
    assert_eq!(ended.err, "");
    let ended = doctor(&stage).end().exits(0);
    assert!(!ended.out.contains("ok  "), "{ended:?}");
    assert!(ended.out.contains("warning  token"), "{ended:?}");
    assert!(!stage.locks().exists());
}

#[test]
fn doctor_sees_a_running_guard_and_leaves_it_alone() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    let before = contents(&stage.locks());
    let ended = doctor(&stage).flag("--json").end().exits(0);
    let running = findings(&ended, "running");
    assert!(
        running[0].1.ends_with(&format!(" (pid {}) holds the lock", guard.pid())),
        "{running:?}"
    );
    assert_eq!(contents(&stage.locks()), before);
    assert!(guard.is_alive());
}

#[test]
fn a_wrong_configuration_is_a_problem_and_the_rest_is_still_reported() {
    let stage = Stage::new();
    let ended = doctor(&stage)
        .flag("--json")
        .config("on_conflict = 'never'\n[kill]\nsignal = 'SIGKILL'\n")
        .end()
        .exits(1);
    let grades: Vec<String> =
        findings(&ended, "configuration").into_iter().map(|finding| finding.0).collect();
    assert_eq!(grades, ["problem", "problem", "warning"]);
    assert_eq!(findings(&ended, "pidfd").len(), 1);
    assert_eq!(findings(&ended, "command")[0].0, "ok");
    ended.says("found 2 problems");
}

#[test]
fn a_lock_folder_that_others_can_write_to_is_a_problem_with_a_hint() {
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o777)).unwrap();
    let ended = doctor(&stage).flag("--json").end().exits(1);
    let folder = &findings(&ended, "lock folder")[0];
    assert_eq!(folder.0, "problem");
    assert!(folder.2.as_ref().is_some_and(|hint| hint.starts_with("`chmod go-w ")), "{folder:?}");
    ended.says("found 1 problem");
}

#[test]
fn a_link_in_the_locks_place_is_a_problem() {
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("/dev/null", stage.lock()).unwrap();
    let ended = doctor(&stage).flag("--json").end().exits(1);
    assert!(
        findings(&ended, "lock folder").iter().any(|finding| finding.1.contains("symbolic link")),
        "{ended:?}"
    );
}

#[test]
fn a_command_that_is_not_found_is_a_problem() {
    let stage = Stage::new();
    let ended = stage.monopoll(&["doctor", "--json", "--", "no-such-program"]).end().exits(1);
    assert_eq!(findings(&ended, "command")[0].0, "problem");
}

#[test]
fn without_a_command_and_a_name_doctor_says_how_to_give_one() {
    let stage = Stage::new();
    let ended = stage.program(env!("CARGO_BIN_EXE_monopoll"), &["doctor", "--json"]).end().exits(0);
    let instance = &findings(&ended, "instance")[0];
    assert_eq!(instance.0, "warning");
    assert!(instance.2.as_ref().is_some_and(|hint| hint.contains("`-- COMMAND`")), "{instance:?}");
}

#[test]
fn doctor_names_the_token_by_its_bot_id_only() {
    let stage = Stage::new();
    // Telegram is asked if there is a token. No server answers here.
    let start = doctor(&stage)
        .flag("-v")
        .env("BOT_TOKEN", "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1")
        .set("telegram.api_url=http://127.0.0.1:1");
    let ended = start.end().exits(0);
    assert!(ended.out.contains("found, for bot 123456"), "{ended:?}");
    let asks = "monopoll: asking 127.0.0.1:1 whether bot 123456 has a webhook\n";
    assert_eq!(ended.err, asks);
    assert!(!ended.out.contains("AAHdqT"), "{ended:?}");
}

#[test]
fn telegram_is_not_asked_offline_or_with_a_wrong_configuration() {
    let stage = Stage::new();
    let start = |args: &[&str]| {
        let start = stage.monopoll(args).flag("-v").env("BOT_TOKEN", token());
        start.set("telegram.api_url=http://127.0.0.1:1")
    };
    for (ended, code) in [
        (start(&["doctor", "--offline"]).end(), 0),
        (start(&["doctor"]).config("on_conflict = 1").end(), 1),
    ] {
        let ended = ended.exits(code);
        assert!(!ended.err.contains("asking") && !ended.out.contains("webhook"), "{ended:?}");
        assert!(ended.out.contains("found, for bot "), "{ended:?}");
    }
}

#[test]
fn a_configuration_that_others_can_write_to_is_a_warning_there_and_at_every_start() {
    let stage = Stage::new();
    let config = stage.folder().join("config.toml");
    fs::write(&config, "on_conflict = 'refuse'\n").unwrap();
    fs::set_permissions(&config, PermissionsExt::from_mode(0o666)).unwrap();
    let ended = doctor(&stage).flag("--json").end().exits(0);
    let said = &findings(&ended, "configuration")[1];
    assert_eq!(
        (said.0.as_str(), said.2.as_deref()),
        ("warning", Some("as its owner, run `chmod go-w ./config.toml`"))
    );
    let line = "monopoll: other users can write to ./config.toml and so decide what is ended; as \
        its owner, run `chmod go-w ./config.toml`";
    for ended in [stage.run(&["--exit", "0"]).end().exits(0), stage.plan(&[]).end().exits(0)] {
        assert_eq!(ended.err.lines().filter(|said| *said == line).count(), 1, "{ended:?}");
    }
}

#[test]
fn hidden_processes_are_a_warning_unless_run_by_root() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    fs::set_permissions(stage.folder(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = stage.folder().join("monopoll");
    fs::copy(env!("CARGO_BIN_EXE_monopoll"), &program).unwrap();
    let script = "mount -t proc -o hidepid=invisible proc /proc; exec setpriv --reuid=65534 \
        --regid=65534 --clear-groups \"$@\"";
    let through =
        ["unshare", "--fork", "--pid", "--mount", "--kill-child", "sh", "-ec", script, "sh"];
    let ended = stage
        .program(&program, &["--json", "--instance", "test", "doctor"])
        .through(&through)
        .end();
    let processes = &findings(&ended, "processes")[0];
    assert_eq!(processes.0, "warning", "{ended:?}");
    assert!(processes.1.contains("hidepid=invisible"), "{ended:?}");
}

#[test]
fn a_machine_without_proc_is_a_problem_and_the_rest_is_still_reported() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let script = "mount -t tmpfs tmpfs /proc; exec \"$@\"";
    let through = ["unshare", "--mount", "sh", "-ec", script, "sh"];
    let ended = doctor(&stage).flag("--json").through(&through).end().exits(1);
    assert_eq!(findings(&ended, "user").len(), 1);
    assert!(
        findings(&ended, "processes").iter().any(|finding| finding.0 == "problem"),
        "{ended:?}"
    );
}
