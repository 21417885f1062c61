//! The findings of `doctor`, from given facts.

use std::path::{Path, PathBuf};

use serde_json::Value;

use monopoll::internals::config::settings::Settings;
use monopoll::internals::config::{Config, Sources};
use monopoll::internals::doctor::{
    self, DoctorUser, Finding, FolderCheck, Grade, RunningState, ScanReach, TokenSearch,
};
use monopoll::internals::engine::action::SameToken;
use monopoll::internals::engine::instance::{BotId, NameSource};
use monopoll::internals::engine::managed_by::ManagedBy;
use monopoll::internals::engine::process::User;
use monopoll::internals::error::{Error, ExitStatus};
use monopoll::internals::report::doctor_json::{DoctorDocument, document};
use monopoll::internals::report::doctor_text::text;
use monopoll::internals::report::plan_json::to_text;
use monopoll::internals::scan::capabilities::{
    Capabilities, Environments, PidNamespace, StartedBy,
};
use monopoll::internals::scan::own_container::{ContainerKind, PrivateFolder};
use monopoll::internals::sys::filesystem::{FolderFacts, Support};
use monopoll::internals::sys::folder_owner::FolderOwner;
use monopoll::internals::text::{Paint, output_schema};

const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

fn folder() -> FolderFacts {
    FolderFacts {
        owner: "root".to_owned(),
        mode: 0o700,
        file_system: Some("tmpfs".to_owned()),
        free_bytes: 3 << 30,
        free_inodes: Some(4_000_000),
        writing: Support::Given,
        network: None,
        exposed: None,
        foreign: None,
    }
}

fn checkup() -> Capabilities {
    Capabilities {
        pidfd: Support::Given,
        inotify: Support::Given,
        hidden: None,
        environments: Environments { readable: 7, unreadable: 0, first_unreadable: None },
        namespace: PidNamespace::First,
        container: None,
        starter: StartedBy::Program(4711, "bash".to_owned()),
    }
}

fn me() -> DoctorUser {
    DoctorUser {
        user: User { id: "0".to_owned(), name: "root".to_owned() },
        privileged: true,
        private_folder: None,
        reach: ScanReach::OtherUsers,
    }
}

fn load(set: &[&str]) -> Vec<Finding> {
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    doctor::config_findings(&Config::load(&Sources {
        set,
        cwd: PathBuf::from("/nowhere"),
        ..Sources::default()
    }))
}

fn search(found: Option<BotId>) -> TokenSearch {
    let variables = vec!["BOT_TOKEN".to_owned(), "TELEGRAM_TOKEN".to_owned()];
    TokenSearch {
        found,
        others: Vec::new(),
        variables,
        file: ".env".to_owned(),
        unlisted: Vec::new(),
        misfits: Vec::new(),
        same_token: SameToken::Refuse,
    }
}

fn ready() -> Vec<Finding> {
    let instance = "bot123456".parse().unwrap();
    let mut findings = load(&[]);
    findings.extend(doctor::command_finding(Some(&Ok("/usr/bin/python3".to_owned()))));
    findings.push(doctor::token_finding(&search(Some(BotId(123_456)))));
    findings.push(doctor::instance_finding(Ok((&instance, NameSource::Token))));
    findings.extend(doctor::lock_findings(&[FolderCheck::Found(
        "/run/monopoll".into(),
        Some(folder()),
    )]));
    findings.push(doctor::running_finding(&RunningState::Guard(
        4700,
        format!("python3 main.py --token 123456:{SECRET}"),
    )));
    findings.extend(doctor::machine_findings(&me(), Some(&checkup())));
    findings
}

