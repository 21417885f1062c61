//! Whatever is written, and wherever: an answer, never a panic and never a hang.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and writes the files that it reads")]

use std::{fs, time::Instant};

use monopoll::config::{Config, Sources};
use proptest::prelude::*;
use tempfile::TempDir;

/// Longer than this is a hang: a start waits for it.
const PATIENCE_SECS: u64 = 5;

fn answers(sources: &Sources) {
    #[expect(clippy::disallowed_methods, reason = "how long it takes is the question")]
    let start = Instant::now();
    match Config::load(sources) {
        Ok(config) => {
            let _ = monopoll::cli::config::show(&config, monopoll::cli::config::Format::Text);
        }
        Err(problems) => {
            let said = problems.to_string();
            assert!(!problems.0.is_empty() && !said.is_empty());
            assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
        }
    }
    assert!(start.elapsed().as_secs() < PATIENCE_SECS, "{:?} for {sources:?}", start.elapsed());
}

fn answers_to_a_file(text: &[u8]) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("monopoll.toml"), text).unwrap();
    answers(&Sources { cwd: folder.path().to_owned(), ..Sources::default() });
}

/// Values of every kind, some as TOML has them and some not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9a-z ._{}\\[\\]\"'=,()*+?\\\\-]{0,30}",
        Just("[[[[]]]]".to_owned()),
        Just("{a={a={a=1}}}".to_owned()),
        Just("99999999999999999999999".to_owned()),
        Just("[{name=\"(((\"}, 3, {}]".to_owned()),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "instance",
            "on_conflict",
            "after_wait",
            "same_token",
            "token_env",
            "env_file",
            "match",
            "rules",
            "check",
            "check.command",
            "check.timeout",
            "lock",
            "lock.paths",
            "lock.on_lost",
            "timeouts",
            "timeouts.wait",
            "kill",
            "kill.signal",
            "kill.escalate",
            "limits",
            "limits.max_targets",
            "app",
            "app.x",
            "profile",
            "profile.ci",
            "profile.ci.rules",
        ])
        .prop_map(str::to_owned),
        "[a-z_.\\[\\]0-9]{0,20}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_bytes_as_a_file(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        answers_to_a_file(&bytes);
    }

    #[test]
    fn any_text_as_a_file(text in any::<String>()) {
        answers_to_a_file(text.as_bytes());
    }

    #[test]
    fn lines_that_are_nearly_ours_as_a_file(lines in prop::collection::vec((key(), value(), any::<bool>()), 0..8)) {
        let line = |(key, value, table): (String, String, bool)| if table { format!("[{key}]\n") } else { format!("{key} = {value}\n") };
        answers_to_a_file(lines.into_iter().map(line).collect::<String>().as_bytes());
    }

    #[test]
    fn any_variables(variables in prop::collection::vec((key(), value()), 0..5)) {
        let name = |key: &str| format!("MONOPOLL_{}", key.to_uppercase().replace('.', "__"));
        let env = variables.iter().map(|(key, value)| (name(key).into(), value.into())).collect();
        answers(&Sources { env, cwd: "/nonexistent".into(), ..Sources::default() });
    }

    #[test]
    fn any_set_and_any_instance(set in prop::collection::vec((key(), value()), 0..5), bare in value(), instance in value()) {
        let set = set.iter().map(|(key, value)| format!("{key}={value}")).chain([bare]).collect();
        answers(&Sources { set, instance: Some(instance), cwd: "/nonexistent".into(), ..Sources::default() });
    }
}

#[test]
fn a_long_line_with_many_mistakes_is_answered_in_time() {
    answers_to_a_file(format!("token_env = [{}]", "'é=',".repeat(100_000)).as_bytes());
    answers_to_a_file("[".repeat(100_000).as_bytes());
    answers_to_a_file("a.".repeat(100_000).as_bytes());
    answers_to_a_file(format!("x = {}", "{a = ".repeat(50_000)).as_bytes());
    answers_to_a_file(format!("x{} = 1", ".a".repeat(50_000)).as_bytes());
    answers_to_a_file(format!("{} = 1", "a".repeat(500_000)).as_bytes());
    answers_to_a_file("'''\n".repeat(100_000).as_bytes());
}
