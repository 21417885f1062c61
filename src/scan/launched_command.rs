//! The command that an unknown program may start: the words after its options often are one, such
//! as `python3 main.py` in `conda run -n bot python3 main.py`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::command::{Certainty, Command, StartedCommand};
use crate::scan::executable::has_folder;
use crate::scan::interpreters::{Interpreter, Language, interpreter_by_extension};
use crate::scan::invocation::{Target, absolute, base_name};
use crate::scan::makefile;
use crate::scan::never_the_bot::is_tool;
use crate::scan::passing_failure::{is_file, note_refusal};
use crate::scan::shell_expansion::is_unknown;
use crate::scan::shell_words::simple_command;
use crate::scan::watchers::watcher_name;
use crate::scan::wrapper_programs::{self, CommandRole, wrapped_command};

/// The folders of installed programs.
const PROGRAM_FOLDERS: [&str; 5] = ["bin", ".bin", "sbin", "shims", "Scripts"];

/// Options whose value is a line for a shell: `su -c "python3 main.py" bot`.
const LINE_OPTIONS: [&str; 5] = ["-c", "--command", "-x", "--exec", "-e"];

impl Command {
    /// Returns what this command may start, if its program is not known.
    pub(super) fn launched(&self) -> Vec<StartedCommand> {
        if !self.is_unknown_launcher() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for at in 0..self.runs.args.len() {
            match self.launched_at(at) {
                Launched::Nothing => {}
                // A launcher may also have a script as the value of an option.
                Launched::Script(command) => found.push(command),
                // Words after it are its arguments.
                Launched::Command(command) => {
                    found.push(command);
                    break;
                }
            }
        }
        found.into_iter().map(|command| self.by_launcher(command)).collect()
    }

    /// Returns whether this command's words go on with a whole command, which names an interpreter
    /// or a program of a folder.
    pub(super) fn launches_command(&self) -> bool {
        self.is_unknown_launcher()
            && (0..self.runs.args.len())
                .any(|at| matches!(self.launched_at(at), Launched::Command(_)))
    }

    fn by_launcher(&self, command: Command) -> StartedCommand {
        let set = command.runs.context.variables.iter();
        let replaces = set.map(|(name, _)| (name.clone(), self.variable(name, &[]))).collect();
        let certainty = Certainty::Launched;
        StartedCommand { command, sets: Vec::new(), replaces, certainty }
    }

    /// Returns whether it is not known what this command's program does with its arguments. A
    /// program or script of the folder is the bot itself.
    fn is_unknown_launcher(&self) -> bool {
        let is_with_programs = |path: &Path| {
            let folder = path.parent().map(base_name).unwrap_or_default();
            PROGRAM_FOLDERS.contains(&&*folder)
        };
        let is_elsewhere = |path: &Path| !absolute(path, &self.runs_in).starts_with(&self.runs_in);
        let path = match &self.runs.target {
            Target::Module(_) => return true,
            Target::Program(name) if !has_folder(name.as_os_str()) => name,
            Target::Script(path, None) | Target::Program(path) if is_elsewhere(path) => path,
            Target::Script(path, _) | Target::Program(path) if is_with_programs(path) => path,
            Target::Script(..)
            | Target::Program(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => return false,
        };
        let name = base_name(path);
        Interpreter::by_name(&name).is_none()
            && watcher_name(&name).is_none()
            && name != env!("CARGO_PKG_NAME")
            && !makefile::is_make(path)
    }

    fn launched_at(&self, at: usize) -> Launched {
        let Some((word, rest)) = self.runs.args.get(at..).and_then(<[_]>::split_first) else {
            return Launched::Nothing;
        };
        let is_value_of_line = at
            .checked_sub(1)
            .and_then(|before| self.runs.args[before].to_str())
            .is_some_and(|option| LINE_OPTIONS.contains(&option));
        if let Some(line) = shell_line(word, is_value_of_line) {
            return self.launched_by_line(line);
        }
        if is_unknown(word) || word.as_encoded_bytes().starts_with(b"-") {
            return Launched::Nothing;
        }
        let words = || self.runs.args.iter().skip(at).cloned().collect::<Vec<_>>();
        let name = wrapper_programs::program_name(Path::new(word));
        let refs: Vec<&OsStr> = rest.iter().map(OsString::as_os_str).collect();
        let is_known = Interpreter::by_name(&name).is_some()
            || wrapped_command(&name, &refs, CommandRole::Mine).is_some();
        if is_known && let Some(command) = self.find_launched(words()) {
            return Launched::Command(command);
        }
        if !is_file(&self.runs_in.join(word)) || self.is_tool() {
            return Launched::Nothing;
        }
        let rest = rest.strip_prefix(&["--".into()]).unwrap_or(rest);
        let words = match interpreter(Path::new(word)) {
            Some(interpreter) => [&[interpreter.into(), word.clone()], rest].concat(),
            None if has_folder(word) => words(),
            None => return Launched::Nothing,
        };
        self.find_launched(words).map_or(Launched::Nothing, Launched::Script)
    }

    /// Returns what a line for a shell starts.
    fn launched_by_line(&self, line: &str) -> Launched {
        let words = ["sh".into(), "-c".into(), line.into()];
        let command = Command::find_without_started(
            words.to_vec(),
            self.runs_in.clone(),
            self.folder.clone(),
        );
        let Ok(command) = command.map_err(note_refusal) else { return Launched::Nothing };
        let is_code = matches!(command.runs.target, Target::Code(..));
        let is_found = command.is_of_bot()
            || command.launches_command()
            || is_code && !command.read_started().is_empty();
        if is_found { Launched::Script(command) } else { Launched::Nothing }
    }

    fn find_launched(&self, words: Vec<OsString>) -> Option<Command> {
        let (folder, logical) = (self.runs_in.clone(), self.folder.clone());
        let command = Command::find_without_started(words, folder, logical);
        let command = command.map_err(note_refusal).ok()?;
        (command.is_of_bot() || command.is_unknown_launcher() && command.launches_command())
            .then_some(command)
    }

    /// Returns whether this command runs an existing script, a module or a program of a folder.
    fn is_of_bot(&self) -> bool {
        let has_file = || self.file.as_deref().is_some_and(is_file);
        match &self.runs.target {
            Target::Script(path, _) => !is_unknown(path.as_os_str()) && has_file(),
            Target::Program(path) => {
                has_folder(path.as_os_str())
                    && Interpreter::by_name(&base_name(path)).is_none()
                    && has_file()
            }
            Target::Module(name) => !is_unknown(name),
            // A shell's code may be anything.
            Target::Code(language, code) => *language != Language::Shell && !is_unknown(code),
            Target::Entry(..) => true,
            Target::Input => false,
        }
    }

    pub(super) fn is_tool(&self) -> bool {
        is_tool(Some(&self.program), &self.text())
    }
}

enum Launched {
    Nothing,
    Script(Command),
    Command(Command),
}

/// Returns the line for a shell in a word: all of it, or the value of an option.
fn shell_line(word: &OsStr, is_value_of_line: bool) -> Option<&str> {
    let word = word.to_str()?;
    let line = match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => value,
        Some(_) | None => word,
    };
    let has_words = || line.trim().contains(char::is_whitespace) && !line.starts_with('-');
    (is_value_of_line && simple_command(line).is_some() || has_words()).then_some(line)
}

