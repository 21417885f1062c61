//! The commands of a shell script that may be the bot, as far as its text tells. A script that ends
//! with `exec` leaves no trace of itself.
//!
//! Only short scripts are read. A script with simple lines alone becomes its last command; any
//! other script only may.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::engine::variable_kind::VariableKind;
use crate::scan::command_context::CommandContext;
use crate::scan::harmless_command::{is_harmless, is_never_the_bot, writes_a_choice};
use crate::scan::harmless_line::{
    assignment, is_harmless_after, is_harmless_trap, without_neutral_substitutions,
};
use crate::scan::invocation::absolute;
use crate::scan::shell_case::with_chosen_branches;
use crate::scan::shell_expansion::Scope;
use crate::scan::shell_statements::{Place, Separator, Statement, functions, statements};
use crate::scan::shell_substitution::canonical;
use crate::scan::shell_words::{begins_with_filter, simple_words};
use crate::scan::small_file;

/// A longer script does more than starting a bot.
const MAX_LENGTH: u64 = 4 << 10;

/// Limits scripts that read each other with `.`.
const MAX_DEPTH: u32 = 3;

/// Built-in commands that may change any variable or argument, or give a name a new meaning.
const OPAQUE: [&str; 9] =
    ["eval", "getopts", "read", "mapfile", "readarray", "alias", "trap", "enable", "let"];

/// A command that a script runs, and what the lines before set for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ScriptCommand {
    /// Some may be unknown.
    pub(super) words: Vec<OsString>,
    pub(super) context: CommandContext,
    /// Whether the folder of the context is the one in which the command runs.
    pub(super) knows_folder: bool,
    /// The `bin` folder of a virtual environment, which comes first in `$PATH`.
    pub(super) environment: Option<PathBuf>,
    pub(super) role: ScriptRole,
    pub(super) unknown: UnknownSettings,
}

/// The variables that are set for a command to values that are not known, such as `ROLE=$(role)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownSettings {
    /// The same values as for the command before.
    Same,
    /// Other values, and other variables, than for the command before.
    Other,
    /// Each run of the command may get other values: it is in a loop or branch.
    Each,
}

/// How a script runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptRole {
    /// The script has only simple lines, and becomes this command or waits for it.
    Certain,
    /// The script replaces itself by the command.
    Exec,
    /// The command goes into the background.
    Background,
    /// The script replaces itself by its arguments.
    Arguments,
    /// In a branch that the arguments of the script do not choose.
    NotChosen,
    Other,
}

/// Where a script is, and how it was started.
pub(super) struct ScriptStart<'a> {
    pub(super) args: &'a [OsString],
    pub(super) script: Option<&'a Path>,
    /// The current folder.
    pub(super) cwd: &'a Path,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
}

/// Returns the text of a short script.
pub(super) fn text(path: &Path) -> Option<String> {
    small_file::text(path, MAX_LENGTH)
}

/// Returns the commands of a script, in order. If the script is simple, only its last one.
pub(super) fn commands(text: &str, start: &ScriptStart<'_>) -> Vec<ScriptCommand> {
    let Some(chosen) = with_chosen_branches(text, start.args) else {
        return commands_of(text, start);
    };
    let mut commands = commands_of(&chosen, start);
    for mut other in commands_of(text, start) {
        if !commands.iter().any(|it| it.words == other.words && it.context == other.context) {
            other.role = ScriptRole::NotChosen;
            commands.push(other);
        }
    }
    commands
}

fn commands_of(text: &str, start: &ScriptStart<'_>) -> Vec<ScriptCommand> {
    let mut commands = read(text, start);
    if !passes_arguments(text, start) {
        for command in commands.iter_mut().filter(|it| it.role == ScriptRole::Certain) {
            // Treated like an `exec` of a script with other lines: one may use the other arguments.
            command.role = ScriptRole::Exec;
        }
    }
    commands
}

/// Returns whether a simple script passes all its arguments to its last command. Another line may
/// do something with the others, so that it is another bot.
fn passes_arguments(text: &str, start: &ScriptStart<'_>) -> bool {
    let args: Vec<OsString> =
        (0..start.args.len()).map(|number| format!("\u{1}{number}\u{1}").into()).collect();
    let marked = read(text, &ScriptStart { args: &args, ..*start });
    let Some(ScriptCommand { words, context, .. }) = marked.last() else { return false };
    let values = context.variables.iter().filter_map(|(_, value)| value.as_deref());
    let folder = context.folder.iter().map(|folder| folder.as_os_str());
    let passed: Vec<String> = words
        .iter()
        .map(OsString::as_os_str)
        .chain(values)
        .chain(folder)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    args.iter().filter_map(|arg| arg.to_str()).all(|arg| passed.iter().any(|it| it.contains(arg)))
}

