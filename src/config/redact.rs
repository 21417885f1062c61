//! What of a text must not be shown when a line of it is: bot tokens however they are written,
//! passwords, and the values of keys that sound like secrets – a file holds its owner's own keys,
//! too.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use crate::text::mask::{self, merged, secret_spans};

/// A key that sounds like a secret's, and its value, in whichever quotes.
static SECRET_VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let key = r#"(?<key>[A-Za-z0-9_.-]*(?:token|secret|passw|pwd|api_?-?key|private_?-?key|credential)[A-Za-z0-9_-]*)["']?"#;
    let value = r#"(?:"""(?<a>[^\n]*)|'''(?<b>[^\n]*)|"(?<c>(?:\\.|[^"\\\n])*)|'(?<d>[^'\n]*)|(?<e>[^\s"'][^\n]*))"#;
    Regex::new(&format!(r"(?i){key}[ \t]*[=:][ \t]*{value}")).ok()
});

/// An address, with what stands before its host and what follows its path: neither belongs there,
/// and both may be secrets.
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let before = r#"(?:[a-z]*://)?(?:(?<before>[^\s"'/?#@][^\s"'/?#]*)@)?"#;
    Regex::new(&format!(
        r#"(?i)url["']?[ \t]*[=:][ \t]*["']*{before}[^\s"'?\#]*(?:[?\#](?<after>[^\s"']+))?"#
    ))
    .ok()
});

/// Our own keys that sound like secrets' and have none.
const NO_SECRETS: [&str; 2] = ["token_env", "same_token"];

/// `text` without its tokens, however they are written.
pub(super) fn masked(text: &str) -> String {
    mask::replaced(text, &tokens(text))
}

/// Where the secrets in `text` are, in bytes and in order.
pub(super) fn concealed(text: &str) -> Vec<Range<usize>> {
    let mut spans = tokens(text);
    for captures in SECRET_VALUE.iter().flat_map(|regex| regex.captures_iter(text)) {
        let ours = captures.name("key").is_some_and(|key| {
            NO_SECRETS.iter().any(|name| key.as_str().to_lowercase().ends_with(name))
        });
        let value =
            ["a", "b", "c", "d", "e"].iter().find_map(|name| captures.name(name)).filter(|_| !ours);
        spans.extend(value.map(|value| value.range()).filter(|range| !range.is_empty()));
    }
    for captures in ADDRESS.iter().flat_map(|regex| regex.captures_iter(text)) {
        spans.extend(
            ["before", "after"]
                .iter()
                .filter_map(|name| captures.name(name))
                .map(|part| part.range()),
        );
    }
    merged(spans)
}

/// What looks like a token as it stands, and what does once its escapes are read.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut spans = secret_spans(text);
    if text.contains('\\') {
        let decoded = Decoded::of(text);
        spans.extend(secret_spans(&decoded.text).iter().map(|span| decoded.origin(span)));
    }
    merged(spans)
}

/// A text as TOML's escapes make it, so that no `\u003a` hides a token.
struct Decoded {
    text: String,
    /// Where in `text` something begins, and where in the original.
    steps: Vec<(usize, usize)>,
}

impl Decoded {
    fn of(original: &str) -> Decoded {
        let (mut text, mut steps, mut at) = (String::new(), vec![(0, 0)], 0);
        while let Some(next) = original.get(at..).and_then(|rest| rest.find('\\')) {
            text.push_str(&original[at..at + next]);
            at += next;
            let (meant, length) = escape(&original[at..]);
            steps.push((text.len(), at));
            text.extend(meant);
            at += length;
            steps.push((text.len(), at));
        }
        text.push_str(original.get(at..).unwrap_or_default());
        Decoded { text, steps }
    }

    /// What of the original a part of the text stands for.
    fn origin(&self, span: &Range<usize>) -> Range<usize> {
        self.before(span.start)..self.before(span.end)
    }

    fn before(&self, at: usize) -> usize {
        let next = self.steps.partition_point(|(decoded, _)| *decoded <= at);
        let (decoded, original) =
            self.steps.get(next.saturating_sub(1)).copied().unwrap_or_default();
        original + (at - decoded)
    }
}

