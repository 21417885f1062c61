//! Explains syntax errors to users; the TOML parser's own messages are about its grammar.

use std::ops::Range;

use toml::de::Error;

use crate::config::problem::Fault;
use crate::config::source_text::SourceText;
use crate::text::{line_range, sanitize};

/// A longer value is not repeated in a hint.
const MAX_REPEATED: usize = 60;

const TYPOGRAPHIC: [char; 9] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»'];

pub(super) fn explain(source: &SourceText, error: &Error) -> (Range<usize>, Fault) {
    let text = source.text.as_str();
    let span = visible_span(text, error.span().unwrap_or(0..0));
    let message = error.message();
    let line = line_range(text, span.start);
    let value = value_in(text, &line);
    let at_span = text.get(span.clone()).unwrap_or_default();
    if message.starts_with("duplicate key") {
        let fault = Fault::of(at_span, "is defined twice");
        return (span, fault.help("merge the two"));
    }
    if message.starts_with("key with no value") && value.is_none() {
        return no_equals_sign(text, &line);
    }
    if value.as_ref().is_some_and(Range::is_empty) {
        return (span, Fault::new("no value after the `=`").help("write one, or remove the line"));
    }
    let word = if message.starts_with("string values must be quoted") {
        Some(span.clone())
    } else {
        value.and_then(|value| bare_word(text, value))
    };
    if let Some(word) = word.filter(|word| {
        span.start <= word.end && is_word(text.get(word.clone()).unwrap_or_default())
    }) {
        let fault = no_quotes(source, &word);
        return (word, fault);
    }
    if is_unclosed(message) {
        return unclosed(text, &line, span, message);
    }
    if message.starts_with("missing escaped value") {
        return no_escape(text, &span);
    }
    let fault = match at_span.chars().next() {
        Some(c) if c.is_control() && c != '\n' => {
            let help = "remove it, or write it as an escape: \"\\u001b\"";
            Fault::of(at_span, "is a control character").help(help)
        }
        Some(_) | None => not_toml(message),
    };
    (span, fault)
}

/// Explains why a variable or flag is not a TOML value, to follow "is not TOML: ".
pub(super) fn explain_value(message: &str) -> String {
    match message {
        _ if message.starts_with("string values must be quoted") => {
            "a string in it has no quotes".to_owned()
        }
        _ if is_unclosed(message) => "a string in it is not closed".to_owned(),
        _ => sanitize(message),
    }
}

fn not_toml(message: &str) -> Fault {
    let fault = Fault::new(format!("this is not TOML: {}", sanitize(message)));
    match message {
        _ if message.starts_with("unexpected key or value") => {
            fault.help("a key has one value; write several as a list: [\"a\", \"b\"]")
        }
        _ if message.starts_with("missing comma") || message.starts_with("unclosed array,") => {
            fault.help("a list begins with `[` and ends with `]`; its items are separated by `,`")
        }
        _ if message.starts_with("invalid key-value pair") => {
            fault.help("a line is `key = value`, `[table]` or `# comment`")
        }
        _ if message.starts_with("invalid unquoted key") => {
            fault.help("a key has letters, digits, `_` and `-`, or is written in quotes")
        }
        _ => fault,
    }
}

fn no_equals_sign(text: &str, line: &Range<usize>) -> (Range<usize>, Fault) {
    let written = text.get(line.clone()).unwrap_or_default();
    let start = line.end - written.trim_start().len();
    let is_of_a_key =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'');
    let key: &str = written.trim_start().split(|c| !is_of_a_key(c)).next().unwrap_or_default();
    let help = match key {
        "" => "a line is `key = value`, `[table]` or `# comment`".to_owned(),
        _ if key.len() > MAX_REPEATED => "write key = value".to_owned(),
        _ => format!("write {} = …", sanitize(key)),
    };
    let end = start + key.len();
    let next = text.get(end..line.end).and_then(|rest| rest.chars().next());
    let after = next.map_or(0, char::len_utf8);
    (end..end + after, Fault::new("no `=` after the key").help(help))
}

