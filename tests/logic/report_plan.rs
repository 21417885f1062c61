//! Plans as text and as JSON.

use std::time::{Duration, UNIX_EPOCH};

use crate::fixture::*;
use serde_json::Value;

use monopoll::internals::engine::action::{Action, AfterWait, OnConflict, SameToken};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::instance::NameSource;
use monopoll::internals::engine::ladder::{AfterGraceful, WaitLimit};
use monopoll::internals::engine::managed_by::{ManagedBy, Pm2App, Pm2Mode};
use monopoll::internals::engine::pattern::{ContainerLimit, UserLimit};
use monopoll::internals::engine::plan::Plan;
use monopoll::internals::engine::policy::{Conditions, MatchEntry, Policy, Purpose, Timeouts};
use monopoll::internals::engine::process::{
    GuardedInstance, Launcher, OtherGuard, Process, Relation, RunState, User,
};
use monopoll::internals::engine::respawn::EarlierRounds;
use monopoll::internals::engine::snapshot::{LockState, Snapshot};
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::report::Context;
use monopoll::internals::report::hints::{OptionsIn, hint};
use monopoll::internals::report::plan_json::{PlanDocument, document, to_text};
use monopoll::internals::report::plan_text::text;
use monopoll::internals::report::reasons::conflict_refusal;
use monopoll::internals::text::{Paint, output_schema};

/// 2026-01-01T01:00:00Z.
const MOMENT: Duration = Duration::from_hours(490_897);
const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";
const HOSTILE: &str =
    "py\u{1b}]0;gone\u{7}\n\u{202e}\u{9b}2J123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

fn origin(key: &str) -> String {
    match key {
        "on_conflict" => "./config.toml:3",
        "match[0]" => "./config.toml:12",
        "rules.the forgotten may go" => "./config.toml:20",
        "timeouts.wait" => "$MONOPOLL_TIMEOUTS__WAIT",
        _ => "default",
    }
    .to_owned()
}

fn context() -> Context<'static> {
    Context {
        instance: "voice-insight".to_owned(),
        command: None,
        profile: Some("production".to_owned()),
        purpose: Purpose::Start,
        host: "web-1".to_owned(),
        now_wall: UNIX_EPOCH + MOMENT,
        origin: &origin,
    }
}

fn printed(plan: &Plan) -> String {
    text(plan, &context(), Paint::Plain)
}

fn args(args: &[&str]) -> monopoll::internals::engine::fact::Fact<Vec<String>> {
    Known(args.iter().map(|arg| (*arg).to_owned()).collect())
}

fn service(pid: u32) -> Process {
    Process {
        managed_by: Known(Some(ManagedBy::Systemd("bot.service".to_owned()))),
        ..same_command(pid)
    }
}

fn hostile() -> Plan {
    let matches = vec![entry("main")];
    let app = Pm2App {
        name: HOSTILE.to_owned(),
        id: None,
        home: Some(HOSTILE.to_owned()),
        restarts: true,
        mode: Pm2Mode::Fork,
    };
    let bot = Process {
        name: Known(HOSTILE.to_owned()),
        args: args(&["main", HOSTILE]),
        user: Known(user(HOSTILE)),
        managed_by: Known(Some(ManagedBy::Pm2(Some(app)))),
        ..process(5)
    };
    let below = Process { launchers: Known(vec![launcher(HOSTILE)]), ..process(6) };
    let below = Process { args: args(&["main"]), user: Known(user(HOSTILE)), ..below };
    let mut snapshot = snapshot(vec![bot, below]);
    snapshot.me.user = user(HOSTILE);
    snapshot.guards = vec![monopoll::internals::engine::snapshot::GuardView {
        command: HOSTILE.to_owned(),
        user: HOSTILE.to_owned(),
        host: HOSTILE.to_owned(),
        since: u64::MAX,
        ..guard(None, None)
    }];
    decide(&Policy { matches, ..policy(OnConflict::Refuse) }, &snapshot)
}

