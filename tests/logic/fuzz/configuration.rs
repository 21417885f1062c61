//! A configuration loads, or gives problems with a place. What loads is printed in full by `config
//! show`, and loads again as the same.

use std::fs;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use monopoll::internals::cli::config_command::{Format, show};
use monopoll::internals::config::{Config, Position, Problems, Sources, render};
use monopoll::internals::report::effective_config::{Applied, ShownKeys};
use monopoll::internals::text::{Paint, mask_secrets};

/// A longer run counts as a hang, even on a busy machine.
const MAX_SECONDS: u64 = 30;

/// The secret half of a token. It is written in many places and must never be shown.
pub(crate) const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

/// Takes the content of a configuration file.
pub(crate) fn check(file: &[u8]) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("monopoll.toml"), file).unwrap();
    let text = String::from_utf8_lossy(file);
    let sources = Sources { cwd: folder.path().to_owned(), ..Sources::default() };
    answers(&sources, &text);
    if text.contains("profile") {
        answers(&sources.profile("ci"), &text);
    }
}

/// Checks the answer to `sources`, whose file has this text.
pub(crate) fn answers(sources: &Sources, text: &str) {
    #[expect(clippy::disallowed_methods, reason = "how long it takes is the question")]
    let start = Instant::now();
    match Config::load(sources) {
        Ok(config) => is_shown_in_full(&config),
        Err(problems) => are_shown_masked(&problems, text),
    }
    assert!(start.elapsed().as_secs() < MAX_SECONDS, "{:?} for {sources:?}", start.elapsed());
}

fn are_shown_masked(problems: &Problems, text: &str) {
    assert!(!problems.list().is_empty());
    let coloured = render(problems, Paint::Color).replace("\u{1b}[", "[");
    for printed in [problems.to_string(), coloured] {
        is_fit_to_be_printed(&printed);
        // A token that is split, or has an escaped colon, is not recognized. Half a secret is only
        // recognized after a digit, which may be part of an escape.
        let unescaped = text.replace(r"\\", " ").replace(r"\u003a", ":");
        if text.contains(SECRET) && !mask_secrets(&unescaped).contains(&SECRET[..12]) {
            assert!(!printed.contains(&SECRET[..12]), "{printed} of {text:?}");
        }
    }
    each_place_lies_in(text, problems);
}

#[track_caller]
fn is_fit_to_be_printed(printed: &str) {
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!printed.is_empty() && !printed.chars().any(acts), "{printed:?}");
}

fn each_place_lies_in(text: &str, problems: &Problems) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<usize> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line).chars().count())
        .collect();
    for problem in problems.list() {
        let Some(Position { line, column, end_column }) = problem.location.position() else {
            continue;
        };
        let length = lines.get(line - 1).unwrap_or_else(|| panic!("{problem:?} of {text:?}"));
        assert!(
            0 < column && column <= end_column && end_column <= length + 1,
            "{problem:?} of {text:?}"
        );
        assert!(
            line == 1 || line < lines.len() || *length > 0,
            "{problem:?} is in no line of {text:?}"
        );
    }
}

fn is_shown_in_full(config: &Config) {
    let applied = Applied { instance: None, locks: Vec::new() };
    let text = show(config, &applied, ShownKeys::All, Format::Text);
    is_fit_to_be_printed(&text);
    let json = show(config, &applied, ShownKeys::All, Format::Json);
    let json: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} {json}"));
    let values = json["values"].as_array().unwrap();
    // Secrets are masked, and long lines are cut.
    let is_whole = |text: &str| !text.contains("***") && !text.contains('…');
    for value in values.iter().filter(|it| !it["value"].is_null()) {
        let key = value["key"].as_str().unwrap();
        let is_it = |line: &&str| line.starts_with(&format!("{key} = "));
        let line = text.lines().find(is_it).unwrap_or_else(|| panic!("no {key} in {text}"));
        if is_whole(line) && is_whole(&value.to_string()) {
            let shown = format!("x{}", &line[key.len()..]).parse::<toml::Table>();
            let shown = shown.unwrap_or_else(|error| panic!("{line:?}: {error}"));
            assert_eq!(Some(&shown["x"]), toml_value(&value["value"]).as_ref(), "{line:?}");
        }
    }
    if is_whole(&json.to_string()) {
        loads_again_as_the_same(config, values);
    }
}

fn loads_again_as_the_same(config: &Config, values: &[Value]) {
    let folder = TempDir::new().unwrap();
    let mut file = toml::Table::new();
    for value in values {
        let Some(shown) = toml_value(&value["value"]) else { continue };
        let key = value["key"].as_str().unwrap();
        if let Some((list, _)) = key.split_once('[') {
            let list = file.entry(list).or_insert_with(|| toml::Value::Array(Vec::new()));
            list.as_array_mut().unwrap().push(shown);
        } else if let Some((table, inner)) = key.split_once('.') {
            let table = file.entry(table).or_insert_with(|| toml::Table::new().into());
            table.as_table_mut().unwrap().insert(inner.to_owned(), shown);
        } else {
            file.insert(key.to_owned(), shown);
        }
    }
    let file = toml::to_string(&file).unwrap();
    fs::write(folder.path().join("monopoll.toml"), &file).unwrap();
    let again = Config::load(&Sources { cwd: folder.path().to_owned(), ..Sources::default() });
    let again = again.unwrap_or_else(|problems| panic!("{problems}\nof {file}"));
    let settings = |config: &Config| {
        let mut settings = serde_json::to_value(&config.settings).unwrap();
        settings.as_object_mut().unwrap().remove("app");
        settings
    };
    assert_eq!(settings(&again), settings(config), "{file}");
    assert_eq!(format!("{:?}", again.policy), format!("{:?}", config.policy), "{file}");
}

/// Converts a value as a configuration file has it: without keys that are null.
fn toml_value(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Array(items) => items.iter().filter_map(toml_value).collect::<Vec<_>>().into(),
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| Some((key.clone(), toml_value(value)?));
            table.iter().filter_map(entry).collect::<toml::Table>().into()
        }
        scalar => toml::Value::try_from(scalar).unwrap(),
    })
}