fn read(text: &str, start: &ScriptStart<'_>) -> Vec<ScriptCommand> {
    let mut script = Script {
        scope: Scope {
            args: Some(Cow::Borrowed(start.args)),
            script: start.script,
            knows_own_path: false,
            cwd: Some(start.cwd.to_owned()),
            variables: BTreeMap::new(),
            environment: start.environment,
            has_unknown_variables: false,
        },
        context: CommandContext::default(),
        cwd: start.cwd,
        environment: None,
        commands: Vec::new(),
        is_simple: true,
        exports_all: false,
        has_other_settings: false,
        functions: functions(text),
        depth: MAX_DEPTH,
    };
    let statements = statements(text);
    let mut rest = statements.iter();
    let mut before = Separator::Line;
    while let Some(statement) = rest.next() {
        let is_end = statement.place == Place::Always && statement.text.starts_with("exit");
        if is_end {
            break;
        }
        let is_done = script.read(statement);
        // What a command gets from a pipe may choose the bot.
        script.is_simple &= !is_done || before != Separator::Pipe;
        before = statement.end;
        if let Some(command) = script.commands.last_mut()
            && is_done
            && script.is_simple
            && (command.role == ScriptRole::Exec || ends_here(statement, rest.as_slice()))
        {
            command.role = ScriptRole::Certain;
            return script.commands.pop().into_iter().collect();
        }
        script.is_simple &= !is_done;
    }
    script.commands
}

/// Returns whether nothing follows a command but filters of its output, and commands that start no
/// other program: `echo $! > bot.pid`, `wait`.
fn ends_here(statement: &Statement, rest: &[Statement]) -> bool {
    let mut before = statement.end;
    rest.iter().all(|next| {
        let is_part = before == Separator::Pipe && begins_with_filter(&next.text);
        let is_harmless = is_harmless_after(&next.text)
            && match before {
                Separator::Line | Separator::Background | Separator::And | Separator::Or => true,
                Separator::Pipe | Separator::Open | Separator::Close => false,
            };
        before = next.end;
        is_part || is_harmless
    }) && matches!(before, Separator::Line | Separator::Background)
}

/// A script while it is read.
struct Script<'a> {
    scope: Scope<'a>,
    /// What the lines set for the commands after them. Its folder counts if `scope` knows it.
    context: CommandContext,
    cwd: &'a Path,
    environment: Option<PathBuf>,
    commands: Vec<ScriptCommand>,
    is_simple: bool,
    /// After `set -a`, every variable is exported.
    exports_all: bool,
    /// A line has set a variable to an unknown value since the last command.
    has_other_settings: bool,
    functions: BTreeSet<String>,
    /// How many more scripts may read each other.
    depth: u32,
}

