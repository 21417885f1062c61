//! Splits a shell command into words and expands what is known: the script's arguments, its
//! variables and its own folder. What is not known stays open.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

/// Stands for one word that is not known, or for the part of one. No argument of a process contains
/// a NUL.
pub(super) const UNKNOWN_WORD: &str = "\0?";

/// The variables with the path of the script.
const OWN_PATH: [&str; 2] = ["0", "BASH_SOURCE"];

/// Search paths that often have no value before a script adds to them: `.:$PYTHONPATH`.
const SEARCH_PATHS: [&str; 3] = ["LD_LIBRARY_PATH", "NODE_PATH", "PYTHONPATH"];

/// Stands for any number of words that are not known.
pub(super) const UNKNOWN_WORDS: &str = "\0*";

pub(super) fn is_unknown(word: &OsStr) -> bool {
    word.as_encoded_bytes().contains(&0)
}

/// Returns the known parts before and after what is not known of a word.
pub(super) fn affixes(word: &OsStr) -> (String, String) {
    let word = word.to_string_lossy();
    let before = word.split('\0').next().unwrap_or_default();
    let after = word.rsplit('\0').next().unwrap_or_default().get(1..).unwrap_or_default();
    (before.to_owned(), after.to_owned())
}

fn may_be_word(pattern: &OsStr, word: &OsStr) -> bool {
    if !is_unknown(pattern) {
        return pattern == word;
    }
    let (before, after) = affixes(pattern);
    let rest = word.as_encoded_bytes().strip_prefix(before.as_bytes());
    rest.is_some_and(|rest| rest.ends_with(after.as_bytes()))
}

fn may_be_many(word: &OsStr) -> bool {
    word.to_string_lossy().contains(UNKNOWN_WORDS)
}

/// Compares words with a pattern that may have unknown ones. A command line can have more words
/// than the stack has room for calls.
pub(super) fn may_be(pattern: &[OsString], words: &[OsString]) -> bool {
    let (mut at, mut word) = (0, 0);
    // What follows the last unknown words, and the first word that may follow them.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), words.get(word)) {
            (None, None) => return true,
            (Some(it), _) if may_be_many(it) => {
                at += 1;
                retry = Some((at, word));
            }
            (Some(it), Some(found)) if may_be_word(it, found) => {
                at += 1;
                word += 1;
            }
            (Some(_) | None, _) => match retry {
                Some((after, first)) if first < words.len() => {
                    (at, word) = (after, first + 1);
                    retry = Some((after, word));
                }
                Some(_) | None => return false,
            },
        }
    }
}

/// What a script knows at one of its lines.
pub(super) struct Scope<'a> {
    /// The arguments of the script; `None` if a line may have changed them.
    pub(super) args: Option<Cow<'a, [OsString]>>,
    /// The absolute path of the script.
    pub(super) script: Option<&'a Path>,
    /// Whether `$0` counts as known. It is only known as a file: the script may have been started
    /// by another spelling of its path.
    pub(super) knows_own_path: bool,
    /// The current folder, as `pwd` shows it. `None` if a line may have entered another one.
    pub(super) cwd: Option<PathBuf>,
    /// The variables that the script has set. `None` is an unknown value.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// Returns the value of a variable of the environment.
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    /// A line may have set any variable.
    pub(super) has_unknown_variables: bool,
}

