//! Explanations as text and as JSON.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::fixture::*;
use serde_json::Value;

use monopoll::internals::engine::action::{Action, OnConflict, SameToken};
use monopoll::internals::engine::command_parts::CommandMatch;
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::evidence_kind::EvidenceKind;
use monopoll::internals::engine::explain::{Explanation, explain};
use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::likeness::ComparedCommand;
use monopoll::internals::engine::managed_by::ManagedBy;
use monopoll::internals::engine::pattern::{
    ContainerLimit, NamePattern, PathPattern, Pattern, UserLimit,
};
use monopoll::internals::engine::plan::Plan;
use monopoll::internals::engine::policy::{Conditions, MatchEntry, Policy, Purpose};
use monopoll::internals::engine::process::{Process, Relation, Role, RunState};
use monopoll::internals::engine::snapshot::{LockState, Snapshot};
use monopoll::internals::report::explain_json::ExplainDocument;
use monopoll::internals::report::plan_json::to_text;
use monopoll::internals::report::{Context, explain_json, explain_text};
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
        "match[1]" => "./config.toml:16",
        "rules[0]" | "rules.the forgotten may go" => "./config.toml:20",
        "rules[1]" => "./config.toml:25",
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

fn likeness() -> CommandMatch {
    CommandMatch { program: "/srv/bot/main.py".into(), args: Vec::new(), cwd: "/srv/bot".into() }
}

/// A process to explain.
struct Case {
    name: &'static str,
    policy: Policy,
    snapshot: Snapshot,
    pid: u32,
}