impl Script<'_> {
    /// Reads one statement. Returns whether it is a command that may be the bot.
    fn read(&mut self, statement: &Statement) -> bool {
        let Some(words) = self.scope.words(&statement.text) else {
            self.is_simple = false;
            return false;
        };
        let is_assignment = |word: &String| assignment(word).is_some();
        let count = words.iter().take_while(|word| is_assignment(word)).count();
        let (assignments, command) = words.split_at(count);
        let Some(first) = command.first() else {
            // A variable with the path of the script is used to find its folder.
            self.scope.knows_own_path = true;
            let words = self.scope.words(&statement.text);
            self.scope.knows_own_path = false;
            // `{ echo …; } > .env`
            self.is_simple &= !writes_a_choice(&statement.text);
            let words = words.unwrap_or_default();
            let assignments = words.as_slice();
            for (name, value) in assignments.iter().filter_map(|it| assignment(it)) {
                self.assign(name, value, statement);
            }
            return false;
        };
        let rest = command.get(1..).unwrap_or_default();
        if is_harmless(command, &statement.text) {
            return false;
        }
        if is_never_the_bot(Path::new(first)) {
            self.is_simple = false;
            return false;
        }
        self.is_simple &= statement.place == Place::Always;
        match first.as_str() {
            "cd" | "pushd" => self.enter(rest, statement),
            "popd" => self.forget_folder(),
            "set" => self.set(rest, statement),
            "shift" => self.forget_arguments(),
            "export" | "declare" | "typeset" | "readonly" | "local" => {
                self.declare(first == "export", rest, statement);
            }
            "unset" => {
                for name in rest.iter().filter(|name| !name.starts_with('-')) {
                    self.scope.variables.insert(name.clone(), None);
                    self.set_variable(name, None, statement);
                }
            }
            "." | "source" => self.source(rest, statement),
            "for" | "select" => {
                self.scope.variables.extend(rest.first().map(|name| (name.clone(), None)));
            }
            // It may run its arguments.
            name if self.functions.contains(name) => {
                self.is_simple = false;
                return !rest.is_empty() && self.add(Vec::new(), rest, statement);
            }
            "eval" => match evaluated(rest) {
                Some(command) => return self.add(Vec::new(), &command, statement),
                None => self.forget_variables(),
            },
            "trap" if is_harmless_trap(rest) => {}
            name if OPAQUE.contains(&name) => self.forget_variables(),
            // `exec > log` only redirects.
            "exec" if command.len() == 1 => self.is_simple &= !reads_a_file(&statement.text),
            _ => {
                let set = assignments.iter().filter_map(|it| assignment(it));
                return self.add(set.collect(), command, statement);
            }
        }
        false
    }

    fn add(&mut self, set: Vec<(&str, &str)>, command: &[String], statement: &Statement) -> bool {
        let (is_exec, words) = match command.split_first() {
            Some((first, rest)) if first == "exec" => (true, self.after_options_of_exec(rest)),
            Some((first, rest)) if first == "command" => (false, rest),
            Some(_) | None => (false, command),
        };
        if words.first().is_none_or(|first| first.starts_with('-')) {
            self.is_simple = false;
            return false;
        }
        let knows_folder = self.scope.cwd.is_some();
        self.is_simple &= knows_folder && !words.iter().any(|word| word.contains('\0'));
        self.is_simple &= !reads_a_file(&statement.text);
        let mut context = self.context.clone();
        let mut has_unknown = std::mem::take(&mut self.has_other_settings);
        for (name, value) in set {
            if value.contains('\0') {
                self.is_simple = false;
                has_unknown = true;
                // The next command does not have it.
                self.has_other_settings = true;
            } else {
                context.set(OsStr::new(name), Some(OsStr::new(value)));
            }
        }
        // `set -- ./bot`
        let has_set_them = matches!(self.scope.args, Some(Cow::Owned(_)));
        let is_all_arguments =
            ["exec \"$@\"", "exec $@", "exec \"${@}\""].contains(&statement.text.trim());
        let role = match statement.end {
            _ if is_all_arguments && !has_set_them => ScriptRole::Arguments,
            Separator::Background => ScriptRole::Background,
            _ if is_exec => ScriptRole::Exec,
            Separator::Line
            | Separator::Pipe
            | Separator::And
            | Separator::Or
            | Separator::Open
            | Separator::Close => ScriptRole::Other,
        };
        self.commands.push(ScriptCommand {
            words: words.iter().map(OsString::from).collect(),
            context,
            knows_folder,
            environment: self.environment.clone(),
            role,
            unknown: match (has_unknown, statement.place) {
                (false, Place::Always | Place::Perhaps) => UnknownSettings::Same,
                (true, Place::Always) => UnknownSettings::Other,
                (true, Place::Perhaps) => UnknownSettings::Each,
            },
        });
        true
    }

    /// Skips a name for the process, and options that clear its environment or make it a login.
    fn after_options_of_exec<'b>(&mut self, words: &'b [String]) -> &'b [String] {
        let mut words = words;
        loop {
            words = match words {
                [option, _, rest @ ..] if option == "-a" => rest,
                [option, rest @ ..] if option == "-c" || option == "-l" => rest,
                _ => return words,
            };
            self.is_simple = false;
        }
    }

    fn assign(&mut self, name: &str, value: &str, statement: &Statement) {
        let is_certain = statement.place == Place::Always
            && !value.contains('\0')
            && !self.scope.variables.contains_key(name);
        let value = is_certain.then(|| value.to_owned());
        // Such a value is part of no name of a bot. A command with it is not known.
        let is_neutral = statement.place == Place::Always
            && statement.text.contains("$(")
            && !without_neutral_substitutions(&statement.text).contains(['$', '`'])
            && !VariableKind::of(OsStr::new(name)).may_choose();
        self.is_simple &= is_certain || is_neutral;
        // A variable of the environment stays exported.
        if self.exports_all || (self.scope.environment)(name).is_some() {
            self.set_variable(name, value.as_deref(), statement);
        }
        self.scope.variables.insert(name.to_owned(), value);
    }

    fn declare(&mut self, exports: bool, words: &[String], statement: &Statement) {
        for word in words {
            match assignment(word) {
                Some((name, value)) => {
                    self.assign(name, value, statement);
                    let value = self.scope.variables.get(name).cloned().flatten();
                    if exports {
                        self.set_variable(name, value.as_deref(), statement);
                    }
                }
                None if exports && !word.starts_with('-') => {
                    match self.scope.variables.get(word).cloned().flatten() {
                        Some(value) => self.set_variable(word, Some(&value), statement),
                        None => self.is_simple = false,
                    }
                }
                None => self.is_simple = false,
            }
        }
    }

    /// Sets a variable for the commands that follow. An unknown value is left out, so that it
    /// differs from none.
    fn set_variable(&mut self, name: &str, value: Option<&str>, statement: &Statement) {
        let is_unset = statement.text.starts_with("unset");
        self.context.variables.retain(|(own, _)| own != name);
        self.has_other_settings |= value.is_none() && !is_unset;
        if (value.is_some() || is_unset) && statement.place == Place::Always {
            self.context.set(OsStr::new(name), value.map(OsStr::new));
        }
    }

    fn enter(&mut self, words: &[String], statement: &Statement) {
        let is_physical = words.iter().any(|word| word == "-P");
        let folder = words.iter().find(|word| !["--", "-P", "-L"].contains(&word.as_str()));
        let home = || (self.scope.environment)("HOME");
        let folder = folder.cloned().or_else(home);
        let folder = folder.filter(|it| !it.contains('\0') && !it.starts_with('-'));
        let from = match (&folder, &self.scope.cwd) {
            (Some(folder), None) if folder.starts_with('/') => Some(self.cwd.to_owned()),
            (_, known) => known.clone(),
        };
        let (Some(folder), Some(from), Place::Always) = (folder, from, statement.place) else {
            return self.forget_folder();
        };
        self.is_simple &= self.scope.cwd.is_some();
        let entered = absolute(Path::new(&folder), &from);
        let entered = if is_physical { canonical(entered) } else { entered };
        self.context.enter(if is_physical { &entered } else { Path::new(&folder) });
        self.scope.cwd = Some(entered);
    }

    fn forget_folder(&mut self) {
        self.scope.cwd = None;
        self.is_simple = false;
    }

    fn set(&mut self, words: &[String], statement: &Statement) {
        let is_option = |word: &&String| {
            (word.starts_with(['-', '+']) && word.len() > 1 && *word != "--")
                || ["pipefail", "errexit", "nounset", "xtrace", "allexport"].contains(&&***word)
        };
        let options = words.iter().take_while(is_option).count();
        let (options, args) = words.split_at(options);
        if let Some((first, rest)) = args.split_first() {
            let args = if first == "--" { rest } else { args };
            if statement.place == Place::Always && !args.iter().any(|arg| arg.contains('\0')) {
                self.scope.args = Some(args.iter().map(OsString::from).collect());
            } else {
                self.forget_arguments();
            }
        }
        let allexport =
            |word: &String| word == "allexport" || word.starts_with('-') && word.contains('a');
        self.exports_all = options.iter().any(allexport) && !options.iter().any(|it| it == "+o");
    }

    fn source(&mut self, words: &[String], statement: &Statement) {
        match words {
            [file] if file.ends_with("/bin/activate") && !file.contains('\0') => {
                self.environment = Path::new(file).parent().map(Path::to_owned);
                self.scope.variables.insert("PATH".to_owned(), None);
            }
            [file, ..] if !file.contains('\0') => {
                self.read_commands_of(file, statement.place);
                self.forget_variables();
            }
            _ => self.forget_variables(),
        }
    }

    /// Finds the commands of another script that this one reads. What it sets may change until the
    /// next start.
    fn read_commands_of(&mut self, file: &str, place: Place) {
        let path = self.scope.cwd.as_deref().map(|cwd| absolute(Path::new(file), cwd));
        let Some(depth) = self.depth.checked_sub(1) else { return };
        let Some(text) = path.as_deref().and_then(text) else { return };
        self.depth = depth;
        self.is_simple = false;
        self.functions.extend(functions(&text));
        for mut inner in statements(&text) {
            if place == Place::Perhaps {
                inner.place = place;
            }
            self.read(&inner);
        }
        self.depth += 1;
    }

    fn forget_arguments(&mut self) {
        self.scope.args = None;
        self.is_simple = false;
    }

    fn forget_variables(&mut self) {
        self.scope.has_unknown_variables = true;
        self.scope.variables.values_mut().for_each(|value| *value = None);
        self.context.variables.clear();
        self.has_other_settings = true;
        self.is_simple = false;
    }
}

