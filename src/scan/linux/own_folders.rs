//! The folders of a start: its own, and those of COMMAND's script and project. A process that runs
//! there, or runs a file of one, is listed if it is connected to the Bot API.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use crate::config::dotenv;
use crate::engine::fact::Fact;
use crate::engine::instance::BotId;
use crate::engine::token::Token;
use crate::scan::command::Command;
use crate::scan::invocation::absolute;
use crate::scan::linux::command_search::{first_argument, is_title};
use crate::scan::linux::installed_programs::is_installed;
use crate::scan::scan_request::ScanRequest;

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

/// The most folders above one that are searched for a main folder.
const MAX_DEPTH: usize = 3;

#[derive(Debug, Default)]
pub(super) struct OwnFolders {
    folders: BTreeSet<PathBuf>,
    /// The folders in which everything belongs to the project.
    projects: Vec<PathBuf>,
    /// Their names in a command line.
    names: Vec<Finder<'static>>,
    /// The main folders further up, such as the root of a repository. Folders below them may be
    /// those of other bots.
    roots: BTreeSet<PathBuf>,
    root_names: Vec<Finder<'static>>,
    bot: Option<BotId>,
    token_variables: Vec<String>,
}

/// The folders that one scan has looked at: true if the `.env` names this bot.
pub(super) type FoldersOfBot = BTreeMap<PathBuf, bool>;

impl OwnFolders {
    pub(super) fn new(request: &ScanRequest) -> OwnFolders {
        // COMMAND may enter another folder than that of the start.
        let of_start = request.command.as_ref().map(|command| &command.cwd);
        let mut folders: Vec<PathBuf> = request.cwd.iter().chain(of_start).cloned().collect();
        for command in request.command.iter().flat_map(Command::with_started) {
            folders.push(command.runs_in.clone());
            let of_script = command.file.as_deref().and_then(Path::parent);
            // The environments of Python are in the project.
            let environment = of_script
                .and_then(Path::parent)
                .filter(|folder| folder.join("pyvenv.cfg").exists())
                .and_then(Path::parent);
            let own = environment.or(of_script.filter(|folder| !is_installed(&folder.join(""))));
            folders.extend(own.map(Path::to_owned));
            let module = command.file_of_module();
            let of_module = module.as_deref().and_then(Path::parent);
            folders.extend(of_module.filter(|it| !is_of_packages(it)).map(Path::to_owned));
        }
        let folders: BTreeSet<PathBuf> = folders.into_iter().collect();
        let mut known = BTreeMap::new();
        let nearest: Vec<PathBuf> =
            folders.iter().filter_map(|it| main_folders(it, &mut known).next()).collect();
        let folders: BTreeSet<PathBuf> = folders.into_iter().chain(nearest).collect();
        let mut roots = BTreeSet::new();
        for folder in &folders {
            roots.extend(main_folders(folder, &mut known).filter(|it| !folders.contains(it)));
        }
        let may_be = |folder: &&PathBuf| may_be_project(folder);
        let projects: Vec<PathBuf> = folders.iter().filter(may_be).cloned().collect();
        let (names, root_names) = (finders(&projects), finders(&roots));
        let bot = request.tokens.mine.as_ref().map(Token::id);
        let token_variables = request.token_variables.clone();
        OwnFolders { folders, projects, names, roots, root_names, bot, token_variables }
    }

