//! The folders of a start: its own, and those of COMMAND's script and project. A process that runs
//! there, or runs a file of one, is listed if it is connected to the Bot API.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use memchr::memmem::Finder;

use crate::config::dotenv;
use crate::engine::fact::Fact;
use crate::engine::instance::BotId;
use crate::engine::token::Token;
use crate::scan::command::Command;
use crate::scan::interpreters::Language;
use crate::scan::invocation::absolute;
use crate::scan::linux::command_search::{interpreter, is_title};
use crate::scan::scan_request::ScanRequest;

/// Folders of installed programs.
const SYSTEM_FOLDERS: [&str; 5] = ["/bin/", "/lib/", "/sbin/", "/snap/", "/usr/"];

/// Files in the main folder of a project.
const PROJECT_FILES: [&str; 12] = [
    ".env",
    ".git",
    "Cargo.toml",
    "Gemfile",
    "Pipfile",
    "build.gradle",
    "composer.json",
    "go.mod",
    "package.json",
    "pom.xml",
    "pyproject.toml",
    "requirements.txt",
];

/// The most folders that are searched for the main folder: the first, and those above it.
const MAX_DEPTH: usize = 4;

#[derive(Debug, Default)]
pub(super) struct OwnFolders {
    folders: Vec<PathBuf>,
    /// The folders in which everything belongs to the project.
    projects: Vec<PathBuf>,
    /// Their names in a command line.
    names: Vec<Finder<'static>>,
    bot: Option<BotId>,
    token_variables: Vec<String>,
    /// The folders that were looked at: true if the `.env` names this bot.
    known: Mutex<BTreeMap<PathBuf, bool>>,
}

impl OwnFolders {
    pub(super) fn new(request: &ScanRequest) -> OwnFolders {
        let mut folders: Vec<PathBuf> = request.cwd.iter().cloned().collect();
        for command in request.command.iter().flat_map(Command::with_started) {
            folders.push(command.runs_in.clone());
            let of_script = command.file.as_deref().and_then(Path::parent);
            // The environments of Python are in the project.
            let environment = of_script
                .and_then(Path::parent)
                .filter(|folder| folder.join("pyvenv.cfg").exists())
                .and_then(Path::parent);
            let own = environment.or(of_script.filter(|folder| !is_installed(folder)));
            folders.extend(own.map(Path::to_owned));
            let module = command.file_of_module();
            let of_module = module.as_deref().and_then(Path::parent);
            folders.extend(of_module.filter(|it| !is_of_packages(it)).map(Path::to_owned));
        }
        folders.extend(folders.iter().filter_map(|it| main_folder(it)).collect::<Vec<_>>());
        folders.sort_unstable();
        folders.dedup();
        let may_be = |folder: &&PathBuf| may_be_project(folder);
        let projects: Vec<PathBuf> = folders.iter().filter(may_be).cloned().collect();
        let names = projects.iter().filter_map(|folder| folder.to_str());
        let names = names.map(|it| Finder::new(it).into_owned()).collect();
        let bot = request.tokens.mine.as_ref().map(Token::id);
        let token_variables = request.token_variables.clone();
        OwnFolders { folders, projects, names, bot, token_variables, known: Mutex::default() }
    }

    /// Returns whether a process runs in one of the folders, or names a path below one. `folder`
    /// returns its folder: reading that of each system program would cost more than all the rest.
    pub(super) fn is_nearby<'a>(
        &self,
        args: &[u8],
        folder: impl FnOnce() -> Option<&'a Path>,
    ) -> bool {
        let end = memchr::memchr(0, args).unwrap_or(args.len());
        let first = args.get(..end).and_then(|it| std::str::from_utf8(it).ok());
        let first = first.unwrap_or_default();
        let is_system_program = || {
            let is_own = self.folders.iter().any(|own| Path::new(first).parent() == Some(own));
            !is_own && SYSTEM_FOLDERS.iter().any(|folder| first.starts_with(folder))
        };
        let is_own_program = first.contains('/') && !is_system_program();
        let is_interpreter = interpreter(args).is_some_and(|it| it.language != Language::Shell);
        (is_own_program || is_interpreter || is_title(args))
            && (self.names_project(args)
                || folder().is_some_and(|folder| {
                    self.has(folder)
                        || self.names_project_path(args, folder)
                        || self.is_of_this_bot(folder)
                }))
    }

    /// Returns whether a command line has the absolute path of a project or one below.
    fn names_project(&self, args: &[u8]) -> bool {
        let is_whole = |end: usize| matches!(args.get(end), None | Some(0 | b'/' | b':' | b','));
        self.names
            .iter()
            .any(|name| name.find_iter(args).any(|at| is_whole(at + name.needle().len())))
    }

    /// Returns whether the `.env` that a process in this folder finds names this bot.
    fn is_of_this_bot(&self, folder: &Path) -> bool {
        let Some(bot) = self.bot else { return false };
        let known = |folder: &Path| self.known.lock().ok()?.get(folder).copied();
        known(folder).unwrap_or_else(|| {
            let named = dotenv::nearest_bot(&self.token_variables, Path::new("/"), folder, &[]);
            let is_mine = named == Fact::Known(Some(bot));
            if let Ok(mut known) = self.known.lock() {
                known.insert(folder.to_owned(), is_mine);
            }
            is_mine
        })
    }

    /// Returns whether a relative path of a command line leads into a project from this folder.
    fn names_project_path(&self, args: &[u8], folder: &Path) -> bool {
        let words =
            args.split(|byte| *byte == 0).skip(1).map(|it| Path::new(OsStr::from_bytes(it)));
        let mut paths = words.filter(|word| word.is_relative() && word.components().count() > 1);
        paths.any(|word| {
            let path = absolute(word, folder);
            self.projects.iter().any(|project| path.starts_with(project))
        })
    }

    /// Returns whether a folder is one of these, or in a project.
    pub(super) fn has(&self, folder: &Path) -> bool {
        self.folders.iter().any(|own| own == folder)
            || self.projects.iter().any(|project| folder.starts_with(project))
    }
}

/// Returns whether a folder is one of installed programs.
fn is_installed(folder: &Path) -> bool {
    SYSTEM_FOLDERS.iter().any(|it| folder.join("").starts_with(it))
}

/// Returns whether a folder has installed modules of Python, such as uvicorn.
fn is_of_packages(folder: &Path) -> bool {
    let names = ["site-packages", "dist-packages"];
    is_installed(folder) || folder.iter().any(|part| names.iter().any(|name| part == *name))
}

/// Returns the main folder of the project of a folder, if that is another one.
fn main_folder(folder: &Path) -> Option<PathBuf> {
    let mut above = folder.ancestors().take(MAX_DEPTH).filter(|it| may_be_project(it));
    let found = above.find(|it| PROJECT_FILES.iter().any(|name| it.join(name).exists()))?;
    (found != folder).then(|| found.to_owned())
}

/// Returns whether a folder may be a project's. `/`, `/srv` and home folders hold other things too.
fn may_be_project(folder: &Path) -> bool {
    folder.components().count() > 2 && folder.parent() != Some(Path::new("/home"))
}
