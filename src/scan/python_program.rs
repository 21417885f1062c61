//! The main program of a Python command: the file of its script or module, and the function of
//! another module that this file only imports and calls, as the scripts that pip, uv and Poetry
//! generate do.
#![expect(clippy::disallowed_methods, reason = "finds modules as Python does")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::likeness::CommandDoubt;
use crate::scan::command_context::{CommandContext, ENVIRONMENT};
use crate::scan::executable::has_folder;
use crate::scan::invocation::{Invocation, Target, Through, absolute};
use crate::scan::passing_failure::{is_file, noted};
use crate::scan::python_import::{ImportedFunction, imported_function};
use crate::scan::small_file;

/// A longer script does more than to import a function and call it.
const MAX_SCRIPT: u64 = 16 << 10;

/// Longer `pyproject.toml` and `.pth` files are ignored.
const MAX_SETTINGS: u64 = 64 << 10;

/// The number of `.pth` files of a virtual environment that are read.
const MAX_PATH_FILES: usize = 64;

/// The number of folders that `.pth` files name and in which modules are searched.
const MAX_PATH_FOLDERS: usize = 256;

/// The number of folders from the current one upward that may have `pyproject.toml`.
const MAX_PARENTS: usize = 4;

/// The folders of a project whose programs are not the bot.
const NOT_THE_BOT: [&str; 3] = ["test", "tests", "examples"];

#[derive(Debug, Clone)]
pub(super) struct PythonProgram {
    /// The name of the script, without a folder and extension.
    pub(super) name: String,
    /// The path of the script, with its links.
    pub(super) path: Option<PathBuf>,
    /// What `-m` was given.
    pub(super) module: Option<String>,
    /// The file that runs as `__main__`, with links resolved, if it was found.
    pub(super) file: Option<PathBuf>,
    /// The text of the file, if it is short.
    pub(super) text: Option<String>,
    /// What the file only imports and calls.
    pub(super) calls: Option<ImportedFunction>,
    cwd: PathBuf,
    /// The virtual environment of an installed script or of the interpreter.
    prefix: Option<PathBuf>,
}

/// How a process spells the Python program of COMMAND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PythonSpelling {
    /// The files say that both run the same function of the same file.
    Certain,
    InDoubt(CommandDoubt),
}

impl PythonProgram {
    /// Finds the program of a command that runs in `cwd`; `None` if it is no program of Python.
    /// `environ` is the environment, if the context does not have the options from it yet.
    pub(super) fn of(
        it: &Invocation,
        cwd: &Path,
        environ: Option<&dyn Fn() -> Vec<(OsString, OsString)>>,
    ) -> Option<PythonProgram> {
        let mut program = PythonProgram {
            name: String::new(),
            path: None,
            module: None,
            file: None,
            text: None,
            calls: None,
            cwd: cwd.to_owned(),
            prefix: None,
        };
        match &it.target {
            Target::Script(path, _) => {
                program.name = stem(path);
                let path = absolute(path, cwd);
                program.set_file(&path);
                program.path = Some(path);
            }
            Target::Module(name) => {
                let name = name.to_str()?;
                name.clone_into(&mut program.name);
                program.module = Some(name.to_owned());
                let mut context = it.context.clone();
                if let Some(environ) = environ {
                    context.set_module_search(&environ(), Some(cwd));
                }
                program.find_module(&context, name);
            }
            Target::Program(name) if is_script_of_project(it) => {
                let name = name.to_str()?;
                name.clone_into(&mut program.name);
                program.calls = Some(script_of_project(name, cwd)?);
                let prefix = cwd.join(".venv");
                program.prefix = Some(prefix).filter(|it| is_file(&it.join("pyvenv.cfg")));
            }
            Target::Program(_) | Target::Code(..) | Target::Entry(..) | Target::Input => {
                return None;
            }
        }
        Some(program)
    }

