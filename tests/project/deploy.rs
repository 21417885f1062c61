//! The files in `deploy/` agree with monopoll's exit statuses, keys and timeouts.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use monopoll::internals::error::ExitStatus;

pub(crate) fn deployed(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)).unwrap()
}

/// Returns the value of a key that occurs once in the unit.
fn of_the_unit(key: &str) -> Option<String> {
    let unit = deployed("monopoll@.service");
    let values: Vec<&str> =
        unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect();
    assert!(values.len() <= 1, "{key}");
    values.first().map(|value| (*value).to_owned())
}

/// Returns the longest time that a ladder can take with the defaults.
pub(crate) fn ladder() -> Duration {
    let example =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml"))
            .unwrap();
    let example: toml::Table = example.parse().unwrap();
    let time =
        |key: &str| humantime::parse_duration(example["timeouts"][key].as_str().unwrap()).unwrap();
    time("graceful") + time("force")
}

/// Runs `monopoll config check` with only these variables.
fn check(environment: &[(String, String)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_monopoll"))
        .args(["config", "check"])
        .current_dir(folder.path())
        .env_clear()
        .envs(environment.iter().cloned())
        .output()
        .unwrap()
}

/// Failures that would occur again.
const LASTING: [ExitStatus; 6] = [
    ExitStatus::Usage,
    ExitStatus::LockFile,
    ExitStatus::Permission,
    ExitStatus::Config,
    ExitStatus::NotExecutable,
    ExitStatus::NotFound,
];

#[test]
fn the_unit_restarts_only_after_failures_that_may_pass() {
    let never = of_the_unit("RestartPreventExitStatus").unwrap();
    let never: Vec<u8> = never.split(' ').map(|code| code.parse().unwrap()).collect();
    assert_eq!(never, LASTING.map(ExitStatus::code));
    assert!(!never.contains(&ExitStatus::Refused.code()));
    // `on-failure` does not restart after exit status 0.
    assert_eq!(
        (of_the_unit("Restart").as_deref(), ExitStatus::Done.code()),
        (Some("on-failure"), 0)
    );
    assert!(
        of_the_unit("RestartSec").is_some_and(
            |pause| humantime::parse_duration(&pause).unwrap() >= Duration::from_secs(1)
        )
    );
    let asked = [ExitStatus::Signaled(2), ExitStatus::Signaled(15)]
        .map(|it| it.code().to_string())
        .join(" ");
    assert_eq!(of_the_unit("SuccessExitStatus"), Some(asked));
}

#[test]
fn the_unit_gives_the_guard_time_and_signals_only_the_guard() {
    assert_eq!(of_the_unit("KillMode").as_deref(), Some("mixed"));
    assert!(humantime::parse_duration(&of_the_unit("TimeoutStopSec").unwrap()).unwrap() > ladder());
}

#[test]
fn the_unit_hides_no_process_and_no_lock_folder() {
    for key in [
        "ProtectProc",
        "ProcSubset",
        "PrivatePIDs",
        "PrivateTmp",
        "ProtectHome",
        "DynamicUser",
        "PrivateUsers",
        "TemporaryFileSystem",
    ] {
        assert_eq!(of_the_unit(key), None, "{key}");
    }
}

#[test]
fn systemd_accepts_the_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        monopoll_test_bots::stage::skip("there is no systemd-analyze");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("monopoll@voice.service");
    // The verification requires that the program exists.
    let text = deployed("monopoll@.service")
        .replace("/usr/local/bin/monopoll", env!("CARGO_BIN_EXE_monopoll"));
    fs::write(&unit, text).unwrap();
    let verified =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    // Ignore what it prints about other units on this machine.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("monopoll@")).collect();
    assert!(ours.is_empty(), "{said}");
    assert!(verified.status.success() || said.is_empty() || !said.contains("monopoll"), "{said}");
}

