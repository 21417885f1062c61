//! What the first pass has read of the last process, and knows of all before it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::linux::command_search::{CommandSearch, Programs, first_argument, is_title};
use crate::scan::linux::installed_programs::is_installed;
use crate::scan::linux::own_folders::{FoldersOfBot, OwnFolders};
use crate::scan::linux::parents::{Stats, with_ancestors};
use crate::scan::linux::process_links::{executable, folder};
use crate::scan::wrapper_programs::is_wrapper_script;
use crate::sys::linux::proc_fs::ProcFs;

#[derive(Debug, Default)]
pub(super) struct ReadBuffers {
    pub(super) args: Vec<u8>,
    pub(super) environ: LastEnviron,
    pub(super) status: Vec<u8>,
    search: Arc<Option<CommandSearch>>,
    own_folders: Arc<OwnFolders>,
    folders_of_bot: FoldersOfBot,
    pub(super) folder: LastFolder,
    /// By the first argument. A machine has many processes of one name.
    executables: BTreeMap<Vec<u8>, Executable>,
    last_executable: Option<(u32, Executable)>,
    /// The previous process was a kernel thread or had ended. Kernel threads come in sequences.
    pub(super) had_no_executable: bool,
    pub(super) above_me: OwnAncestors,
}

/// The environment of the process that was asked for last.
#[derive(Debug, Default)]
pub(super) struct LastEnviron {
    pub(super) buffer: Vec<u8>,
    of: Option<u32>,
}

impl LastEnviron {
    pub(super) fn of(&mut self, proc: &ProcFs, pid: u32) -> Option<&[u8]> {
        if self.of != Some(pid) {
            self.of = None;
            proc.read(pid, "environ", &mut self.buffer).ok()?;
            self.of = Some(pid);
        }
        Some(&self.buffer)
    }
}

/// The folder of the process that was asked for last.
#[derive(Debug, Default)]
pub(super) struct LastFolder(Option<(u32, Option<PathBuf>)>);

impl LastFolder {
    pub(super) fn of(&mut self, proc: &ProcFs, pid: u32) -> Option<&Path> {
        if self.0.as_ref().is_none_or(|(of, _)| *of != pid) {
            self.0 = Some((pid, folder(proc, pid)));
        }
        self.0.as_ref()?.1.as_deref()
    }
}

/// The ancestors of this process.
#[derive(Debug, Default)]
pub(super) struct OwnAncestors(Option<Stats>);

impl OwnAncestors {
    pub(super) fn include(&mut self, proc: &ProcFs, me: u32, pid: u32) -> bool {
        self.0.get_or_insert_with(|| with_ancestors(proc, me)).contains_key(&pid)
    }
}

/// What the processes with one first argument execute.
#[derive(Debug, Clone)]
struct Executable {
    name: Option<Arc<OsStr>>,
    /// It may run a script or another program, or it runs under another name.
    may_run_others: bool,
    is_installed: bool,
    /// The language that the program named by the first argument interprets.
    language: Option<Language>,
}

impl ReadBuffers {
    pub(super) fn new(
        search: &Arc<Option<CommandSearch>>,
        own_folders: &Arc<OwnFolders>,
    ) -> ReadBuffers {
        let (search, own_folders) = (Arc::clone(search), Arc::clone(own_folders));
        ReadBuffers { search, own_folders, ..ReadBuffers::default() }
    }

    /// Returns what the last process executes. Reads it once for each first argument that names it,
    /// other than a relative path, which means another file in each folder.
    fn executable(&mut self, proc: &ProcFs, pid: u32) -> Executable {
        if let Some((of, known)) = &self.last_executable
            && *of == pid
        {
            return known.clone();
        }
        let executable = self.find_executable(proc, pid);
        self.last_executable = Some((pid, executable.clone()));
        executable
    }

    fn find_executable(&mut self, proc: &ProcFs, pid: u32) -> Executable {
        let first = first_argument(&self.args);
        if let Some(known) = self.executables.get(first) {
            return known.clone();
        }
        let program = Path::new(OsStr::from_bytes(first));
        let exe = executable(proc, pid);
        let name: Option<Arc<OsStr>> = exe.as_deref().and_then(Path::file_name).map(Arc::from);
        let is_its_name = name.as_deref() == program.file_name();
        let language_of =
            |name: Option<&OsStr>| Some(Interpreter::by_name(name?.to_str()?)?.language);
        let language = language_of(program.file_name());
        let may_run_others = !is_its_name || language.is_some() || is_wrapper_script(program);
        let is_installed = exe.as_deref().is_some_and(is_installed);
        let is_relative = memchr::memchr(b'/', first).is_some_and(|at| at > 0);
        // `sh` is a link to dash or bash, `python3` one to a version.
        let is_usual =
            is_its_name || language.is_some_and(|it| language_of(name.as_deref()) == Some(it));
        let read = Executable { name, may_run_others, is_installed, language };
        if is_usual && !first.is_empty() && !is_relative {
            self.executables.insert(first.to_vec(), read.clone());
        }
        read
    }

    /// Returns whether the last process executes a program of this name.
    pub(super) fn executes(&mut self, proc: &ProcFs, pid: u32, name: &OsStr) -> bool {
        self.executable(proc, pid).name.as_deref() == Some(name)
    }

    /// Returns whether the last process may run COMMAND by another name, such as that of a link. A
    /// program that runs under its own name, and runs no other, is no script.
    pub(super) fn may_run_by_another_name(&mut self, proc: &ProcFs, pid: u32) -> bool {
        let search = Arc::clone(&self.search);
        let programs = (*search).as_ref().map_or(Programs::Any, |it| it.programs);
        if programs == Programs::Any || is_title(&self.args) {
            return true;
        }
        let executable = self.executable(proc, pid);
        executable.may_run_others || programs == Programs::NotInstalled && !executable.is_installed
    }

    /// Returns whether the last process belongs to the start's project: by its folder, its `PWD` or
    /// a path on its command line.
    pub(super) fn is_nearby(&mut self, proc: &ProcFs, pid: u32) -> bool {
        if self.had_no_executable {
            return false;
        }
        let language = self.executable(proc, pid).language;
        let runs_script = language.is_some_and(|it| it != Language::Shell);
        let ReadBuffers { own_folders, folders_of_bot, folder, args, .. } = self;
        if own_folders.is_nearby(args, runs_script, folders_of_bot, || folder.of(proc, pid)) {
            return true;
        }
        // It may have left the folder. The comparison with COMMAND has read the environment, too.
        runs_script
            && self
                .environ
                .of(proc, pid)
                .and_then(logical_folder)
                .map(Path::to_owned)
                .is_some_and(|folder| self.own_folders.has(&folder))
    }

    /// Returns whether the first argument of the last process names an interpreter.
    pub(super) fn runs_interpreter(&mut self, proc: &ProcFs, pid: u32) -> bool {
        self.executable(proc, pid).language.is_some()
    }

    /// Returns whether the arguments of the last process have one of COMMAND's names.
    pub(super) fn has_name(&self) -> bool {
        (*self.search).as_ref().is_some_and(|search| search.has_name(&self.args))
    }
}

/// Returns `$PWD` of an environment.
pub(super) fn logical_folder(environ: &[u8]) -> Option<&Path> {
    let value = environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"PWD="))?;
    Some(Path::new(OsStr::from_bytes(value)))
}