impl Scope<'_> {
    /// Splits a simple command, and removes redirections. `None` if it is not a simple command.
    pub(super) fn words(&self, command: &str) -> Option<Vec<String>> {
        let mut reader = Reader { scope: self, chars: command.chars().peekable() };
        let mut words = Vec::new();
        loop {
            reader.skip_blanks();
            let Some(&next) = reader.chars.peek() else { return Some(words) };
            match next {
                '#' => return Some(words),
                '<' | '>' => reader.skip_redirection()?,
                '&' if reader.chars.clone().nth(1) == Some('>') => reader.skip_redirection()?,
                _ => reader.word(&mut words)?,
            }
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        if name == "PWD" {
            return Some(self.cwd.as_deref()?.to_str()?.to_owned());
        }
        if OWN_PATH.contains(&name) {
            return Some(self.script.filter(|_| self.knows_own_path)?.to_str()?.to_owned());
        }
        match self.variables.get(name) {
            Some(value) => value.clone(),
            None if self.has_unknown_variables => None,
            None => {
                (self.environment)(name).or_else(|| SEARCH_PATHS.contains(&name).then(String::new))
            }
        }
    }

    fn argument(&self, number: usize) -> Option<&str> {
        self.args.as_ref()?.get(number.checked_sub(1)?)?.to_str()
    }

    /// Returns whether a name is certain to have no value.
    fn is_unset(&self, name: &str) -> bool {
        match (name.parse::<usize>(), &self.args) {
            (Ok(number), Some(args)) => number > args.len(),
            (Ok(_), None) => false,
            (Err(_), _) => {
                !OWN_PATH.contains(&name)
                    && !self.has_unknown_variables
                    && !self.variables.contains_key(name)
                    && (self.environment)(name).is_none()
            }
        }
    }

    /// Returns the value of `NAME`, `NAME:-DEFAULT` or `NAME-DEFAULT`.
    fn expansion(&self, text: &str) -> Option<String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, operator) = text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()));
        let operator = operator.strip_prefix("[0]").unwrap_or(operator);
        let value = || match name.parse() {
            Ok(0) | Err(_) => self.value(name),
            Ok(number) => self.argument(number).map(str::to_owned),
        };
        match operator {
            _ if name.is_empty() => None,
            "" => value(),
            "%/*" if OWN_PATH.contains(&name) => Some(self.script?.parent()?.to_str()?.to_owned()),
            "%/*" => value()?.rsplit_once('/').map(|(folder, _)| folder.to_owned()),
            _ => {
                let default =
                    [":-", ":=", "-", "="].iter().find_map(|it| operator.strip_prefix(it))?;
                match value() {
                    Some(value) if !value.is_empty() => Some(value),
                    None if !self.is_unset(name) => None,
                    Some(_) | None => {
                        let words = self.words(default)?;
                        let is_known = words.len() < 2 && !words.iter().any(|it| it.contains('\0'));
                        is_known.then(|| words.concat())
                    }
                }
            }
        }
    }
}

struct Reader<'a, 'b> {
    scope: &'a Scope<'b>,
    chars: Peekable<Chars<'a>>,
}

/// A word while it is read.
#[derive(Default)]
struct Draft {
    /// What is known after the last unknown part.
    text: String,
    /// What is known before the first one.
    before: String,
    is_quoted: bool,
    /// The word has a part that is not known.
    is_unknown: bool,
    /// The unknown part may be any number of words.
    may_be_many: bool,
}

impl Draft {
    fn add_unknown(&mut self) {
        let known = std::mem::take(&mut self.text);
        if !self.is_unknown {
            self.before = known;
        }
        self.is_unknown = true;
    }

    fn add_unknown_words(&mut self) {
        self.add_unknown();
        self.may_be_many = true;
    }
}

impl Reader<'_, '_> {
    fn skip_blanks(&mut self) {
        while self.chars.next_if(|c| c.is_whitespace()).is_some() {}
    }

    fn word(&mut self, words: &mut Vec<String>) -> Option<()> {
        let mut word = Draft::default();
        let mut before = Vec::new();
        while let Some(&c) = self.chars.peek() {
            if c.is_whitespace() {
                break;
            }
            // The number of a descriptor belongs to the redirection.
            if matches!(c, '<' | '>') {
                let is_descriptor = word.text.bytes().all(|it| it.is_ascii_digit() || it == b'&');
                if is_descriptor && !word.is_quoted && !word.is_unknown {
                    return Some(());
                }
                break;
            }
            self.chars.next();
            match c {
                '\'' => {
                    word.is_quoted = true;
                    loop {
                        match self.chars.next()? {
                            '\'' => break,
                            inner => word.text.push(inner),
                        }
                    }
                }
                '"' => {
                    word.is_quoted = true;
                    self.quoted(&mut word, &mut before)?;
                }
                '\\' => word.text.push(self.chars.next()?),
                '$' | '`' => match self.value(c) {
                    Value::Text(value) => {
                        let mut parts = value.split_whitespace();
                        word.text.push_str(parts.next().unwrap_or_default());
                        for part in parts {
                            before.push(std::mem::replace(&mut word.text, part.to_owned()));
                        }
                    }
                    Value::Arguments(args) => Self::arguments(args, &mut word, &mut before),
                    Value::Unknown => word.add_unknown_words(),
                },
                '[' if matches!(word.text.as_str(), "" | "[") && self.ends_test() => {
                    word.text.push(c);
                }
                '*' | '?' | '[' => word.add_unknown_words(),
                '~' if word.text.is_empty() => {
                    word.text.push_str(&(self.scope.environment)("HOME")?);
                }
                '|' | '&' | ';' | '(' | ')' => return None,
                '{' if word.text.is_empty() && self.chars.next_if_eq(&'}').is_some() => {
                    word.text.push_str("{}");
                }
                '{' | '}' if !word.text.is_empty() => return None,
                _ => word.text.push(c),
            }
        }
        words.append(&mut before);
        if word.is_unknown {
            let unknown = if word.may_be_many { UNKNOWN_WORDS } else { UNKNOWN_WORD };
            words.push(word.before + unknown + &word.text);
        } else if word.is_quoted || !word.text.is_empty() {
            words.push(word.text);
        }
        Some(())
    }

