//! The plan as JSON: a single document that is valid against the published schema in every
//! situation.

use std::fs;

use monopoll_test_bots::stage::{Ended, Stage};
use serde_json::Value;

/// Returns standard output, a single document that is valid against the schema.
#[track_caller]
fn document(ended: &Ended) -> Value {
    let plan: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let schema =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/plan.schema.json"))
            .unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&plan)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{plan:#}");
    plan
}

#[test]
fn a_plan_without_conflicts_is_valid_json() {
    let stage = Stage::new();
    let plan = document(&stage.plan(&[]).flag("--json").end().exits(0));
    assert_eq!(
        (&plan["verdict"], &plan["instance"], &plan["locks"][0]["state"]),
        (&"clear".into(), &"test".into(), &"free".into())
    );
    assert_eq!(plan["conflicts"], Value::Array(Vec::new()));
}

#[test]
fn a_plan_that_asks_a_guard_is_valid_json() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    let plan = document(&stage.plan(&[]).flag("--json").on_conflict("graceful").end().exits(0));
    assert_eq!((&plan["verdict"], &plan["locks"][0]["state"]), (&"act".into(), &"held".into()));
    assert_eq!(plan["locks"][0]["holder"]["pid"], guard.pid());
    assert_eq!(plan["locks"][0]["holder"]["ticket"], 1);
    let conflict = &plan["conflicts"][0];
    assert_eq!((&conflict["pid"], &conflict["tree"][0]), (&guard.pid().into(), &bot.into()));
    let steps: Vec<&str> = conflict["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["do"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["ask", "signal", "signal"]);
}

#[test]
fn a_plan_that_waits_and_then_refuses_is_valid_json() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let plan = document(
        &stage
            .plan(&[])
            .flag("--json")
            .on_conflict("wait")
            .set("timeouts.wait='7s'")
            .end()
            .exits(0),
    );
    assert_eq!(plan["verdict"], "wait");
    let conflict = &plan["conflicts"][0];
    assert_eq!(
        (&conflict["pid"], &conflict["matched_by"][0]),
        (&bot.pid().into(), &"command".into())
    );
    assert_eq!(conflict["steps"][0]["timeout_ms"], 7000);
    let plan = document(&stage.plan(&[]).flag("--json").end().exits(75));
    assert_eq!(
        (&plan["verdict"], &plan["conflicts"][0]["steps"]),
        (&"refuse".into(), &Value::Array(Vec::new()))
    );
}

#[test]
fn a_detailed_exit_status_distinguishes_acting_from_starting() {
    let stage = Stage::new();
    let detailed = |action: &str| stage.plan(&[]).flag("--json").on_conflict(action);
    let with = |action: &str| {
        let mut start = stage.monopoll(&[
            "plan",
            "--detailed-exitcode",
            "--json",
            "--on-conflict",
            action,
            "--",
        ]);
        start = start.argument(&monopoll_test_bots::programs::testbot().display().to_string());
        start.end()
    };
    document(&with("graceful").exits(0));
    let _bot = stage.bot(&[]).start();
    stage.ready(1);
    document(&with("graceful").exits(2));
    document(&with("wait").exits(2));
    document(&with("refuse").exits(75));
    document(&detailed("graceful").end().exits(0));
}

#[test]
fn a_dry_run_prints_the_same_document() {
    let stage = Stage::new();
    let _bot = stage.bot(&[]).start();
    stage.ready(1);
    let tried = stage.monopoll(&["run", "--dry-run", "--json", "--on-conflict", "force", "--"]);
    let plan = document(
        &tried
            .argument(&monopoll_test_bots::programs::testbot().display().to_string())
            .end()
            .exits(0),
    );
    assert_eq!(plan["conflicts"][0]["steps"][0]["signal"], "SIGKILL");
    assert!(!stage.locks().exists());
}

#[test]
fn a_suspect_and_a_shielded_process_are_listed() {
    let stage = Stage::new();
    let token = format!("{}77777:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", std::process::id());
    let editor = stage.program("sleep", &["60"]).env("BOT_TOKEN", &token).start();
    let other = stage.bot(&[]).env("BOT_TOKEN", token.replace("77777:", "88888:")).start();
    stage.ready(1);
    let plan = document(&stage.plan(&[]).flag("--json").env("BOT_TOKEN", &token).end().exits(0));
    assert_eq!(plan["suspects"][0]["pid"], editor.pid());
    assert_eq!(plan["shielded"][0]["pid"], other.pid());
}

#[test]
fn an_unknown_holder_has_no_pid() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    let elsewhere = ["unshare", "--fork", "--pid", "--mount-proc"];
    let plan =
        document(&stage.plan(&[]).flag("--json").on_conflict("graceful").through(&elsewhere).end());
    let conflict = &plan["conflicts"][0];
    assert_eq!(
        (&conflict["pid"], &conflict["steps"][0]["do"]),
        (&Value::Null, &"ask".into()),
        "{plan:#}"
    );
    assert_eq!(plan["locks"][0]["holder"]["pid"], Value::Null);
}

#[test]
fn each_configured_profile_is_named() {
    let stage = Stage::new();
    let plan = stage
        .plan(&[])
        .flag("--json")
        .flag("--profile")
        .flag("ci")
        .config("[profile.ci]\non_conflict = 'force'\n");
    assert_eq!(document(&plan.end().exits(0))["profile"], "ci");
}