    fn find_module(&mut self, context: &CommandContext, name: &str) {
        let environment = context.options.iter().find(|it| it.name == ENVIRONMENT);
        let environment = environment.map(|it| PathBuf::from(&it.value));
        self.prefix = environment.filter(|it| !it.as_os_str().is_empty());
        let roots = context.module_folders(&self.cwd).into_iter().chain(self.site_folders());
        let found = roots.flat_map(|root| main_files(name).map(|file| root.join(file)));
        if let Some(file) = found.into_iter().find(|file| is_file(file)) {
            self.set_file(&file);
        }
    }

    fn set_file(&mut self, path: &Path) {
        let Some(file) = noted(path, fs::canonicalize(path)) else { return };
        self.text = small_file::text(&file, MAX_SCRIPT);
        let calls = self.text.as_deref().and_then(imported_function);
        self.calls = calls.and_then(|it| it.within(&file));
        let environment = file.ancestors().nth(2).map(Path::to_owned);
        let environment = environment.filter(|it| is_file(&it.join("pyvenv.cfg")));
        self.prefix = self.prefix.take().or(environment);
        self.file = Some(file);
    }

    /// Returns the folder below which this file is the module `name`, run as `__main__`.
    pub(super) fn root_of(&self, name: &str) -> Option<PathBuf> {
        let file = self.file.as_deref()?;
        let tail = main_files(name).into_iter().find(|tail| file.ends_with(tail))?;
        file.ancestors().nth(tail.components().count()).map(Path::to_owned)
    }

    /// Returns whether the modules below this folder are those of the program: its own folder, or
    /// one directly below it, such as `src`. With `-m`, Python has found it there: any folder.
    pub(super) fn has_root(&self, root: &Path) -> bool {
        let is_for_tests = NOT_THE_BOT.iter().any(|name| root.ends_with(name));
        self.module.is_some()
            || root == self.cwd
            || root.parent() == Some(&self.cwd) && !is_for_tests
    }

    /// Returns whether this is a script of the project in this folder, or of the environment there,
    /// that only calls an imported function.
    pub(super) fn is_script_of(&self, folder: &Path) -> bool {
        let own = self.file.as_deref().and_then(Path::parent);
        let outer = self.prefix.as_deref().and_then(Path::parent);
        self.calls.is_some() && [own, outer].contains(&Some(folder))
    }

    /// Returns whether this only calls an imported function, and the file of another program lies
    /// in the folder of its virtual environment: `/srv/bot/.venv` and `/srv/bot/src/bot/app.py`.
    pub(super) fn is_script_of_project_with(&self, other: &PythonProgram) -> bool {
        let project = self.prefix.as_deref().and_then(Path::parent);
        let is_in = |folder: &Path| {
            let below = other.file.as_deref().and_then(|file| file.strip_prefix(folder).ok());
            below
                .is_some_and(|it| !it.iter().any(|part| NOT_THE_BOT.iter().any(|own| part == *own)))
        };
        self.calls.is_some() && project.is_some_and(is_in)
    }

    /// Returns whether the file is a script of a virtual environment.
    pub(super) fn is_in_environment(&self) -> bool {
        let bin = self.prefix.as_ref().map(|prefix| prefix.join("bin"));
        bin.is_some() && self.file.as_deref().and_then(Path::parent) == bin.as_deref()
    }

    /// Returns whether this is the `__main__.py` of the package whose function it calls.
    pub(super) fn is_main_of_package(&self) -> bool {
        let Some(package) = self.calls.as_ref().map(ImportedFunction::package) else {
            return false;
        };
        let folder = self.file.as_deref().and_then(Path::parent).and_then(Path::file_name);
        self.module.as_deref() == Some(package)
            || self.name == "__main__" && folder == Some(OsStr::new(package))
    }

