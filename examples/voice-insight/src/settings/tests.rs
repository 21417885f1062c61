#![expect(clippy::disallowed_methods, reason = "a file to be read is written")]

use std::path::Path;

use super::*;

use monopoll::internals::config::Sources;

/// `[app]` as this file and these variables make it.
fn read(text: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    let env: Vec<(OsString, OsString)> =
        env.iter().map(|(key, value)| (key.into(), value.into())).collect();
    let config = Some(Path::new("config.toml").to_owned());
    let sources =
        Sources { config, env: env.clone(), cwd: folder.path().to_owned(), ..Sources::default() };
    Settings::read(&Config::load(&sources).unwrap(), &env).map_err(|problems| problems.to_string())
}

const WHOLE: &str = r#"
[app]
at_once = 3
most_waiting = 7
busy_after = "10s"
[app.transcription]
url = "http://127.0.0.1:1/v1/audio/transcriptions"
model = "whisper-1"
api_key_env = "KEY"
timeout = "5s"
language = "en"
[app.insight]
url = "https://example.org/v1/chat/completions"
model = "small"
[app.retry]
tries = 2
first = "10ms"
longest = "1s"
"#;

#[test]
fn every_key_is_read() {
    let settings = read(WHOLE, &[("KEY", "sk-1")]).unwrap();
    assert_eq!(
        (settings.at_once, settings.most_waiting, settings.busy_after),
        (3, 7, Duration::from_secs(10))
    );
    let transcription = settings.transcription.unwrap();
    assert_eq!(transcription.url.as_str(), "http://127.0.0.1:1/v1/audio/transcriptions");
    assert_eq!(transcription.key.unwrap().expose(), "sk-1");
    assert_eq!(
        (transcription.timeout, transcription.language.as_deref()),
        (Duration::from_secs(5), Some("en"))
    );
    let insight = settings.insight.unwrap();
    assert_eq!((insight.model.as_str(), insight.key, insight.timeout), ("small", None, INSIGHT));
    assert_eq!(
        settings.retry,
        Retry { tries: 2, first: Duration::from_millis(10), longest: Duration::from_secs(1) }
    );
}

#[test]
fn every_key_has_a_default() {
    let settings = read("", &[]).unwrap();
    assert!(settings.transcription.is_none() && settings.insight.is_none());
    assert_eq!(settings.retry, Settings::default().retry);
}

#[test]
fn a_profile_and_a_variable_change_single_keys() {
    let settings = read(
        WHOLE,
        &[
            ("KEY", "sk-1"),
            ("MONOPOLL_APP__AT_ONCE", "5"),
            ("MONOPOLL_APP__INSIGHT__MODEL", "\"large\""),
        ],
    )
    .unwrap();
    assert_eq!(settings.at_once, 5);
    assert_eq!(settings.insight.unwrap().model, "large");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let text = r#"[app]
at_once = 0
most_waiting = "many"
busy_after = 5
colour = "red"
[app.transcription]
url = "api.example.org"
modell = "whisper-1"
api_key_env = "KEY"
timeout = "0s"
[app.insight]
url = "https://secret-word@example.org/"
model = ""
api_key_env = "sk-live-key"
language = "en"
[app.retry]
tries = 99
first = "1m"
longest = "1s"
"#;
    let told = read(text, &[]).unwrap_err();
    insta::assert_snapshot!(told);
    assert!(!told.contains("secret-word") && !told.contains("sk-live"));
}

#[test]
fn an_insight_needs_a_transcript_and_a_service_is_a_table() {
    let told = read("[app.insight]\nurl = \"http://x/\"\nmodel = \"m\"\n", &[]).unwrap_err();
    insta::assert_snapshot!(told);
    assert!(
        read("[app]\ntranscription = \"http://x/\"\n", &[])
            .unwrap_err()
            .contains("write it as a table")
    );
}

#[test]
fn a_key_that_is_set_but_no_key_is_told_without_its_value() {
    let told = read(WHOLE, &[("KEY", "two words")]).unwrap_err();
    assert!(told.contains("$KEY holds no key") && !told.contains("two words"), "{told}");
}

#[test]
fn a_key_may_be_in_the_env_file_and_the_environment_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.env");
    std::fs::write(&file, "BOT_TOKEN=x\nKEY='sk-2'\n").unwrap();
    let text = format!("env_file = {file:?}\n{WHOLE}");
    for (env, key) in [(&[][..], "sk-2"), (&[("KEY", "")], "sk-2"), (&[("KEY", "sk-1")], "sk-1")] {
        assert_eq!(read(&text, env).unwrap().transcription.unwrap().key.unwrap().expose(), key);
    }
}

/// The configurations of the documentation: the shortest one, and the one that has every key.
fn documented() -> [&'static str; 2] {
    let text = include_str!("../../../../docs/voice-insight.md");
    let blocks = text.split("```toml").skip(1).map(|after| {
        let (_title, block) = after.split_once('\n').unwrap();
        block.split_once("```").unwrap().0
    });
    let mut blocks = blocks.filter(|block| block.contains("[app"));
    std::array::from_fn(|_| blocks.next().unwrap())
}

#[test]
fn the_shortest_documented_configuration_is_enough() {
    let settings = read(documented()[0], &[("OPENAI_API_KEY", "sk-1")]).unwrap();
    assert!(
        settings.transcription.unwrap().key.is_some() && settings.insight.unwrap().key.is_some()
    );
}

#[test]
fn the_documented_configuration_is_valid_and_shows_the_defaults() {
    let settings = read(documented()[1], &[("OPENAI_API_KEY", "sk-1")]).unwrap();
    let default = Settings::default();
    assert_eq!(
        (settings.at_once, settings.most_waiting, settings.busy_after, settings.retry),
        (default.at_once, default.most_waiting, default.busy_after, default.retry)
    );
    assert_eq!(settings.transcription.unwrap().timeout, TRANSCRIPTION);
    assert_eq!(settings.insight.unwrap().timeout, INSIGHT);
}
