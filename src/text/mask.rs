//! Masks secrets: the secret half of a bot token in any notation, and the password in a URL.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

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

/// How often a text may have been encoded, as in `%25253A` for a colon. Quoting it for a shell
/// counts too.
const ENCODINGS: usize = 8;

/// Finds the secrets in `text`: sorted byte ranges that do not overlap.
pub fn secret_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = literal_secrets(text);
    let mut decoded = Decoded::of(text);
    for _ in 0..ENCODINGS {
        if !decoded.text.contains(may_be_encoded) {
            break;
        }
        let Some(next) = decoded.decode() else { break };
        decoded = next;
        spans.extend(literal_secrets(&decoded.text).iter().map(|span| decoded.origin(span)));
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
        b':' => token_secret(bytes, at),
        b'A' => bare_secret(bytes, at),
        _ => None,
    };
    (0..bytes.len()).filter_map(secret_at).collect()
}

/// Returns the secret half of a possible bot token whose colon is at `at`.
fn token_secret(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at + 1;
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

/// A text with its escapes decoded, so that `\u003a` or `%3A` does not hide a token.
struct Decoded<'a> {
    text: Cow<'a, str>,
    /// Pairs of corresponding offsets in `text` and in the original.
    steps: Vec<(usize, usize)>,
}

impl Decoded<'_> {
    fn of(original: &str) -> Decoded<'_> {
        Decoded { text: Cow::Borrowed(original), steps: vec![(0, 0)] }
    }

    /// Decodes once more. Returns `None` if there is nothing to decode.
    fn decode(&self) -> Option<Decoded<'static>> {
        let (mut text, mut steps, mut at) = (String::new(), vec![(0, self.origin_of(0))], 0);
        let step = |text: &String, at| (text.len(), self.origin_of(at));
        while let Some(next) = self.text.get(at..).and_then(|rest| rest.find(may_be_encoded)) {
            self.copy(at..at + next, &mut text, &mut steps);
            at += next;
            let (decoded, length) = escape(&self.text[at..]);
            steps.push(step(&text, at));
            text.extend(decoded);
            at += length;
            steps.push((text.len(), self.end_of(at)));
            steps.push(step(&text, at));
        }
        self.copy(at..self.text.len(), &mut text, &mut steps);
        (text != self.text).then_some(Decoded { text: Cow::Owned(text), steps })
    }

    /// Appends a part of this text, with the steps inside it.
    fn copy(&self, part: Range<usize>, text: &mut String, steps: &mut Vec<(usize, usize)>) {
        let first = self.steps.partition_point(|(decoded, _)| *decoded < part.start);
        let inside = self.steps[first..].iter().take_while(|(decoded, _)| *decoded <= part.end);
        let moved =
            |(decoded, original): &(usize, usize)| (text.len() + (decoded - part.start), *original);
        steps.extend(inside.map(moved));
        text.push_str(&self.text[part]);
    }

    fn origin(&self, span: &Range<usize>) -> Range<usize> {
        self.origin_of(span.start)..self.end_of(span.end)
    }

    /// Returns the original offset of the end of what is before `at`, without a backslash that
    /// stands for nothing after it.
    fn end_of(&self, at: usize) -> usize {
        let here = self.steps.partition_point(|(decoded, _)| *decoded < at);
        match self.steps.get(here) {
            Some((decoded, original)) if *decoded == at => *original,
            Some(_) | None => self.origin_of(at),
        }
    }

    fn origin_of(&self, at: usize) -> usize {
        let next = self.steps.partition_point(|(decoded, _)| *decoded <= at);
        let (decoded, original) =
            self.steps.get(next.saturating_sub(1)).copied().unwrap_or_default();
        original + (at - decoded)
    }
}

/// The characters with which an encoded character starts.
fn may_be_encoded(c: char) -> bool {
    matches!(c, '\\' | '%' | '&' | '=') || FULL_WIDTH.contains(&c)
}

/// Wide forms of the characters from `!` to `~`.
const FULL_WIDTH: RangeInclusive<char> = '\u{FF01}'..='\u{FF5E}';

/// Decodes the character at the start of `text` if it is encoded: as an escape of a programming
/// language, in a URL, in HTML, in mail, or as a wide character. Returns the character, if any, and
/// the length of its encoding. What is not encoded stands for itself, but a single backslash for
/// nothing.
fn escape(text: &str) -> (Option<char>, usize) {
    let mut rest = text.chars();
    let first = rest.next();
    let found = match first {
        Some('\\') => backslash_escape(text),
        Some('%' | '=') => hexadecimal(text, 1, 2),
        Some('&') => html_entity(text),
        Some(wide) if FULL_WIDTH.contains(&wide) => {
            let narrow = u32::from(wide) - u32::from(*FULL_WIDTH.start()) + u32::from('!');
            char::from_u32(narrow).map(|narrow| (Some(narrow), wide.len_utf8()))
        }
        Some(_) | None => None,
    };
    found.unwrap_or((first, first.map_or(0, char::len_utf8)))
}

