//! A shell in the folder that its script has entered: `cd app; python3 main.py` leaves the folder
//! of its start, and the shell waits in `app`.

use std::path::{Component, Path};

use crate::scan::command::{Certainty, Command};
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::passing_failure::canonicalize;
use crate::scan::same_command::RunningCommand;

impl Command {
    /// Returns whether a process that was started in this folder, with the same absolute path, has
    /// moved to the folder of its script or program: `os.chdir(os.path.dirname(__file__))`.
    pub(super) fn has_moved_to_its_file(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> bool {
        let (Target::Script(path, _) | Target::Program(path)) = &it.target else { return false };
        path.is_absolute()
            && self.file.as_ref() == Some(path)
            && process.cwd.is_some_and(|cwd| path.parent() == Some(cwd))
            && self.is_started_in(process)
    }

    /// Returns whether a process in another folder is a shell that was started in this command's
    /// folder with this command's script: it is where the script goes, or has the script open under
    /// a path that leads there from this folder alone.
    pub(super) fn has_entered_its_folder(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> bool {
        let (Target::Script(path, _), Some(cwd), Some(mine)) =
            (&it.target, process.cwd, self.shell_script())
        else {
            return false;
        };
        let is_entered = self.entered_folders().any(|folder| folder == cwd);
        if path.is_absolute() {
            return is_entered && absolute(path, cwd) == *mine;
        }
        let goes_up = path.components().any(|part| part == Component::ParentDir);
        let own = absolute(path, &self.runs_in);
        // A script behind a link may be that of several folders.
        let is_of_my_folder = !goes_up && canonicalize(&own).as_deref() == Some(&*own);
        is_of_my_folder
            && absolute(path, &self.folder) == *mine
            && !cwd.join(path).exists()
            && ((process.opens)(mine)
                || is_entered && cwd.starts_with(&self.runs_in) && self.is_started_in(process))
    }

    /// Returns the folders in which the commands of its script run.
    fn entered_folders(&self) -> impl Iterator<Item = &Path> {
        let started = self.started.iter().map(|it| &*it.command.runs_in);
        let unclear = self.unclear.iter().filter(|it| it.knows_folder).map(|it| &*it.folder);
        started.chain(unclear)
    }

    /// Returns the folder that this command enters in any case before its bot starts.
    pub(crate) fn entered_for_the_bot(&self) -> Option<&Path> {
        let certain = self.started.iter().filter(|it| it.certainty == Certainty::Certain);
        let last = certain.map(|it| &it.command).next_back().unwrap_or(self);
        Some(&*last.runs_in).filter(|folder| **folder != *self.cwd)
    }

    fn is_started_in(&self, process: &RunningCommand<'_>) -> bool {
        process.started_in().is_some_and(|folder| self.is_folder(&folder))
    }
}
