//! The command, the instance's name, and the process that runs it.

use crate::doctor::Finding;
use crate::engine::instance::{Instance, NameSource};
use crate::error::Error;
use crate::text::printable;

pub fn command_finding(found: Option<&Result<String, Error>>) -> Option<Finding> {
    Some(match found? {
        Ok(path) => Finding::ok("command", printable(path)),
        Err(error) => Finding::of_error("command", error),
    })
}

pub fn instance_finding(name: Result<(&Instance, NameSource), &Error>) -> Finding {
    match name {
        Ok((instance, source)) => {
            let source = match source {
                NameSource::Given => "from the configuration",
                NameSource::Token => "from the token",
                NameSource::Command => "from the command, its arguments and this folder",
            };
            Finding::ok("instance", format!("{instance}, {source}"))
        }
        Err(error) => Finding::warning(
            "instance",
            error.message(),
            error.hint().unwrap_or("give `--instance ID`"),
        ),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunningState {
    NotRunning,
    /// A guard, with its pid and command.
    Guard(u32, String),
    /// A guard in a PID namespace below this one, with its command.
    Below(String),
    /// A guard known only from its record, with its command.
    Elsewhere(String),
    /// Processes that are not guards.
    Strangers(Vec<u32>),
    /// Cannot be known without taking the lock.
    Unknown,
}

/// Describes what the guard that holds the lock has reported.
pub fn alert_finding(why: &str) -> Finding {
    Finding::warning(
        "alert",
        format!("the guard has reported: {}", printable(why)),
        "`monopoll status --history` shows when, and `monopoll plan` what runs now",
    )
}

pub fn running_finding(state: &RunningState) -> Finding {
    const NAME: &str = "running";
    match state {
        RunningState::NotRunning => Finding::ok(NAME, "no process holds the lock"),
        RunningState::Guard(pid, command) => Finding::ok(
            NAME,
            format!("the guard of `{}` (pid {pid}) holds the lock", printable(command)),
        ),
        RunningState::Below(command) => Finding::ok(
            NAME,
            format!(
                "the guard of `{}` in a PID namespace below this one holds the lock",
                printable(command)
            ),
        ),
        RunningState::Elsewhere(command) => {
            let what = format!(
                "the record names the guard of `{}` in another PID namespace",
                printable(command)
            );
            Finding::ok(NAME, format!("{what}; whether it still runs cannot be seen from here"))
        }
        RunningState::Strangers(pids) => {
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            let what =
                format!("a process that is not a guard holds the lock: pid {}", pids.join(", "));
            Finding::warning(NAME, what, "`monopoll plan` shows what a start would do about it")
        }
        RunningState::Unknown => Finding::ok(
            NAME,
            "the holder of the lock cannot be seen without taking the lock; see `monopoll plan`",
        ),
    }
}
