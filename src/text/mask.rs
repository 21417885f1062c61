//! Masks secrets: the secret half of a bot token in any notation, and the password in a URL.

use std::ops::Range;

use crate::text::printable::printable;

pub(crate) const MASK: &str = "***";

/// The length of the secret half of a bot token.
pub(crate) const SECRET_LENGTH: usize = 35;

/// The first characters of the secret half.
const SECRET_START: &[u8] = b"AA";

/// The minimum length of a secret after a bot's id.
const MIN_SECRET: usize = 20;

/// Masks the secrets in `text` and escapes what would affect a terminal.
pub fn sanitize(text: &str) -> String {
    printable(&mask_secrets(text)).into_owned()
}

/// Masks the secret half of everything that looks like a bot token, and the password in a URL. The
/// bot's id stays visible.
pub fn mask_secrets(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut shown = 0;
    for secret in secret_spans(text) {
        masked.push_str(&text[shown..secret.start]);
        masked.push_str(MASK);
        shown = secret.end;
    }
    masked.push_str(&text[shown..]);
    masked
}

/// Finds the secrets in `text`: sorted byte ranges that do not overlap.
pub fn secret_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = literal_secrets(text);
    if text.contains('\\') {
        let decoded = Decoded::of(text);
        let origin = |span: &Range<usize>| decoded.origin(span.start)..decoded.origin(span.end);
        spans.extend(literal_secrets(&decoded.text).iter().map(origin));
    }
    merge_spans(spans)
}

