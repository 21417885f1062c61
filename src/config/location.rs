use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::config::source_text::{Position, SourceName, SourceText};
use crate::text::{Excerpt, excerpt, short_name};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    source: Arc<SourceText>,
    /// The part of the source, in bytes; `None` for the whole source.
    span: Option<Range<usize>>,
    pub(super) profile: Option<Arc<str>>,
}

impl Location {
    pub(crate) fn part_of(source: &Arc<SourceText>, span: Range<usize>) -> Location {
        Location { source: Arc::clone(source), span: Some(span), profile: None }
    }

    pub(crate) fn file(path: &Path) -> Location {
        let source = SourceText::new(SourceName::File(path.to_owned()), String::new());
        Location { source: Arc::new(source), span: None, profile: None }
    }

    pub(crate) fn variable(name: &str, value: &str) -> Location {
        let (source, value) = SourceText::variable(name, value);
        Location::part_of(&Arc::new(source), value)
    }

    pub fn flag(flag: &'static str, value: &str) -> Location {
        let text = format!("{flag} {value}");
        let value = flag.len() + 1..text.len();
        Location::part_of(&Arc::new(SourceText::new(SourceName::Flag(flag), text)), value)
    }

    pub(crate) fn source(&self) -> &SourceName {
        &self.source.name
    }

    pub fn position(&self) -> Option<Position> {
        let SourceName::File(_) = self.source() else { return None };
        self.span.as_ref().map(|span| self.source.position(span))
    }

    pub(crate) fn excerpt(&self) -> Option<Excerpt> {
        self.span.as_ref().map(|span| excerpt(&self.source.text, span, self.source.secrets()))
    }

    /// Returns the location of a part of the string that was written here. If it was written with
    /// escapes, returns the location of the whole string.
    pub(crate) fn within(&self, text: &str, part: &Range<usize>) -> Location {
        let Some(span) = self.span.clone() else { return self.clone() };
        let written = self.source.text.get(span.clone()).unwrap_or_default();
        let inner = written.trim_start_matches(['"', '\'']);
        if !inner.starts_with(text) {
            return self.clone();
        }
        let start = span.start + written.len() - inner.len();
        Location { span: Some(start + part.start..start + part.end), ..self.clone() }
    }

    /// Returns the sort key: files by line, then variables, then flags in order.
    pub(crate) fn rank(&self) -> (u8, Option<usize>) {
        let kind = match self.source() {
            SourceName::File(_) => return (0, self.span.as_ref().map(|span| span.start)),
            SourceName::Variable(_) => 1,
            SourceName::Set(_) => 2,
            SourceName::Flag(_) => 3,
        };
        (kind, None)
    }

    /// Returns whether the name of the source already shows the key.
    pub(crate) fn names(&self, key: &str) -> bool {
        match self.source() {
            SourceName::Set(written) => short_name(written) == key,
            SourceName::Flag(flag) => flag.trim_start_matches('-').replace('-', "_") == key,
            SourceName::File(_) | SourceName::Variable(_) => false,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source().fmt(f)?;
        match self.position() {
            Some(Position { line, column, .. }) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    Written(Location),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin::Written(location) = self else { return f.write_str("default") };
        if let SourceName::Set(_) = location.source() {
            f.write_str("--set")?;
        } else {
            location.source().fmt(f)?;
        }
        if let Some(Position { line, .. }) = location.position() {
            write!(f, ":{line}")?;
        }
        match &location.profile {
            Some(name) => write!(f, " [profile.{}]", short_name(name)),
            None => Ok(()),
        }
    }
}