    /// Returns whether a process runs in one of the folders, or names a path below one. `folder`
    /// returns its folder: reading that of each system program would cost more than all the rest.
    pub(super) fn is_nearby<'a>(
        &self,
        args: &[u8],
        runs_script: bool,
        known: &mut FoldersOfBot,
        folder: impl FnOnce() -> Option<&'a Path>,
    ) -> bool {
        let first = first_argument(args);
        let is_system_program = || {
            let program = Path::new(OsStr::from_bytes(first));
            let is_own = program.parent().is_some_and(|it| self.folders.contains(it));
            !is_own && is_installed(program)
        };
        let is_own_program = memchr::memchr(b'/', first).is_some() && !is_system_program();
        (is_own_program || runs_script || is_title(args))
            && (self.names_project(args)
                || folder().is_some_and(|folder| {
                    self.has(folder)
                        || self.names_project_path(args, folder)
                        || self.is_of_this_bot(folder, known)
                }))
    }

    /// Returns whether a command line has the absolute path of a project or one below.
    fn names_project(&self, args: &[u8]) -> bool {
        self.names.iter().any(|name| paths_from(name, args).next().is_some())
            || self
                .root_names
                .iter()
                .flat_map(|name| paths_from(name, args))
                .any(|path| self.is_below_root(path))
    }

    /// Returns whether the `.env` that a process in this folder finds names this bot.
    fn is_of_this_bot(&self, folder: &Path, known: &mut FoldersOfBot) -> bool {
        let Some(bot) = self.bot else { return false };
        if let Some(known) = known.get(folder) {
            return *known;
        }
        let named = dotenv::nearest_bot(&self.token_variables, Path::new("/"), folder, &[]);
        let is_mine = named == Fact::Known(Some(bot));
        known.insert(folder.to_owned(), is_mine);
        is_mine
    }

    /// Returns whether a relative path of a command line leads into a project from this folder.
    fn names_project_path(&self, args: &[u8], folder: &Path) -> bool {
        let words =
            args.split(|byte| *byte == 0).skip(1).map(|it| Path::new(OsStr::from_bytes(it)));
        let mut paths = words.filter(|word| word.is_relative() && word.components().count() > 1);
        paths.any(|word| self.has_path(&absolute(word, folder)))
    }

    /// Returns whether a folder is one of these, or in a project.
    pub(super) fn has(&self, folder: &Path) -> bool {
        self.folders.contains(folder) || self.has_path(folder)
    }

    fn has_path(&self, path: &Path) -> bool {
        self.projects.iter().any(|project| path.starts_with(project)) || self.is_below_root(path)
    }

    /// Returns whether a path is below a main folder further up, and not in the folder of another
    /// bot there.
    fn is_below_root(&self, path: &Path) -> bool {
        let is_root = |folder: &&Path| self.roots.contains(*folder);
        let may_have_bot =
            |folder: &&Path| folder.join(".env").is_file() || folder.join(".git").exists();
        // Most paths are not below one: that needs no look at the disk.
        if !path.ancestors().any(|it| is_root(&it)) {
            return false;
        }
        let mut above = path.ancestors();
        above.find(|it| is_root(it) || may_have_bot(it)).is_some_and(|it| is_root(&it))
    }
}

/// Returns the paths of a command line that begin with this one.
fn paths_from<'a>(
    name: &'a Finder<'static>,
    args: &'a [u8],
) -> impl Iterator<Item = &'a Path> + 'a {
    let is_end = |byte: &u8| matches!(byte, 0 | b':' | b',');
    name.find_iter(args).filter_map(move |at| {
        let after = args.get(at + name.needle().len()..)?;
        let is_whole = after.first().is_none_or(|byte| *byte == b'/' || is_end(byte));
        let path = args.get(at..)?.split(is_end).next()?;
        is_whole.then(|| Path::new(OsStr::from_bytes(path)))
    })
}

fn finders<'a>(folders: impl IntoIterator<Item = &'a PathBuf>) -> Vec<Finder<'static>> {
    let names = folders.into_iter().filter_map(|folder| folder.to_str());
    names.map(|it| Finder::new(it).into_owned()).collect()
}

/// Returns whether a folder has installed modules of Python, such as uvicorn.
fn is_of_packages(folder: &Path) -> bool {
    let names = ["site-packages", "dist-packages"];
    is_installed(&folder.join(""))
        || folder.iter().any(|part| names.iter().any(|name| part == *name))
}

/// Returns the main folders of the projects of a folder: itself, and those above it. `known` has
/// the folders that were looked at.
fn main_folders<'a>(
    folder: &'a Path,
    known: &'a mut BTreeMap<PathBuf, bool>,
) -> impl Iterator<Item = PathBuf> + 'a {
    let mut is_main = |folder: &Path| {
        *known
            .entry(folder.to_owned())
            .or_insert_with(|| PROJECT_FILES.iter().any(|name| folder.join(name).exists()))
    };
    let folders = folder.ancestors().take(1 + MAX_DEPTH).filter(|it| may_be_project(it));
    folders.filter(move |it| is_main(it)).map(Path::to_owned)
}

/// Returns whether a folder may be a project's. `/`, `/srv` and home folders hold other things too.
fn may_be_project(folder: &Path) -> bool {
    folder.components().count() > 2 && folder.parent() != Some(Path::new("/home"))
}