#[test]
fn a_guard_that_ended_during_the_scan_is_not_said_to_be_in_another_pid_namespace() {
    for on_conflict in [OnConflict::Refuse, OnConflict::Graceful] {
        let ended = Snapshot {
            guards: vec![guard(Some(10), Some(7))],
            locks: vec![lock(LockState::Held(vec![10]))],
            ..snapshot(Vec::new())
        };
        let plan = decide(&policy(on_conflict), &ended);
        assert!(plan.conflicts[0].root.is_none());
        let printed = text(&plan, &context(), Paint::Plain);
        assert!(printed.contains("pid 10 (ended just now)"), "{printed}");
        assert!(!printed.contains("namespace"), "{printed}");
        let document = serde_json::to_value(document(&plan, &context())).unwrap();
        assert_eq!(document["conflicts"][0]["pid"], 10);
    }
    let refused = decide(
        &policy(OnConflict::Refuse),
        &Snapshot { guards: vec![guard(Some(10), Some(7))], ..snapshot(Vec::new()) },
    );
    let why = conflict_refusal(&refused.conflicts[0], Purpose::Start).unwrap();
    let who = "the guard of `python3 main.py` (pid 10, ended just now)";
    assert!(why.starts_with(who), "{why}");
}

fn launcher(command: &str) -> Launcher {
    Launcher { id: process(7).id, command: command.to_owned() }
}

fn clear() -> Plan {
    plan(&policy(OnConflict::Refuse), vec![process(5)])
}

fn refuse_guarded() -> Plan {
    decide(&policy(OnConflict::Refuse), &guarded(Some(7)))
}

fn waited_too_long() -> Plan {
    let snapshot = Snapshot { waited: Duration::from_hours(1), ..guarded(Some(7)) };
    decide(&policy(OnConflict::Wait), &snapshot)
}

fn graceful_tree() -> Plan {
    let root = Process {
        args: args(&[
            "/usr/bin/python3",
            "-X",
            "dev",
            "main.py",
            "--token",
            &format!("123456:{SECRET}"),
        ]),
        ..service(4242)
    };
    let tree = (4243..4255).map(|pid| child_of(4242, process(pid)));
    let policy = Policy { matches: vec![entry("main.py")], ..policy(OnConflict::Graceful) };
    plan(&policy, std::iter::once(root).chain(tree).collect())
}

fn force() -> Plan {
    plan(
        &policy(OnConflict::Force),
        vec![Process {
            orphaned: Known(true),
            state: Known(RunState::Stopped),
            ..same_command(77)
        }],
    )
}

fn graceful_guarded() -> Plan {
    decide(&policy(OnConflict::Graceful), &guarded(Some(7)))
}

fn wait_then_graceful() -> Plan {
    decide(
        &Policy { after_wait: AfterWait::Graceful, ..policy(OnConflict::Wait) },
        &guarded(Some(7)),
    )
}

fn wait_forever() -> Plan {
    let base = policy(OnConflict::Wait);
    let timeouts = Timeouts { wait: WaitLimit::Forever, ..base.timeouts };
    decide(&Policy { timeouts, after_wait: AfterWait::Force, ..base }, &guarded(None))
}

fn wait_and_kill() -> Plan {
    let rules = vec![rule(
        "the forgotten may go",
        Action::Force,
        Conditions { orphaned: Some(true), ..Conditions::default() },
    )];
    let orphan = Process {
        orphaned: Known(true),
        age: Known(Duration::from_secs(200_000)),
        ..same_command(31)
    };
    plan(&Policy { rules, ..policy(OnConflict::Wait) }, vec![orphan, service(32)])
}

fn shielded() -> Plan {
    let foreign = Process { user: Known(user("deploy")), ..same_command(61) };
    let boxed = Process { container: Known(Some("3f2a91c0b7de".to_owned())), ..same_command(62) };
    let other_bot = Process { tokens: ANOTHER_BOTS, ..same_command(63) };
    let shell = Process {
        relation: Known(Relation::Ancestor),
        args: args(&["bash", "-c", "monopoll run -- python3 main.py"]),
        ..same_command(64)
    };
    plan(&policy(OnConflict::Graceful), vec![foreign, boxed, other_bot, shell])
}

fn suspects() -> Plan {
    let editor = Process {
        name: Known("code".to_owned()),
        args: args(&["/usr/share/code/code", "."]),
        tokens: INHERITED,
        ..process(70)
    };
    let nameless = Process { args: unknown(), name: unknown(), ..editor.clone() };
    plan(&policy(OnConflict::Graceful), vec![editor, Process { id: process(71).id, ..nameless }])
}

fn same_token() -> Plan {
    let other = Process {
        name: Known("node".to_owned()),
        args: args(&["node", "poll.js", &format!("123456:{SECRET}")]),
        tokens: MINE,
        ..process(80)
    };
    plan(&policy(OnConflict::Graceful), vec![other])
}