fn troubled() -> Vec<Finding> {
    let mut findings = load(&["timeouts.gracefull=3s", "on_conflict=\u{1b}[2J"]);
    let missing = Error::new(ExitStatus::NotFound, "COMMAND `pyhton` is not found")
        .with_hint("check its spelling and $PATH");
    findings.extend(doctor::command_finding(Some(&Err(missing))));
    findings.push(doctor::token_finding(&search(None)));
    let nameless =
        Error::new(ExitStatus::Usage, "no instance is named").with_hint("give `--instance ID`");
    findings.push(doctor::instance_finding(Err(&nameless)));
    let exposed = FolderFacts {
        exposed: Some(("/srv/open".into(), FolderOwner::Me)),
        mode: 0o777,
        file_system: Some("ext4".to_owned()),
        ..folder()
    };
    let foreign = FolderFacts {
        foreign: Some(("/home/other".into(), 1001)),
        file_system: Some("ext4".to_owned()),
        ..folder()
    };
    let forbidden = FolderFacts {
        writing: Support::Refused("Permission denied (os error 13)".to_owned()),
        free_bytes: 4096,
        ..folder()
    };
    let network = FolderFacts {
        network: Some("NFS"),
        file_system: Some("nfs4".to_owned()),
        free_inodes: Some(0),
        ..folder()
    };
    let link = Error::new(
        ExitStatus::LockFile,
        "the lock cannot be used: it is a symbolic link: /srv/x.lock",
    )
    .with_hint("remove the link");
    findings.extend(doctor::lock_findings(&[
        FolderCheck::Missing("/srv/open/locks".into(), "/srv/open".into(), Some(exposed)),
        FolderCheck::Missing("/home/other/locks".into(), "/home/other".into(), Some(foreign)),
        FolderCheck::Found("/run/monopoll".into(), Some(forbidden)),
        FolderCheck::Found("/net/locks".into(), Some(network)),
        FolderCheck::Unsafe(link),
    ]));
    findings.push(doctor::running_finding(&RunningState::Strangers(vec![55, 56])));
    findings.push(doctor::alert_finding("two pollers are running: `python3 main.py` (pid 12)"));
    let me = DoctorUser {
        user: User { id: "1000".to_owned(), name: "bot".to_owned() },
        privileged: false,
        private_folder: enclosure(),
        reach: ScanReach::OwnUser,
    };
    let checkup = Capabilities {
        pidfd: Support::Refused("Function not implemented (os error 38)".to_owned()),
        inotify: Support::Refused("EMFILE: Too many open files".to_owned()),
        hidden: Some("invisible".to_owned()),
        environments: Environments { readable: 3, unreadable: 2, first_unreadable: Some(77) },
        namespace: PidNamespace::Own,
        container: Some(ContainerKind::Docker),
        starter: StartedBy::Supervisor(ManagedBy::Systemd("bot.service".to_owned())),
    };
    findings.extend(doctor::machine_findings(&me, Some(&checkup)));
    findings
}

fn enclosure() -> Option<PrivateFolder> {
    PrivateFolder::of(
        ContainerKind::Docker,
        "1 0 0:9 / / rw - overlay overlay rw",
        Path::new("/var/tmp/monopoll-1000"),
    )
}

#[test]
fn a_machine_that_is_ready() {
    insta::assert_snapshot!(text(&ready(), Grade::Ok, Paint::Plain));
}

#[test]
fn every_problem_and_warning_is_shown_with_its_hint() {
    insta::assert_snapshot!(text(&troubled(), Grade::Ok, Paint::Plain));
}

#[test]
fn only_verbose_output_lists_what_is_fine_and_none_calls_a_machine_ready() {
    let all_fine = text(&ready(), Grade::Warning, Paint::Plain);
    assert_eq!(all_fine, "Found no problems and no warnings; `-v` lists every check.\n");
    let without_token = [ready(), vec![doctor::token_finding(&search(None))]].concat();
    let shown = text(&without_token, Grade::Warning, Paint::Plain);
    assert!(shown.starts_with("warning  token  none found in $BOT_TOKEN"), "{shown}");
    assert!(shown.contains("no problems and 1 warning;") && !shown.contains("ready"), "{shown}");
    let quiet = text(&without_token, Grade::Problem, Paint::Plain);
    assert_eq!(quiet, "Found no problems and 1 warning; `-v` lists every check.\n");
}

#[test]
fn a_token_under_another_name_is_named_unless_no_token_is_needed() {
    let named = |unlisted: &[&str], same_token| {
        let unlisted = unlisted.iter().map(|name| (*name).to_owned()).collect();
        let misfits = vec!["$BOT_TOKEN".to_owned()];
        let found = TokenSearch { unlisted, misfits, same_token, ..search(None) };
        let Finding { what, hint, .. } = doctor::token_finding(&found);
        (what, hint.unwrap_or_default())
    };
    assert_eq!(
        named(&["$MY_SECRET"], SameToken::Refuse),
        (
            "none found under `token_env`, but $MY_SECRET looks like a bot token".to_owned(),
            "add it to `token_env`".to_owned()
        )
    );
    let two = ["$MY_SECRET", "OTHER in `.env`"];
    assert_eq!(
        named(&two, SameToken::Warn),
        (
            "none found under `token_env`, but $MY_SECRET and OTHER in `.env` look like bot tokens"
                .to_owned(),
            "add the one that the bot reads to `token_env`".to_owned()
        )
    );
    assert!(named(&two, SameToken::Off).0.starts_with("none found: $BOT_TOKEN"));
}

