//! The problems of a configuration, with locations and hints, all reported together.

use std::fmt;
use std::io;
use std::ops::Range;

use crate::config::location::Location;
use crate::config::source_text::SourceName;
use crate::error::{Error, ExitStatus, TRY_AGAIN, may_pass};
use crate::text::{Diagnostic, Paint, quote};

/// The number of problems that are shown with their line.
const MAX_DRAWN: usize = 40;

/// The number of further problems that are listed; the rest are only counted. `config check --json`
/// has all.
const MAX_LISTED: usize = 1000;

/// Something wrong in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place of the mistake.
    pub location: Location,
    /// The key, such as `timeouts.graceful` or `profile.ci.rules[0].action`.
    pub key: Option<String>,
    /// The message, with secrets masked.
    pub message: String,
    /// A hint about how to fix it.
    pub help: Option<String>,
    /// A file could not be read for a reason that may pass.
    pub may_pass: bool,
}

impl Problem {
    pub(crate) fn at(location: Location, fault: Fault) -> Problem {
        let help = match location.source() {
            SourceName::File(_) => fault.help,
            source @ (SourceName::Variable(_) | SourceName::Set(_) | SourceName::Flag(_)) => {
                match fault.assignment {
                    Some(assignment) => Some(assignment.hint(source)),
                    None => fault.help.map(|help| without_quotes(&help)),
                }
            }
        };
        let (message, may_pass) = (fault.message, fault.may_pass);
        Problem { location, key: None, message, help, may_pass }
    }

    pub(crate) fn with(location: Location, key: impl Into<String>, fault: Fault) -> Problem {
        Problem { key: Some(key.into()), ..Problem::at(location, fault) }
    }

    pub(crate) fn title(&self) -> String {
        match self.key.as_ref().filter(|key| !self.location.names(key)) {
            Some(key) => format!("{}: {key}: {}", self.location, self.message),
            None => format!("{}: {}", self.location, self.message),
        }
    }

    fn render(&self, paint: Paint) -> String {
        let excerpt = self.location.excerpt();
        Diagnostic {
            title: &self.title(),
            line_number: self.location.position().map(|position| position.line),
            excerpt: excerpt.as_ref(),
            help: self.help.as_deref(),
        }
        .render(paint)
    }
}

/// Adapts a hint to a variable or flag, in which strings are not quoted. Lists and tables are TOML
/// there too.
fn without_quotes(help: &str) -> String {
    let help = help.replace(" in quotes", "").replace(", without quotes", "");
    if help.contains(['[', '=']) { help } else { help.replace('"', "`") }
}

/// A mistake in a value, without its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) scope: FaultScope,
    pub(crate) help: Option<String>,
    pub(crate) may_pass: bool,
    /// Replaces the hint for a variable or flag, where the syntax of a file does not apply.
    pub(crate) assignment: Option<Box<Assignment>>,
}

/// A valid key and TOML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    key: String,
    value: String,
}

impl Assignment {
    fn hint(&self, source: &SourceName) -> String {
        let Assignment { key, value } = self;
        match source {
            SourceName::Variable(_) => {
                let name = key.to_uppercase().replace('.', "__");
                format!("write `MONOPOLL_{name}='{value}'`")
            }
            SourceName::File(_) | SourceName::Set(_) | SourceName::Flag(_) => {
                format!("write `--set '{key}={value}'`")
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultScope {
    All,
    Part(Range<usize>),
    Item(usize),
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Fault {
        Fault {
            message: message.into(),
            scope: FaultScope::All,
            help: None,
            may_pass: false,
            assignment: None,
        }
    }

    /// Creates a fault about a string, which is quoted before `what`.
    pub(crate) fn of(text: &str, what: impl fmt::Display) -> Fault {
        Fault::new(format!("{} {what}", quote(text)))
    }

    pub(crate) fn item(self, index: usize) -> Fault {
        Fault { scope: FaultScope::Item(index), ..self }
    }

    pub(crate) fn part(self, part: Range<usize>) -> Fault {
        Fault { scope: FaultScope::Part(part), ..self }
    }

    /// Narrows the fault to the first `c` in `text`.
    pub(crate) fn part_of(self, text: &str, c: char) -> Fault {
        match text.find(c) {
            Some(at) => self.part(at..at + c.len_utf8()),
            None => self,
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Fault {
        Fault { help: Some(help.into()), ..self }
    }

    /// Replaces the hint if the failure to read a file may pass.
    pub(crate) fn due_to(self, error: &io::Error) -> Fault {
        if may_pass(error) {
            Fault { help: Some(TRY_AGAIN.to_owned()), may_pass: true, ..self }
        } else {
            self
        }
    }

    /// Adds the assignment to suggest if a variable or flag is wrong.
    pub(crate) fn assignment(self, key: &str, value: &str) -> Fault {
        Fault {
            assignment: Some(Box::new(Assignment { key: key.to_owned(), value: value.to_owned() })),
            ..self
        }
    }
}

/// All problems of a configuration, sorted by location. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns the problems. Not part of the public API.
    #[doc(hidden)]
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    /// Sorts problems by location: files by line, then variables, then flags. Not part of the
    /// public API.
    #[doc(hidden)]
    #[must_use]
    pub fn sorted(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| problem.location.rank());
        Problems(problems)
    }

    /// Converts the problems into an error that ends with their number. If all of them may pass,
    /// its status is "try again later".
    pub(crate) fn into_error(self, paint: Paint) -> Error {
        if self.0.iter().all(|problem| problem.may_pass) {
            let message = format!("{}\n\nthe configuration cannot be read", render(&self, paint));
            return Error::new(ExitStatus::Refused, message).with_hint(TRY_AGAIN).with_source(self);
        }
        let count = match self.0.len() {
            1 => "the configuration is wrong".to_owned(),
            n => format!("the configuration is wrong in {n} places"),
        };
        Error::new(ExitStatus::Config, format!("{}\n\n{count}", render(&self, paint)))
            .with_source(self)
    }
}

/// Renders the problems with their lines.
#[must_use]
pub fn render(Problems(problems): &Problems, paint: Paint) -> String {
    let drawn = problems.iter().take(MAX_DRAWN).map(|problem| problem.render(paint));
    let mut parts: Vec<String> = drawn.collect();
    let listed = problems.iter().skip(MAX_DRAWN).take(MAX_LISTED).map(Problem::title);
    let mut lines: Vec<String> = listed.collect();
    if let Some(more @ 1..) = problems.len().checked_sub(MAX_DRAWN + MAX_LISTED) {
        lines.push(format!("and {more} more; `monopoll config check --json` lists them all"));
    }
    if !lines.is_empty() {
        parts.push(lines.join("\n"));
    }
    parts.join("\n\n")
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self, Paint::Plain))
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Error {
        problems.into_error(Paint::Plain)
    }
}
