//! Splits a line of shell code into words, if it is a single command with only settings before it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::command_context::{CommandContext, after_assignments, assignment};

/// Characters with a special meaning to a shell, except in single quotes.
const SPECIAL: &str = "|&;<>()$`\\*?[]#~!{}\n";

/// Returns the words of a simple command and what the line sets for it: `cd bot && A=b ./bot`.
/// `None` if the line does more.
pub(super) fn simple_command(line: &str) -> Option<(Vec<OsString>, CommandContext)> {
    let mut context = CommandContext::default();
    let mut line = line.trim().trim_end_matches(';');
    while let Some(end) = end_of_setting(line) {
        let (setting, rest) = line.split_at(end);
        let words = simple_words(setting)?;
        let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
        match words.split_first()? {
            (first, [folder]) if *first == "cd" => context.enter(Path::new(folder)),
            (first, exported) if *first == "export" => {
                for word in exported {
                    let (name, value) = assignment(word)?;
                    context.set(name, Some(value));
                }
            }
            (first, _) if *first == "set" => {}
            _ => return None,
        }
        line = rest.trim_start_matches(['&', ';', ' ']);
    }
    let words = simple_words(line)?;
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    let words = after_assignments(&words, &mut context);
    (!words.is_empty()).then(|| (words.iter().map(|word| (*word).to_owned()).collect(), context))
}

/// Returns the names of the variables that a script expands (`$BOT`, `${BOT}`) and does not set.
pub(super) fn variables_read(text: &str) -> Vec<OsString> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name_at = |rest: &str| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let is_set = |name: &String| {
        text.split(|c: char| c.is_whitespace() || c == ';')
            .any(|word| word.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('=')))
            || text.contains(&format!("for {name} in"))
    };
    let mut names: Vec<String> = text.split('$').skip(1).map(name_at).collect();
    names.retain(|name| name.starts_with(|c: char| c.is_ascii_uppercase()) && !is_set(name));
    names.retain(|name| {
        !["PWD", "HOME", "USER", "SHELL", "BASH_SOURCE", "OLDPWD"].contains(&&**name)
    });
    names.sort();
    names.dedup();
    names.into_iter().map(OsString::from).collect()
}

/// Returns the end of the line's first command, if it only sets something.
fn end_of_setting(line: &str) -> Option<usize> {
    ["cd ", "export ", "set "].iter().any(|start| line.starts_with(start)).then_some(())?;
    let ends = [line.find("&&"), line.find(';')];
    ends.into_iter().flatten().min()
}

/// Returns the words of a simple command; `None` if a shell would do more than split it.
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

    #[test]
    fn what_a_line_sets_for_its_command_is_known() {
        let read = |line: &str| {
            let (words, context) = simple_command(line)?;
            let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
            let folder = context.folder.map(|folder| folder.display().to_string());
            let names = context.variables.iter().map(|(name, _)| name.to_str().unwrap());
            Some((words.join(" "), folder, names.collect::<Vec<_>>().join(" ")))
        };
        for (line, expected) in [
            ("A=b ./bot x", Some(("./bot x", None, "A"))),
            ("cd bot && exec ./bot;", Some(("exec ./bot", Some("bot"), ""))),
            (
                "set -e; cd '/a b'; export A=b C=d; E=f ./bot",
                Some(("./bot", Some("/a b"), "A C E")),
            ),
            ("cd bot || ./bot", None),
            ("cd $HOME && ./bot", None),
            ("cd bot && true && ./bot", None),
            ("A=b", None),
        ] {
            let expected = expected.map(|(words, folder, names): (&str, Option<&str>, &str)| {
                (words.to_owned(), folder.map(str::to_owned), names.to_owned())
            });
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn the_variables_that_a_script_reads_are_those_that_it_does_not_set() {
        for (text, expected) in [
            ("node bots/$BOT.js", &["BOT"][..]),
            ("A=1\npython3 bots/${BOT}.py $A \"$@\" $1", &["BOT"]),
            ("for BOT in a b; do python3 $BOT.py; done", &[]),
            ("cd \"$HOME/bot\"; exec ./bot ${PROFILE:-prod}", &["PROFILE"]),
        ] {
            assert_eq!(variables_read(text), expected, "{text}");
        }
    }
}
