//! What is wrong with a configuration: where, what and the way out; all of it at once.

use std::{fmt, ops::Range};

use crate::{
    config::location::Location,
    error::{Error, ExitStatus},
    text::{Diagnostic, Paint},
};

/// More problems than this are told in a line each: nobody reads as many drawings.
const MOST_DRAWN: usize = 40;

/// And more than this are only counted; `config check --json` has them all.
const MOST_TOLD: usize = 1000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub place: Location,
    /// The key that it is about, such as `timeouts.graceful` or `profile.ci.rules[0].action`.
    pub key: Option<String>,
    /// What was found; secrets are masked.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with a whole place rather than with one key.
    pub(crate) fn at(place: Location, fault: Fault) -> Problem {
        Problem { place, key: None, message: fault.message, help: fault.help }
    }

    /// A problem with the value of `key`.
    pub(crate) fn with(place: Location, key: impl Into<String>, fault: Fault) -> Problem {
        Problem { key: Some(key.into()), ..Problem::at(place, fault) }
    }

    /// Where and what, in one line.
    #[must_use]
    pub fn title(&self) -> String {
        match self.key.as_ref().filter(|key| !self.place.names(key)) {
            Some(key) => format!("{}: {key}: {}", self.place, self.message),
            None => format!("{}: {}", self.place, self.message),
        }
    }

    /// With the line that it is in, the place underlined, and the way out.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let excerpt = self.place.excerpt();
        Diagnostic {
            title: &self.title(),
            line_number: self.place.position().map(|position| position.line),
            excerpt: excerpt.as_ref(),
            help: self.help.as_deref(),
        }
        .render(paint)
    }
}

/// What is wrong with a value, whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What was found.
    pub(crate) message: String,
    /// Which part of the value it is about.
    pub(crate) about: FaultScope,
    /// The way out.
    pub(crate) help: Option<String>,
}

/// Which part of a value a fault is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultScope {
    /// All of it.
    All,
    /// These bytes of a text.
    Part(Range<usize>),
    /// This item of a list.
    Item(usize),
}

impl Fault {
    /// A fault with no way out yet.
    pub(crate) fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), about: FaultScope::All, help: None }
    }

    /// The same about this item of the list.
    pub(crate) fn item(self, index: usize) -> Fault {
        Fault { about: FaultScope::Item(index), ..self }
    }

    /// The same about this part of the text.
    pub(crate) fn part(self, part: Range<usize>) -> Fault {
        Fault { about: FaultScope::Part(part), ..self }
    }

    /// The same about the first such character in `text`.
    pub(crate) fn part_of(self, text: &str, c: char) -> Fault {
        match text.find(c) {
            Some(at) => self.part(at..at + c.len_utf8()),
            None => self,
        }
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
    #[must_use]
    pub fn sorted(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| problem.place.rank());
        Problems(problems)
    }

    /// All of them, each with its line; a blank line stands between two.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let mut parts: Vec<String> =
            self.0.iter().take(MOST_DRAWN).map(|problem| problem.render(paint)).collect();
        let mut told: Vec<String> =
            self.0.iter().skip(MOST_DRAWN).take(MOST_TOLD).map(Problem::title).collect();
        if let Some(more) =
            self.0.len().checked_sub(MOST_DRAWN + MOST_TOLD).filter(|more| *more > 0)
        {
            told.push(format!("and {more} more, which `monopoll config check --json` lists"));
        }
        if !told.is_empty() {
            parts.push(told.join("\n"));
        }
        parts.join("\n\n")
    }

    /// Every problem, then one line that says how many there are: the last line is the summary, as
    /// it is with every other error.
    #[must_use]
    pub fn into_error(self, paint: Paint) -> Error {
        let count = match self.0.len() {
            1 => "the configuration is wrong".to_owned(),
            n => format!("the configuration is wrong in {n} places"),
        };
        Error::new(ExitStatus::Config, format!("{}\n\n{count}", self.render(paint)))
            .with_source(self)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Error {
        problems.into_error(Paint::Plain)
    }
}
