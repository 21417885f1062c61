//! Quotes text for a shell, or in backticks for a message.

use std::path::Path;

use crate::text::mask::sanitize;
use crate::text::printable::{is_nonprinting, truncate};

const MAX_QUOTE: usize = 81;

/// Most paths are shorter. The end of a path is more useful than a short line.
pub(crate) const MAX_LINE: usize = 400;

/// Quotes user input for a message: sanitized, truncated, in backticks.
pub fn quote(text: &str) -> String {
    format!("`{}`", short_name(text))
}

/// Sanitizes and truncates a name that is not quoted, as a key.
pub fn short_name(text: &str) -> String {
    truncate(&sanitize(text), MAX_QUOTE)
}

/// Sanitizes and truncates a path that is not quoted.
pub fn short_path(path: &Path) -> String {
    truncate(&sanitize(&path.to_string_lossy()), MAX_LINE)
}

/// Quotes `word` if a shell needs that, and escapes what would affect a terminal.
pub fn shell_quote(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric()
            || "_-./:=@%+,^".contains(c)
            || (!c.is_ascii() && !is_nonprinting(c) && !c.is_whitespace())
    };
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(is_nonprinting) {
        format!("$'{}'", word.chars().map(ansi_c).collect::<String>())
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Escapes a character for bash's `$'…'`.
fn ansi_c(c: char) -> String {
    match c {
        '\n' => r"\n".to_owned(),
        '\t' => r"\t".to_owned(),
        '\r' => r"\r".to_owned(),
        '\'' => r"\'".to_owned(),
        '\\' => r"\\".to_owned(),
        _ if !is_nonprinting(c) => c.to_string(),
        _ if c.is_ascii() => format!(r"\x{:02x}", u32::from(c)),
        _ if u32::from(c) <= 0xffff => format!(r"\u{:04x}", u32::from(c)),
        _ => format!(r"\U{:08x}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_escaped_and_cut() {
        assert_eq!(quote("a\u{1b}[2Jb\nc"), "`a\\u{1b}[2Jb\\nc`");
        assert_eq!(quote(&"é".repeat(200)).chars().count(), MAX_QUOTE + 2);
    }
}
