//! Where a value was written.

use std::{fmt, ops::Range, path::Path, sync::Arc};

use crate::{
    config::source::{Position, Source, SourceName},
    text::{Excerpt, excerpt, sanitize},
};

/// Where something was written, as exactly as can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    source: Arc<Source>,
    /// Which part of the source, in bytes; `None` where it is all of it.
    span: Option<Range<usize>>,
    /// The profile that it is part of.
    profile: Option<Arc<str>>,
}

impl Location {
    /// A part of a source.
    pub(crate) fn part_of(source: &Arc<Source>, span: Range<usize>) -> Location {
        Location { source: Arc::clone(source), span: Some(span), profile: None }
    }

    /// A file that cannot be read.
    pub(crate) fn file(path: &Path) -> Location {
        Location {
            source: Arc::new(Source::new(SourceName::File(path.to_owned()), String::new())),
            span: None,
            profile: None,
        }
    }

    /// The value of a variable.
    pub(crate) fn variable(name: &str, value: &str) -> Location {
        let (source, value) = Source::variable(name, value);
        Location::part_of(&Arc::new(source), value)
    }

    /// The value of a flag.
    #[must_use]
    pub fn flag(flag: &'static str, value: &str) -> Location {
        let text = format!("{flag} {value}");
        let value = flag.len() + 1..text.len();
        Location::part_of(&Arc::new(Source::new(SourceName::Flag(flag), text)), value)
    }

    /// What was written there, and what it is called.
    #[must_use]
    pub fn source(&self) -> &SourceName {
        self.source.name()
    }

    /// Line and columns, where it is a part of a file.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self.source() {
            SourceName::File(_) => self.span.as_ref().map(|span| self.source.position(span)),
            SourceName::Variable(_) | SourceName::Set(_) | SourceName::Flag(_) => None,
        }
    }

    /// The line that it is in, fit to be shown.
    #[must_use]
    pub fn excerpt(&self) -> Option<Excerpt> {
        self.span.as_ref().map(|span| excerpt(self.source.text(), span, self.source.hidden()))
    }

    /// The place of a part of the text that was written here; the place itself where that was
    /// written in another way, such as with escapes.
    pub(crate) fn within(&self, text: &str, part: &Range<usize>) -> Location {
        let written = self
            .span
            .as_ref()
            .and_then(|span| Some((span.start, self.source.text().get(span.clone())?)));
        let Some((start, written)) = written else { return self.clone() };
        // The quotes, if there are any.
        let inner = written.trim_start_matches(['"', '\'']);
        if !inner.starts_with(text) {
            return self.clone();
        }
        let start = start + written.len() - inner.len();
        Location { span: Some(start + part.start..start + part.end), ..self.clone() }
    }

    /// For sorting: files by line, then variables, then flags in the order in which they were
    /// given.
    pub(crate) fn rank(&self) -> (u8, Option<usize>) {
        let kind = match self.source() {
            SourceName::File(_) => return (0, self.span.as_ref().map(|span| span.start)),
            SourceName::Variable(_) => 1,
            SourceName::Set(_) => 2,
            SourceName::Flag(_) => 3,
        };
        (kind, None)
    }

    /// Whether the place itself says which key it is about.
    pub(crate) fn names(&self, key: &str) -> bool {
        match self.source() {
            SourceName::Set(written) => written == key,
            SourceName::Flag(flag) => flag.trim_start_matches('-').replace('-', "_") == key,
            SourceName::File(_) | SourceName::Variable(_) => false,
        }
    }

    /// The same place, known to be part of a profile.
    pub(crate) fn in_profile(self, name: &Arc<str>) -> Location {
        Location { profile: Some(Arc::clone(name)), ..self }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source().fmt(f)?;
        self.position()
            .map_or(Ok(()), |Position { line, column, .. }| write!(f, ":{line}:{column}"))
    }
}

/// The layer and the place that an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// It was written here.
    Written(Location),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self {
            Origin::Default => return f.write_str("default"),
            Origin::Written(place) => place,
        };
        match place.source() {
            SourceName::Set(_) => f.write_str("--set")?,
            name @ (SourceName::File(_) | SourceName::Variable(_) | SourceName::Flag(_)) => {
                name.fmt(f)?;
            }
        }
        if let Some(Position { line, .. }) = place.position() {
            write!(f, ":{line}")?;
        }
        place.profile.as_ref().map_or(Ok(()), |name| write!(f, " [profile.{}]", sanitize(name)))
    }
}