    /// Returns the file of the module whose function the program calls, with links resolved.
    pub(super) fn imported_file(&self) -> Option<PathBuf> {
        let path = self.calls.as_ref()?.module.replace('.', "/");
        let own = self.file.as_deref().and_then(Path::parent).map(Path::to_owned);
        let package = self.package_folder();
        let roots = own.into_iter().chain(package).chain(self.site_folders());
        let files = roots.flat_map(|root| {
            [format!("{path}.py"), format!("{path}/__init__.py")].map(|it| root.join(it))
        });
        let file = files.into_iter().find(|file| is_file(file))?;
        noted(&file, fs::canonicalize(&file))
    }

    /// Returns the text of that module, if it is short.
    pub(super) fn imported_text(&self) -> Option<String> {
        small_file::text(&self.imported_file()?, MAX_SCRIPT)
    }

    /// Returns the folder that has the package of this file.
    fn package_folder(&self) -> Option<PathBuf> {
        let package = self.calls.as_ref()?.package();
        let file = self.file.as_deref()?;
        let root =
            file.ancestors().skip(1).find(|it| it.file_name() == Some(OsStr::new(package)))?;
        root.parent().map(Path::to_owned)
    }

    /// Returns the folders in which the virtual environment has modules.
    fn site_folders(&self) -> Vec<PathBuf> {
        let Some(prefix) = &self.prefix else { return Vec::new() };
        let names = |folder: &Path| {
            let entries = noted(folder, fs::read_dir(folder)).into_iter().flatten().flatten();
            entries.map(|it| it.path()).collect::<Vec<_>>()
        };
        let is_python = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with("python3")
        };
        let versions = names(&prefix.join("lib")).into_iter().filter(is_python);
        let sites: Vec<PathBuf> = versions.map(|it| it.join("site-packages")).collect();
        let is_path_file = |path: &PathBuf| path.extension() == Some(OsStr::new("pth"));
        let mut files: Vec<_> =
            sites.iter().flat_map(|it| names(it)).filter(is_path_file).collect();
        files.sort();
        let texts = files.iter().take(MAX_PATH_FILES);
        let texts = texts.filter_map(|file| small_file::text(file, MAX_SETTINGS));
        let folders = texts.flat_map(|text| {
            let lines = text.lines().map(str::trim).filter(|line| line.starts_with('/'));
            lines.map(PathBuf::from).collect::<Vec<_>>()
        });
        let folders: Vec<PathBuf> = folders.take(MAX_PATH_FOLDERS).collect();
        sites.into_iter().chain(folders).collect()
    }
}

/// Returns whether a launcher such as `uv run` finds the program by its name in the project.
pub(super) fn is_script_of_project(it: &Invocation) -> bool {
    it.through == Through::Wrapper
        && matches!(&it.target, Target::Program(name) if !has_folder(name.as_os_str()))
}

/// Returns the files of a module that may run as `__main__`, below the folder that has it.
pub(super) fn main_files(name: &str) -> [PathBuf; 2] {
    let path = name.replace('.', "/");
    [format!("{path}/__main__.py"), format!("{path}.py")].map(PathBuf::from)
}

/// Returns the function that a script of `pyproject.toml` calls. Launchers such as `uv run` find
/// the script in an environment of their own.
fn script_of_project(name: &str, cwd: &Path) -> Option<ImportedFunction> {
    let mut files = cwd.ancestors().take(MAX_PARENTS).map(|it| it.join("pyproject.toml"));
    let file = files.find(|file| is_file(file))?;
    let table: toml::Table = small_file::text(&file, MAX_SETTINGS)?.parse().ok()?;
    let scripts = table.get("project").and_then(|it| it.get("scripts"));
    let of_poetry = || table.get("tool")?.get("poetry")?.get("scripts");
    let script = scripts.and_then(|it| it.get(name)).or_else(|| of_poetry()?.get(name))?;
    let script = script.as_str().or_else(|| script.get("reference")?.as_str())?;
    let (module, function) = script.split_once(':')?;
    let function = function.split_whitespace().next()?;
    Some(ImportedFunction { module: module.trim().to_owned(), function: function.to_owned() })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