/// What the escape at the beginning of `text` stands for, and how long it is; itself where it is
/// none.
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
        // A line break that is none.
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

    const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

    /// `¤` stands for the secret in what is given; what is hidden is shown as `#`.
    fn hidden(text: &str) -> String {
        let mut text = text.replace('¤', SECRET);
        for span in concealed(&text).into_iter().rev() {
            text.replace_range(span, "#");
        }
        text
    }

    #[test]
    fn a_token_is_hidden_however_it_is_written() {
        let (first, rest) = SECRET.split_at(8);
        for (text, expected) in [
            (r#"x = "1:¤""#.to_owned(), r#"x = "1:#""#),
            (r#"x = "1\u003a¤""#.to_owned(), r#"x = "1\u003a#""#),
            (r#"x = "\u0031\u003A¤" y"#.to_owned(), r#"x = "\u0031\u003A#" y"#),
            (format!(r#"x = "1:{first}\u0041{rest}" y"#), r#"x = "1:#" y"#),
            (format!("x = \"1:{first}\\\n   {rest}\" y"), "x = \"1:#\" y"),
            (r"x = '\\1:¤'".to_owned(), r"x = '\\1:#'"),
            (r#"x = "\\u0031 1\x3a¤" \u12"#.to_owned(), r#"x = "\\u0031 1\x3a#" \u12"#),
            (r"\u".to_owned(), r"\u"),
            ("\\".to_owned(), "\\"),
            ("\\\u{e9}\\x\u{e9}\u{e9}".to_owned(), "\\\u{e9}\\x\u{e9}\u{e9}"),
        ] {
            assert_eq!(hidden(&text), expected);
        }
    }

    #[test]
    fn the_value_of_a_key_that_sounds_like_a_secret_is_hidden() {
        for (text, expected) in [
            ("db_password = \"hunter2\" # x", "db_password = \"#\" # x"),
            ("db_password = \"hunter2", "db_password = \"#"),
            ("password = 'it\"s' # x", "password = '#' # x"),
            ("PASSWORD=\"\"\"hunter2", "PASSWORD=\"\"\"#"),
            ("x = { api_key = \"a\\\"b\", user = \"u\" }", "x = { api_key = \"#\", user = \"u\" }"),
            ("tokens = [\"a\", \"b\"]", "tokens = #"),
            ("\"my-secret\": hunter2", "\"my-secret\": #"),
            ("--set app.token=hunter2", "--set app.token=#"),
            ("url = 'redis://:hunter2@host'", "url = 'redis://#@host'"),
            ("url = \"https://hunter2@host/x\" # y", "url = \"https://#@host/x\" # y"),
            ("api_url = \"https://hunter2@host/x\" # y", "api_url = \"https://#@host/x\" # y"),
            ("api_url = 'http://me:hunter2@host'", "api_url = 'http://#@host'"),
            (
                "telegram = { api_url = \"https://host/?key=hunter2\", timeout = \"1s\" }",
                "telegram = { api_url = \"https://host/?#\", timeout = \"1s\" }",
            ),
            ("MONOPOLL_TELEGRAM__API_URL=me:hunter2@host", "MONOPOLL_TELEGRAM__API_URL=#@host"),
            (
                "--set telegram.api_url=https://host:8081/a#hunter2",
                "--set telegram.api_url=https://host:8081/a##",
            ),
            (
                "api_url = \"https://api.telegram.org\" # it's ours",
                "api_url = \"https://api.telegram.org\" # it's ours",
            ),
            ("token_env = ['A']\nsame_token = 'warn'", "token_env = ['A']\nsame_token = 'warn'"),
            ("MONOPOLL_TOKEN_ENV=A", "MONOPOLL_TOKEN_ENV=A"),
            ("a = 1\npassword =\nb = 2", "a = 1\npassword =\nb = 2"),
        ] {
            assert_eq!(hidden(text), expected);
        }
    }
}
