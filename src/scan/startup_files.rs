//! Files of a shell or version manager that a start script reads before its bot: `. ~/.profile`,
//! `. "$NVM_DIR/nvm.sh"`. They change `$PATH`, and choose no bot unless they set other variables.
#![expect(clippy::disallowed_methods, reason = "reads what a shell reads")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::variable_kind::{
    VariableKind, counts_in_script, is_log_variable, may_choose_token,
};
use crate::scan::harmless_line::starts_program;
use crate::scan::harmless_output::writes_a_choice;
use crate::scan::interpreters::Interpreter;
use crate::scan::passing_failure::noted;
use crate::scan::script_command::long_text;
use crate::scan::script_reader::{Script, SearchPath, reads_a_file};
use crate::scan::settings_files::base_name;
use crate::scan::shell_statements::{Statement, functions, statements};
use crate::scan::shell_words::variables_set;

/// The ends of the paths of version managers' files, which set only variables of their own.
#[rustfmt::skip]
const OF_TOOLS: [&str; 14] = [
    "/.asdf/asdf.sh", "/.cargo/env", "/.deno/env", "/.ghcup/env", "/.local/bin/env",
    "/.nix-profile/etc/profile.d/nix.sh", "/.nvm/bash_completion", "/.nvm/nvm.sh",
    "/.rvm/scripts/rvm", "/.sdkman/bin/sdkman-init.sh", "/etc/profile.d/conda.sh",
    "/etc/profile.d/nix-daemon.sh", "/etc/profile.d/rvm.sh", "/usr/share/nvm/init-nvm.sh",
];

/// The start-up files of a shell in the home folder.
#[rustfmt::skip]
const OF_SHELLS: [&str; 8] = [
    ".bash_aliases", ".bash_login", ".bash_profile", ".bashrc", ".profile", ".zprofile", ".zshenv",
    ".zshrc",
];

/// Those of the host.
const OF_HOST: [&str; 3] = ["/etc/bash.bashrc", "/etc/bashrc", "/etc/profile"];

/// The most of them that are read because another one reads them.
const MAX_FILES: u32 = 32;

/// Programs that print code which sets up a shell, with what must follow them.
const HOOKS: [(&str, &str); 9] = [
    ("brew", "shellenv"),
    ("conda", "shell."),
    ("dircolors", ""),
    ("fnm", "env"),
    ("lesspipe", ""),
    ("nodenv", "init"),
    ("pyenv", "init"),
    ("rbenv", "init"),
    ("ssh-agent", ""),
];

/// Commands of version managers that choose the version of an interpreter.
#[rustfmt::skip]
const USES: [(&str, &[&str]); 6] = [
    ("conda", &["deactivate"]), ("fnm", &["install", "use"]), ("nvm", &["alias", "install", "use"]),
    ("pyenv", &["rehash", "shell"]), ("rvm", &["use"]), ("sdk", &["use"]),
];

/// Package managers whose program is the same for all versions.
const PACKAGE_MANAGERS: [&str; 3] = ["npm", "pnpm", "yarn"];

/// Commands of a start-up file that may change what the lines after it start.
#[rustfmt::skip]
const CHANGING: [&str; 11] = [
    "builtin", "cd", "exec", "getopts", "let", "mapfile", "popd", "pushd", "read", "readarray",
    "trap",
];

/// The variables and functions that start-up files set.
#[derive(Default)]
struct Set {
    variables: Vec<OsString>,
    functions: Vec<String>,
    files: u32,
}

