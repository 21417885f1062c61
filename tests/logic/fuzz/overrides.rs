//! Variables, `--set` and other flags load, or give problems. A variable and `--set` mean the same.

use monopoll::internals::config::{Config, Sources};

use super::configuration::answers;

/// Takes lines: `--set KEY=VALUE`, `--instance NAME`, `--profile NAME` or `VARIABLE=VALUE`.
pub(crate) fn check(lines: &[u8]) {
    let text = String::from_utf8_lossy(lines).replace('\0', "");
    let none = || Sources { cwd: "/nonexistent".into(), ..Sources::default() };
    let mut sources = none();
    for line in text.lines() {
        if let Some(set) = line.strip_prefix("--set ") {
            sources.set.push(set.to_owned());
        } else if let Some(name) = line.strip_prefix("--instance ") {
            sources.instance = Some(name.to_owned());
        } else if let Some(name) = line.strip_prefix("--profile ") {
            sources.profile = Some(name.to_owned());
        } else if let Some((name, value)) = line.split_once('=') {
            sources.env.push((name.into(), value.into()));
            is_the_same_as_a_flag(name, value, none());
        }
    }
    answers(&sources, "");
}

fn is_the_same_as_a_flag(name: &str, value: &str, none: Sources) {
    let is_name = |key: &&str| key.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let key = name.strip_prefix("MONOPOLL_").filter(is_name);
    let Some(key) = key.map(|key| key.to_lowercase().replace("__", ".")) else { return };
    // These do not set a key. An empty value means that a variable is not set.
    if ["config", "profile", "log", "held", "fence"].contains(&key.as_str()) || value.is_empty() {
        return;
    }
    let env = vec![(name.into(), value.into())];
    let by_variable = Config::load(&Sources { env, ..none.clone() });
    let by_flag = Config::load(&none.set(&key, value));
    match (by_variable, by_flag) {
        (Ok(by_variable), Ok(by_flag)) => {
            let settings = |config: &Config| serde_json::to_value(&config.settings).unwrap();
            assert_eq!(settings(&by_variable), settings(&by_flag), "{name}={value}");
        }
        // A variable of another program is ignored, with a note.
        (Ok(by_variable), Err(_)) => assert!(!by_variable.notes.is_empty(), "{name}={value}"),
        (Err(problems), Ok(_)) => panic!("only {name}={value} is a problem: {problems}"),
        (Err(_), Err(_)) => {}
    }
}
