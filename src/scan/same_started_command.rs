//! Compares a process with what COMMAND starts.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use crate::engine::likeness::{CommandDifference, CommandDoubt, CommandLikeness};
use crate::scan::command::{Certainty, Command, StartedCommand};
use crate::scan::same_command::{Comparison, RunningCommand};
use crate::scan::shell_expansion::is_unknown;

impl Command {
    /// Compares a process with what this command starts, most certain first.
    pub(super) fn compare_started(&self, process: &RunningCommand<'_>) -> Option<Comparison> {
        let found = self.started.iter().filter_map(|it| Some((it.certainty, it.compare(process)?)));
        let rank = |(certainty, it): &(Certainty, Comparison)| (!it.likeness.is_same(), *certainty);
        found.min_by_key(rank).map(|(_, comparison)| comparison)
    }
}

impl StartedCommand {
    /// Compares a process with this command; `None` if it differs, or if other variables would be
    /// set for it.
    fn compare(&self, process: &RunningCommand<'_>) -> Option<Comparison> {
        let mut comparison = self.command.compare(process);
        if comparison.likeness == CommandLikeness::Different || !self.has_set(process) {
            return None;
        }
        // The variables that are set have already been compared.
        comparison.variables.extend(self.replaces.iter().cloned());
        Some(self.with_certainty(comparison))
    }

    /// Applies what is not certain to the comparison of a process that runs this command.
    pub(super) fn with_certainty(&self, comparison: Comparison) -> Comparison {
        match self.certainty {
            _ if !comparison.likeness.is_same() => comparison,
            Certainty::Certain => comparison,
            Certainty::Likely => Comparison { doubt: Some(CommandDoubt::Script), ..comparison },
            Certainty::Part => Comparison { doubt: Some(CommandDoubt::PartOfScript), ..comparison },
            Certainty::Possible => Comparison {
                likeness: CommandLikeness::Near(CommandDifference::PartOfScript),
                doubt: None,
                ..comparison
            },
        }
    }

    fn has_set(&self, process: &RunningCommand<'_>) -> bool {
        let by_command = &self.command.runs.context.variables;
        if self.sets.is_empty() && by_command.is_empty() {
            return true;
        }
        let environ = (process.environ)();
        let theirs = |name: &OsStr| environ.iter().find(|(own, _)| own == name).map(|it| &it.1);
        let set: BTreeMap<_, _> = self.sets.iter().map(|(name, value)| (name, value)).collect();
        set.into_iter().all(|(name, value)| theirs(name) == value.as_ref())
            && by_command
                .iter()
                .filter(|(_, value)| value.as_deref().is_none_or(|value| !is_unknown(value)))
                .all(|(name, value)| theirs(name).is_none_or(|it| Some(it) == value.as_ref()))
    }
}