    /// Returns whether the rest of the word is that of `[` or `[[`.
    fn ends_test(&mut self) -> bool {
        self.chars.peek().is_none_or(|next| next.is_whitespace() || *next == '[')
    }

    fn quoted(&mut self, word: &mut Draft, before: &mut Vec<String>) -> Option<()> {
        loop {
            match self.chars.next()? {
                '"' => return Some(()),
                '\\' => match self.chars.next()? {
                    escaped @ ('"' | '\\' | '$' | '`') => word.text.push(escaped),
                    other => word.text.extend(['\\', other]),
                },
                c @ ('$' | '`') => match self.value(c) {
                    Value::Text(value) => word.text.push_str(&value),
                    Value::Arguments(args) => {
                        Self::arguments(args, word, before);
                        // `"$@"` without arguments is no word.
                        word.is_quoted = !word.text.is_empty();
                    }
                    Value::Unknown => word.add_unknown(),
                },
                c => word.text.push(c),
            }
        }
    }

    fn arguments(args: Option<Vec<String>>, word: &mut Draft, before: &mut Vec<String>) {
        let Some(mut args) = args else {
            word.add_unknown_words();
            return;
        };
        let Some(last) = args.pop() else { return };
        for arg in args {
            before.push(std::mem::take(&mut word.text) + &arg);
        }
        word.text.push_str(&last);
    }

    /// Reads what follows a `$` or a backquote.
    fn value(&mut self, first: char) -> Value {
        let text = |value: Option<String>| value.map_or(Value::Unknown, Value::Text);
        if first == '`' {
            let command: String = self.chars.by_ref().take_while(|c| *c != '`').collect();
            return text(self.scope.substitution(&command));
        }
        match self.chars.peek().copied() {
            Some('(') => {
                let command = self.balanced('(', ')');
                text(self.scope.substitution(&command))
            }
            Some('{') => {
                let name = self.balanced('{', '}');
                if name == "@" { self.all_arguments() } else { text(self.scope.expansion(&name)) }
            }
            Some('@' | '*') => {
                self.chars.next();
                self.all_arguments()
            }
            Some(c) if c.is_ascii_digit() => {
                self.chars.next();
                text(self.scope.expansion(&c.to_string()))
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                text(self.scope.expansion(&name))
            }
            Some('$' | '?' | '!' | '#' | '-') => {
                self.chars.next();
                Value::Unknown
            }
            Some(_) | None => Value::Text("$".to_owned()),
        }
    }

    fn all_arguments(&self) -> Value {
        let args = self.scope.args.as_ref().map(|args| {
            args.iter().map(|arg| arg.to_str().map_or(UNKNOWN_WORD.to_owned(), str::to_owned))
        });
        Value::Arguments(args.map(Iterator::collect))
    }

    /// Reads up to the bracket that closes the next one, and returns what is between.
    fn balanced(&mut self, open: char, close: char) -> String {
        self.chars.next();
        let (mut text, mut depth) = (String::new(), 1);
        for c in self.chars.by_ref() {
            depth += i32::from(c == open) - i32::from(c == close);
            if depth == 0 {
                break;
            }
            text.push(c);
        }
        text
    }

