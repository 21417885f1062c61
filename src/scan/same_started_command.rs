//! Compares a process with what COMMAND starts.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::engine::choosing_variables::{self, EVERY_VARIABLE, says_nothing_alone};
use crate::engine::likeness::{CommandDifference, CommandDoubt, CommandLikeness};
use crate::engine::variable_kind::counts_in_script;
use crate::scan::command::{Certainty, Command, StartedCommand};
use crate::scan::interpreters::Language;
use crate::scan::invocation::{Target, absolute};
use crate::scan::same_command::{Comparison, RunningCommand};
use crate::scan::shell_expansion::is_unknown;

impl Command {
    /// Compares a process with what this command starts. Returns the one that it runs, or else one
    /// that it almost runs, most certain first.
    pub(super) fn compare_started(&self, process: &RunningCommand<'_>) -> Option<Comparison> {
        let mut found: Vec<(Certainty, Comparison)> = self
            .started
            .iter()
            .filter_map(|it| Some((it.certainty, it.compare(process)?)))
            .collect();
        found.sort_by_key(|(certainty, it)| {
            (!it.likeness.is_same(), *certainty, it.doubt.is_some())
        });
        found.into_iter().next().map(|(_, comparison)| comparison)
    }
}

/// A variable that has another value in a process than COMMAND's script sets.
struct OtherVariable {
    name: String,
    /// Both have a value, and such a variable chooses the bot.
    chooses: bool,
}

impl StartedCommand {
    /// Compares a process with this command; `None` if it differs.
    fn compare(&self, process: &RunningCommand<'_>) -> Option<Comparison> {
        let mut comparison = self.command.compare(process);
        match comparison.likeness {
            CommandLikeness::Different => return None,
            CommandLikeness::Near(_) => {
                comparison.same_program &= self.certainty == Certainty::Certain;
            }
            CommandLikeness::Same => comparison = self.with_certainty(comparison),
        }
        if let Some(other) = self.other_variable(process, &comparison.variables) {
            comparison.doubt = comparison.doubt.or(Some(CommandDoubt::Variable(other.name)));
            comparison.chooses_another = other.chooses;
        }
        // The variables that are set have been compared now.
        comparison.variables.extend(self.replaces.iter().cloned());
        Some(comparison)
    }

    /// Applies what is not certain to the comparison of a process that runs this command.
    pub(super) fn with_certainty(&self, comparison: Comparison) -> Comparison {
        match self.certainty {
            Certainty::Certain => comparison,
            Certainty::Likely => Comparison { doubt: Some(CommandDoubt::Script), ..comparison },
            Certainty::Launched => Comparison { doubt: Some(CommandDoubt::Launcher), ..comparison },
            Certainty::Part => Comparison { doubt: Some(CommandDoubt::PartOfScript), ..comparison },
            Certainty::Possible => Comparison {
                likeness: CommandLikeness::Near(CommandDifference::PartOfScript),
                doubt: None,
                ..comparison
            },
        }
    }

    /// Returns a variable that this command would get with another value than a process has. `set`
    /// has the variables that the command line of the process sets.
    fn other_variable(
        &self,
        process: &RunningCommand<'_>,
        set: &[(OsString, Option<OsString>)],
    ) -> Option<OtherVariable> {
        let mine: BTreeMap<&OsStr, Option<&OsStr>> = self
            .sets
            .iter()
            .chain(&self.command.runs.context.variables)
            .map(|(name, value)| (name.as_os_str(), value.as_deref()))
            .filter(|(name, value)| {
                *name != EVERY_VARIABLE
                    && counts_in_script(name)
                    && value.is_none_or(|value| !is_unknown(value))
            })
            .collect();
        if mine.is_empty() {
            return None;
        }
        let environ = (process.environ)().into_iter().map(|(name, value)| (name, Some(value)));
        let theirs: BTreeMap<OsString, Option<OsString>> =
            environ.chain(set.iter().cloned()).collect();
        let is_set = |value: &&OsStr| !value.is_empty();
        let others = mine.into_iter().filter_map(|(name, mine)| {
            let theirs = theirs.get(name).and_then(Option::as_deref);
            let [mine, theirs] = [mine, theirs].map(|value| self.comparable_value(name, value));
            let mine = mine.as_deref().filter(is_set);
            let theirs = theirs.as_deref().filter(is_set);
            let is_usual = match (mine, theirs) {
                (Some(value), None) | (None, Some(value)) => {
                    says_nothing_alone(name, value.as_encoded_bytes(), self.command.bots)
                }
                (Some(_), Some(_)) | (None, None) => false,
            };
            (mine != theirs && !is_usual && !is_extended(name, mine, theirs)).then(|| {
                OtherVariable {
                    name: name.to_string_lossy().into_owned(),
                    chooses: mine.zip(theirs).is_some_and(|(mine, theirs)| {
                        choosing_variables::differ_by_bot(name, mine, theirs)
                    }),
                }
            })
        });
        let mut others: Vec<OtherVariable> = others.collect();
        others.sort_by_key(|other| !other.chooses);
        others.into_iter().next()
    }

    /// Removes the folder that Python searches first in any case from `PYTHONPATH`, and makes the
    /// others absolute.
    fn comparable_value(&self, name: &OsStr, value: Option<&OsStr>) -> Option<OsString> {
        let value = value?;
        let Command { runs, runs_in, file, .. } = &self.command;
        let own = match &runs.target {
            Target::Script(_, Some(Language::Python)) => file.as_deref().and_then(Path::parent),
            Target::Module(_) | Target::Code(Language::Python, _) => Some(runs_in.as_path()),
            Target::Script(..)
            | Target::Program(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => None,
        };
        if name != "PYTHONPATH" {
            return Some(value.to_owned());
        }
        let folders = env::split_paths(value).map(|path| absolute(&path, runs_in));
        env::join_paths(folders.filter(|path| own != Some(path))).ok()
    }
}

/// Returns whether a launcher, such as the shim of a version manager, has put folders before those
/// of a search path, or COMMAND's script adds some to those that a shell has, or both.
fn is_extended(name: &OsStr, mine: Option<&OsStr>, theirs: Option<&OsStr>) -> bool {
    let (Some(mine), Some(theirs)) = (mine, theirs) else { return false };
    let folders = |value: &OsStr| -> Vec<PathBuf> { env::split_paths(value).collect() };
    let (mine, theirs) = (folders(mine), folders(theirs));
    let common = mine.iter().rev().zip(theirs.iter().rev()).take_while(|(a, b)| a == b).count();
    match name.to_str() {
        // Two common last folders are enough: they come from the shell.
        Some("PATH") => common >= 2.min(mine.len()).min(theirs.len()) || mine.starts_with(&theirs),
        Some("PYTHONPATH") => common == mine.len(),
        Some(_) | None => false,
    }
}