fn unknown_holder() -> Plan {
    let snapshot =
        Snapshot { locks: vec![lock(LockState::Held(Vec::new()))], ..snapshot(Vec::new()) };
    decide(&policy(OnConflict::Graceful), &snapshot)
}

fn elsewhere() -> Plan {
    let snapshot = Snapshot {
        locks: vec![lock(LockState::Held(Vec::new()))],
        guards: vec![guard(None, Some(7))],
        ..snapshot(Vec::new())
    };
    decide(&policy(OnConflict::Graceful), &snapshot)
}

fn too_many() -> Plan {
    plan(
        &Policy { max_targets: 2, ..policy(OnConflict::Graceful) },
        vec![same_command(5), same_command(6), same_command(7)],
    )
}

/// The same number of conflicts, found by an entry.
fn too_many_by_an_entry() -> Plan {
    plan(
        &Policy { max_targets: 2, matches: vec![entry("main.py")], ..policy(OnConflict::Graceful) },
        vec![process(5), process(6), process(7)],
    )
}

fn superseded() -> Plan {
    decide(&policy(OnConflict::Graceful), &guarded(Some(51)))
}

fn permission() -> Plan {
    let entry =
        MatchEntry { user: UserLimit::Any, container: ContainerLimit::Any, ..entry("main.py") };
    let foreign = Process { user: Known(user("deploy")), ..process(61) };
    plan(
        &Policy { matches: vec![entry], ..policy(OnConflict::Graceful) },
        vec![foreign, process(62)],
    )
}

fn comes_back() -> Plan {
    let snapshot = Snapshot {
        rounds: EarlierRounds { ended_unguarded: 2, ..EarlierRounds::default() },
        ..snapshot(vec![service(5)])
    };
    decide(&policy(OnConflict::Graceful), &snapshot)
}

fn comes_back_below_a_launcher() -> Plan {
    let bot = Process { launchers: Known(vec![launcher("nodemon main.py")]), ..same_command(5) };
    let rounds = EarlierRounds {
        ended_unguarded: 2,
        launchers: [process(7).id].into(),
        ..EarlierRounds::default()
    };
    decide(&policy(OnConflict::Graceful), &Snapshot { rounds, ..snapshot(vec![bot]) })
}

fn below_the_guard_of_another_instance() -> Plan {
    let guard = OtherGuard {
        instance: "bot123".to_owned(),
        name_source: NameSource::Token,
        process: process(7).id,
        guards: GuardedInstance::Another,
    };
    let launchers = Known(vec![launcher("monopoll run -- python3 main.py")]);
    let bot = Process { guard: Known(Some(guard)), launchers, ..same_command(5) };
    let mut snapshot = snapshot(vec![bot]);
    snapshot.me.name_source = NameSource::Command;
    decide(&policy(OnConflict::Graceful), &snapshot)
}

fn a_rule_is_skipped() -> Plan {
    let conditions = Conditions {
        orphaned: Some(true),
        older_than: Some(Duration::from_mins(1)),
        ..Conditions::default()
    };
    let rules = vec![rule("the forgotten may go", Action::Force, conditions)];
    let bot = Process { orphaned: unknown(), ..same_command(5) };
    plan(&Policy { rules, ..policy(OnConflict::Refuse) }, vec![bot])
}

/// Root finds the bot of the user who owns the script.
fn the_owner_of_the_script_runs_it() -> Plan {
    let owner = User { id: "1001".to_owned(), name: "deploy".to_owned() };
    let bot = Process { user: Known(owner), ..same_command(5) };
    let mut snapshot = snapshot(vec![bot]);
    snapshot.me.user = User { id: "0".to_owned(), name: "root".to_owned() };
    snapshot.me.privileged = true;
    snapshot.me.script_owner = Some("1001".to_owned());
    decide(&policy(OnConflict::Graceful), &snapshot)
}

fn ignored() -> Plan {
    let rules = vec![rule("the other one stays", Action::Ignore, Conditions::default())];
    plan(&Policy { rules, ..policy(OnConflict::Refuse) }, vec![same_command(5)])
}

fn unreadable() -> Plan {
    let dim = Process {
        args: unknown(),
        user: unknown(),
        age: unknown(),
        state: unknown(),
        managed_by: unknown(),
        orphaned: unknown(),
        ..same_command(5)
    };
    plan(&Policy { escalation: AfterGraceful::Refuse, ..policy(OnConflict::Graceful) }, vec![dim])
}

