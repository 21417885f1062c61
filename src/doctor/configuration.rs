//! The configuration: which one it is, and everything that is wrong or odd about it.

use crate::{
    config::{Config, Problems},
    doctor::Finding,
    text::printable,
};

const NAME: &str = "configuration";

/// What is to be said of an outcome of [`Config::load`].
#[must_use]
pub fn configuration(outcome: &Result<Config, Problems>) -> Vec<Finding> {
    match outcome {
        Ok(config) => std::iter::once(effective(config))
            .chain(config.notes.iter().map(|note| note_on(note)))
            .collect(),
        Err(problems) => problems.0.iter().map(problem).chain([on_defaults()]).collect(),
    }
}

fn effective(config: &Config) -> Finding {
    let profile = config
        .profile
        .as_ref()
        .map_or_else(String::new, |name| format!(", profile {}", printable(name)));
    Finding::ok(
        NAME,
        match &config.file {
            Some(file) => format!("{}{profile}", printable(&file.to_string_lossy())),
            None => format!("there is no file: every key has its default{profile}"),
        },
    )
}

/// A note is what was found, and behind its last `; ` the way out, as it is with everything that
/// monopoll says.
fn note_on(note: &str) -> Finding {
    let (what, way_out) = note
        .rsplit_once("; ")
        .unwrap_or((note, "`monopoll config show` says where each value comes from"));
    Finding::warning(NAME, what, way_out)
}

fn problem(problem: &crate::config::Problem) -> Finding {
    let key = problem
        .key
        .as_ref()
        .filter(|key| !problem.location.names(key))
        .map_or_else(String::new, |key| format!("{key}: "));
    let what = format!("{}: {key}{}", problem.location, problem.message);
    Finding::problem(
        NAME,
        what,
        problem.help.as_deref().unwrap_or("correct it there; `config.example.toml` has every key"),
    )
}

fn on_defaults() -> Finding {
    let what = "what follows is said of the defaults, as the configuration cannot be used";
    Finding::warning(NAME, what, "correct it, and ask again")
}
