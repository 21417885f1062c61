//! A script of the same name in another release: a deploy puts each release into a folder of its
//! own, lets a link such as `current` lead to the newest one, and removes the oldest ones.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::engine::likeness::{CommandDifference, CommandLikeness};
use crate::scan::command::Command;
use crate::scan::executable::has_folder;
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::same_command::RunningCommand;

impl Command {
    /// Returns how alike a process is that runs the script of another release: its path is that of
    /// COMMAND but for one folder, and both names of that folder have a digit, or COMMAND's path
    /// goes through a link to its own release. It is the same command, in doubt, if that release
    /// was removed.
    pub(super) fn other_release(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> Option<CommandLikeness> {
        let cwd = it.context.folder.as_deref().or(process.cwd)?;
        let (Target::Script(path, _) | Target::Program(path)) = &it.target else { return None };
        if !has_folder(path.as_os_str()) && matches!(it.target, Target::Program(_)) {
            return None;
        }
        let (mine, theirs) = (self.own_file()?, absolute(path, cwd));
        let (release, names) = differing_folder(&mine, &theirs)?;
        // One that cannot be read may still be there.
        let is_removed = matches!(theirs.try_exists(), Ok(false));
        let folder = self.file.as_deref().and_then(Path::parent);
        let is_behind_a_link = || folder.is_some_and(|it| leads_to_release(it, &release));
        let are_numbered =
            || names.iter().all(|name| name.as_encoded_bytes().iter().any(u8::is_ascii_digit));
        match (is_removed, is_behind_a_link()) {
            (true, is_linked) if is_linked || are_numbered() => Some(CommandLikeness::Same),
            (true, _) | (false, true) => {
                Some(CommandLikeness::Near(CommandDifference::OtherFolder))
            }
            (false, false) => None,
        }
    }
}

/// Returns whether a path goes through a link to this folder, such as `current`.
pub(super) fn leads_to_release(path: &Path, release: &Path) -> bool {
    path.ancestors().any(|folder| {
        folder.file_name() != release.file_name()
            && fs::canonicalize(folder).is_ok_and(|found| found == release)
    })
}

/// Returns the only folder in which two paths differ, as in the first one, with its two names.
pub(super) fn differing_folder<'a>(
    mine: &'a Path,
    theirs: &'a Path,
) -> Option<(PathBuf, [&'a OsStr; 2])> {
    let parts = |path: &'a Path| path.components().collect::<Vec<Component<'a>>>();
    let (mine, theirs) = (parts(mine), parts(theirs));
    if mine.len() != theirs.len() || mine.last() != theirs.last() {
        return None;
    }
    let mut differing =
        mine.iter().zip(&theirs).enumerate().filter(|(_, (one, other))| one != other);
    let (at, (one, other)) = differing.next()?;
    let release = mine.get(..=at)?.iter().collect();
    differing.next().is_none().then_some((release, [one.as_os_str(), other.as_os_str()]))
}