fn no_lock_known() -> Plan {
    let snapshot = Snapshot {
        locks: vec![lock(LockState::Unknown), lock(LockState::Mine), lock(LockState::Free)],
        ..snapshot(Vec::new())
    };
    decide(&policy(OnConflict::Wait), &snapshot)
}

fn all() -> Vec<(&'static str, Plan)> {
    vec![
        ("clear", clear()),
        ("refuse_guarded", refuse_guarded()),
        ("graceful_tree", graceful_tree()),
        ("graceful_guarded", graceful_guarded()),
        ("force", force()),
        ("wait_then_graceful", wait_then_graceful()),
        ("wait_forever", wait_forever()),
        ("wait_and_kill", wait_and_kill()),
        ("shielded", shielded()),
        ("suspects", suspects()),
        ("same_token", same_token()),
        ("unknown_holder", unknown_holder()),
        ("elsewhere", elsewhere()),
        ("too_many", too_many()),
        ("too_many_by_an_entry", too_many_by_an_entry()),
        ("superseded", superseded()),
        ("permission", permission()),
        ("comes_back", comes_back()),
        ("comes_back_below_a_launcher", comes_back_below_a_launcher()),
        ("below_the_guard_of_another_instance", below_the_guard_of_another_instance()),
        ("a_rule_is_skipped", a_rule_is_skipped()),
        ("ignored", ignored()),
        ("unreadable", unreadable()),
        ("no_lock_known", no_lock_known()),
        ("hostile", hostile()),
    ]
}

#[test]
fn the_text_says_what_would_happen_and_why() {
    for (name, plan) in all() {
        insta::assert_snapshot!(format!("text_{name}"), printed(&plan));
    }
}

#[test]
fn a_deciding_flag_is_named_as_a_flag_and_not_as_a_place_to_edit() {
    let origin = |key: &str| {
        if key == "on_conflict" { "--on-conflict" } else { "--set timeouts.wait=…" }.to_owned()
    };
    let context = Context { origin: &origin, ..context() };
    insta::assert_snapshot!("text_by_a_flag", text(&force(), &context, Paint::Plain));
    insta::assert_snapshot!(
        "text_wait_by_a_flag",
        text(&wait_then_graceful(), &context, Paint::Plain)
    );
}

#[test]
fn a_refusal_names_the_hint_for_its_reason() {
    let more = "`monopoll plan` shows details";
    let waits = "`--on-conflict wait` waits for it to end, `--on-conflict graceful` takes over";
    for (plan, way) in [
        (refuse_guarded(), Some(format!("{waits}; {more}"))),
        (
            same_token(),
            Some(format!(
                "if it is a copy of the bot, stop it yourself, or add a `[[match]]` entry that \
                 finds it, and `on_conflict` applies; {more}"
            )),
        ),
        (
            permission(),
            Some(format!("run it as that user: `sudo -u deploy monopoll run …`; {more}")),
        ),
        (too_many(), Some(more.to_owned())),
        // The reason contains the hint.
        (superseded(), None),
        (comes_back(), None),
        (comes_back_below_a_launcher(), None),
        // Not refused.
        (clear(), None),
        (force(), None),
    ] {
        assert_eq!(
            hint(&plan, Purpose::Start, OptionsIn::CommandLine, None),
            way,
            "{:?}",
            plan.refusal
        );
    }
    let unknown = hint(&unknown_holder(), Purpose::Start, OptionsIn::CommandLine, None).unwrap();
    assert!(
        unknown.starts_with("set `on_conflict` to \"wait\", or find the holder with `fuser -v /")
            && unknown.ends_with(more),
        "{unknown}"
    );
}

#[test]
fn the_hint_of_a_refused_ensure_names_its_arguments() {
    let more = "; `monopoll plan` shows details";
    for (plan, way) in [
        (
            refuse_guarded(),
            "`monopoll.ensure(on_conflict=\"wait\")` waits for it to end, \
             `on_conflict=\"graceful\"` takes over",
        ),
        (
            waited_too_long(),
            "`timeouts.wait` in the configuration file waits longer, \
             `monopoll.ensure(on_conflict=\"graceful\")` takes over",
        ),
    ] {
        let hint = hint(&plan, Purpose::Start, OptionsIn::EnsureCall, None).unwrap();
        assert_eq!(hint, format!("{way}{more}"));
    }
}

