//! Reads TOML into a tree that knows where each value stands, and says what is not TOML in words of its own.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    node::{Node, Table, Value},
    place::Place,
    problem::{Fault, Problem},
    wording::{clean, quote},
};

/// Reads a whole file's text.
///
/// # Errors
/// Everything that is not TOML about it.
pub(crate) fn parse_file(text: &str, path: &Path) -> Result<Table, Vec<Problem>> {
    // An editor on Windows may leave a byte order mark; it is not part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let reader = Reader::File { path: path.to_owned(), lines: Lines::of(text) };
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors {
        let place = reader.place(&error.span().unwrap_or(0..0));
        // After the first mistake in a line the others in it are only its echo.
        if problems.last().is_none_or(|last| line(&last.place) != line(&place)) {
            problems.push(Problem::at(place, syntax_fault(text, &error)));
        }
    }
    if problems.is_empty() { Ok(reader.table(root.get_ref())) } else { Err(problems) }
}

/// Reads one TOML value that a variable or a flag has; every place in it is `place`.
///
/// # Errors
/// Why it is not TOML.
pub(crate) fn parse_value(text: &str, place: Place) -> Result<Node, String> {
    match DeValue::parse(text) {
        Ok(value) => Ok(Reader::Elsewhere(place).node(&value, None)),
        Err(error) => Err(clean(error.message())),
    }
}

/// The parser speaks of its grammar; what people get wrong most is said in their words.
fn syntax_fault(text: &str, error: &Error) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let value = line.split_once('=').map(|(_, value)| value.trim()).filter(|_| !line.trim_start().starts_with(['[', '#']));
    let message = error.message();
    match value {
        _ if message.starts_with("duplicate key") => {
            let name = text.get(span).unwrap_or_default();
            Fault::new(format!("{} stands here a second time", quote(name))).help("write it once, with everything that belongs to it")
        }
        Some("") => Fault::new("there is no value after the `=`").help("write one, or take the line out"),
        Some(word) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let word = word.split('#').next().unwrap_or(word).trim();
            Fault::new(format!("{} has no quotes", quote(word))).help(format!("write \"{}\"", clean(word)))
        }
        Some(word) if word.len() > 1 && word.starts_with(['"', '\'']) && message.ends_with(&format!("expected `{}`", &word[..1])) => {
            Fault::new("the text is not closed").help(format!("end it with `{}`", &word[..1]))
        }
        _ => Fault::new(format!("this is not TOML: {}", clean(message))),
    }
}

fn line(place: &Place) -> Option<usize> {
    match place {
        Place::File { at, .. } => at.map(|(line, _)| line),
        Place::Variable(_) | Place::Set(_) | Place::Flag(_) => None,
    }
}

/// Turns toml's tree into ours: spans become places.
enum Reader {
    File { path: PathBuf, lines: Lines },
    Elsewhere(Place),
}

impl Reader {
    fn place(&self, span: &Range<usize>) -> Place {
        match self {
            Reader::File { path, lines } => Place::File { path: path.clone(), at: Some(lines.position(span.start)), profile: None },
            Reader::Elsewhere(place) => place.clone(),
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        table.iter().map(|(key, value)| (key.get_ref().to_string(), self.node(value, Some(&key.span())))).collect()
    }

    fn node(&self, spanned: &Spanned<DeValue<'_>>, key: Option<&Range<usize>>) -> Node {
        let place = self.place(&spanned.span());
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Integer(number.to_string(), i64::from_str_radix(number.as_str(), number.radix()).ok()),
            DeValue::Float(number) => Value::Float(number.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(moment) => Value::Moment(*moment),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item, None)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { value, key_place: key.map_or_else(|| place.clone(), |span| self.place(span)), place }
    }
}

/// Where each line of a text begins, and where a character goes on that began before: what a position is found with in little time,
/// however long a line is.
struct Lines {
    starts: Vec<usize>,
    continuations: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let continuations = (0..text.len()).filter(|at| !text.is_char_boundary(*at)).collect();
        Lines { starts, continuations }
    }

    /// Line and column (in characters), from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = |limit| self.continuations.partition_point(|at| *at < limit);
        (line, offset - start - (before(offset) - before(start)) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        let lines = Lines::of("ab\né=1\n");
        for (offset, expected) in [(0, (1, 1)), (1, (1, 2)), (3, (2, 1)), (5, (2, 2)), (6, (2, 3)), (8, (3, 1))] {
            assert_eq!(lines.position(offset), expected, "at {offset}");
        }
    }
}
