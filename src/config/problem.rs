//! What is wrong with a configuration: where, what and the way out; all of it at once.

use std::fmt;

use super::place::Place;
use crate::error::{Error, ExitStatus};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// The key that it is about, such as `timeouts.graceful` or `profile.ci.rules[0].action`.
    pub key: Option<String>,
    /// What was found; secrets are masked.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with a whole place rather than with one key.
    pub(crate) fn at(place: Place, fault: Fault) -> Problem {
        Problem { place, key: None, message: fault.message, help: fault.help }
    }

    /// A problem with the value of `key`.
    pub(crate) fn with(place: Place, key: impl Into<String>, fault: Fault) -> Problem {
        Problem { key: Some(key.into()), ..Problem::at(place, fault) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = self.key.as_ref().filter(|key| !self.place.names(key)) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n    help: {help}"))
    }
}

/// What is wrong with a value, whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What was found.
    pub(crate) message: String,
    /// The way out.
    pub(crate) help: Option<String>,
}

impl Fault {
    /// A fault with no way out yet.
    pub(crate) fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: None }
    }

    /// The same with the way out.
    pub(crate) fn help(self, help: impl Into<String>) -> Fault {
        Fault { help: Some(help.into()), ..self }
    }
}

/// Everything that is wrong with a configuration, in the order of the places; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Sorted as a reader goes through the sources.
    pub(crate) fn sorted(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| problem.place.rank());
        Problems(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Every problem, then one line that says how many there are: the last line is the summary, as it is with every other error.
impl From<Problems> for Error {
    fn from(problems: Problems) -> Error {
        let count = match problems.0.len() {
            1 => "the configuration is wrong".to_owned(),
            n => format!("the configuration is wrong in {n} places"),
        };
        Error::new(ExitStatus::Config, format!("{problems}\n{count}"))
    }
}
