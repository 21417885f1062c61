//! Compares a process with what COMMAND starts and its files do not tell in full.

use std::path::Path;

use crate::engine::likeness::{CommandDifference, CommandDoubt, CommandLikeness};
use crate::scan::command::Command;
use crate::scan::executable::has_folder;
use crate::scan::interpreters::Language;
use crate::scan::invocation::{Invocation, Target, Through, absolute};
use crate::scan::same_command::{Comparison, RunningCommand};
use crate::scan::shell_expansion::may_be;
use crate::scan::unclear_command::{UnclearCommand, UnclearTarget};
use crate::sys::file_id::is_same_file;

impl Command {
    /// Compares a process with the commands that are not known in full.
    pub(super) fn compare_unclear(&self, process: &RunningCommand<'_>) -> Option<Comparison> {
        if self.unclear.is_empty() {
            return None;
        }
        let it = self.invocation_of(process);
        self.unclear_comparison(&it, process, |_| true)
    }

    /// Compares what a process runs with those of these commands that `is_asked` accepts.
    pub(super) fn unclear_comparison(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
        is_asked: impl Fn(&UnclearCommand) -> bool,
    ) -> Option<Comparison> {
        let cwd = it.context.folder.as_deref().or(process.cwd)?;
        let found = self.unclear.iter().filter(|it| is_asked(it)).filter_map(|unclear| {
            let likeness = unclear.likeness(it, cwd, process);
            (likeness != CommandLikeness::Different).then(|| (unclear.doubt(), likeness))
        });
        let (doubt, likeness) = found.min_by_key(|(_, likeness)| !likeness.is_same())?;
        Some(Comparison {
            likeness,
            doubt: likeness.is_same().then_some(doubt),
            compared: self.compared(it, process),
            variables: it.context.variables.clone(),
            ..Comparison::default()
        })
    }
}

impl UnclearCommand {
    /// Compares what a process runs in `cwd`.
    fn likeness(
        &self,
        it: &Invocation,
        cwd: &Path,
        process: &RunningCommand<'_>,
    ) -> CommandLikeness {
        let is_here = self.may_be_in(cwd);
        let from = if self.knows_folder { &self.folder } else { cwd };
        if !may_be(&self.args, &it.args) {
            return CommandLikeness::Different;
        }
        let file = match &it.target {
            Target::Script(path, _) => Some(absolute(path, cwd)),
            Target::Program(path) if has_folder(path.as_os_str()) => Some(absolute(path, cwd)),
            Target::Program(_) if it.through == Through::Itself => (process.exe)(),
            Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => None,
        };
        let language = match &it.target {
            Target::Script(_, language) => *language,
            Target::Code(language, _) => Some(*language),
            Target::Program(_) | Target::Module(_) | Target::Entry(..) | Target::Input => None,
        };
        let text = file.as_deref().and_then(Path::to_str).unwrap_or_default();
        let is_file_in = |folder: &Path| file.as_deref().and_then(Path::parent) == Some(folder);
        let (fits, is_named) = match &self.target {
            UnclearTarget::Known(Target::Script(path, _) | Target::Program(path)) => {
                let mine = absolute(path, from);
                (file.as_ref().is_some_and(|it| *it == mine || is_same_file(it, &mine)), true)
            }
            UnclearTarget::Known(target) => (is_here && it.target == *target, false),
            UnclearTarget::Script(before, after, mine) => {
                let is_script = matches!(it.target, Target::Script(..))
                    && (mine.is_none() || language.is_none() || language == *mine);
                let start = absolute(Path::new(before), from);
                let begins = before.is_empty() || text.starts_with(&*start.to_string_lossy());
                let is_named = after.contains('/');
                let whole_folder = before.is_empty() || before.ends_with('/');
                let folder = if whole_folder { Some(&*start) } else { start.parent() };
                let is_found = is_named || folder.is_some_and(is_file_in);
                (is_script && begins && text.ends_with(&**after) && is_found, is_named)
            }
            UnclearTarget::Program(after) => (is_here && text.ends_with(&**after), true),
            UnclearTarget::Code(mine) => {
                (matches!(it.target, Target::Code(..)) && language == Some(*mine), false)
            }
            UnclearTarget::Any => (language != Some(Language::Shell) && is_file_in(from), false),
        };
        let sees = || (process.sees)(cwd, cwd);
        match (fits, is_here) {
            (true, true) if sees() => CommandLikeness::Same,
            (true, false) if is_named && is_file_in(&self.folder) => {
                CommandLikeness::Near(CommandDifference::OtherFolder)
            }
            (true | false, true | false) => CommandLikeness::Different,
        }
    }

    /// Returns the doubt about a process that fits.
    fn doubt(&self) -> CommandDoubt {
        match (&self.target, self.knows_folder) {
            (UnclearTarget::Known(_), true) => CommandDoubt::Script,
            (
                UnclearTarget::Known(_)
                | UnclearTarget::Script(..)
                | UnclearTarget::Program(_)
                | UnclearTarget::Code(_)
                | UnclearTarget::Any,
                true | false,
            ) => CommandDoubt::UnclearScript,
        }
    }
}
