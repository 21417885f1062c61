//! What was written, as a tree in which each value knows its place.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    place::Place,
    problem::{Fault, Problem},
    wording::clean,
};

/// A value and its places.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// What was written.
    pub(crate) value: Value,
    /// Where the value is.
    pub(crate) place: Place,
    /// Where its key is; in a list, where the value is.
    pub(crate) key_place: Place,
}

/// What was written; a number keeps its text, so that none is too large to be spoken of.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A text.
    Text(String),
    /// A whole number, as it was written, and its value unless that is too large.
    Integer(String, Option<i64>),
    /// Any other number, as it was written.
    Float(String),
    /// `true` or `false`.
    Bool(bool),
    /// A date, a time or both.
    Moment(toml::value::Datetime),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// Nodes by their key.
pub(crate) type Table = BTreeMap<String, Node>;

impl Node {
    /// A text at `place`.
    pub(crate) fn text(text: impl Into<String>, place: Place) -> Node {
        Node { value: Value::Text(text.into()), key_place: place.clone(), place }
    }

    /// The table with `self` in it under the dotted path `keys`.
    pub(crate) fn nested(self, keys: &[String]) -> Table {
        let Some((first, rest)) = keys.split_first() else { return Table::new() };
        let node = if rest.is_empty() {
            self
        } else {
            let place = self.place.clone();
            Node { value: Value::Table(self.nested(rest)), key_place: place.clone(), place }
        };
        Table::from([(first.clone(), node)])
    }

    /// Marks this value and all that is in it as part of a profile.
    pub(crate) fn in_profile(mut self, name: &str) -> Node {
        self.place = self.place.in_profile(name);
        self.key_place = self.key_place.in_profile(name);
        self.value = match self.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| item.in_profile(name)).collect()),
            Value::Table(table) => Value::Table(table.into_iter().map(|(key, node)| (key, node.in_profile(name))).collect()),
            scalar => scalar,
        };
        self
    }

    /// The value as toml's own, for `[app]`, which nobody here looks into.
    pub(crate) fn into_toml(self) -> toml::Value {
        match self.value {
            Value::Text(text) => toml::Value::String(text),
            Value::Integer(text, value) => value.map_or(toml::Value::String(text), toml::Value::Integer),
            Value::Float(text) => text.parse().map_or(toml::Value::String(text), toml::Value::Float),
            Value::Bool(value) => toml::Value::Boolean(value),
            Value::Moment(moment) => toml::Value::Datetime(moment),
            Value::List(items) => toml::Value::Array(items.into_iter().map(Node::into_toml).collect()),
            Value::Table(table) => toml::Value::Table(table.into_iter().map(|(key, node)| (key, node.into_toml())).collect()),
        }
    }
}

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
            problems.push(Problem::at(place, Fault::new(format!("this is not TOML: {}", clean(error.message())))));
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
