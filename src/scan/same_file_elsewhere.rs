//! The same script or program from another folder: by its absolute path, by a path through its
//! folder, or after the process entered the folder of the script.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::scan::command::Command;
use crate::scan::executable::has_folder;
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::same_command::RunningCommand;
use crate::sys::file_id::is_same_file;

impl Command {
    /// Returns whether a process in another folder runs this command's file, and the two folders
    /// say nothing against one bot: one of them is that of the file, or both are above it. Another
    /// folder, such as that of the data, may choose the bot.
    pub(super) fn is_known_elsewhere(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let cwd = it.context.folder.as_deref().or(process.cwd);
        let (Some(mine), Some(cwd)) = (self.own_file(), cwd) else { return false };
        let (Target::Script(path, _) | Target::Program(path)) = &it.target else { return false };
        let is_bare = matches!(it.target, Target::Program(_)) && !has_folder(path.as_os_str());
        let Some(home) = mine.parent().filter(|_| !is_bare) else { return false };
        if self.is_folder(cwd) || self.reads_a_file_of(cwd, it) {
            return false;
        }
        if is_same_file(&cwd.join(path), &mine) {
            let (theirs, own) = (&*whole(cwd), &*self.runs_in);
            return home == own
                || home == theirs
                || home.starts_with(own) && home.starts_with(theirs);
        }
        // A relative path means this file only in this command's folder, which the process left.
        path.is_relative()
            && !cwd.join(path).exists()
            && is_same_file(&self.runs_in.join(path), &mine)
            && [Some(home), home.parent()].contains(&Some(&*whole(cwd)))
            && !self.was_started_elsewhere(path, process)
    }

    /// Returns the file of this command, with links in its folder resolved.
    pub(super) fn own_file(&self) -> Option<PathBuf> {
        let is_by_path = match &self.runs.target {
            Target::Script(..) => true,
            Target::Program(path) => has_folder(path.as_os_str()),
            Target::Module(_) | Target::Code(..) | Target::Entry(..) | Target::Input => false,
        };
        let file = self.file.as_deref().filter(|_| is_by_path)?;
        Some(whole(file.parent()?).join(file.file_name()?))
    }

    /// Returns whether one of the arguments names a file of one of the folders, which is another
    /// file in the other folder.
    fn reads_a_file_of(&self, cwd: &Path, it: &Invocation) -> bool {
        let is_relative_file = |word: &str| {
            let word = word.split_once('=').map_or(word, |(_, value)| value);
            let path = Path::new(word);
            path.is_relative() && [&*self.runs_in, cwd].iter().any(|it| it.join(path).is_file())
        };
        it.args.iter().filter_map(|arg| arg.to_str()).any(is_relative_file)
    }

    /// Returns whether `$PWD` of a process is another folder with such a script.
    fn was_started_elsewhere(&self, script: &Path, process: &RunningCommand<'_>) -> bool {
        let environ = (process.environ)();
        let folder = environ.iter().find(|(name, _)| name == OsStr::new("PWD"));
        folder.is_some_and(|(_, folder)| {
            let start = absolute(Path::new(folder), Path::new("/"));
            start.join(script).exists() && !self.is_folder(&start)
        })
    }
}

fn whole(folder: &Path) -> PathBuf {
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}
