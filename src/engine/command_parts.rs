//! Compares a process with COMMAND part by part, for use without match entries.

use std::path::{Path, PathBuf};

use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::{CommandDifference, CommandLikeness};
use crate::engine::process::Process;

/// The parts of COMMAND. [`Process::likeness`] is the scan's verdict on all of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandMatch {
    /// The script, or the program where there is no script.
    pub program: PathBuf,
    /// The arguments after the program or script.
    pub args: Vec<String>,
    pub cwd: PathBuf,
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
        let arguments = process.compared.holds(|it| it.same_args);
        let verdicts = match (process.likeness, program, folder) {
            // Different paths may lead to the same file.
            (Fact::Known(CommandLikeness::Same), ..) => [Truth::True; 3],
            (Fact::Known(CommandLikeness::Near(near)), ..) => match near {
                CommandDifference::OtherFolder => [Truth::True, Truth::True, Truth::False],
                CommandDifference::OtherArguments | CommandDifference::OtherSubcommand => {
                    [Truth::True, Truth::False, Truth::True]
                }
                CommandDifference::OtherVersion | CommandDifference::OtherBuild => {
                    [Truth::False, Truth::True, Truth::True]
                }
                CommandDifference::PartOfScript | CommandDifference::RewrittenTitle => {
                    [Truth::Unknown, Truth::Unknown, Truth::True]
                }
            },
            // The scan compares more than these parts.
            (Fact::Known(CommandLikeness::Different), Truth::True, Truth::True) => {
                [program, Truth::False, folder]
            }
            (Fact::Known(CommandLikeness::Different) | Fact::Unknown, ..) => {
                [program, arguments, folder]
            }
        };
        let [program, arguments, folder] = verdicts;
        [
            (CommandPart::Program(&self.program), program),
            (CommandPart::Arguments(&self.args), arguments),
            (CommandPart::Folder(&self.cwd), folder),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::likeness::ComparedCommand;

    #[test]
    fn each_part_is_compared_and_never_against_the_scan() {
        let (yes, no, unknown) = (Truth::True, Truth::False, Truth::Unknown);
        let near = CommandLikeness::Near;
        let own = CommandMatch {
            program: "/srv/bot/main.py".into(),
            args: vec!["-v".to_owned()],
            cwd: "/srv/bot".into(),
        };
        for (likeness, same_program, same_args, cwd, expected) in [
            (CommandLikeness::Same, true, true, "/srv/bot", [yes, yes, yes]),
            (CommandLikeness::Same, true, true, "/link/bot", [yes, yes, yes]),
            (near(CommandDifference::OtherFolder), false, true, "/srv/other", [yes, yes, no]),
            (near(CommandDifference::OtherArguments), true, false, "/srv/bot", [yes, no, yes]),
            (near(CommandDifference::OtherSubcommand), true, false, "/srv/bot", [yes, no, yes]),
            (
                near(CommandDifference::RewrittenTitle),
                false,
                false,
                "/srv/bot",
                [unknown, unknown, yes],
            ),
            (CommandLikeness::Different, false, true, "/srv/bot", [no, yes, yes]),
            (CommandLikeness::Different, false, false, "/srv/other", [no, no, no]),
            (CommandLikeness::Different, true, true, "/srv/bot", [yes, no, yes]),
        ] {
            let process = Process {
                likeness: Fact::Known(likeness),
                same_program: Fact::Known(same_program),
                compared: Fact::Known(ComparedCommand { same_args, ..ComparedCommand::default() }),
                cwd: Fact::Known(cwd.into()),
                ..Process::default()
            };
            let truths = own.parts(&process).map(|(_, truth)| truth);
            assert_eq!(truths, expected, "{process:?}");
        }
        let truths = own.parts(&Process::default()).map(|(_, truth)| truth);
        assert_eq!(truths, [unknown, unknown, unknown]);
    }
}
