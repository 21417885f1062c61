//! Splits a line of shell code into words, if it is a single command with only settings before it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::command_context::{CommandContext, after_assignments, assignment};
use crate::scan::shell_statements::{Statement, end_of_block, statements};

/// Characters with a special meaning to a shell, except in single quotes.
const SPECIAL: &str = "|&;<>()$`\\*?[]#~!{}\n";

/// Variables that a shell, a login or a package manager sets.
const OF_SESSION: [&str; 14] = [
    "PWD",
    "OLDPWD",
    "INIT_CWD",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "HOSTNAME",
    "TMPDIR",
    "BASH_SOURCE",
    "UID",
    "RANDOM",
    "SECONDS",
    "LINENO",
];

/// Programs that write what they read, to a file or a terminal.
const FILTERS: &[&str] = &[
    "tee",
    "cat",
    "grep",
    "egrep",
    "rg",
    "sed",
    "awk",
    "gawk",
    "mawk",
    "ts",
    "logger",
    "systemd-cat",
    "rotatelogs",
    "cronolog",
    "multilog",
    "s6-log",
    "svlogd",
    "jq",
    "less",
    "tail",
    "head",
    "pino-pretty",
    "bunyan",
    "ccze",
    "lolcat",
];

/// Returns the words of a simple command and what the line sets for it: `cd bot && A=b ./bot`. Its
/// output may go to files or through filters: `./bot 2>&1 | tee bot.log`. `None` if the line does
/// more.
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
    let words = redirected_words(before_filters(line)?)?;
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    let words = after_assignments(&words, &mut context);
    // A folder, such as `.`, is no program.
    let is_program = words.first().is_some_and(|first| Path::new(first).file_name().is_some());
    is_program.then(|| (words.iter().map(|word| (*word).to_owned()).collect(), context))
}

/// Returns whether a character may be part of the name of a variable. Another letter than those of
/// ASCII is no end of a word either.
pub(super) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the names of the variables that a script expands (`$BOT`, `${BOT}`) and does not set
/// before.
pub(super) fn variables_read(text: &str) -> Vec<OsString> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name_at = |rest: &str| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let is_end = |c: char| c.is_whitespace() || c == ';';
    // `BOT=${BOT:-x}` reads the variable first.
    let is_set = |name: &str, before: usize| {
        let word = format!("{name}=");
        let mut set = text.match_indices(&word).map(|(at, _)| at);
        let is_word = |at: &usize| text[..*at].chars().next_back().is_none_or(is_end);
        let end = |at: usize| text[at..].find(is_end).map_or(text.len(), |length| at + length);
        set.find(is_word).is_some_and(|at| end(at) <= before)
            || text.contains(&format!("for {name} in"))
    };
    let uses = text.match_indices('$').map(|(at, _)| (at, name_at(&text[at + 1..])));
    let is_read = |(at, name): &(usize, String)| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && !is_set(name, *at)
            && !OF_SESSION.contains(&&**name)
            && !name.starts_with("MAKE")
    };
    let mut names: Vec<String> = uses.filter(is_read).map(|(_, name)| name).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(OsString::from).collect()
}