/// Sorts the spans and merges those that overlap.
pub(super) fn merge_spans(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

/// Finds the secrets in `text` without decoding escapes.
fn literal_secrets(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let secret_at = |at: usize| match bytes[at] {
        b':' if bytes[at..].starts_with(b"://") => password(text, at),
        b':' => token_secret(bytes, at, 1),
        // A colon, as encoded in a URL.
        b'%' if bytes[at..].starts_with(b"%3A") || bytes[at..].starts_with(b"%3a") => {
            token_secret(bytes, at, 3)
        }
        b'A' => bare_secret(bytes, at),
        _ => None,
    };
    (0..bytes.len()).filter_map(secret_at).collect()
}

/// Returns the secret half of a possible bot token whose separator is at `at`.
fn token_secret(bytes: &[u8], at: usize, separator: usize) -> Option<Range<usize>> {
    let start = at + separator;
    let length = secret_length(&bytes[start..]);
    let has_id = bytes[..at].last().is_some_and(u8::is_ascii_digit);
    (has_id && length >= MIN_SECRET).then_some(start..start + length)
}

/// Returns the word at `start` if it looks like the secret half of a bot token.
fn bare_secret(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is_word_start = !bytes[..start].last().is_some_and(|byte| is_secret(*byte));
    (is_word_start
        && bytes[start..].starts_with(SECRET_START)
        && secret_length(&bytes[start..]) == SECRET_LENGTH)
        .then_some(start..start + SECRET_LENGTH)
}

/// Returns the password in `scheme://user:password@host`, whose first colon is at `at`.
fn password(text: &str, at: usize) -> Option<Range<usize>> {
    let start = at + "://".len();
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`');
    let authority = text[start..].split(ends).next().unwrap_or_default();
    let user_and_password = &authority[..authority.rfind('@')?];
    let password = start + user_and_password.find(':')? + 1;
    (password < start + user_and_password.len())
        .then_some(password..start + user_and_password.len())
}

fn secret_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_secret(**byte)).count()
}

fn is_secret(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// A text with its escapes decoded, so that `\u003a` does not hide a token.
struct Decoded {
    text: String,
    /// Pairs of corresponding offsets in `text` and in the original.
    steps: Vec<(usize, usize)>,
}

impl Decoded {
    fn of(original: &str) -> Decoded {
        let (mut text, mut steps, mut at) = (String::new(), vec![(0, 0)], 0);
        while let Some(next) = original.get(at..).and_then(|rest| rest.find('\\')) {
            text.push_str(&original[at..at + next]);
            at += next;
            let (decoded, length) = escape(&original[at..]);
            steps.push((text.len(), at));
            text.extend(decoded);
            at += length;
            steps.push((text.len(), at));
        }
        text.push_str(original.get(at..).unwrap_or_default());
        Decoded { text, steps }
    }

    fn origin(&self, at: usize) -> usize {
        let next = self.steps.partition_point(|(decoded, _)| *decoded <= at);
        let (decoded, original) =
            self.steps.get(next.saturating_sub(1)).copied().unwrap_or_default();
        original + (at - decoded)
    }
}

/// Decodes the escape at the start of `text` into its character and length. A backslash that does
/// not start an escape stands for itself.
fn escape(text: &str) -> (Option<char>, usize) {
    let digits = |count: usize| {
        let digits = text
            .get(2..2 + count)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        Some((Some(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?), 2 + count))
    };
    let found = match text.as_bytes().get(1) {
        Some(b'u') => digits(4),
        Some(b'U') => digits(8),
        Some(b'x') => digits(2),
        Some(b'\\') => Some((Some('\\'), 2)),
        Some(b'n' | b'r' | b't') => Some((Some('\n'), 2)),
        // An escaped line break.
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            let rest = text[1..].trim_start_matches([' ', '\t', '\r']);
            rest.starts_with('\n').then(|| {
                (None, text.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len())
            })
        }
        Some(_) | None => None,
    };
    found.unwrap_or((Some('\\'), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

    #[test]
    fn the_secret_is_masked_wherever_a_token_stands() {
        for (text, expected) in [
            ("123456:@", "123456:***"),
            ("--token=123456:@", "--token=123456:***"),
            (
                "https://api.telegram.org/bot123456:@/getMe",
                "https://api.telegram.org/bot123456:***/getMe",
            ),
            ("https://x/bot123456%3A@/getMe", "https://x/bot123456%3A***/getMe"),
            ("https://x/bot123456%3a@?a=b", "https://x/bot123456%3a***?a=b"),
            ("1:@ and 2:@", "1:*** and 2:***"),
            ("123456:@654321:@", "123456:***:***"),
            ("'123456:@'", "'123456:***'"),
            ("é123456:@é", "é123456:***é"),
            ("x:123456:@", "x:123456:***"),
            ("@", "***"),
            ("token @.", "token ***."),
            ("x:@", "x:***"),
            ("é@é", "é***é"),
        ] {
            let masked = mask_secrets(&text.replace('@', SECRET));
            assert_eq!(masked, expected);
            assert!(!masked.contains(&SECRET[..8]));
        }
    }

    #[test]
    fn the_password_of_an_url_is_masked() {
        for (text, expected) in [
            ("redis://:hunter2@host:6379/0", "redis://:***@host:6379/0"),
            (
                "url = \"postgres://bot:hunter2@host/db\" # a@b",
                "url = \"postgres://bot:***@host/db\" # a@b",
            ),
            ("http://a:b@c https://d:e:f@g@h/", "http://a:***@c https://d:***@h/"),
            ("https://host:8080/a@b", "https://host:8080/a@b"),
            ("https://user@host", "https://user@host"),
            ("https://user:@host", "https://user:@host"),
            ("://", "://"),
        ] {
            assert_eq!(mask_secrets(text), expected);
        }
    }

    #[test]
    fn what_is_no_token_stays() {
        for text in [
            "",
            "12:30:00",
            "localhost:8080",
            "a:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            ":",
            "1:",
            "%3A",
            "1%3Aé",
            "123456:short",
            "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw12",
            "xAAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
            "A_word_of_35_characters_is_no_secret",
        ] {
            assert_eq!(mask_secrets(text), text);
        }
        assert_eq!(mask_secrets(&format!("1:{}", "a".repeat(19))), format!("1:{}", "a".repeat(19)));
        assert_eq!(mask_secrets(&format!("1:{}", "a".repeat(20))), "1:***");
    }

    #[test]
    fn a_token_is_masked_however_it_is_escaped() {
        let (first, rest) = SECRET.split_at(8);
        for (text, expected) in [
            (r#"x = "1:@""#.to_owned(), r#"x = "1:***""#),
            (r#"x = "1\u003a@""#.to_owned(), r#"x = "1\u003a***""#),
            (r#"x = "\u0031\u003A@" y"#.to_owned(), r#"x = "\u0031\u003A***" y"#),
            (format!(r#"x = "1:{first}\u0041{rest}" y"#), r#"x = "1:***" y"#),
            (format!("x = \"1:{first}\\\n   {rest}\" y"), "x = \"1:***\" y"),
            (r"x = '\\1:@'".to_owned(), r"x = '\\1:***'"),
            (r#"x = "\\u0031 1\x3a@" \u12"#.to_owned(), r#"x = "\\u0031 1\x3a***" \u12"#),
            (r#"x = "a\n@""#.to_owned(), r#"x = "a\n***""#),
            (r"\u".to_owned(), r"\u"),
            ("\\".to_owned(), "\\"),
            ("\\\u{e9}\\x\u{e9}\u{e9}".to_owned(), "\\\u{e9}\\x\u{e9}\u{e9}"),
        ] {
            assert_eq!(mask_secrets(&text.replace('@', SECRET)), expected);
        }
    }
}