fn backslash_escape(text: &str) -> Option<(Option<char>, usize)> {
    match text.as_bytes().get(1)? {
        b'u' if text[2..].starts_with('{') => {
            let digits = text[3..].split('}').next().filter(|digits| digits.len() <= 6)?;
            let (decoded, length) = hexadecimal(text, 3, digits.len())?;
            text[length..].starts_with('}').then_some((decoded, length + 1))
        }
        b'u' => hexadecimal(text, 2, 4),
        b'U' => hexadecimal(text, 2, 8),
        b'x' => hexadecimal(text, 2, 2),
        b'0'..=b'3' => {
            let digits = text.get(1..4)?;
            let code = u32::from_str_radix(digits, 8).ok()?;
            Some((Some(char::from_u32(code)?), 4))
        }
        b'\\' => Some((Some('\\'), 2)),
        b'n' | b'r' | b't' => Some((Some('\n'), 2)),
        // An escaped line break.
        b' ' | b'\t' | b'\r' | b'\n' => {
            let rest = text[1..].trim_start_matches([' ', '\t', '\r']);
            rest.starts_with('\n').then(|| {
                (None, text.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len())
            })
        }
        byte if byte.is_ascii_punctuation() => Some((None, 1)),
        _ => None,
    }
}

/// Decodes a character of `count` hexadecimal digits, which start at `start`.
fn hexadecimal(text: &str, start: usize, count: usize) -> Option<(Option<char>, usize)> {
    let digits = text
        .get(start..start + count)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((Some(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?), start + count))
}

/// Decodes `&#58;`, `&#x3a;`, `&colon;` and `&amp;`.
fn html_entity(text: &str) -> Option<(Option<char>, usize)> {
    const LONGEST_NAME: usize = 10;
    let end = text.bytes().take(LONGEST_NAME).position(|byte| byte == b';')?;
    let name = &text[1..end];
    let decoded = match name.strip_prefix('#') {
        Some(code) => {
            let code = match code.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => code.parse(),
            };
            char::from_u32(code.ok()?)?
        }
        None if name == "colon" => ':',
        None if name == "amp" => '&',
        None => return None,
    };
    Some((Some(decoded), end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

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
            (r#"x = "\"1:@\" \u0031:@\"""#.to_owned(), r#"x = "\"1:***\" \u0031:***\"""#),
            (r#"x = "\"1\\u003a@\"""#.to_owned(), r#"x = "\"1\\u003a***\"""#),
            (r#"x = "1%3A@%5C\"""#.to_owned(), r#"x = "1%3A***%5C\"""#),
            (r#"x = "1\u{3a}@""#.to_owned(), r#"x = "1\u{3a}***""#),
            (r"1\:@ 1\\:@".to_owned(), r"1\:*** 1\\:***"),
            (r"1\072@".to_owned(), r"1\072***"),
            ("1%253A@ %31%25253a@".to_owned(), "1%253A*** %31%25253a***"),
            (format!("1%3A{first}%2541{rest}.é"), "1%3A***.é"),
            ("1&#58;@ 1&#x3A;@".to_owned(), "1&#58;*** 1&#x3A;***"),
            ("1&colon;@ 1&amp;#58;@".to_owned(), "1&colon;*** 1&amp;#58;***"),
            ("1=3A@".to_owned(), "1=3A***"),
            ("é１：@ é".to_owned(), "é１：*** é"),
            (r"\u".to_owned(), r"\u"),
            (r"\u{3a %é &é; &#xé; =é \0é".to_owned(), r"\u{3a %é &é; &#xé; =é \0é"),
            ("\\".to_owned(), "\\"),
            ("\\\u{e9}\\x\u{e9}\u{e9}".to_owned(), "\\\u{e9}\\x\u{e9}\u{e9}"),
        ] {
            assert_eq!(mask_secrets(&text.replace('@', SECRET)), expected);
        }
    }

    /// Encodes a character in one of the ways that programs write it.
    fn encode(c: char, way: u8) -> String {
        let code = u32::from(c);
        match way % 12 {
            0 => format!("%{code:02X}"),
            1 => format!("%25{code:02x}"),
            2 => format!("&#{code};"),
            3 => format!("&#x{code:X};"),
            4 => format!("\\x{code:02x}"),
            5 => format!("\\u{code:04x}"),
            6 => format!("\\\\u{code:04x}"),
            7 => format!("\\u{{{code:x}}}"),
            8 => format!("\\U{code:08x}"),
            9 => format!("\\{code:03o}"),
            10 => format!("={code:02X}"),
            _ => char::from_u32(code - 0x21 + 0xFF01).into_iter().collect(),
        }
    }

    proptest! {
        #[test]
        fn no_encoding_of_a_token_survives(
            before in ".{0,8}",
            after in r"[^-A-Za-z0-9_%&=\\]?",
            ways in vec(proptest::option::weighted(0.3, any::<u8>()), 42),
        ) {
            let token = format!("123456:{SECRET}");
            let mut encoded: Vec<String> = token.chars().map(String::from).collect();
            for ((c, way), encoded) in token.chars().zip(ways).zip(&mut encoded) {
                *encoded = way.map_or(encoded.clone(), |way| encode(c, way));
            }
            let id = encoded[..7].concat();
            let text = format!("{before} {id}{}{after}", encoded[7..].concat());
            prop_assert_eq!(mask_secrets(&text), format!("{before} {id}***{after}"));
        }

        #[test]
        fn any_text_can_be_masked(text in r"([\\%&=#;xu0-9a-f:A{}\n ]|.){0,40}") {
            let spans = secret_spans(&text);
            prop_assert!(spans.is_sorted_by(|one, next| one.end <= next.start));
            prop_assert!(spans.iter().all(|span| text.get(span.clone()).is_some()));
        }
    }
}
