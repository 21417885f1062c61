//! Compares a process with COMMAND part by part, for use without match entries.

use std::path::{Path, PathBuf};

use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::CommandLikeness;
use crate::engine::process::Process;

/// The parts of COMMAND. [`Process::likeness`] is the scan's verdict on all of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandMatch {
    pub program: PathBuf,
    pub runs: RunKind,
    /// The arguments after the program or script.
    pub args: Vec<String>,
    pub cwd: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    ByItself,
    /// Through an interpreter, such as the one in a `#!` line.
    ByInterpreter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandPart<'a> {
    /// The executable or script.
    Program(&'a Path),
    Arguments(&'a [String]),
    Folder(&'a Path),
}

impl CommandMatch {
    /// Compares each part with `process`, without contradicting [`Process::likeness`].
    pub fn parts(&self, process: &Process) -> [(CommandPart<'_>, Truth); 3] {
        let program = process.same_program.holds(|own| *own);
        let folder = process.cwd.holds(|cwd| *cwd == self.cwd);
        let arguments = process.args.holds(|args| self.has_same_arguments(args));
        let verdicts = match (process.likeness, program, folder) {
            // Different paths may lead to the same file.
            (Fact::Known(CommandLikeness::Same), ..) => [Truth::True; 3],
            // The scan compares more than text, so if program and folder match, the arguments must
            // differ.
            (
                Fact::Known(CommandLikeness::Near(_) | CommandLikeness::Different),
                Truth::True,
                Truth::True,
            ) => [program, Truth::False, folder],
            (
                Fact::Known(CommandLikeness::Near(_) | CommandLikeness::Different) | Fact::Unknown,
                ..,
            ) => [program, arguments, folder],
        };
        let [program, arguments, folder] = verdicts;
        [
            (CommandPart::Program(&self.program), program),
            (CommandPart::Arguments(&self.args), arguments),
            (CommandPart::Folder(&self.cwd), folder),
        ]
    }

    fn has_same_arguments(&self, args: &[String]) -> bool {
        match self.runs {
            RunKind::ByItself => args.get(1..) == Some(self.args.as_slice()),
            // Behind a version manager's shim, the program runs under the name of the shim.
            RunKind::ByInterpreter => {
                args.get(1..) == Some(self.args.as_slice())
                    || args_after_script(args).is_some_and(|args| args == self.args)
            }
        }
    }
}

fn args_after_script(args: &[String]) -> Option<&[String]> {
    let script = args.iter().skip(1).position(|arg| !arg.starts_with('-'))? + 1;
    args.get(script + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(runs: RunKind) -> CommandMatch {
        CommandMatch {
            program: "/usr/bin/bot".into(),
            runs,
            args: vec!["-v".to_owned()],
            cwd: "/srv/bot".into(),
        }
    }

    fn seen(
        args: &[&str],
        cwd: &str,
        same_program: Fact<bool>,
        same_command: Fact<bool>,
    ) -> Process {
        let likeness = match same_command {
            Fact::Known(true) => Fact::Known(CommandLikeness::Same),
            Fact::Known(false) => Fact::Known(CommandLikeness::Different),
            Fact::Unknown => Fact::Unknown,
        };
        let args = Fact::Known(args.iter().map(|arg| (*arg).to_owned()).collect());
        Process { args, cwd: Fact::Known(cwd.into()), same_program, likeness, ..Process::default() }
    }

    #[test]
    fn each_part_is_compared_and_never_against_the_scan() {
        let (yes, no, unknown) = (Truth::True, Truth::False, Truth::Unknown);
        let (itself, script) = (RunKind::ByItself, RunKind::ByInterpreter);
        let (own, other) = (Fact::Known(true), Fact::Known(false));
        for (runs, process, expected) in [
            (itself, seen(&["bot", "-v"], "/srv/bot", own, own), [yes, yes, yes]),
            (itself, seen(&["bot", "-v"], "/link/bot", own, own), [yes, yes, yes]),
            (itself, seen(&["bot", "-v"], "/srv/other", own, other), [yes, yes, no]),
            (itself, seen(&["bot", "-x", "-v"], "/srv/other", own, other), [yes, no, no]),
            (script, seen(&["python3", "bot", "-v"], "/srv/other", own, other), [yes, yes, no]),
            (script, seen(&["python3", "bot"], "/srv/other", own, other), [yes, no, no]),
            (itself, seen(&["cat", "-v"], "/srv/bot", other, other), [no, yes, yes]),
            (script, seen(&["x", "-v"], "/srv/bot", own, other), [yes, no, yes]),
            (
                script,
                seen(&["python3", "-u", "bot", "-v"], "/srv/other", own, other),
                [yes, yes, no],
            ),
            (
                script,
                seen(&["python3", "bot", "-x", "-v"], "/srv/other", own, other),
                [yes, no, no],
            ),
            (script, seen(&["python3", "-v"], "/srv/other", own, other), [yes, yes, no]),
            (itself, seen(&[], "/", Fact::Unknown, Fact::Unknown), [unknown, no, no]),
            (itself, Process::default(), [unknown, unknown, unknown]),
        ] {
            assert_eq!(
                command(runs).parts(&process).map(|(_, truth)| truth),
                expected,
                "{process:?}"
            );
        }
    }
}
