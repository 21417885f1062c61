//! Splits a line of shell code into words, if it is nothing but one command.

use std::ffi::OsString;

/// Characters with a meaning to a shell; between single quotes they have none.
const SPECIAL: &str = "|&;<>()$`\\*?[]#~!{}\n";

/// Returns the words of one plain command; `None` where a shell would do more than split it.
pub(super) fn simple_words(line: &str) -> Option<Vec<OsString>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.trim().chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some('"') if "$`\\!".contains(c) => return None,
            None if matches!(c, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if SPECIAL.contains(c) => return None,
            None if c.is_whitespace() => words.extend(word.take().map(OsString::from)),
            Some(_) | None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(OsString::from));
    (quote.is_none() && !words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_command_is_split_and_no_other() {
        for (line, expected) in [
            ("node  index.js", Some(&["node", "index.js"][..])),
            ("node 'a b.js' \"\" --x=\"1 2\"", Some(&["node", "a b.js", "", "--x=1 2"][..])),
            ("A=b node index.js", Some(&["A=b", "node", "index.js"][..])),
            ("node a.js && node b.js", None),
            ("node $FILE", None),
            ("node \"$FILE\"", None),
            ("node *.js", None),
            ("node 'a.js", None),
            (" ", None),
        ] {
            let words = simple_words(line);
            let words = words
                .as_ref()
                .map(|words| words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>());
            assert_eq!(words.as_deref(), expected, "{line}");
        }
    }
}