#[test]
fn the_bot_of_another_user_is_stopped_as_that_user() {
    let plan = the_owner_of_the_script_runs_it();
    let command = Some("python3 main.py");
    let way = "stop it as that user: `sudo -u deploy monopoll stop -- python3 main.py`; ";
    for purpose in [Purpose::Start, Purpose::Stop] {
        let hint = hint(&plan, purpose, OptionsIn::CommandLine, command).unwrap();
        assert!(hint.starts_with(way), "{hint}");
    }
    let hint = hint(&plan, Purpose::Start, OptionsIn::CommandLine, None).unwrap();
    assert!(hint.starts_with("end pid 5 yourself if it is not needed; "), "{hint}");
}

#[test]
fn color_changes_no_text() {
    for (name, plan) in all() {
        let mut coloured = text(&plan, &context(), Paint::Color);
        assert_ne!(coloured, printed(&plan), "{name}");
        for code in ["0", "1", "2", "31", "32", "33"] {
            coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(coloured, printed(&plan), "{name}");
    }
}

#[test]
fn no_report_contains_a_secret_or_a_control_character() {
    for (name, plan) in all() {
        let json = to_text(&document(&plan, &context())).unwrap();
        for report in [printed(&plan), json] {
            assert!(!report.contains("AAHdq") && !report.contains("Dsaw"), "{name}: {report}");
            let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!report.contains(raw), "{name}: {report:?}");
        }
    }
    let lines = printed(&hostile());
    assert!(lines.contains(r"\u{1b}]0;gone"), "{lines}");
}

#[test]
fn json_escapes_lose_no_character() {
    let document = document(&hostile(), &context());
    let read: Value = serde_json::from_str(&to_text(&document).unwrap()).unwrap();
    assert_eq!(read, serde_json::to_value(&document).unwrap());
    assert!(
        read["conflicts"][1]["name"]
            .as_str()
            .unwrap()
            .contains("\u{1b}]0;gone\u{7}\n\u{202e}\u{9b}2J123456:***"),
        "{read}"
    );
}

#[test]
fn the_schema_file_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/plan.schema.json");
    let fresh = serde_json::to_string_pretty(&output_schema::<PlanDocument>()).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "a test may look at the tree that it is part of")]
    {
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            fresh,
            "stale: run the tests once with UPDATE_SCHEMAS=1"
        );
    }
}

#[test]
fn every_document_is_valid() {
    let validator = jsonschema::validator_for(output_schema::<PlanDocument>().as_value()).unwrap();
    for (name, plan) in all() {
        for profile in [None, Some("ci".to_owned())] {
            let document =
                serde_json::to_value(document(&plan, &Context { profile, ..context() })).unwrap();
            let problems: Vec<String> = validator
                .iter_errors(&document)
                .map(|it| format!("{}: {it}", it.instance_path()))
                .collect();
            assert!(problems.is_empty(), "{name}: {problems:?}\n{document:#}");
        }
    }
}

#[test]
fn a_broken_document_is_not_valid() {
    let validator = jsonschema::validator_for(output_schema::<PlanDocument>().as_value()).unwrap();
    let good = serde_json::to_value(document(&graceful_guarded(), &context())).unwrap();
    assert!(validator.is_valid(&good));
    let breaks: [fn(&mut Value); 8] = [
        |it| it["version"] = 2.into(),
        |it| it["verdict"] = "perhaps".into(),
        |it| it["conflicts"][0]["matched_by"] = serde_json::json!(["hunch"]),
        |it| it["conflicts"][0]["action"] = "kill".into(),
        |it| it["conflicts"][0]["steps"][0]["do"] = "shout".into(),
        |it| it["locks"][0]["state"] = "mine".into(),
        |it| drop(it["conflicts"][0].as_object_mut().unwrap().remove("managed_by")),
        |it| drop(it.as_object_mut().unwrap().remove("lease")),
    ];
    for (index, break_it) in breaks.into_iter().enumerate() {
        let mut bad = good.clone();
        break_it(&mut bad);
        assert!(!validator.is_valid(&bad), "break {index}");
    }
}

