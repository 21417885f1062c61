//! The bot: its command, its token, its instance, and who runs it already.

use crate::{
    doctor::Finding,
    engine::{
        action::SameToken,
        instance::{BotId, Instance},
    },
    error::Error,
    text::printable,
};

/// COMMAND, if one was given: where it was found.
#[must_use]
pub fn command(found: Option<&Result<String, Error>>) -> Option<Finding> {
    Some(match found? {
        Ok(path) => Finding::ok("command", printable(path)),
        Err(error) => Finding::of_error("command", error),
    })
}

/// Where a token was looked for, and which one was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSearch {
    /// The bot's id.
    pub found: Option<BotId>,
    /// The variables.
    pub variables: Vec<String>,
    /// The file.
    pub file: String,
    /// Where none was found: the variables that have something else, as they are shown.
    pub misfits: Vec<String>,
    /// What is done about a process that has it too.
    pub same_token: SameToken,
}

/// The bot's token: its id and nothing else of it.
#[must_use]
pub fn token(search: &TokenSearch) -> Finding {
    match (search.found, search.same_token) {
        (Some(id), _) => Finding::ok("token", format!("the one of bot {id} is known")),
        (None, _) if !search.misfits.is_empty() => Finding::warning(
            "token",
            format!(
                "none is known: {} has something that is no bot token (a number, a colon and a secret)",
                search.misfits.join(" and ")
            ),
            "set it to what @BotFather gave, or name the bot's own variable in `token_env`",
        ),
        (None, SameToken::Off) => {
            Finding::ok("token", "none is known, and `same_token` is off: nobody looks for it")
        }
        (None, SameToken::Refuse | SameToken::Act | SameToken::Warn) => {
            let variables: Vec<String> =
                search.variables.iter().map(|name| format!("${}", printable(name))).collect();
            Finding::warning(
                "token",
                format!(
                    "none is known, neither by {} nor by {}: whoever polls with it under another command is not found",
                    variables.join(", "),
                    printable(&search.file)
                ),
                "set one of these, name the bot's own in `token_env` or `env_file`, or say `same_token = \"off\"`",
            )
        }
    }
}

/// How an instance got its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameSource {
    /// It was configured.
    ByConfiguration,
    /// After the bot.
    ByToken,
    /// After the command, its arguments and its folder.
    ByCommand,
}

/// The instance.
#[must_use]
pub fn instance(name: Result<(&Instance, NameSource), &Error>) -> Finding {
    match name {
        Ok((instance, by)) => {
            let by = match by {
                NameSource::ByConfiguration => "by the configuration",
                NameSource::ByToken => "by the token",
                NameSource::ByCommand => "by the command, its arguments and this folder",
            };
            Finding::ok("instance", format!("{instance}, {by}"))
        }
        Err(error) => Finding::warning(
            "instance",
            error.message(),
            error.hint().unwrap_or("give `--instance ID`"),
        ),
    }
}

/// Who has the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunningState {
    /// Nobody.
    Nobody,
    /// A guard, and what it runs.
    Guard(u32, String),
    /// A guard in a PID namespace below this one, and what it runs.
    Below(String),
    /// A guard that only its record tells of.
    Elsewhere(String),
    /// Processes that are no guards.
    Strangers(Vec<u32>),
    /// It cannot be told without taking the lock.
    Unknown,
}

/// The running instance.
#[must_use]
pub fn running(who: &RunningState) -> Finding {
    const NAME: &str = "running";
    match who {
        RunningState::Nobody => Finding::ok(NAME, "nobody has the lock"),
        RunningState::Guard(pid, command) => Finding::ok(
            NAME,
            format!("the guard with pid {pid} has the lock, and runs `{}`", printable(command)),
        ),
        RunningState::Below(command) => Finding::ok(
            NAME,
            format!(
                "a guard in a PID namespace below has the lock, and runs `{}`",
                printable(command)
            ),
        ),
        RunningState::Elsewhere(command) => {
            let what = format!(
                "by its record, a guard in another PID namespace runs `{}`",
                printable(command)
            );
            Finding::ok(NAME, format!("{what}; whether it still does cannot be seen from here"))
        }
        RunningState::Strangers(pids) => {
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            let what = format!("the lock is held by what is no guard: pid {}", pids.join(", "));
            Finding::warning(NAME, what, "`monopoll plan` says what a start would do about it")
        }
        RunningState::Unknown => Finding::ok(
            NAME,
            "who has the lock cannot be seen here without taking it; `monopoll plan` takes a look",
        ),
    }
}