    fn skip_redirection(&mut self) -> Option<()> {
        while self.chars.next_if(|c| matches!(c, '<' | '>' | '&' | '|')).is_some() {}
        self.skip_blanks();
        if self.chars.peek() == Some(&'(') {
            self.balanced('(', ')');
            return Some(());
        }
        self.word(&mut Vec::new())
    }
}

enum Value {
    Text(String),
    /// All arguments of the script, if they are known.
    Arguments(Option<Vec<String>>),
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_expanded_and_the_rest_is_open() {
        let args = ["alice".into(), "a b".into()];
        let environment = |name: &str| (name == "HOME").then(|| "/home/u".to_owned());
        let scope = Scope {
            args: Some(Cow::Borrowed(&args)),
            script: Some(Path::new("/srv/bot/start")),
            knows_own_path: false,
            cwd: Some("/srv".into()),
            variables: [("A".to_owned(), Some("x y".to_owned())), ("B".to_owned(), None)].into(),
            environment: &environment,
            has_unknown_variables: false,
        };
        for (line, expected) in [
            ("python3 main.py", Some("python3|main.py")),
            ("./bot '$A' \"$A\" $A", Some("./bot|$A|x y|x|y")),
            ("./bot \"$@\" $1.py \"${2}\"", Some("./bot|alice|a b|alice.py|a b")),
            ("./bot \"$B\" --x=$B end", Some("./bot|?|--x=*|end")),
            ("./bot \"${C:-prod}\" ${3:-$1} \"${B:-x}\"", Some("./bot|prod|alice|?")),
            ("\"$(dirname \"$0\")/bot\" \"$(date)\"", Some("/srv/bot/bot|?")),
            ("`dirname $0`/bot \"${0%/*}\"", Some("/srv/bot/bot|/srv/bot")),
            ("$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)/bot", Some("/srv/bot/bot")),
            ("~/bot $HOME/x a\\ b *.py", Some("/home/u/bot|/home/u/x|a b|*.py")),
            ("\"$B/main.py\" a$B-x/b", Some("?/main.py|a*-x/b")),
            ("\"$(pwd)/bot\" $PWD/x", Some("/srv/bot|/srv/x")),
            ("\"$0\" $BASH_SOURCE", Some("?|*")),
            ("$(cd x &> /dev/null && pwd)/y", Some("/srv/x/y")),
            (
                "\"$( cd -- \"$( dirname -- \"${BASH_SOURCE[0]}\" )\" &> /dev/null && pwd )\"",
                Some("/srv/bot"),
            ),
            ("$(CDPATH= cd \"${BASH_SOURCE[0]%/*}\" >/dev/null 2>&1; pwd -P)", Some("/srv/bot")),
            ("$(dirname \"$(readlink -f \"$0\")\") `realpath x`", Some("/srv/bot|/srv/x")),
            ("$(cd x; ls) $(pwd | cat) $(cd $B && pwd)", Some("*|*|*")),
            ("$(command -v no-such-program || which /bin/x)", Some("/bin/x")),
            ("./bot < /dev/null >> \"$B\" 2>&1 -v # x", Some("./bot|-v")),
            ("./bot > >(tee \"$B\") 2>/dev/null", Some("./bot")),
            ("./bot &", None),
            ("./bot 'x", None),
        ] {
            let shown = scope.words(line).map(|words| words.join("|").replace('\0', ""));
            assert_eq!(shown.as_deref(), expected, "{line}");
        }
        let unknown = Scope { args: None, has_unknown_variables: true, ..scope };
        let words = unknown.words("./bot $1 \"$2\" \"$@\" $HOME ${C:-x}").unwrap();
        assert_eq!(words.join("|").replace('\0', ""), "./bot|*|?|*|*|*");
    }

    #[test]
    fn unknown_words_may_be_any() {
        let words =
            |text: &str| -> Vec<OsString> { text.split_whitespace().map(OsString::from).collect() };
        for (pattern, args, expected) in [
            ("", "", true),
            ("a \0?", "a b", true),
            ("a \0?", "a", false),
            ("a \0* c", "a c", true),
            ("a \0* c", "a b b c", true),
            ("a \0* c", "a b", false),
            ("a", "a b", false),
            ("x\0?/y", "x1/y", true),
            ("x\0?/y", "x1/z", false),
            ("x\0*/y c", "a b c", true),
        ] {
            assert_eq!(may_be(&words(pattern), &words(args)), expected, "{pattern} / {args}");
        }
    }
}