impl Script<'_> {
    /// Reads a line that sets up a shell or a version manager. Returns whether it is one that
    /// chooses no bot.
    pub(super) fn reads_startup_file(&mut self, command: &[String], statement: &Statement) -> bool {
        let text = &statement.text;
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut set = Set::default();
        let is_one = match words[..] {
            ["." | "source", file] => {
                let home = (self.scope.environment)("HOME");
                !self.is_of_project(file)
                    && !self.scope.variables.contains_key("HOME")
                    && is_startup_file(file, home.as_deref(), &mut set)
                    && !starts_program(text)
            }
            ["eval", ..] => is_hook(text),
            [tool, verb, ..] => {
                let is_use = |(its_name, verbs): &(&str, &[&str])| {
                    *its_name == tool && verbs.contains(&verb)
                };
                USES.iter().any(is_use)
                    && !self.functions.contains(tool)
                    && !words.iter().any(|it| it.contains('\0'))
                    && !starts_program(text)
            }
            [_] | [] => false,
        };
        if !is_one || writes_a_choice(text) || reads_a_file(text) {
            return false;
        }
        let path = self.context.variables.iter().find(|(name, _)| name == "PATH");
        let path = path.and_then(|(_, path)| path.clone());
        self.is_simple &= path.is_none_or(|it| self.adds_folders_of_host(&it.to_string_lossy()));
        self.path = SearchPath::Other;
        set.variables.push("PATH".into());
        for name in set.variables {
            self.context.variables.retain(|(own, _)| *own != name);
            self.scope.variables.insert(name.to_string_lossy().into_owned(), None);
        }
        self.functions.extend(set.functions);
        true
    }

    /// Returns whether a value of `$PATH` has no folder of the project, with programs of its own.
    pub(super) fn adds_folders_of_host(&self, path: &str) -> bool {
        let is_of_host = |it: &str| {
            it.starts_with('\0')
                || it.starts_with('/') && !it.contains('\0') && !self.is_of_project(it)
        };
        path.split(':').all(is_of_host)
    }

    /// Returns whether a file is in the folder of the start, unless that is the home folder.
    fn is_of_project(&self, file: &str) -> bool {
        let home = (self.scope.environment)("HOME");
        Path::new(file).starts_with(self.cwd) && home.is_none_or(|it| Path::new(&it) != self.cwd)
    }

    /// Returns whether a program is the one that monopoll finds, although `$PATH` is not known.
    pub(super) fn is_found(&self, program: &str) -> bool {
        self.path == SearchPath::Known
            || program.contains('/')
            || PACKAGE_MANAGERS.contains(&program)
            || Interpreter::by_name(program).is_some()
    }
}

/// Returns whether a file is such a file, and sets no variable that may choose a bot.
fn is_startup_file(file: &str, home: Option<&str>, set: &mut Set) -> bool {
    if !file.starts_with('/') || file.contains('\0') || file.contains("/../") {
        return false;
    }
    if OF_TOOLS.iter().any(|end| file.ends_with(end)) {
        return true;
    }
    let of_home = home.and_then(|home| file.strip_prefix(home.trim_end_matches('/')));
    let is_of_shell = of_home.and_then(|it| it.strip_prefix('/'));
    (is_of_shell.is_some_and(|it| OF_SHELLS.contains(&it)) || OF_HOST.contains(&file))
        && sets_up_only(Path::new(file), home, set)
}

fn sets_up_only(file: &Path, home: Option<&str>, set: &mut Set) -> bool {
    set.files += 1;
    if set.files > MAX_FILES {
        return false;
    }
    let Some(text) = long_text(file) else { return false };
    let names = variables_set(&text);
    let is_harmless = names.iter().all(|name| is_of_shell(name));
    set.variables.extend(names);
    set.functions.extend(functions(&text));
    is_harmless && statements(&text).iter().all(|it| is_setup(&it.text, &text, home, set))
}

/// Returns whether a statement of a start-up file neither chooses a bot nor leads elsewhere.
fn is_setup(statement: &str, text: &str, home: Option<&str>, set: &mut Set) -> bool {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let is_plain = |word: &&str| {
        word.starts_with('-') || is_name(word.split_once('=').map_or(word, |(name, _)| name))
    };
    let first = words.first().map_or("", |it| it.trim_start_matches('\\'));
    // `printf -v BOT`, `${BOT:=bob}`
    if CHANGING.contains(&first) || statement.starts_with("printf -v") || statement.contains(":=") {
        return false;
    }
    match words[..] {
        [first @ ("alias" | "unalias"), ..] => {
            let names = statement[first.len()..].split('=').next().unwrap_or_default();
            set.functions.push(names.trim().to_owned());
            true
        }
        ["set", ..] => words[1..].iter().all(|it| ["-o", "+h", "vi", "emacs"].contains(it)),
        ["eval", "\"$__conda_setup\""] => true,
        ["eval", ..] => is_hook(statement),
        ["export" | "declare" | "typeset" | "readonly", ref rest @ ..] => {
            let is_known = |word: &&str| word.contains('=') || is_of_shell(OsStr::new(word));
            rest.iter().all(is_plain) && rest.iter().filter(|it| !it.starts_with('-')).all(is_known)
        }
        ["." | "source" | "\\.", file, ..] => reads_only_setup(file, text, home, set),
        _ => true,
    }
}