#[test]
fn a_long_list_of_variables_is_cut() {
    let variables = Settings::default().token_env;
    let variables = variables.iter().map(|name| name.as_str().to_owned()).collect();
    let found = doctor::token_finding(&TokenSearch { variables, ..search(None) }).what;
    let begin = "none found in $TELOXIDE_TOKEN, $BOT_TOKEN, 8 other variables of `token_env` or ";
    assert!(found.starts_with(begin), "{found}");
}

#[test]
fn every_problem_and_warning_has_a_hint() {
    for finding in troubled() {
        assert!(finding.hint.is_some() || finding.grade == Grade::Ok, "{finding:?}");
    }
}

#[test]
fn the_same_as_json() {
    insta::assert_snapshot!(to_text(&document(&troubled()[..3])).unwrap());
}

#[test]
fn no_finding_contains_a_secret_or_a_control_character() {
    for findings in [ready(), troubled()] {
        let json = to_text(&document(&findings)).unwrap();
        for printed in [text(&findings, Grade::Ok, Paint::Plain), json] {
            assert!(!printed.contains(&SECRET[..8]), "{printed}");
            assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed}");
        }
    }
}

#[test]
fn color_changes_no_text() {
    let coloured = text(&troubled(), Grade::Ok, Paint::Color);
    let plain = coloured.split('\u{1b}').map(|part| {
        part.split_once('m').filter(|(code, _)| code.starts_with('[')).map_or(part, |it| it.1)
    });
    assert_eq!(plain.collect::<String>(), text(&troubled(), Grade::Ok, Paint::Plain));
}

#[test]
fn little_free_space_is_a_warning_and_none_is_a_problem() {
    let grade = |free_bytes, free_inodes| {
        let facts = FolderFacts { free_bytes, free_inodes, ..folder() };
        doctor::lock_findings(&[FolderCheck::Found("/run/monopoll".into(), Some(facts))])
            .last()
            .unwrap()
            .grade
    };
    assert_eq!(grade(1 << 30, Some(1000)), Grade::Ok);
    assert_eq!(grade(1 << 30, None), Grade::Ok);
    assert_eq!(grade(4096, Some(1000)), Grade::Warning);
    assert_eq!(grade(1 << 30, Some(3)), Grade::Warning);
    assert_eq!(grade(0, Some(1000)), Grade::Problem);
    assert_eq!(grade(1 << 30, Some(0)), Grade::Problem);
}

#[test]
fn unknown_facts_are_reported_as_unknown() {
    let printed = |who| doctor::running_finding(&who).what;
    assert_eq!(printed(RunningState::NotRunning), "no process holds the lock");
    assert!(
        printed(RunningState::Elsewhere("python3".to_owned()))
            .ends_with("cannot be seen from here")
    );
    assert!(
        printed(RunningState::Below("python3".to_owned()))
            .contains("below this one holds the lock")
    );
    assert!(printed(RunningState::Unknown).contains("without taking the lock"));
}

#[test]
fn a_machine_without_readable_facts_still_names_the_user() {
    let names: Vec<&str> =
        doctor::machine_findings(&me(), None).iter().map(|finding| finding.name).collect();
    assert_eq!(names, ["user"]);
}

#[test]
fn the_schema_file_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/doctor.schema.json");
    let fresh = serde_json::to_string_pretty(&output_schema::<DoctorDocument>()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == fresh,
        "stale: run this test with UPDATE_SCHEMAS=1"
    );
}

#[test]
fn every_document_is_valid_and_a_broken_one_is_not() {
    let validator =
        jsonschema::validator_for(output_schema::<DoctorDocument>().as_value()).unwrap();
    for findings in [ready(), troubled(), Vec::new()] {
        assert!(validator.is_valid(&serde_json::to_value(document(&findings)).unwrap()));
    }
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::to_value(document(&ready())).unwrap();
        change(&mut value);
        assert!(!validator.is_valid(&value), "{value:#}");
    };
    broken(&|value| value["version"] = 2.into());
    broken(&|value| value["findings"][0]["grade"] = "fine".into());
    broken(&|value| value["findings"][0]["what"] = Value::Null);
    broken(&|value| drop(value["findings"][0].as_object_mut().unwrap().remove("name")));
}