/// Returns the names of the variables that any line of a script sets or unsets, for itself or for
/// one command. The output of a program is rather a release or a date than a bot's name.
pub(super) fn variables_set(text: &str) -> Vec<OsString> {
    let mut names: Vec<OsString> = Vec::new();
    for Statement { text, .. } in statements(text) {
        let is_set = |word: &&str| assignment(OsStr::new(word)).is_some();
        let mut words = text.split_whitespace().peekable();
        let before = std::iter::from_fn(|| words.next_if(is_set));
        names.extend(before.filter_map(name_of));
        match words.next() {
            Some("export" | "declare" | "typeset" | "readonly" | "env" | "cross-env") => {
                names.extend(words.filter_map(name_of));
            }
            Some("unset") => names.extend(words.map(OsString::from)),
            Some("exec") if words.next_if_eq(&"env").is_some() => {
                names.extend(words.filter_map(name_of));
            }
            Some(_) | None => {}
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Returns the paths of the scripts that lines of a script read, as far as they are plain.
pub(super) fn scripts_read(text: &str) -> Vec<String> {
    let statements = statements(text).into_iter();
    let files = statements.filter_map(|it| {
        let words: Vec<&str> = it.text.split_whitespace().collect();
        match words[..] {
            ["." | "source", file, ..] => Some(file.trim_matches(['\'', '"']).to_owned()),
            _ => None,
        }
    });
    files.filter(|file| !file.contains('$') && !file.ends_with("/activate")).take(8).collect()
}

/// Returns the name of a variable that a word sets.
fn name_of(word: &str) -> Option<OsString> {
    let (name, _) = assignment(OsStr::new(word))?;
    (!word.contains('`') && !word.contains("$(")).then(|| name.to_owned())
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

/// Returns the words of a command whose output may be redirected.
fn redirected_words(line: &str) -> Option<Vec<OsString>> {
    simple_words(line).or_else(|| simple_words(without_redirections(line)?))
}

/// Returns the first command of a pipeline. `None` if anything but filters follows.
fn before_filters(line: &str) -> Option<&str> {
    let mut commands = commands_of_pipeline(line).into_iter();
    let first = commands.next()?;
    let is_filter = |command: &str| {
        let words = redirected_words(command)?;
        let name = words.first().map(|name| base_name(name))?;
        Some(FILTERS.contains(&name))
    };
    commands.all(|command| is_filter(command) == Some(true)).then_some(first)
}

/// Returns whether a command only filters what it reads, whatever its arguments and files are.
pub(super) fn begins_with_filter(command: &str) -> bool {
    let name = command.split_whitespace().next().unwrap_or_default();
    FILTERS.contains(&base_name(OsStr::new(name)))
}

fn base_name(name: &OsStr) -> &str {
    Path::new(name).file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// Trims quotes, `;` and `)` from both ends of a word.
pub(super) fn unquoted(word: &str) -> &str {
    word.trim_matches(['\'', '"', ';', ')'])
}

/// Returns the first word of a line as it is written, with its quotes and substitutions.
pub(super) fn first_word(line: &str) -> &str {
    let mut at = 0;
    while let Some(rest) = line.get(at..)
        && let Some(c) = rest.chars().next()
        && !c.is_whitespace()
    {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let opens = ["$(", "<(", ">(", "${"].iter().find(|it| rest.starts_with(**it));
        let inner = match (opens, c) {
            (Some(open), _) => end_of_substitution(rest, open),
            (None, '\'') => after.find(c).map(|end| end + 1),
            (None, '`') => after.find('`').map(|end| end + 1),
            (None, '"') => end_of_double_quotes(after),
            (None, '\\') => after.chars().next().map(char::len_utf8),
            (None, _) => Some(0),
        };
        // Without an end, it is the whole line.
        at += c.len_utf8() + inner.unwrap_or(after.len());
    }
    line.get(..at).unwrap_or(line)
}

/// Returns the words of a line as they are written.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line.trim_start();
    std::iter::from_fn(move || {
        let word = first_word(rest);
        rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        (!word.is_empty()).then_some(word)
    })
}

/// Returns the length of `$(…)` after its first character.
fn end_of_substitution(text: &str, open: &str) -> Option<usize> {
    let (opening, closing) = if open.ends_with('{') { ('{', '}') } else { ('(', ')') };
    Some(open.len() + end_of_block(text.get(open.len()..)?, opening, closing)?)
}

/// Returns the length of what double quotes enclose, with the closing one.
fn end_of_double_quotes(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        at += match c {
            '"' => return Some(at + 1),
            '$' if rest.starts_with("$(") => 1 + end_of_substitution(rest, "$(")?,
            '\\' => 1 + rest.chars().nth(1)?.len_utf8(),
            _ => c.len_utf8(),
        };
    }
}

/// Splits a line at each `|` outside of quotes. `||` leaves an empty command between.
pub(super) fn commands_of_pipeline(line: &str) -> Vec<&str> {
    let mut quote: Option<char> = None;
    line.split(|c: char| {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(_) | None => {}
        }
        quote.is_none() && c == '|'
    })
    .collect()
}

/// Strips redirections: `>> bot.log 2>&1`. `None` if the line does more.
pub(super) fn without_redirections(line: &str) -> Option<&str> {
    let starts = [" >", " 1>", " 2>", " &>"];
    let Some(start) = starts.iter().filter_map(|start| line.find(start)).min() else {
        return Some(line);
    };
    let (command, mut rest) = line.split_at(start);
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(command);
        }
        let operator = ["2>&1", ">&2", "&>>", "&>", "1>>", "1>", "2>>", "2>", ">>", ">"]
            .into_iter()
            .find(|operator| rest.starts_with(operator))?;
        rest = rest.strip_prefix(operator)?;
        if !operator.contains(">&") {
            rest = after_file_name(rest.trim_start())?;
        }
        if !(rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            return None;
        }
    }
}