/// Returns whether the file that a start-up file reads is one, too, or belongs to the host.
fn reads_only_setup(word: &str, text: &str, home: Option<&str>, set: &mut Set) -> bool {
    let word = word.trim_matches(['"', '\'']);
    let in_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|it| word.strip_prefix(it));
    let path = match (in_home, home) {
        (Some(rest), Some(home)) => format!("{home}/{rest}"),
        (Some(_), None) => return false,
        (None, _) => word.replace("$NVM_DIR/", "/.nvm/"),
    };
    if path.contains("/../") {
        return false;
    }
    if path.starts_with("/usr/share/") || path == "/etc/bash_completion" {
        return true;
    }
    // `for i in /etc/profile.d/*.sh; do . "$i"; done`
    if path == "$i" && text.contains("in /etc/profile.d/*.sh") {
        return scripts_of_host().iter().all(|it| sets_up_only(it, home, set));
    }
    // One that is not there is not read.
    let path = Path::new(&path);
    let is_absent = || noted(path, fs::symlink_metadata(path)).is_none();
    path.to_str().is_some_and(|it| is_startup_file(it, home, set))
        || path.is_absolute() && is_absent()
}

fn scripts_of_host() -> Vec<PathBuf> {
    let folder = Path::new("/etc/profile.d");
    let entries = noted(folder, fs::read_dir(folder)).into_iter().flatten().flatten();
    let scripts = entries.map(|it| it.path());
    scripts.filter(|it| it.extension() == Some(OsStr::new("sh"))).collect()
}

/// Returns whether a variable belongs to a shell or a tool, and holds no token or secret.
fn is_of_shell(name: &OsStr) -> bool {
    let is_secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        ["HASH", "KEY", "PASS", "SECRET", "TOKEN"].iter().any(|it| name.contains(it))
    };
    let counts = match VariableKind::of(name) {
        VariableKind::Choosing | VariableKind::OftenChoosing | VariableKind::Unknown => true,
        VariableKind::Session => counts_in_script(name),
        VariableKind::Other | VariableKind::Harmless => {
            may_choose_token(name) || is_log_variable(name)
        }
    };
    !counts && name.to_str().is_some_and(|it| !is_secret(it) && !it.starts_with("MONOPOLL_"))
}

/// Returns whether `eval` runs only what the hook of a tool prints: `eval "$(pyenv init -)"`.
fn is_hook(statement: &str) -> bool {
    let code = statement.trim().strip_prefix("eval").map(|it| it.trim().trim_matches('"'));
    let code = code.and_then(|it| it.strip_prefix("$(")?.strip_suffix(')'));
    let Some(code) = code.map(|it| it.replace(['"', '\''], "").replace("2> ", "2>")) else {
        return false;
    };
    let mut words = code
        .split_whitespace()
        .skip_while(|it| *it == "SHELL=/bin/sh")
        .filter(|it| *it != "2>/dev/null");
    let (name, next) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_it = |(hook, first): &(&str, &str)| base_name(name) == *hook && next.starts_with(first);
    let is_plain = |it: &str| !it.contains(['$', '`', ';', '|', '&', '<', '>', '(', '=']);
    HOOKS.iter().any(is_it)
        && (!name.contains('/') || name.starts_with(['/', '~', '$']))
        && is_plain(next)
        && words.all(is_plain)
        && is_plain(name.trim_start_matches('$'))
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hooks_of_tools_are_evaluated() {
        for text in [
            "eval \"$(pyenv init -)\"",
            "eval $(pyenv init --path)",
            "eval \"$(\"$HOME/miniconda3/bin/conda\" 'shell.bash' 'hook' 2> /dev/null)\"",
            "eval \"$(ssh-agent -s)\"",
            "eval \"$(SHELL=/bin/sh lesspipe)\"",
        ] {
            assert!(is_hook(text), "{text}");
        }
        for text in [
            "eval \"$(pyenv exec ./choose)\"",
            "eval \"$(./pyenv init -)\"",
            "eval \"$(pyenv init -; cat bob)\"",
            "eval \"$(pyenv init -)\" \"$(cat bob)\"",
            "eval \"$(direnv export bash)\"",
            "eval \"$(cat bob)\"",
            "eval \"$BOT\"",
        ] {
            assert!(!is_hook(text), "{text}");
        }
    }

    #[test]
    fn only_variables_of_a_shell_or_a_tool_belong_to_a_startup_file() {
        for name in ["EDITOR", "HISTSIZE", "LANG", "NVM_DIR", "PATH", "PS1", "color_prompt"] {
            assert!(is_of_shell(OsStr::new(name)), "{name}");
        }
        for name in [
            "BOT",
            "BOT_TOKEN",
            "TELEGRAM_TOKEN",
            "NODE_ENV",
            "WORKER",
            "bot",
            "API_KEY",
            "AWS_PROFILE",
        ] {
            assert!(!is_of_shell(OsStr::new(name)), "{name}");
        }
    }
}
