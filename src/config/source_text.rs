//! The text of a source (a file, a variable or a flag), from which any part can be shown.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::text::{config_secret_spans, line_range, short_name, short_path};

pub(crate) struct SourceText {
    pub(crate) name: SourceName,
    /// The text. For a variable or flag, it includes the name, as typed.
    pub(crate) text: String,
    lines: OnceLock<Lines>,
    secrets: OnceLock<Vec<Range<usize>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceName {
    File(PathBuf),
    Variable(String),
    /// A `--set` with this key, which is empty if it cannot be parsed.
    Set(String),
    Flag(&'static str),
}

/// A range of columns in a line, both counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
    /// The column after the last one, in the same line.
    pub end_column: usize,
}

impl SourceText {
    pub(crate) fn new(name: SourceName, text: String) -> SourceText {
        SourceText { name, text, lines: OnceLock::new(), secrets: OnceLock::new() }
    }

    /// Returns `NAME=value`, as env(1) prints it, and the span of the value.
    pub(crate) fn variable(name: &str, value: &str) -> (SourceText, Range<usize>) {
        let text = format!("{name}={value}");
        let value = name.len() + 1..text.len();
        (SourceText::new(SourceName::Variable(name.to_owned()), text), value)
    }

    pub(crate) fn secrets(&self) -> &[Range<usize>] {
        self.secrets.get_or_init(|| config_secret_spans(&self.text))
    }

    pub(crate) fn position(&self, span: &Range<usize>) -> Position {
        self.lines.get_or_init(|| Lines::of(&self.text)).position(span)
    }
}

/// Omits the text, which may contain secrets.
impl fmt::Debug for SourceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceText").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for SourceText {
    fn eq(&self, other: &SourceText) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for SourceText {}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceName::File(path) => f.write_str(&short_path(path)),
            SourceName::Variable(name) => write!(f, "${}", short_name(name)),
            SourceName::Set(key) if key.is_empty() => f.write_str("--set"),
            SourceName::Set(key) => write!(f, "--set {}=…", short_name(key)),
            SourceName::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The lines of a text and the positions of its UTF-8 continuation bytes, to find positions quickly
/// even in long lines.
struct Lines {
    lines: Vec<Range<usize>>,
    continuations: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let mut lines = vec![line_range(text, 0)];
        lines.extend(text.match_indices('\n').map(|(at, _)| line_range(text, at + 1)));
        let continuations = (0..text.len()).filter(|at| !text.is_char_boundary(*at)).collect();
        Lines { lines, continuations }
    }

    fn position(&self, span: &Range<usize>) -> Position {
        let line = self.lines.partition_point(|line| line.start <= span.start).max(1);
        let within = self.lines.get(line - 1).cloned().unwrap_or(0..0);
        // A position on a line break is reported as the end of the line, where something is
        // missing.
        let column = |at: usize| {
            let at = at.clamp(within.start, within.end);
            at - within.start - (self.continued_before(at) - self.continued_before(within.start))
                + 1
        };
        Position { line, column: column(span.start), end_column: column(span.end.max(span.start)) }
    }

    fn continued_before(&self, limit: usize) -> usize {
        self.continuations.partition_point(|at| *at < limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        let source = SourceText::new(SourceName::Flag("--x"), "ab\né=1\r\n".to_owned());
        for (span, expected) in [
            (0..1, (1, 1, 2)),
            (1..2, (1, 2, 3)),
            (3..5, (2, 1, 2)),
            (5..6, (2, 2, 3)),
            (6..99, (2, 3, 4)),
            (7..8, (2, 4, 4)),
            (9..9, (3, 1, 1)),
        ] {
            let Position { line, column, end_column } = source.position(&span);
            assert_eq!((line, column, end_column), expected, "at {span:?}");
        }
    }

    #[test]
    fn a_source_does_not_show_its_text() {
        let source = SourceText::new(SourceName::Flag("--x"), "--x secret".to_owned());
        assert!(!format!("{source:?}").contains("secret"));
    }
}
