//! Any configuration yields an answer, never a panic or a hang.

use std::fs;

use proptest::prelude::*;

use crate::fuzz::configuration::{self, SECRET};

use monopoll::internals::cli::config_command::EXAMPLE;
use monopoll::internals::config::Sources;

fn answers(sources: &Sources) {
    configuration::answers(sources, "");
}

fn answers_to_a_file(text: &[u8]) {
    configuration::check(text);
}

/// Mutates valid files the way an editor might.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let bits = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\0".to_owned()),
        Just("\"".to_owned()),
        Just("'''".to_owned()),
        Just("\t".to_owned()),
        Just("寿司👩‍👩‍👧é\u{301}\u{202e}\u{2066}".to_owned()),
        Just(format!("123456:{SECRET}")),
        Just(format!("\"123456\\u003a{SECRET}\"")),
        Just("x".repeat(3000)),
        Just(String::new()),
        any::<String>(),
        "[\\[\\]{}=.,#\\\\\"'\n]{1,4}",
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..9usize, bits), 1..6);
    (prop::sample::select(valid_files()), edits, any::<bool>()).prop_map(|(file, edits, crlf)| {
        let mut text = if crlf { file.replace('\n', "\r\n") } else { file };
        for (at, removed, inserted) in edits {
            let boundaries: Vec<usize> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = at.index(boundaries.len());
            let end = (at + removed).min(boundaries.len() - 1);
            text.replace_range(boundaries[at]..boundaries[end], &inserted);
        }
        text.into_bytes()
    })
}

/// Returns all valid samples and the example, commented and uncommented.
fn valid_files() -> Vec<String> {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logic/samples/valid");
    let mut files: Vec<String> = fs::read_dir(samples)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    files.sort();
    let uncommented: Vec<&str> =
        EXAMPLE.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).collect();
    files.push(uncommented.join("\n"));
    files.push(EXAMPLE.to_owned());
    files
}

/// Values of all kinds, in valid and invalid TOML.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9a-z ._{}\\[\\]\"'=,()*+?\\\\-]{0,30}",
        Just("[[[[]]]]".to_owned()),
        Just("{a={a={a=1}}}".to_owned()),
        Just("99999999999999999999999".to_owned()),
        Just("[{name=\"(((\"}, 3, {}]".to_owned()),
        Just("\"\u{202e}寿司\t\"".to_owned()),
        Just(format!("123456:{SECRET}")),
        Just(format!("[\"123456\\u003a{SECRET}\", 7]")),
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
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    })]

    #[test]
    fn any_bytes_as_a_file_give_problems_and_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        answers_to_a_file(&bytes);
    }

    #[test]
    fn a_changed_valid_file_gives_problems_and_no_panic(text in mutated()) {
        answers_to_a_file(&text);
    }

    #[test]
    fn a_valid_file_with_a_changed_byte_gives_problems_and_no_panic(
        text in mutated(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = text;
        if !text.is_empty() {
            let at = at.index(text.len());
            text[at] = byte;
        }
        answers_to_a_file(&text);
    }

    #[test]
    fn any_text_as_a_file_gives_problems_and_no_panic(text in any::<String>()) {
        answers_to_a_file(text.as_bytes());
    }

    #[test]
    fn almost_valid_lines_give_problems_and_no_panic(
        lines in prop::collection::vec((key(), value(), any::<bool>()), 0..8),
    ) {
        let line = |(key, value, is_table): (String, String, bool)| {
            if is_table { format!("[{key}]\n") } else { format!("{key} = {value}\n") }
        };
        answers_to_a_file(lines.into_iter().map(line).collect::<String>().as_bytes());
    }

    #[test]
    fn any_environment_gives_problems_and_no_panic(
        variables in prop::collection::vec((key(), value()), 0..5),
    ) {
        let name = |key: &str| format!("MONOPOLL_{}", key.to_uppercase().replace('.', "__"));
        let env = variables.iter().map(|(key, value)| (name(key).into(), value.into())).collect();
        answers(&Sources { env, cwd: "/nonexistent".into(), ..Sources::default() });
    }

    #[test]
    fn any_set_flag_and_instance_give_problems_and_no_panic(
        set in prop::collection::vec((key(), value()), 0..5),
        bare in value(),
        instance in value(),
    ) {
        let set = set.iter().map(|(key, value)| format!("{key}={value}")).chain([bare]).collect();
        let cwd = "/nonexistent".into();
        answers(&Sources { set, instance: Some(instance), cwd, ..Sources::default() });
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
    answers_to_a_file("寿\n".repeat(100_000).as_bytes());
    answers_to_a_file(
        format!("token_env = [{}]", format!("7, '1:{SECRET}', ").repeat(15_000)).as_bytes(),
    );
    answers_to_a_file(format!("x = '{}", "\t".repeat(500_000)).as_bytes());
    answers_to_a_file(format!("x = \"{}", "\\\\".repeat(200_000)).as_bytes());
    answers_to_a_file("\r".repeat(100_000).as_bytes());
    answers_to_a_file("token = \"".repeat(50_000).as_bytes());
    answers_to_a_file("http://a:b".repeat(50_000).as_bytes());
    answers_to_a_file("token".repeat(100_000).as_bytes());
}
