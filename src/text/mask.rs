//! What must not be shown as it is: secrets, and what a terminal would act on.

use std::{borrow::Cow, ops::Range};

pub use crate::text::command_line::{command, shorten};
pub(crate) use crate::text::quote::is_active;

/// The fewest characters that count as the secret half of a bot token; Telegram's own have 35.
const SHORTEST_SECRET: usize = 20;

/// What stands in its place.
pub(crate) const MASK: &str = "***";

/// What stands between a token's halves: itself, and as an URL writes it.
const SEPARATORS: [&str; 3] = [":", "%3A", "%3a"];

/// `text` with the secret half of everything that looks like a bot token replaced, and the password
/// of an URL; the bot's id stays.
#[must_use]
pub fn secrets(text: &str) -> String {
    replaced(text, &secret_spans(text))
}

/// `text` with a mask in each of these places, which are in order.
pub(crate) fn replaced(text: &str, spans: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut shown = 0;
    for secret in spans {
        masked.push_str(&text[shown..secret.start]);
        masked.push_str(MASK);
        shown = secret.end;
    }
    masked.push_str(&text[shown..]);
    masked
}

/// Where the secrets in `text` are, in bytes; in order, none within another.
#[must_use]
pub fn secret_spans(text: &str) -> Vec<Range<usize>> {
    merged(tokens(text).chain(passwords(text)).collect())
}

/// In order, and as one where they overlap.
#[must_use]
pub(crate) fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut out: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}

/// The secret half of everything that looks like a bot token.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.char_indices().filter_map(|(at, _)| {
        let start = at + separator_at(text, at)?.len();
        let len = text.as_bytes()[start..].iter().take_while(|byte| is_secret(**byte)).count();
        let has_id = text.as_bytes()[..at].last().is_some_and(u8::is_ascii_digit);
        (has_id && len >= SHORTEST_SECRET).then_some(start..start + len)
    })
}

/// The password in every `scheme://user:password@host`.
fn passwords(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, slashes)| {
        let start = at + slashes.len();
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`');
        let authority = text[start..].split(ends).next().unwrap_or_default();
        let user_and_password = &authority[..authority.rfind('@')?];
        let password = start + user_and_password.find(':')? + 1;
        (password < start + user_and_password.len())
            .then_some(password..start + user_and_password.len())
    })
}

fn separator_at(text: &str, at: usize) -> Option<&'static str> {
    SEPARATORS.into_iter().find(|separator| text[at..].starts_with(separator))
}

fn is_secret(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// `text` with everything escaped that a terminal would act on: control characters, and what turns
/// the writing direction.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 8), |mut shown, c| {
        if is_active(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    }))
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
        ] {
            let masked = secrets(&text.replace('@', SECRET));
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
            assert_eq!(secrets(text), expected);
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
        ] {
            assert_eq!(secrets(text), text);
        }
        assert_eq!(secrets(&format!("1:{}", "a".repeat(19))), format!("1:{}", "a".repeat(19)));
        assert_eq!(secrets(&format!("1:{}", "a".repeat(20))), "1:***");
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_stays_raw() {
        for (text, expected) in [
            ("plain ünïcode 名前", "plain ünïcode 名前"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{7f}", "\\u{7f}"),
            ("abc\u{202e}fdp.exe", "abc\\u{202e}fdp.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("\u{2028}", "\\u{2028}"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }
}