/// Finds an unquoted word at the start of a value. A comment may follow.
fn bare_word(text: &str, value: Range<usize>) -> Option<Range<usize>> {
    let written = text.get(value.clone())?;
    let word = written.split('#').next().unwrap_or(written).trim_end();
    (!word.starts_with(['"', '\'', '[', '{'])).then_some(value.start..value.start + word.len())
}

fn is_word(text: &str) -> bool {
    text.chars().any(|c| c.is_alphabetic() || matches!(c, '/' | '*'))
}

fn no_quotes(source: &SourceText, span: &Range<usize>) -> Fault {
    // Values of keys that look like secrets are not shown.
    if source.secrets().iter().any(|secret| secret.start < span.end && span.start < secret.end) {
        return Fault::new("the value has no quotes").help("write it in quotes");
    }
    let word = source.text.get(span.clone()).unwrap_or_default();
    let bare = word.trim_matches(TYPOGRAPHIC);
    let is_truth = matches!(bare.to_lowercase().as_str(), "true" | "false");
    let found = match bare.len() < word.len() {
        true => "has typographic quotes",
        false if is_truth => "is not a boolean in TOML",
        false => "has no quotes",
    };
    let fault = Fault::of(word, found);
    let shown = sanitize(bare);
    match bare.to_lowercase().as_str() {
        _ if is_truth => fault.help(format!("write {}", bare.to_lowercase())),
        "yes" | "no" | "on" | "off" => {
            fault.help(format!("write \"{shown}\" for a string, true or false for a boolean"))
        }
        _ if bare.chars().count() > MAX_REPEATED || bare.contains('\'') => {
            fault.help("write it in quotes")
        }
        _ if bare.contains(['"', '\\']) => fault.help(format!("write '{shown}'")),
        _ => fault.help(format!("write \"{shown}\"")),
    }
}

fn is_unclosed(message: &str) -> bool {
    ["invalid basic string", "invalid literal string", "invalid multi-line"]
        .iter()
        .any(|what| message.starts_with(what))
        && (message.ends_with("expected `\"`") || message.ends_with("expected `'`"))
}

fn unclosed(
    text: &str,
    line: &Range<usize>,
    span: Range<usize>,
    message: &str,
) -> (Range<usize>, Fault) {
    let one = if message.ends_with("`\"`") { "\"" } else { "'" };
    let (quotes, from) = if message.starts_with("invalid multi-line") {
        (one.repeat(3), 0)
    } else {
        (one.to_owned(), line.start)
    };
    let before = text.get(from..span.start).unwrap_or_default();
    let opening =
        before.rmatch_indices(&quotes).map(|(at, _)| at).find(|at| !before[..*at].ends_with('\\'));
    let fault = Fault::new("the string is not closed").help(format!("end it with `{quotes}`"));
    match opening {
        Some(at) => (from + at..line_range(text, from + at).end, fault),
        None => (span, fault),
    }
}

/// Explains a backslash that does not begin a valid escape, as in a regex or a Windows path.
fn no_escape(text: &str, span: &Range<usize>) -> (Range<usize>, Fault) {
    let start = span.start.saturating_sub(1);
    let length = text
        .get(span.start..)
        .and_then(|rest| rest.chars().next())
        .filter(|c| !c.is_control())
        .map_or(0, char::len_utf8);
    let escape = start..span.start + length;
    let shown = text.get(escape.clone()).unwrap_or_default();
    let fault = Fault::of(shown, "is not an escape in TOML")
        .help("write the string in single quotes, or each `\\` as `\\\\`");
    (escape, fault)
}

fn value_in(text: &str, line: &Range<usize>) -> Option<Range<usize>> {
    let written = text.get(line.clone())?;
    let equals = written.find('=').filter(|_| !written.trim_start().starts_with(['[', '#']))?;
    Some(trimmed(text, line.start + equals + 1..line.end))
}

/// Moves a span at the end of the file to the last line, so that it can be shown.
fn visible_span(text: &str, span: Range<usize>) -> Range<usize> {
    if span.start < text.len() {
        return span;
    }
    let end = text.trim_end_matches(['\n', '\r']).len();
    end..end
}

pub(super) fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let whole = text.get(span.clone()).unwrap_or_default();
    let start = span.end - whole.trim_start().len();
    start..start + whole.trim().len()
}
