//! A TOML tree in which every value has a location.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::location::Location;
use crate::config::problem::Problem;
use crate::config::source_text::{SourceName, SourceText};
use crate::config::syntax_error;

#[derive(Debug, Clone)]
pub(crate) struct SpannedValue {
    pub(crate) value: Value,
    pub(crate) location: Location,
    /// The location of the key or, in a list, of the value.
    pub(crate) key_location: Location,
}

/// A value. Numbers keep their text, so that messages can show numbers of any size.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    /// The integer as written, and its value if that fits.
    Integer(String, Option<i64>),
    Float(String),
    Bool(bool),
    Datetime(toml::value::Datetime),
    List(Vec<SpannedValue>),
    Table(Table),
}

pub(crate) type Table = BTreeMap<String, SpannedValue>;

pub(crate) fn parse_file(text: &str, path: &Path) -> Result<Table, Vec<Problem>> {
    let source = Arc::new(SourceText::new(SourceName::File(path.to_owned()), text.to_owned()));
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    let mut last = None;
    for error in errors {
        // Further errors in the same line only follow from the first one.
        let line = source.position(&error.span().unwrap_or(0..0)).line;
        if last.replace(line) != Some(line) {
            let (span, fault) = syntax_error::explain(&source, &error);
            problems.push(Problem::at(Location::part_of(&source, span), fault));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut root = TreeBuilder { source, offset: 0 }.table(root.get_ref());
    if let Some(Value::Table(profiles)) = root.get_mut("profile").map(|node| &mut node.value) {
        for (name, profile) in profiles {
            profile.mark_profile(&name.as_str().into());
        }
    }
    Ok(root)
}

/// Parses a part of a variable or flag as a single TOML value. The error is its location and the
/// reason.
pub(crate) fn parse_value(
    source: &Arc<SourceText>,
    part: Range<usize>,
) -> Result<SpannedValue, (Location, String)> {
    let text = source.text.get(part.clone()).unwrap_or_default();
    let tree = TreeBuilder { source: Arc::clone(source), offset: part.start };
    match DeValue::parse(text) {
        Ok(value) => Ok(tree.value(&value, None)),
        Err(error) => Err((
            tree.location(&error.span().unwrap_or(0..text.len())),
            syntax_error::explain_value(error.message()),
        )),
    }
}

impl SpannedValue {
    pub(crate) fn text(text: impl Into<String>, location: Location) -> SpannedValue {
        SpannedValue { value: Value::Text(text.into()), key_location: location.clone(), location }
    }

    pub(crate) fn nested(self, keys: &[(String, Location)]) -> Table {
        let Some(((first, key_location), rest)) = keys.split_first() else { return Table::new() };
        let location = self.location.clone();
        let value = if rest.is_empty() { self.value } else { Value::Table(self.nested(rest)) };
        let node = SpannedValue { value, location, key_location: key_location.clone() };
        Table::from([(first.clone(), node)])
    }

    fn mark_profile(&mut self, name: &Arc<str>) {
        self.location.profile = Some(Arc::clone(name));
        self.key_location.profile = Some(Arc::clone(name));
        if let Value::List(items) = &mut self.value {
            for item in items {
                item.mark_profile(name);
            }
        } else if let Value::Table(table) = &mut self.value {
            for value in table.values_mut() {
                value.mark_profile(name);
            }
        }
    }

    fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::Text(text) => text.as_str().into(),
            Value::Integer(text, value) => value.map_or(text.as_str().into(), Into::into),
            Value::Float(text) => text.parse::<f64>().map_or(text.as_str().into(), Into::into),
            Value::Bool(value) => (*value).into(),
            Value::Datetime(datetime) => (*datetime).into(),
            Value::List(items) => {
                items.iter().map(SpannedValue::to_toml).collect::<Vec<_>>().into()
            }
            Value::Table(table) => to_toml(table).into(),
        }
    }
}

pub(crate) fn to_toml(table: &Table) -> toml::Table {
    table.iter().map(|(key, node)| (key.clone(), node.to_toml())).collect()
}

struct TreeBuilder {
    source: Arc<SourceText>,
    /// The offset of the parsed text in the source.
    offset: usize,
}

impl TreeBuilder {
    fn location(&self, span: &Range<usize>) -> Location {
        Location::part_of(&self.source, self.offset + span.start..self.offset + span.end)
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), self.value(value, Some(&key.span()))))
            .collect()
    }

    fn value(&self, spanned: &Spanned<DeValue<'_>>, key: Option<&Range<usize>>) -> SpannedValue {
        let location = self.location(&spanned.span());
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Integer(
                number.to_string(),
                i64::from_str_radix(number.as_str(), number.radix()).ok(),
            ),
            DeValue::Float(number) => Value::Float(number.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(datetime) => Value::Datetime(*datetime),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.value(item, None)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        let key_location = key.map_or_else(|| location.clone(), |span| self.location(span));
        SpannedValue { value, location, key_location }
    }
}
