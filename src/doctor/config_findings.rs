//! The configuration: its file and its problems.

use crate::config::{Config, Problems};
use crate::doctor::Finding;
use crate::text::printable;

const NAME: &str = "configuration";

pub fn config_findings(outcome: &Result<Config, Problems>) -> Vec<Finding> {
    match outcome {
        Ok(config) => std::iter::once(loaded_finding(config))
            .chain(config.notes.iter().map(|note| note_finding(note)))
            .collect(),
        Err(problems) => {
            problems.list().iter().map(problem_finding).chain([defaults_finding()]).collect()
        }
    }
}

fn loaded_finding(config: &Config) -> Finding {
    let profile = config
        .profile
        .as_ref()
        .map_or_else(String::new, |name| format!(", profile {}", printable(name)));
    Finding::ok(
        NAME,
        match &config.file {
            Some(file) => format!("{}{profile}", printable(&file.to_string_lossy())),
            None => format!("no file, every key has its default{profile}"),
        },
    )
}

/// Splits a note into text and hint; the hint follows the last `; `.
fn note_finding(note: &str) -> Finding {
    let (what, hint) = note
        .rsplit_once("; ")
        .unwrap_or((note, "`monopoll config show` lists the origin of each value"));
    Finding::warning(NAME, what, hint)
}

fn problem_finding(problem: &crate::config::Problem) -> Finding {
    let key = problem
        .key
        .as_ref()
        .filter(|key| !problem.location.names(key))
        .map_or_else(String::new, |key| format!("{key}: "));
    let what = format!("{}: {key}{}", problem.location, problem.message);
    Finding::problem(
        NAME,
        what,
        problem.help.as_deref().unwrap_or("fix it there; `config.example.toml` lists every key"),
    )
}

fn defaults_finding() -> Finding {
    let what = "the configuration cannot be used: everything else is checked with the defaults, \
                and Telegram is not asked";
    Finding::warning(NAME, what, "fix it, then run `monopoll doctor` again")
}
