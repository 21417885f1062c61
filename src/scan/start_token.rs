//! The token that a start has, and the values in a script that are the same token.

use std::path::{Path, PathBuf};

use crate::engine::carried_tokens::bots_in;
use crate::engine::instance::BotId;
use crate::scan::command_env_files::{files_printed, names_another_token};
use crate::scan::script_file::{ScriptFolders, code_of_substitution};
use crate::scan::shell_words::is_name_char;
use crate::scan::small_file;

/// A longer file that a script reads is not looked at.
pub(super) const MAX_READ: u64 = 64 << 10;

/// The token that this start has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartToken<'a> {
    pub(crate) bot: BotId,
    /// The variable of the environment that has it.
    pub(crate) variable: Option<&'a str>,
    /// The `env_file` that has it. Scripts may read it themselves.
    pub(crate) file: Option<&'a Path>,
}

impl StartToken<'_> {
    /// Returns whether the value of one of `names` is this token: a variable that has it, or what a
    /// program reads from its file.
    pub(super) fn is_in(&self, names: &[&str], value: &str, folders: &ScriptFolders) -> bool {
        let value = value.trim_start_matches(['"', '\'']);
        if let Some(code) = code_of_substitution(value) {
            return self.is_output(names, code, folders);
        }
        if let Some(variable) = value.strip_prefix('$') {
            return self.is_variable(names, variable, folders);
        }
        let word = value.split_whitespace().next().unwrap_or_default();
        !word.contains(['`', '$']) && bots_in(word.as_bytes()).iter().all(|bot| *bot == self.bot)
    }

    /// `variable` is what follows the `$`.
    fn is_variable(&self, names: &[&str], variable: &str, folders: &ScriptFolders) -> bool {
        let (braces, inner) = match variable.strip_prefix('{') {
            Some(inner) => (true, inner),
            None => (false, variable),
        };
        let end = inner.find(|c| !is_name_char(c)).unwrap_or(inner.len());
        let (read, rest) = inner.split_at(end);
        if !names.contains(&read) && self.variable != Some(read) {
            return false;
        }
        let operator = rest.strip_prefix(':').unwrap_or(rest);
        match operator.chars().next().filter(|_| braces) {
            // The default counts only without a value.
            Some('-' | '=') if self.variable == Some(read) => true,
            Some('-' | '=' | '+') => {
                operator.get(1..).is_some_and(|it| self.is_in(names, it, folders))
            }
            Some('[') => false,
            Some(_) | None => true,
        }
    }

    /// Returns whether code prints this token from a file.
    fn is_output(&self, names: &[&str], code: &str, folders: &ScriptFolders) -> bool {
        let code = code.strip_prefix("shell ").unwrap_or(code);
        let paths = files_printed(code).unwrap_or_default().into_iter();
        let paths: Option<Vec<Vec<PathBuf>>> = paths.map(|it| folders.paths(it)).collect();
        let paths = paths.unwrap_or_default().concat();
        let is_mine_alone = |path: &PathBuf| {
            let text = small_file::text(path, MAX_READ).unwrap_or_default();
            let bots = bots_in(text.as_bytes());
            bots.first() == Some(&self.bot) && bots.len() == 1
        };
        let is_own = |path: &PathBuf| Some(&**path) == self.file;
        let may_be_another =
            |path: &PathBuf| !is_own(path) && path.is_file() && !is_mine_alone(path);
        if paths.iter().any(may_be_another) {
            return false;
        }
        paths.iter().any(is_mine_alone)
            || paths.iter().any(is_own) && !names_another_token(code, names)
    }
}
