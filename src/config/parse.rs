//! Reads TOML into a tree that knows where each value stands, and says what is not TOML in words of its own.

use std::{ops::Range, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    node::{Node, Table, Value},
    place::Place,
    problem::{Fault, Problem},
    source::{Source, SourceName},
    wording::{clean, quote},
};
use crate::report::excerpt::line_at;

/// Reads a whole file's text.
///
/// # Errors
/// Everything that is not TOML about it.
pub(crate) fn parse_file(text: &str, path: &Path) -> Result<Table, Vec<Problem>> {
    // An editor on Windows may leave a byte order mark; it is not part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Arc::new(Source::new(SourceName::File(path.to_owned()), text.to_owned()));
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors {
        let (span, fault) = syntax_fault(text, &error);
        let place = Place::part_of(&source, span);
        // After the first mistake in a line the others in it are only its echo.
        let line = |place: &Place| place.position().map(|position| position.line);
        if problems.last().is_none_or(|last| line(&last.place) != line(&place)) {
            problems.push(Problem::at(place, fault));
        }
    }
    if problems.is_empty() { Ok(Reader { source, offset: 0 }.table(root.get_ref())) } else { Err(problems) }
}

/// Reads the one TOML value that a part of a variable or a flag is.
///
/// # Errors
/// Why it is not TOML, and which part of it is to blame.
pub(crate) fn parse_value(source: &Arc<Source>, part: Range<usize>) -> Result<Node, (Place, String)> {
    let text = source.text().get(part.clone()).unwrap_or_default();
    let reader = Reader { source: Arc::clone(source), offset: part.start };
    match DeValue::parse(text) {
        Ok(value) => Ok(reader.node(&value, None)),
        Err(error) => Err((reader.place(&error.span().unwrap_or(0..text.len())), clean(error.message()))),
    }
}

/// The parser speaks of its grammar; what people get wrong most is said in their words.
fn syntax_fault(text: &str, error: &Error) -> (Range<usize>, Fault) {
    let span = in_sight(text, error.span().unwrap_or(0..0));
    let line = line_at(text, span.start);
    let written = text.get(line.clone()).unwrap_or_default();
    let is_assignment = !written.trim_start().starts_with(['[', '#']);
    let value = written.find('=').filter(|_| is_assignment).map(|equals| trimmed(text, line.start + equals + 1..line.end));
    let message = error.message();
    match value.clone().map(|value| text.get(value).unwrap_or_default()) {
        _ if message.starts_with("duplicate key") => {
            let name = quote(text.get(span.clone()).unwrap_or_default());
            (span, Fault::new(format!("{name} stands here a second time")).help("write it once, with everything that belongs to it"))
        }
        Some("") => (span, Fault::new("there is no value after the `=`").help("write one, or take the line out")),
        Some(word) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let word = word.split('#').next().unwrap_or(word).trim_end();
            let start = value.map_or(span.start, |value| value.start);
            let fault = Fault::new(format!("{} has no quotes", quote(word))).help(format!("write \"{}\"", clean(word)));
            (start..start + word.len(), fault)
        }
        Some(word) if word.len() > 1 && word.starts_with(['"', '\'']) && message.ends_with(&format!("expected `{}`", &word[..1])) => {
            (value.unwrap_or(span), Fault::new("the text is not closed").help(format!("end it with `{}`", &word[..1])))
        }
        _ => (span, Fault::new(format!("this is not TOML: {}", clean(message)))),
    }
}

/// What ends with the file's last line break is said of its last line, which can be seen.
fn in_sight(text: &str, span: Range<usize>) -> Range<usize> {
    let end = text.trim_end_matches(['\n', '\r']).len();
    if span.start >= text.len() && end < text.len() { end..end } else { span }
}

/// `span` without the blanks at its ends.
pub(crate) fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let whole = text.get(span.clone()).unwrap_or_default();
    let start = span.end - whole.trim_start().len();
    start..start + whole.trim().len()
}

/// Turns toml's tree into ours: spans become places.
struct Reader {
    source: Arc<Source>,
    /// Where in the source that which was parsed begins.
    offset: usize,
}

impl Reader {
    fn place(&self, span: &Range<usize>) -> Place {
        Place::part_of(&self.source, self.offset + span.start..self.offset + span.end)
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