/// Returns the interpreter that a launcher uses for a script. A launcher such as tsx has node run
/// TypeScript.
fn interpreter(script: &Path) -> Option<&'static str> {
    interpreter_by_extension(script).or_else(|| match script.extension()?.to_str()? {
        "ts" | "mts" | "cts" | "jsx" | "tsx" => Some("node"),
        _ => None,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the scripts")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_words_after_an_unknown_launcher_say_what_it_may_start() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().canonicalize().unwrap();
        for name in ["main.py", "other.py", "main.js"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let shown = |line: &[&str]| {
            let args: Vec<OsString> = line.iter().map(OsString::from).collect();
            let command = Command::find(args, folder.clone()).unwrap();
            let shown = command.started.iter().map(|it| {
                let name = match &it.command.runs.target {
                    Target::Script(path, _) => path.display().to_string(),
                    target => target.without_file().unwrap_or_default(),
                };
                let args = it.command.runs.args.iter().map(|it| format!("|{}", it.display()));
                name + &args.collect::<String>() + &format!(" {:?}", it.certainty)
            });
            shown.collect::<Vec<_>>().join(", ")
        };
        let one = "main.py Launched";
        for (line, expected) in [
            (&["run", "-n", "x", "python3", "main.py"][..], one),
            (&["run", "--", "nice", "-n", "1", "env", "A=b", "sh", "-c", "./x"], ""),
            (&["run", "--", "nice", "env", "A=b", "python3", "-u", "main.py"], one),
            (&["-n", "python3", "--", "python3", "main.py", "x"], "main.py|x Launched"),
            (
                &["python3", "main.py", "--then", "python3", "other.py"],
                "main.py|--then|python3|other.py Launched",
            ),
            (
                &["-o", "other.py", "python3", "main.py"],
                "other.py|python3|main.py Launched, main.py Launched",
            ),
            (&["run", "main.py", "--", "-x"], "main.py|-x Launched"),
            (&["run", "main.py", "--x"], "main.py|--x Launched"),
            (&["python3 main.py"], one),
            (&["-c", "exec python3 main.py >> log 2>&1", "bot"], one),
            (&["--exec=cd . && python3 main.py"], one),
            (
                &["-c", "python3 main.py; exit"],
                "-c `python3 main.py; exit` Launched, main.py Launched",
            ),
            (&["python3 main.py", "python3 other.py"], "main.py Launched, other.py Launched"),
            (&["a message with main.py in it"], ""),
            (&["python3", "missing.py"], ""),
            (&["python3", "--version"], ""),
            (&["main.txt", "main", "--main.py"], ""),
            (&[], ""),
        ] {
            assert_eq!(shown(&[&["/bin/true"], line].concat()), expected, "{line:?}");
        }
        for line in [
            &["python3", "main.py", "python3", "other.py"][..],
            &["bash", "-n", "main.py"],
            &["/bin/grep", "x", "main.py"],
        ] {
            assert_eq!(shown(line), "", "{line:?}");
        }
    }
}
