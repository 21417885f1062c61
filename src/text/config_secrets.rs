//! Finds secrets in configuration text, of which lines may be shown: tokens, passwords, and the
//! values of keys that sound like secrets. The user's own keys may be among them.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::text::mask::{merge_spans, secret_spans};

/// A key that sounds like a secret, with its value in any quotes.
static SECRET_VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let word = "token|secret|passw|pwd|api_?-?key|private_?-?key|credential";
    let key = format!(r#"(?<key>[A-Za-z0-9_.-]*(?:{word})[A-Za-z0-9_-]*)["']?"#);
    let multi_line = r#""""(?<a>[^\n]*)|'''(?<b>[^\n]*)"#;
    let one_line = r#""(?<c>(?:\\.|[^"\\\n])*)|'(?<d>[^'\n]*)|(?<e>[^\s"'][^\n]*)"#;
    Regex::new(&format!(r"(?i){key}[ \t]*[=:][ \t]*(?:{multi_line}|{one_line})")).ok()
});

/// A URL, with the parts before its host and after its path, which may be secrets.
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let before = r#"(?:[a-z]*://)?(?:(?<before>[^\s"'/?#@][^\s"'/?#]*)@)?"#;
    Regex::new(&format!(
        r#"(?i)url["']?[ \t]*[=:][ \t]*["']*{before}[^\s"'?\#]*(?:[?\#](?<after>[^\s"']+))?"#
    ))
    .ok()
});

/// Keys of monopoll that sound like secrets but are not.
const NO_SECRETS: [&str; 2] = ["token_env", "same_token"];

/// Finds the secrets in `text`: byte ranges, sorted.
pub(crate) fn config_secret_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = secret_spans(text);
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
    merge_spans(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

    /// Replaces `¤` by the secret in the input, and a hidden part by `#` in the result.
    fn hidden(text: &str) -> String {
        let mut text = text.replace('¤', SECRET);
        for span in config_secret_spans(&text).into_iter().rev() {
            text.replace_range(span, "#");
        }
        text
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
