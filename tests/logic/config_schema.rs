//! The example file and the JSON schema agree with the types.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use monopoll::internals::cli::config_command::{EXAMPLE, Format, schema, show};
use monopoll::internals::config::settings::Settings;
use monopoll::internals::config::{Config, Sources};
use monopoll::internals::report::effective_config::{Applied, ShownKeys};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/config.schema.json");

fn load(text: &str) -> Config {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("monopoll.toml"), text).unwrap();
    let sources = Sources { cwd: folder.path().to_owned(), ..Sources::default() };
    Config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Returns the example with its examples enabled: `#key = …` becomes `key = …`; `# prose` stays.
fn uncommented() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with([' ', ':']) => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(|line| uncomment(line) + "\n").collect()
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn keys_of(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                out.extend(properties.keys().cloned());
            }
            object.values().for_each(|inner| keys_of(inner, out));
        }
        Value::Array(items) => items.iter().for_each(|inner| keys_of(inner, out)),
        _ => {}
    }
}

#[test]
fn the_schema_file_is_up_to_date() {
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(SCHEMA, schema()).unwrap();
    }
    assert!(
        fs::read_to_string(SCHEMA).unwrap_or_default() == schema(),
        "stale: run this test with UPDATE_SCHEMAS=1"
    );
}

#[test]
fn the_example_file_equals_the_defaults() {
    let config = load(EXAMPLE);
    assert_eq!(config.settings, Settings::default());
    assert_eq!(config.notes, Vec::<String>::new());
}

#[test]
fn the_example_file_has_every_key_that_has_a_default() {
    let config = load(EXAMPLE);
    let applied = Applied { instance: None, locks: Vec::new() };
    let shown = show(&config, &applied, ShownKeys::All, Format::Json);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let defaults: Vec<&str> = shown["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|value| value["origin"] == "default")
        .map(|value| value["key"].as_str().unwrap())
        .collect();
    assert_eq!(defaults, ["instance", "match", "rules"]);
}

#[test]
fn the_commented_examples_in_the_example_file_are_valid() {
    let config = load(&uncommented());
    assert_eq!(config.settings.matches.len(), 1);
    assert_eq!(config.settings.rules.len(), 4);
    assert_eq!(config.settings.instance.unwrap().as_str(), "my-bot");
}

#[test]
fn the_example_file_is_valid_against_the_schema() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in [EXAMPLE.to_owned(), uncommented()] {
        let errors: Vec<String> =
            validator.iter_errors(&as_json(&text)).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn every_valid_sample_is_valid_against_the_schema() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/logic/samples/valid");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let errors: Vec<String> = validator
            .iter_errors(&as_json(&fs::read_to_string(&path).unwrap()))
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn the_schema_refuses_unknown_keys_on_every_level() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in [
        "on_conflcit = 'force'",
        "[timeouts]\ngracefull = '1s'",
        "[[match]]\nnam = 'x'",
        "[[match]]\nuser = 'any'",
        "[profile.ci]\non_conflcit = 'force'",
        "[profile.ci.profile.x]",
        "[[rules]]\nname = 'no action'",
        "on_conflict = 'kill'",
    ] {
        assert!(!validator.is_valid(&as_json(text)), "{text}");
    }
}

#[test]
fn every_key_of_the_schema_occurs_in_the_example_file() {
    let mut keys = Vec::new();
    keys_of(&serde_json::from_str(&schema()).unwrap(), &mut keys);
    assert!(keys.len() > 40, "{keys:?}");
    let written = uncommented();
    for key in keys {
        let occurs = written.lines().filter(|line| !line.starts_with("# ")).any(|line| {
            let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            words.any(|word| word == key)
        });
        assert!(occurs, "`{key}` is missing in config.example.toml");
    }
}
