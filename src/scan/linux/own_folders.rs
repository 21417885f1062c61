//! The folders of a start: its own, and those of COMMAND's script and project. A process that runs
//! there, or runs a file of one, is listed if it is connected to the Bot API.

use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::linux::command_search::is_title;
use crate::scan::scan_request::ScanRequest;

/// Folders of installed programs.
const SYSTEM: [&str; 5] = ["/bin/", "/lib/", "/sbin/", "/snap/", "/usr/"];

#[derive(Debug, Default)]
pub(super) struct OwnFolders {
    folders: Vec<PathBuf>,
    /// `/srv/bot/` in a command line is one of them.
    names: Vec<Finder<'static>>,
}

impl OwnFolders {
    pub(super) fn new(request: &ScanRequest) -> OwnFolders {
        let mut folders: Vec<PathBuf> = request.cwd.iter().cloned().collect();
        if let Some(command) = &request.command {
            folders.push(command.runs_in.clone());
            // The environments of Python are in the project.
            let of_script = command.file.as_deref().and_then(Path::parent);
            let environment = of_script
                .and_then(Path::parent)
                .filter(|folder| folder.join("pyvenv.cfg").exists())
                .and_then(Path::parent);
            let is_installed =
                |folder: &&Path| SYSTEM.iter().any(|it| folder.join("").starts_with(it));
            let own = environment.or(of_script.filter(|folder| !is_installed(folder)));
            folders.extend(own.map(Path::to_owned));
        }
        folders.sort_unstable();
        folders.dedup();
        // Much that is not of a project is below `/`, `/srv` or the folder of a user.
        let is_project = |folder: &&PathBuf| {
            folder.components().count() > 2 && folder.parent() != Some(Path::new("/home"))
        };
        let names = folders.iter().filter(is_project).filter_map(|folder| folder.to_str());
        let names = names.map(|it| Finder::new(&format!("{it}/")).into_owned()).collect();
        OwnFolders { folders, names }
    }

    /// Returns whether a process runs in one of the folders, or a file of one. `folder` returns its
    /// folder: reading that of each program of the system would cost more than all the rest.
    pub(super) fn is_used_by<'a>(
        &self,
        args: &[u8],
        folder: impl FnOnce() -> Option<&'a Path>,
    ) -> bool {
        let end = memchr::memchr(0, args).unwrap_or(args.len());
        let first = args.get(..end).and_then(|it| std::str::from_utf8(it).ok());
        let first = first.unwrap_or_default();
        let name = first.rsplit('/').next().unwrap_or(first);
        let is_of_system = || {
            let is_own = self.folders.iter().any(|own| Path::new(first).parent() == Some(own));
            !is_own && SYSTEM.iter().any(|folder| first.starts_with(folder))
        };
        let is_own_program = first.contains('/') && !is_of_system();
        let is_interpreter =
            Interpreter::by_name(name).is_some_and(|it| it.language != Language::Shell);
        (is_own_program || is_interpreter || is_title(args))
            && (self.names.iter().any(|name| name.find(args).is_some())
                || folder().is_some_and(|folder| self.folders.iter().any(|own| own == folder)))
    }
}
