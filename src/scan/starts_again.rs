//! Shells and watchers that run without the bot for now, and start COMMAND (again): a loop in its
//! pause, a script that builds first, nodemon after a crash.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::scan::command::{Certainty, Command};
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::invocation::{Target, base_name};
use crate::scan::same_command::RunningCommand;
use crate::scan::shell_statements::statements;
use crate::scan::small_file;
use crate::scan::watchers::watcher_name;
use crate::sys::file_id::is_same_file;

/// A longer file is not searched for the name of this program.
const MAX_LENGTH: u64 = 1 << 16;

/// Words that begin a loop.
const LOOPS: [&str; 4] = ["while", "until", "for", "select"];

/// Statements after the last command of a script.
const ENDS: [&str; 6] = ["exit", "fi", "done", "esac", "wait", "}"];

impl Command {
    /// Returns whether a shell or watcher with this command line starts this command. What starts
    /// it below a guard does not count: a guard is found by its lock.
    pub(super) fn is_started_by(&self, args: &[&OsStr], exe: PathBuf, cwd: PathBuf) -> bool {
        if !may_start_commands(args) {
            return false;
        }
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut starter = Command::of_this_process(args, exe, cwd);
        starter.started = starter.read_started();
        let own_text = self.file.as_deref().and_then(|file| small_file::text(file, MAX_LENGTH));
        let texts = starter.started.iter().map(|it| &it.command).chain([&starter]);
        let mut texts = texts.filter_map(Command::shell_text).chain(own_text);
        if texts.any(|text| names_this_program(&text)) {
            return false;
        }
        starter.starts_now_or_again()
            && starter.started.iter().any(|it| {
                it.certainty != Certainty::Possible && self.is_or_starts_same(&it.command)
            })
    }

    /// Returns whether it is a watcher, a loop, or a script that ends with a command of a bot. A
    /// script that does something else after its bot has run the bot already.
    fn starts_now_or_again(&self) -> bool {
        let Some(text) = self.shell_text() else { return true };
        let is_end = |c: char| c.is_whitespace() || ";&|(".contains(c);
        if text.split(is_end).any(|word| LOOPS.contains(&word)) {
            return true;
        }
        let statements = statements(&text);
        let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
        let last = statements.iter().rfind(|it| !ENDS.contains(&&*first(&it.text)));
        last.is_some_and(|last| {
            let is_named = |command: &Command| last.text.contains(&command.target_name());
            self.started.iter().any(|it| is_named(&it.command))
        })
    }

    /// Returns the text that a shell reads: code, a line of `package.json`, or a script.
    fn shell_text(&self) -> Option<String> {
        match &self.runs.target {
            Target::Code(Language::Shell, code) => code.to_str().map(str::to_owned),
            Target::Entry(_, line) => line.clone(),
            Target::Script(..)
            | Target::Module(_)
            | Target::Program(_)
            | Target::Code(..)
            | Target::Input => self.shell_script_text(),
        }
    }

    /// Returns whether another command would be the same as this one, or as one that it starts.
    fn is_or_starts_same(&self, other: &Command) -> bool {
        let process = RunningCommand {
            args: other.args.iter().map(OsString::as_os_str).collect(),
            cwd: Some(&other.cwd),
            exe: &|| Some(other.program.clone()),
            executes: &|program| is_same_file(program, &other.program),
            environ: &Vec::new,
            sees: &|_, _| true,
            opens: &|_| false,
        };
        let started = self.started.iter().filter(|it| it.certainty != Certainty::Possible);
        let mut own = [self].into_iter().chain(started.map(|it| &it.command));
        own.any(|it| it.compare_command(other.runs.clone(), &process).likeness.is_same())
    }
}

/// Returns whether a script starts or imports this program.
fn names_this_program(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    let mut words = text.split(|c| !is_part(c));
    words.any(|word| {
        let name = word.rsplit('/').next().unwrap_or(word);
        name.split('.').next() == Some(env!("CARGO_PKG_NAME"))
    })
}

/// Returns whether these are the words of a shell with code or a script, or of a watcher.
pub(super) fn may_start_commands(args: &[&OsStr]) -> bool {
    let name = |at: usize| args.get(at).map(|word| base_name(Path::new(word)));
    let (Some(first), Some(second)) = (name(0), name(1)) else { return false };
    let is_shell = || Interpreter::by_name(&first).is_some_and(|it| it.language == Language::Shell);
    watcher_name(&first).is_some() || watcher_name(&second).is_some() || is_shell()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the scripts")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_shell_that_will_start_the_command_is_recognized() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().canonicalize().unwrap();
        for name in ["main.py", "other.py", "guarded.py", "main.js"] {
            fs::write(folder.join(name), "").unwrap();
        }
        fs::write(folder.join("guarded.py"), "import monopoll\nmonopoll.ensure()\n").unwrap();
        fs::write(folder.join("loop.sh"), "while true\ndo\npython3 main.py\nsleep 4\ndone\n")
            .unwrap();
        fs::write(folder.join("build.sh"), "make all\nexec python3 main.py \"$@\"\n").unwrap();
        fs::write(folder.join("outer.sh"), "sleep 1\nsh build.sh\n").unwrap();
        for (line, expected) in [
            (&["bash", "-c", "while true; do python3 main.py; sleep 4; done"][..], true),
            (&["sh", "loop.sh"], true),
            (&["sh", "build.sh"], true),
            (&["bash", "outer.sh"], true),
            (&["sh", "-c", "sleep 20; python3 main.py"], true),
            (&["sh", "-c", "sleep 20; exec /usr/bin/python3 -u ./main.py; exit"], true),
            (&["sh", "-c", "for i in 1 2; do python3 main.py; done; read x"], true),
            (&["node", "node_modules/.bin/nodemon", "--exec", "python3", "main.py"], true),
            (&["sh", "-c", "python3 main.py; read x"], false),
            (&["sh", "-c", "python3 main.py; exec bash -i"], false),
            (&["sh", "-c", "sleep 20; python3 other.py"], false),
            (&["sh", "-c", "while true; do python3 main.py --all; done"], false),
            (&["sh", "-c", "while true; do monopoll run -- python3 main.py; sleep 4; done"], false),
            (&["sh", "-c", "while true; do python3 guarded.py; sleep 4; done"], false),
            (&["sh", "build.sh", "--all"], false),
            (&["bash"], false),
            (&["bash", "-i"], false),
            (&["python3", "other.py"], false),
            (&["tail", "main.py"], false),
        ] {
            let words: Vec<&OsStr> = line.iter().map(OsStr::new).collect();
            for script in ["main.py", "guarded.py"] {
                let args = ["python3", script].map(OsString::from).to_vec();
                let command = Command::find(args, folder.clone()).unwrap();
                let is_started =
                    command.is_started_by(&words, PathBuf::from("/bin/bash"), folder.clone());
                assert_eq!(is_started, expected && script == "main.py", "{line:?} {script}");
            }
        }
    }
}