/// Returns what follows a file name. In double quotes, it may be anything that the shell expands to
/// one word.
fn after_file_name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted.split_once('"')?;
        return (!name.is_empty() && !name.contains(['`', '\\'])).then_some(rest);
    }
    let (name, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let is_plain = !name.is_empty() && !name.contains(|c: char| "|&;<>()$`\\\"'*?".contains(c));
    is_plain.then_some(rest)
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
    fn the_first_word_keeps_its_quotes_and_substitutions() {
        for (line, expected) in [
            ("a b", "a"),
            ("'a b'c d", "'a b'c"),
            (
                "\"$(dirname \"$0\")/venv/bin/activate\" x",
                "\"$(dirname \"$0\")/venv/bin/activate\"",
            ),
            ("$(cd \"$X/..\" && pwd)/a b", "$(cd \"$X/..\" && pwd)/a"),
            ("<(sops -d a) b", "<(sops -d a)"),
            ("${A:-b c}d e", "${A:-b c}d"),
            ("`a b`c d", "`a b`c"),
            ("IFS=$'\\n' read", "IFS=$'\\n'"),
            ("a\\ b c", "a\\ b"),
            ("\"a b", "\"a b"),
            ("", ""),
        ] {
            assert_eq!(first_word(line), expected, "{line}");
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
            ("./bot x 2>&1 | tee -a 'bot log' | grep -v debug > log", Some(("./bot x", None, ""))),
            ("cd bot && A=b ./bot >> log 2>&1", Some(("./bot", Some("bot"), "A"))),
            ("set -o pipefail; ./bot '|' \"a > b\"|tee log", Some(("./bot | a > b", None, ""))),
            ("./bot | ./other", None),
            ("yes | ./bot", None),
            ("./bot || tee log", None),
            ("./bot | tee log &", None),
            ("./bot | tee log; ./other", None),
            ("./bot x > \"$LOG $(date).log\" 2>&1", Some(("./bot x", None, ""))),
            ("./bot > $LOG", None),
            ("./bot \"a > \" b", Some(("./bot a >  b", None, ""))),
            ("./bot > \"a\"b", None),
            ("cd bot || ./bot", None),
            ("cd $HOME && ./bot", None),
            ("cd bot && true && ./bot", None),
            ("A=b", None),
            (". x", None),
            ("../ x", None),
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
            ("BOT=${BOT:-a}\nexec ./bot $BOT", &["BOT"]),
            ("export BOT=\"${BOT:-a b}\"; exec ./bot", &["BOT"]),
            ("[ -n \"$BOT\" ] || BOT=a\nexec ./bot $BOT", &["BOT"]),
            ("MY_BOT=1; ./bot $BOT $MAKE $RANDOM", &["BOT"]),
        ] {
            assert_eq!(variables_read(text), expected, "{text}");
        }
    }

    #[test]
    fn the_variables_that_any_line_sets_are_known() {
        for (text, expected) in [
            ("export A=1 B=$2\nexec ./bot", "A B"),
            ("A=1 B=2 ./bot x=3", "A B"),
            ("if [ -f x ]; then export A=1; else unset B; fi", "A B"),
            ("exec env A=1 ./bot C=2", "A C"),
            ("cross-env A=1 node main.js && ./bot", "A"),
            ("A=1\nA=2\necho B=3", "A"),
            ("exec python3 main.py", ""),
            ("export A=$(git describe) B=`date`\nC=$D ./bot", "C"),
        ] {
            let names = variables_set(text);
            let names: Vec<_> = names.iter().map(|name| name.to_str().unwrap()).collect();
            assert_eq!(names.join(" "), expected, "{text}");
        }
    }
}