#[test]
fn the_json_keys_are_in_the_documented_order() {
    insta::assert_snapshot!(
        "json_graceful_guarded",
        to_text(&document(&graceful_guarded(), &context())).unwrap()
    );
    insta::assert_snapshot!(
        "json_wait_and_kill",
        to_text(&document(&wait_and_kill(), &context())).unwrap()
    );
    insta::assert_snapshot!(
        "json_elsewhere",
        to_text(&document(&elsewhere(), &context())).unwrap()
    );
    insta::assert_snapshot!(
        "json_unknown_holder",
        to_text(&document(&unknown_holder(), &context())).unwrap()
    );
    insta::assert_snapshot!("json_suspects", to_text(&document(&suspects(), &context())).unwrap());
}

fn json(plan: &Plan) -> Value {
    serde_json::to_value(document(plan, &context())).unwrap()
}

#[test]
fn waiting_forever_has_no_number_in_json() {
    assert_eq!(
        json(&wait_forever())["conflicts"][0]["steps"],
        serde_json::json!([{ "do": "wait", "timeout_ms": null }])
    );
}

#[test]
fn a_token_that_was_not_searched_for_is_null() {
    let of = |tokens| {
        let bot = Process { tokens, ..same_command(5) };
        json(&plan(&policy(OnConflict::Refuse), vec![bot]))["conflicts"][0]["same_token"].clone()
    };
    assert_eq!(of(NOT_COMPARED), Value::Null);
    assert_eq!(of(UNREADABLE), Value::Null);
    assert_eq!(of(NO_TOKEN), Value::Bool(false));
    assert_eq!(of(MINE), Value::Bool(true));
}

#[test]
fn a_lock_names_its_holder_with_all_known_facts() {
    let stranger = Process { holds_lock: Known(true), ..process(5) };
    let cases = [
        (LockState::Free, vec![], "free", Value::Null),
        (LockState::Mine, vec![], "held", Value::Null),
        (LockState::Unknown, vec![], "unknown", Value::Null),
        (LockState::Held(vec![]), vec![], "held", Value::Null),
        (LockState::Held(vec![5]), vec![], "held", 5.into()),
        (LockState::Held(vec![99, 5]), vec![], "held", 99.into()),
        (
            LockState::Held(vec![11, 10]),
            vec![guard(Some(9), Some(8)), guard(Some(10), Some(7))],
            "held",
            10.into(),
        ),
        (LockState::Held(vec![5]), vec![guard(Some(10), Some(7))], "held", 10.into()),
    ];
    for (state, guards, word, pid) in cases {
        let shown = format!("{state:?}");
        let snapshot =
            Snapshot { locks: vec![lock(state)], guards, ..snapshot(vec![stranger.clone()]) };
        let lock = json(&decide(&policy(OnConflict::Refuse), &snapshot))["locks"][0].clone();
        assert_eq!(lock["state"], word, "{shown}");
        assert_eq!(lock["holder"]["pid"], pid, "{shown}");
        assert_eq!(lock["holder"].is_null(), pid.is_null(), "{shown}");
    }
}

#[test]
fn a_foreign_lock_holder_is_described_from_the_process_table() {
    let stranger = Process { holds_lock: Known(true), ..process(5) };
    let holder =
        json(&plan(&policy(OnConflict::Refuse), vec![stranger]))["locks"][0]["holder"].clone();
    assert_eq!(
        holder,
        serde_json::json!({ "pid": 5, "ticket": null, "command": "python3 \
            main.py", "user": "bot", "host": "web-1", "since": "2026-01-01T00:56:48Z" })
    );
}

#[test]
fn only_deciding_keys_are_offered_for_change() {
    assert!(printed(&graceful_tree()).contains("`on_conflict` (at ./config.toml:3"));
    assert!(printed(&too_many()).contains("$MONOPOLL_LIMITS__MAX_TARGETS"));
    for (plan, blames) in [(too_many(), false), (too_many_by_an_entry(), true)] {
        assert_eq!(printed(&plan).contains("`match` entries"), blames, "{}", printed(&plan));
    }
    assert!(!printed(&clear()).contains("If this is not"));
    let dry = decide(
        &policy(OnConflict::Refuse),
        &Snapshot {
            me: monopoll::internals::engine::snapshot::Caller {
                ticket: Some(Ticket(1)),
                ..snapshot(vec![]).me
            },
            ..guarded(None)
        },
    );
    assert!(printed(&dry).contains("ticket unreadable"));
    let off = Policy { same_token: SameToken::Off, ..policy(OnConflict::Refuse) };
    assert!(
        !printed(&decide(&off, &snapshot(vec![Process { tokens: MINE, ..process(5) }])))
            .contains("same_token")
    );
}