/// Returns the command that `eval` runs, if it is a single one with known words.
fn evaluated(words: &[String]) -> Option<Vec<String>> {
    let words = simple_words(&words.join(" "))?;
    let words: Vec<String> =
        words.into_iter().map(|word| word.into_string().ok()).collect::<Option<_>>()?;
    let first = words.first()?;
    let is_setting = assignment(first).is_some()
        || OPAQUE.contains(&&**first)
        || ["cd", "export", "set", "unset", "source", "."].contains(&&**first);
    (!is_setting && !words.iter().any(|word| word.contains('\0'))).then_some(words)
}

/// Returns whether a command gets a file or a text on its standard input, which may choose the bot.
fn reads_a_file(command: &str) -> bool {
    let mut quote: Option<char> = None;
    command.char_indices().any(|(at, c)| {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(_) | None => {}
        }
        let from = command[at..].trim_start_matches('<').trim_start();
        c == '<' && quote.is_none() && !from.starts_with("/dev/null") && !from.starts_with('&')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_with(text: &str, args: &[&str]) -> String {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let environment = |name: &str| match name {
            "HOME" => Some("/home/u".to_owned()),
            "BOT_ENV" => Some("test".to_owned()),
            _ => None,
        };
        let script = Some(Path::new("/srv/bot/start"));
        let cwd = Path::new("/work");
        let start = ScriptStart { args: &args, script, cwd, environment: &environment };
        let shown = |it: ScriptCommand| {
            let words: Vec<_> = it.words.iter().map(|word| word.to_str().unwrap()).collect();
            let folder = match it.context.folder {
                _ if !it.knows_folder => Some(" somewhere".to_owned()),
                folder => folder.map(|it| format!(" in {}", it.display())),
            };
            let names = it.context.variables.iter().map(|(name, value)| {
                let value = value.as_ref().map(|value| value.display().to_string());
                format!(" {}={}", name.display(), value.unwrap_or_else(|| "unset".into()))
            });
            let environment = it.environment.map(|it| format!(" by {}", it.display()));
            let role = match it.role {
                ScriptRole::Certain => String::new(),
                role => format!(" {role:?}"),
            };
            words.join("|").replace('\0', "")
                + &folder.unwrap_or_default()
                + &names.collect::<String>()
                + &environment.unwrap_or_default()
                + &role
        };
        commands(text, &start).into_iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    fn shown(text: &str) -> String {
        let args: &[&str] = if text.contains('@') { &["-x", "a b"] } else { &[] };
        shown_with(text, args)
    }

    #[test]
    fn a_simple_script_becomes_its_last_command() {
        for (text, expected) in [
            ("#!/bin/sh\nexec python3 main.py\n", "python3|main.py"),
            ("#!/bin/sh\n\n# The bot.\npython3 main.py", "python3|main.py"),
            ("exec python3 main.py \"$@\"\nexit 1\n", "python3|main.py|-x|a b"),
            ("exec ./bot \\\n  --all\n", "./bot|--all"),
            (
                "set -euo pipefail\ncd \"$(dirname \"$0\")\" || exit 1\nA=b exec ./bot\n",
                "./bot in /srv/bot A=b",
            ),
            ("cd app\nexport A=b\nunset C\n./bot", "./bot in app A=b C=unset"),
            ("cd app && exec ./bot", "./bot in app"),
            ("cd \"$HOME\"\nexec ./bot", "./bot in /home/u"),
            ("S=$(readlink -f \"$0\")\nD=$(dirname \"$S\")\ncd $D\n./bot", "./bot in /srv/bot"),
            ("S=${BASH_SOURCE[0]}\nexec $(dirname $S)/bot", "/srv/bot/bot"),
            ("cd x\nexec \"$(pwd)/bot\" $PWD", "/work/x/bot|/work/x in x"),
            ("D=$(cd \"$(dirname \"$0\")\" && pwd)\ncd \"$D\"\nexec ./bot", "./bot in /srv/bot"),
            ("git pull\npip install -r r.txt\necho 'up: now'\n./bot", "./bot"),
            ("echo up >> up.log\necho $$ > bot.pid\ngit fetch\nexec ./bot", "./bot"),
            (". venv/bin/activate\npython main.py", "python|main.py by venv/bin"),
            ("./bot >> bot.log 2>&1", "./bot"),
            ("./bot -v > /dev/null 2>> err.log", "./bot|-v"),
            ("exec ./bot >> \"$(date +%F) $LOG.log\" 2>&1", "./bot"),
            ("exec >> bot.log 2>&1\n./bot | tee log", "./bot"),
            ("exec python3 main.py '<' < /dev/null", "python3|main.py|<"),
            ("BOT=alice\nexec ./bot $BOT", "./bot|alice"),
            ("BOT_ENV=prod\nexec ./bot", "./bot BOT_ENV=prod"),
            ("python3 main.py &", "python3|main.py"),
            ("nohup python3 main.py > log 2>&1 & echo $! > bot.pid", "nohup|python3|main.py"),
            ("./bot &\nPID=$!\ntrap \"kill $PID\" TERM\nwait $PID\n", "./bot"),
            ("trap 'rm -f bot.pid' EXIT INT\n./bot\necho done", "./bot"),
            ("./bot &\ntrap 'kill $! 2> /dev/null || true; exit 0' INT\nwait", "./bot"),
            ("trap '' HUP\n./bot &\ntrap - HUP", "./bot"),
            ("export V=$(git rev-parse --short HEAD) W=$(git describe --tags)\n./bot", "./bot"),
            ("./bot | tee log\necho \"done $(date)\"", "./bot"),
            ("export V=$(date +%s) W=$(git rev-parse HEAD)\nexec ./bot", "./bot"),
            ("eval \"exec python3 main.py\"", "python3|main.py"),
            ("eval python3 main.py", "python3|main.py"),
            ("while true; do\npython3 main.py\nsleep 1; done", "python3|main.py"),
            ("[ -d x ] || mkdir x\nnpm ci\nexec ./bot", "./bot"),
            ("set -a\nBOT=alice\nexport X\nset +a\nexec ./bot", "./bot BOT=alice Exec"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let named = "export BOT=$1\nexec python3 \"$1.py\" --name=\"${2:-x}\"";
        assert_eq!(shown_with(named, &["a"]), "python3|a.py|--name=x BOT=a");
        assert_eq!(shown_with("exec \"$@\"", &["./bot", "x"]), "./bot|x");
        assert_eq!(shown_with("cd bots/$1; exec ./bot", &["a"]), "./bot in bots/a");
    }

    #[test]
    fn another_script_only_may_become_its_commands() {
        for (text, expected) in [
            ("", ""),
            ("#!/bin/sh\n", ""),
            ("exec $PYTHON main.py", "*|main.py Exec"),
            ("PY=$(ls)\n\"$PY\" -u main.py", "?|-u|main.py Other"),
            ("exec python3 \"$DIR/main.py\"", "python3|?/main.py Exec"),
            ("exec python3 main.py \"$1\"", "python3|main.py|? Exec"),
            ("exec python3 \"$@\" main.py", "python3|-x|a b|main.py"),
            (
                "python3 main.py & python3 web.py",
                "python3|main.py Background, python3|web.py Other",
            ),
            ("python3 main.py\necho $(python3 web.py)", "python3|main.py Other"),
            ("trap 'A=b' DEBUG\nexec ./bot", "./bot Exec"),
            ("trap 'python3 web.py' EXIT\n./bot", "./bot Other"),
            ("trap 'echo $(python3 web.py)' EXIT\n./bot", "./bot Other"),
            ("./bot\ntrap 'wait; python3 web.py' EXIT", "./bot Other"),
            ("./bot\ntrap 'wait \"$P\"; python3 web.py' EXIT", "./bot Other"),
            ("./bot\ntrap 'wait'\"; python3 web.py\" EXIT", "./bot Other"),
            ("./bot &\ntrap \"python3 web.py\" EXIT\nwait", "./bot Background"),
            ("export SHOP=$(git rev-parse --abbrev-ref HEAD)\nexec ./bot", "./bot Exec"),
            ("export SHOP=$(git describe --all)\nexec ./bot", "./bot Exec"),
            ("export SHOP=$(whoami)\nexec ./bot", "./bot Exec"),
            ("V=$(cat v)\nexec ./bot", "./bot Exec"),
            ("export BOT=$(date)\nexec ./bot", "./bot Exec"),
            ("V=$(date)\nexec ./bot $V", "./bot|* Exec"),
            ("python3 one.py\npython3 two.py", "python3|one.py Other, python3|two.py Other"),
            ("if true; then\nexec python3 main.py\nfi", "python3|main.py Exec"),
            ("while [ x ]; do\npython3 main.py\ndone", "python3|main.py Other"),
            (". ./alice.env\nexec python3 main.py", "python3|main.py Exec"),
            ("A=b; . ./x\nexec ./bot \"$A\" $B", "./bot|?|* Exec"),
            ("set -- x\nexec python3 main.py \"$@\"", "python3|main.py|x Exec"),
            ("set -- $X\nexec python3 main.py \"$@\"", "python3|main.py|* Exec"),
            ("run() { exec \"$@\"; }\nrun ./bot", "./bot Other"),
            ("shift\nexec python3 main.py \"$@\"", "python3|main.py|* Exec"),
            ("cd -\nexec python3 main.py", "python3|main.py somewhere Exec"),
            ("cd \"$ROOT\"\nexec python3 main.py", "python3|main.py somewhere Exec"),
            ("[ -d x ] && cd x\nexec ./bot", "./bot somewhere Exec"),
            ("cd $ROOT; cd /x; exec ./bot", "./bot in /x Exec"),
            ("cat x | exec python3 main.py", "cat|x Other, python3|main.py Exec"),
            ("exec", ""),
            ("eval A=b\nexec ./bot", "./bot Exec"),
            ("eval \"$X\"\nexec ./bot", "./bot Exec"),
            ("eval \"cd x; exec ./bot\"", ""),
            ("exec python3 main.py < in.txt", "python3|main.py Exec"),
            ("exec < in.txt\nexec python3 main.py", "python3|main.py Exec"),
            ("echo alice | python3 main.py", "python3|main.py Other"),
            ("{ echo alice; } | python3 main.py", "python3|main.py Other"),
            ("(echo alice) | python3 main.py", "python3|main.py Other"),
            ("echo BOT=alice > .env\nexec ./bot", "./bot Exec"),
            ("{ echo A=b; echo C=d; } > .env\nexec ./bot", "./bot Exec"),
            ("git checkout alice\nexec ./bot", "./bot Exec"),
            ("./bot <<EOF\nx\nEOF", "./bot Other"),
            ("exit\nexec ./bot", ""),
            ("exec -a bot python3 main.py", "python3|main.py Exec"),
            ("./bot > log; ./other", "./bot Other, ./other Other"),
            ("./bot > $LOG", "./bot"),
            ("export A\nexec ./bot", "./bot Exec"),
            ("[ -f x ] && A=b\nA=c exec ./bot $A", "./bot|* A=c Exec"),
            ("for b in x y; do ./bot $b & done; wait", "./bot|* Background"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let by_argument = "case $1 in\na) exec ./bot ;;\nb) exec ./other ;;\nesac";
        assert_eq!(
            shown_with(by_argument, &["a"]),
            "./bot Exec, a NotChosen, b NotChosen, ./other NotChosen"
        );
        assert_eq!(
            shown_with(by_argument, &["c"]),
            "a NotChosen, ./bot NotChosen, b NotChosen, ./other NotChosen"
        );
        let ignores_its_arguments = "exec python3 main.py";
        assert_eq!(shown_with(ignores_its_arguments, &["x"]), "python3|main.py Exec");
        let writes_them = "echo $1 > bot.conf\nexec ./bot";
        assert_eq!(shown_with(writes_them, &["bot"]), "./bot Exec");
    }
}