#[test]
fn the_image_runs_as_an_ordinary_user_and_its_environment_is_valid_configuration() {
    let image = deployed("Dockerfile");
    let compiler = env!("CARGO_PKG_RUST_VERSION");
    assert!(
        image.contains(&format!("FROM rust:{compiler}-")),
        "the compiler that the manifest names"
    );
    let last = |word: &str| {
        image
            .lines()
            .rfind(|line| line.starts_with(word))
            .map(|line| line[word.len()..].trim().to_owned())
    };
    assert_eq!(last("USER ").as_deref(), Some("bot"));
    assert_eq!(last("ENTRYPOINT ").as_deref(), Some(r#"["monopoll", "run", "--"]"#));
    let variables: Vec<(String, String)> = image
        .lines()
        .filter_map(|line| line.strip_prefix("ENV ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    assert_eq!(variables.len(), 1);
    let checked = check(&variables);
    assert!(checked.status.success(), "{checked:?}");
    assert!(
        image.contains("0700 /var/lib/monopoll") && variables[0].1.contains("\"/var/lib/monopoll/")
    );
}

/// The images for Python and Node set up monopoll in the same way as `Dockerfile`.
#[test]
fn the_images_of_languages_keep_the_user_the_lock_folder_and_the_entry_point() {
    let base = deployed("Dockerfile");
    for name in ["python.Dockerfile", "node.Dockerfile"] {
        let image = deployed(name);
        let common = ["RUN useradd", "    && install", "ENV ", "VOLUME ", "USER ", "ENTRYPOINT "];
        for line in base.lines().filter(|line| common.iter().any(|it| line.starts_with(it))) {
            assert!(image.lines().any(|it| it == line), "{name} has no `{line}`");
        }
        // The program is linked against the C library of the image it was built in.
        assert!(image.contains("bookworm") && base.contains("bookworm"), "{name}");
    }
}

/// Returns the statuses after which supervisors must not restart a bot: success, and lasting
/// failures.
fn final_statuses() -> Vec<u8> {
    [ExitStatus::Done].into_iter().chain(LASTING).map(ExitStatus::code).collect()
}

#[test]
fn process_managers_leave_final_statuses_alone_and_give_the_guard_time() {
    let numbers = |list: &str| -> Vec<u8> {
        list.split(',').map(|number| number.trim().parse().unwrap()).collect()
    };
    let supervisord = deployed("supervisord.conf");
    let value = |key: &str| {
        supervisord.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap()
    };
    assert_eq!(numbers(value("exitcodes")), final_statuses());
    assert_eq!((value("autorestart"), value("startsecs")), ("unexpected", "0"));
    let seconds = value("stopwaitsecs").parse().unwrap();
    assert!(Duration::from_secs(seconds) > ladder());

    let pm2 = deployed("ecosystem.config.js");
    let value = |key: &str| pm2.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
    let list = value("stop_exit_codes: [").trim_end_matches("],");
    assert_eq!(numbers(list), final_statuses());
    let millis = value("kill_timeout: ").trim_end_matches(',').parse().unwrap();
    assert!(Duration::from_millis(millis) > ladder());
}

/// Parses a YAML file; `None` if there is no Python with a YAML module.
pub(crate) fn yaml(name: &str) -> Option<Value> {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv/bin/python");
    let python = if own.exists() { own } else { "python3".into() };
    let parsed =
        Command::new(python).args(["-c", script]).stdin(fs::File::open(path).unwrap()).output();
    let parsed = parsed
        .ok()
        .filter(|it| !String::from_utf8_lossy(&it.stderr).contains("ModuleNotFoundError"));
    let Some(parsed) = parsed else {
        monopoll_test_bots::stage::skip("there is no python3 with PyYAML");
        return None;
    };
    Some(serde_json::from_slice(&parsed.stdout).unwrap_or_else(|_| panic!("{parsed:?}")))
}

#[test]
fn both_compose_services_share_one_lock_folder_and_stay_down_after_giving_way() {
    let Some(compose) = yaml("compose.yaml") else { return };
    let services = compose["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["blue", "green"]);
    for service in services.values() {
        assert_eq!(service["volumes"], serde_json::json!(["locks:/var/lib/monopoll"]));
        assert_eq!(service["restart"], "on-failure");
        assert!(
            humantime::parse_duration(service["stop_grace_period"].as_str().unwrap()).unwrap()
                > ladder()
        );
        let environment = service["environment"].as_object().unwrap();
        let variables: Vec<(String, String)> = environment
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let checked = check(&variables);
        assert!(checked.status.success(), "{checked:?}");
    }
    assert!(compose["volumes"].as_object().unwrap().contains_key("locks"));
}