impl Case {
    fn inspect<T>(&self, inspect: impl FnOnce(&Explanation<'_>, &Plan) -> T) -> T {
        let plan = decide(&self.policy, &self.snapshot);
        let likeness = likeness();
        let it = explain(&self.policy, &self.snapshot, &plan, self.pid, Some(&likeness)).unwrap();
        inspect(&it, &plan)
    }

    fn text(&self, paint: Paint) -> String {
        self.inspect(|it, _| explain_text::one(it, &context(), paint))
    }

    fn json(&self) -> Value {
        self.inspect(|it, _| serde_json::to_value(explain_json::one(it, &context())).unwrap())
    }
}

fn case(name: &'static str, policy: Policy, processes: Vec<Process>, pid: u32) -> Case {
    Case { name, policy, snapshot: snapshot(processes), pid }
}

fn rules() -> Policy {
    let forgotten = Conditions {
        orphaned: Some(true),
        older_than: Some(Duration::from_mins(10)),
        ..Conditions::default()
    };
    let everything = Conditions {
        pattern: Pattern {
            name: Some(NamePattern::new(r"python\d").unwrap()),
            exe: Some(PathPattern::new("/opt/*").unwrap()),
            cwd: Some(PathPattern::new("/srv").unwrap()),
            ..entry("main.py").pattern
        },
        user: Some(UserLimit::Named("deploy".to_owned())),
        container: Some(ContainerLimit::Any),
        holds_lock: Some(false),
        found_by: Some(EvidenceKind::Token),
        same_token: Some(true),
        connected: Some(true),
        orphaned: None,
        state: Some(RunState::Stopped),
        older_than: None,
        younger_than: Some(Duration::from_hours(1)),
        managed_by: Some(regex::Regex::new("systemd:.*").unwrap()),
        local: Some(true),
    };
    let rules = vec![
        rule("the forgotten may go", Action::Force, forgotten),
        rule("all at once", Action::Refuse, everything),
    ];
    Policy { rules, ..policy(OnConflict::Graceful) }
}

fn entries() -> Policy {
    let cwd = Some(PathPattern::new("/srv/bot").unwrap());
    let second = MatchEntry {
        pattern: Pattern { cwd, ..named("python3?") },
        user: UserLimit::Any,
        container: ContainerLimit::Any,
    };
    Policy { matches: vec![entry("main.py"), second], ..policy(OnConflict::Graceful) }
}

fn dim(pid: u32) -> Process {
    Process {
        id: process(pid).id,
        parent: Known(1),
        relation: Known(Relation::None),
        ..Process::default()
    }
}

fn hostile_case() -> Case {
    let hostile = Process {
        name: Known(HOSTILE.to_owned()),
        args: Known(vec!["main.py".to_owned(), HOSTILE.to_owned()]),
        user: Known(user(HOSTILE)),
        cwd: Known(HOSTILE.into()),
        exe: Known(HOSTILE.into()),
        container: Known(Some(HOSTILE.to_owned())),
        ..process(5)
    };
    let policy = Policy {
        matches: vec![MatchEntry {
            user: UserLimit::Named(HOSTILE.to_owned()),
            ..entry(&regex::escape(HOSTILE))
        }],
        rules: vec![rule(
            HOSTILE,
            Action::Graceful,
            Conditions { pattern: entry("nobody").pattern, ..Conditions::default() },
        )],
        ..policy(OnConflict::Graceful)
    };
    case("hostile", policy, vec![hostile], 5)
}

fn cases() -> Vec<Case> {
    let graceful = || policy(OnConflict::Graceful);
    let elsewhere =
        Process { cwd: Known("/srv/other".into()), same_program: Known(true), ..process(5) };
    let foreign = Process {
        user: Known(user("deploy")),
        container: Known(Some("3f2a91c0b7de".to_owned())),
        ..process(5)
    };
    let sleeper = Process { args: Known(vec!["sleep".to_owned()]), ..process(5) };
    let secret = format!("--token=123456:{SECRET}");
    let carrier = Process {
        args: Known(vec!["node".to_owned(), secret]),
        tokens: MINE,
        name: Known("node".to_owned()),
        ..process(5)
    };
    let forgotten =
        Process { orphaned: Known(true), age: Known(Duration::from_mins(125)), ..same_command(5) };
    let managed = Process {
        managed_by: Known(Some(ManagedBy::Systemd("bot.service".to_owned()))),
        ..same_command(5)
    };
    let inherited = Process { tokens: INHERITED, ..process(5) };
    let holder_below = vec![
        guard_process(10),
        child_of(10, Process { user: Known(user("deploy")), ..process(11) }),
    ];
    let taken = |state| Snapshot { locks: vec![lock(state)], ..snapshot(vec![process(5)]) };
    vec![
        case("same_command", graceful(), vec![same_command(5), child_of(5, process(6))], 5),
        case("below_it", graceful(), vec![same_command(5), child_of(5, process(6))], 6),
        case("another_folder", graceful(), vec![elsewhere], 5),
        case("refused", policy(OnConflict::Refuse), vec![same_command(5)], 5),
        case("a_rule_decides", rules(), vec![forgotten.clone()], 5),
        case("no_rule_decides", rules(), vec![managed], 5),
        case("nobody_asks_the_rules", rules(), vec![sleeper.clone()], 5),
        case("an_unsure_rule", rules(), vec![Process { orphaned: unknown(), ..forgotten }], 5),
        case("entries", entries(), vec![foreign.clone()], 5),
        case(
            "no_entry",
            entries(),
            vec![Process { name: Known("sleep".to_owned()), ..sleeper }],
            5,
        ),
        case(
            "shielded",
            graceful(),
            vec![Process { container: foreign.container.clone(), ..same_command(5) }],
            5,
        ),
        case(
            "the_shell",
            graceful(),
            vec![Process { relation: Known(Relation::Ancestor), ..same_command(5) }],
            5,
        ),
        case(
            "another_bot",
            graceful(),
            vec![Process { tokens: ANOTHER_BOTS, ..same_command(5) }],
            5,
        ),
        case("token", rules(), vec![carrier.clone()], 5),
        case("token_off", Policy { same_token: SameToken::Off, ..graceful() }, vec![carrier], 5),
        case("suspect", graceful(), vec![inherited.clone()], 5),
        case("unreadable", graceful(), vec![dim(5)], 5),
        case("unreadable_by_entries", entries(), vec![dim(5)], 5),
        case("a_monopoll", graceful(), vec![Process { role: Role::Monopoll, ..inherited }], 5),
        case("holder", graceful(), vec![Process { holds_lock: Known(true), ..foreign }], 5),
        Case { name: "guard", policy: rules(), snapshot: guarded(Some(7)), pid: 10 },
        Case {
            name: "below_a_guard",
            policy: Policy { matches: vec![entry("main.py")], ..graceful() },
            snapshot: Snapshot { guards: vec![guard(Some(10), Some(7))], ..snapshot(holder_below) },
            pid: 11,
        },
        Case {
            name: "unknown_holder",
            policy: graceful(),
            snapshot: taken(LockState::Unknown),
            pid: 5,
        },
        hostile_case(),
    ]
}

#[test]
fn the_text_explains_the_weighed_facts() {
    for case in cases() {
        insta::assert_snapshot!(format!("text_{}", case.name), case.text(Paint::Plain));
    }
}

#[test]
fn a_script_without_arguments_is_distinguished_from_one_with_arguments() {
    let args = ["python3", "/srv/bot/main.py", "--extra"].map(str::to_owned);
    let process = Process {
        args: Known(args.to_vec()),
        same_program: Known(true),
        compared: Known(ComparedCommand {
            program: "/srv/bot/main.py".to_owned(),
            args: vec!["--extra".to_owned()],
            same_args: false,
        }),
        cwd: Known("/srv/other".into()),
        ..process(5)
    };
    let case = case("script", policy(OnConflict::Graceful), vec![process], 5);
    let script = CommandMatch {
        program: "/srv/bot/main.py".into(),
        args: Vec::new(),
        cwd: "/srv/bot".into(),
    };
    let plan = decide(&case.policy, &case.snapshot);
    let explanation = explain(&case.policy, &case.snapshot, &plan, 5, Some(&script)).unwrap();
    let printed = explain_text::one(&explanation, &context(), Paint::Plain);
    assert!(printed.contains("no      same arguments      --extra, not none\n"), "{printed}");
}

#[test]
fn color_changes_no_text() {
    for case in cases() {
        let (plain, mut coloured) = (case.text(Paint::Plain), case.text(Paint::Color));
        assert_ne!(coloured, plain, "{}", case.name);
        for code in ["0", "1", "2", "31", "32", "33"] {
            coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(coloured, plain, "{}", case.name);
    }
}

#[test]
fn no_report_contains_a_secret_or_a_control_character() {
    for case in cases() {
        let json = case.inspect(|it, _| to_text(&explain_json::one(it, &context())).unwrap());
        for report in [case.text(Paint::Plain), json] {
            assert!(
                !report.contains("AAHdq") && !report.contains("Dsaw"),
                "{}: {report}",
                case.name
            );
            let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!report.contains(raw), "{}: {report:?}", case.name);
        }
    }
}

#[test]
fn the_explanation_of_all_is_one_line_for_each_process() {
    let case =
        case("whole", policy(OnConflict::Graceful), vec![same_command(5), same_command(6)], 5);
    let plan = decide(&case.policy, &case.snapshot);
    let likeness = likeness();
    let all: Vec<_> = [5, 6]
        .into_iter()
        .filter_map(|pid| explain(&case.policy, &case.snapshot, &plan, pid, Some(&likeness)))
        .collect();
    let text = explain_text::whole(&all, &context(), Paint::Plain);
    let ended = "it would be ended: it is the same command in the same folder, and `on_conflict` \
                 says graceful.";
    assert_eq!(
        text,
        format!(
            "voice-insight (profile production): 2 processes considered.\n\n\
             pid 5  python3 main.py\n   {ended}\n\
             pid 6  python3 main.py\n   {ended}\n\n\
             `monopoll explain PID` shows every check of one process.\n"
        )
    );
    let document = serde_json::to_value(explain_json::whole(&all, &plan, &context())).unwrap();
    assert_eq!(
        document["plan"],
        serde_json::to_value(monopoll::internals::report::plan_json::document(&plan, &context()))
            .unwrap()
    );
    assert_eq!(document["processes"].as_array().unwrap().len(), 2);
    assert!(validator().is_valid(&document), "{document:#}");
}

#[test]
fn the_json_keys_are_in_the_documented_order() {
    for case in cases()
        .into_iter()
        .filter(|case| ["below_it", "a_rule_decides", "entries", "unreadable"].contains(&case.name))
    {
        insta::assert_snapshot!(
            format!("json_{}", case.name),
            case.inspect(|it, _| to_text(&explain_json::one(it, &context())).unwrap())
        );
    }
}

#[test]
fn each_classification_has_its_own_word() {
    let expected = [
        ("same_command", "candidate"),
        ("below_it", "member"),
        ("another_folder", "unrelated"),
        ("shielded", "shielded"),
        ("suspect", "suspect"),
        ("below_a_guard", "member"),
    ];
    for (name, word) in expected {
        let case = cases().into_iter().find(|case| case.name == name).unwrap();
        assert_eq!(case.json()["processes"][0]["standing"], word, "{name}");
    }
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(output_schema::<ExplainDocument>().as_value()).unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may look at the tree that it is part of")]
fn the_schema_file_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/explain.schema.json");
    let fresh = serde_json::to_string_pretty(&output_schema::<ExplainDocument>()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        fresh,
        "stale: run the tests once with UPDATE_SCHEMAS=1"
    );
}

#[test]
fn every_document_is_valid() {
    for case in cases() {
        let document = case.json();
        let problems: Vec<String> = validator()
            .iter_errors(&document)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{}: {problems:?}\n{document:#}", case.name);
    }
}

#[test]
fn a_broken_document_is_not_valid() {
    let case = cases().into_iter().find(|case| case.name == "a_rule_decides").unwrap();
    let good = case.json();
    assert!(validator().is_valid(&good));
    let breaks: [fn(&mut Value); 7] = [
        |it| it["version"] = 2.into(),
        |it| it["processes"][0]["standing"] = "guilty".into(),
        |it| it["processes"][0]["match"][0]["entry"] = "hunch".into(),
        |it| it["processes"][0]["rules"][0]["ruling"] = "perhaps".into(),
        |it| it["processes"][0]["shields"][0]["shield"] = "luck".into(),
        |it| it["processes"][0]["conflict"]["decided_by"] = "dice".into(),
        |it| drop(it.as_object_mut().unwrap().remove("plan")),
    ];
    for (index, break_it) in breaks.into_iter().enumerate() {
        let mut bad = good.clone();
        break_it(&mut bad);
        assert!(!validator().is_valid(&bad), "break {index}");
    }
}
