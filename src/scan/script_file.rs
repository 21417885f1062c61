//! The paths of the files that a line of a shell script names, as far as they are known.
#![expect(clippy::disallowed_methods, reason = "a shell expands $HOME")]

use std::env;
use std::path::{Path, PathBuf};

use crate::scan::invocation::absolute;
use crate::scan::shell_statements::{Place, end_of_block};
use crate::scan::shell_words::{is_name_char, unquoted};

/// The folders in which a script may be at one of its lines.
#[derive(Debug)]
pub(super) struct ScriptFolders {
    current: Vec<PathBuf>,
    /// The folder of the script.
    beside: Option<PathBuf>,
}

impl ScriptFolders {
    pub(super) fn new(current: &Path, beside: Option<&Path>) -> ScriptFolders {
        ScriptFolders { current: vec![current.to_owned()], beside: beside.map(Path::to_owned) }
    }

    /// Follows `cd FOLDER`.
    pub(super) fn enter(&mut self, word: &str, place: Place) {
        let is_known = !word.contains(['$', '`', '~']) && !word.starts_with('-');
        let entered = match self.paths(word) {
            Some(paths) if !unquoted(word).is_empty() => paths,
            // `cd "$(dirname "$0")"` is the usual one of those that are not known.
            Some(_) | None => self.beside.iter().cloned().collect(),
        };
        if place == Place::Always && is_known {
            self.current.clear();
        }
        self.current.extend(entered);
        self.current.dedup();
    }

    /// Returns the paths that a word may mean. The folder in a variable is usually that of the
    /// script, or the current one. `None` if the name of the file is not known.
    pub(super) fn paths(&self, word: &str) -> Option<Vec<PathBuf>> {
        let word = unquoted(word);
        let in_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|it| word.strip_prefix(it));
        if let Some((home, file)) = env::var_os("HOME").zip(in_home)
            && !file.contains(['$', '`'])
        {
            return Some(vec![absolute(Path::new(file), Path::new(&home))]);
        }
        let is_known = !word.contains(['$', '`']);
        let file = if is_known { word } else { after_expansions(word)? };
        let beside = self.beside.iter().filter(|_| !is_known);
        let folders = beside.chain(&self.current);
        Some(folders.map(|folder| absolute(Path::new(file), folder)).collect())
    }
}

/// Returns the relative path that follows the last folder in a variable or substitution.
fn after_expansions(word: &str) -> Option<&str> {
    let mut rest = word;
    while let Some((_, expansion)) = rest.find(['$', '`']).and_then(|at| rest.split_at_checked(at))
    {
        let length = match (code_of_substitution(expansion), expansion.strip_prefix("${")) {
            (Some(code), _) if expansion.starts_with('`') => code.len() + 2,
            (Some(code), _) => code.len() + 3,
            (None, Some(inner)) => end_of_block(inner, '{', '}')? + 3,
            (None, None) => {
                let name = expansion.get(1..)?;
                1 + name.find(|c| !is_name_char(c)).unwrap_or(name.len())
            }
        };
        rest = expansion.get(length..)?;
    }
    let (_, file) = rest.split_once('/')?;
    (!file.is_empty()).then_some(file)
}

/// Returns the code of the substitution with which a text begins.
pub(super) fn code_of_substitution(text: &str) -> Option<&str> {
    if let Some(code) = text.strip_prefix('`') {
        return Some(code.split_once('`')?.0);
    }
    let code = text.strip_prefix("$(")?;
    code.get(..end_of_block(code, '(', ')')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_in_a_variable_is_that_of_the_script() {
        let folders = ScriptFolders::new(Path::new("/srv"), Some(Path::new("/opt/bot")));
        for (word, expected) in [
            ("./.env", Some(&["/srv/.env"][..])),
            ("'/etc/bob.env'", Some(&["/etc/bob.env"])),
            ("\"$HERE/bob.env\"", Some(&["/opt/bot/bob.env", "/srv/bob.env"])),
            (
                "\"$(dirname \"$0\")/venv/bin/activate\"",
                Some(&["/opt/bot/venv/bin/activate", "/srv/venv/bin/activate"]),
            ),
            ("$(cd \"$X/..\" && pwd)/../a", Some(&["/opt/a", "/a"])),
            ("\"${HERE%/*}\"/a", Some(&["/opt/bot/a", "/srv/a"])),
            ("`pwd`/a", Some(&["/opt/bot/a", "/srv/a"])),
            ("$FILE", None),
            (".env.$NAME", None),
            ("$HERE/$NAME.env", None),
        ] {
            let paths = folders.paths(word);
            let expected = expected.map(|it| it.iter().map(PathBuf::from).collect::<Vec<_>>());
            assert_eq!(paths, expected, "{word}");
        }
    }

    #[test]
    fn a_script_may_be_in_each_folder_that_it_may_enter() {
        for (word, place, expected) in [
            ("bots", Place::Always, &["/srv/bots"][..]),
            ("bots", Place::Perhaps, &["/srv", "/srv/bots"]),
            ("\"$(dirname \"$0\")\"", Place::Always, &["/srv", "/opt/bot"]),
            ("\"$DIR/bots\"", Place::Always, &["/srv", "/opt/bot/bots", "/srv/bots"]),
        ] {
            let mut folders = ScriptFolders::new(Path::new("/srv"), Some(Path::new("/opt/bot")));
            folders.enter(word, place);
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(folders.current, expected, "{word}");
        }
    }
}
