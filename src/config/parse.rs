//! Reads TOML into a tree that knows where each value stands.

use std::{ops::Range, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::{
    location::Location,
    problem::Problem,
    source::{Source, SourceName},
    syntax,
    value::{SpannedValue, Table, Value},
};

/// Reads a whole file's text.
///
/// # Errors
/// Everything that is not TOML about it.
pub(crate) fn parse_file(text: &str, path: &Path) -> Result<Table, Vec<Problem>> {
    let source = Arc::new(Source::new(SourceName::File(path.to_owned()), text.to_owned()));
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    let mut last = None;
    for error in errors {
        // After the first mistake in a line the others in it are only its echo.
        let line = source.position(&error.span().unwrap_or(0..0)).line;
        if last.replace(line) != Some(line) {
            let (span, fault) = syntax::fault(&source, &error);
            problems.push(Problem::at(Location::part_of(&source, span), fault));
        }
    }
    if problems.is_empty() {
        Ok(TreeReader { source, offset: 0 }.table(root.get_ref()))
    } else {
        Err(problems)
    }
}

/// Reads the one TOML value that a part of a variable or a flag is.
///
/// # Errors
/// Why it is not TOML, and which part of it is to blame.
pub(crate) fn parse_value(
    source: &Arc<Source>,
    part: Range<usize>,
) -> Result<SpannedValue, (Location, String)> {
    let text = source.text().get(part.clone()).unwrap_or_default();
    let reader = TreeReader { source: Arc::clone(source), offset: part.start };
    match DeValue::parse(text) {
        Ok(value) => Ok(reader.node(&value, None)),
        Err(error) => Err((
            reader.place(&error.span().unwrap_or(0..text.len())),
            syntax::reason(error.message()),
        )),
    }
}

/// Turns toml's tree into ours: spans become places.
struct TreeReader {
    source: Arc<Source>,
    /// Where in the source that which was parsed begins.
    offset: usize,
}

impl TreeReader {
    fn place(&self, span: &Range<usize>) -> Location {
        Location::part_of(&self.source, self.offset + span.start..self.offset + span.end)
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), self.node(value, Some(&key.span()))))
            .collect()
    }

    fn node(&self, spanned: &Spanned<DeValue<'_>>, key: Option<&Range<usize>>) -> SpannedValue {
        let place = self.place(&spanned.span());
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Integer(
                number.to_string(),
                i64::from_str_radix(number.as_str(), number.radix()).ok(),
            ),
            DeValue::Float(number) => Value::Float(number.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(moment) => Value::Moment(*moment),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.node(item, None)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        SpannedValue {
            value,
            key_place: key.map_or_else(|| place.clone(), |span| self.place(span)),
            place,
        }
    }
}
