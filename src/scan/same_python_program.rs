//! One Python program in several spellings: an installed script beside `python3 -m`, a module that
//! `$PYTHONPATH` or an environment finds beside its file, a script that only imports another one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::engine::likeness::CommandDoubt;
use crate::scan::command::Command;
use crate::scan::interpreters::Language;
use crate::scan::invocation::{Invocation, Target};
use crate::scan::python_import::calls_as_main;
use crate::scan::python_program::{
    PythonProgram, PythonSpelling, is_script_of_project, main_files,
};
use crate::scan::same_command::RunningCommand;

impl Command {
    /// Returns how a process runs the Python program of this command by another spelling, whatever
    /// its arguments are; `None` if it does not.
    pub(super) fn python_spelling(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> Option<PythonSpelling> {
        if !may_be_python(&self.runs) || !may_be_python(it) {
            return None;
        }
        let cwd = it.context.folder.as_deref().or(process.cwd)?;
        let is_here = self.is_folder(cwd);
        // In an unrelated folder, nothing else is read of each `python3 main.py` of the machine.
        let is_below =
            |one: &Path, other: &Path| other.parent().is_some() && one.starts_with(other);
        let is_near = || is_below(cwd, &self.runs_in) || is_below(&self.runs_in, cwd);
        if is_file_of_python(&self.runs.target) && is_file_of_python(&it.target) && !is_near() {
            return None;
        }
        let theirs = PythonProgram::of(it, cwd, Some(process.environ))?;
        let mine = PythonProgram::of(&self.runs, &self.runs_in, None)?;
        if mine.file.is_some() && mine.file == theirs.file {
            return if is_here && mine.is_found_by_the_name_of(&theirs) {
                Some(PythonSpelling::Certain)
            } else if is_here {
                Some(PythonSpelling::InDoubt(CommandDoubt::ScriptName))
            } else {
                let home = mine.file.as_deref()?.parent()?;
                (home.starts_with(&self.runs_in) && home.starts_with(cwd))
                    .then_some(PythonSpelling::InDoubt(CommandDoubt::OtherFolder))
            };
        }
        let alike = mine.starts(&theirs).max(theirs.starts(&mine));
        match alike {
            Alike::No => None,
            Alike::Certain if is_here => Some(PythonSpelling::Certain),
            Alike::Perhaps if is_here => Some(PythonSpelling::InDoubt(CommandDoubt::EntryPoint)),
            Alike::Perhaps | Alike::Certain => {
                let is_of_project = mine.is_script_of(cwd)
                    || theirs.is_script_of(&self.runs_in)
                    || mine.is_script_of_project_with(&theirs)
                    || theirs.is_script_of_project_with(&mine);
                is_of_project.then_some(PythonSpelling::InDoubt(CommandDoubt::OtherFolder))
            }
        }
    }
}

impl Command {
    /// Returns the file of the Python module that this command runs, with links resolved.
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn file_of_module(&self) -> Option<PathBuf> {
        match &self.runs.target {
            Target::Module(_) => PythonProgram::of(&self.runs, &self.runs_in, None)?.file,
            Target::Script(..)
            | Target::Program(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => None,
        }
    }
}

/// How certain it is that two programs start the same function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    No,
    Perhaps,
    Certain,
}

impl PythonProgram {
    /// Returns whether no link has led one of both to the file by another name, which the file may
    /// read.
    fn is_found_by_the_name_of(&self, other: &PythonProgram) -> bool {
        let is_at = |path: &Option<PathBuf>, module: &str| {
            path.iter().any(|path| main_files(module).iter().any(|tail| path.ends_with(tail)))
        };
        match (&self.module, &other.module) {
            (Some(module), Some(other)) => {
                module.trim_end_matches(".__main__") == other.trim_end_matches(".__main__")
            }
            (Some(module), None) => is_at(&other.path, module),
            (None, Some(module)) => is_at(&self.path, module),
            (None, None) => true,
        }
    }

    /// Returns how certain it is that this program only starts what the other one runs.
    fn starts(&self, other: &PythonProgram) -> Alike {
        let Some(call) = &self.calls else { return Alike::No };
        let imported = || self.imported_file();
        let package = call.package();
        let module = call.module.rsplit('.').next().unwrap_or_default();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mentions = |text: &String| text.split(|c| !is_word(c)).any(|word| word == module);
        if let Some(other_call) = &other.calls {
            // `uvicorn.main` is what `uvicorn/__init__.py` imports from `uvicorn/main.py`.
            let is_passed_on = || {
                other_call.module == package
                    && call.function == other_call.function
                    && other.imported_text().as_ref().is_some_and(mentions)
            };
            return match (call.full_name() == other_call.full_name(), imported()) {
                (false, _) if is_passed_on() => Alike::Perhaps,
                (false, _) => Alike::No,
                (true, Some(file))
                    if other.imported_file().as_ref() == Some(&file)
                        && self.is_named_like(other) =>
                {
                    Alike::Certain
                }
                (true, Some(_) | None) => Alike::Perhaps,
            };
        }
        let is_main = |name: &str| match other.root_of(name) {
            Some(root) => other.has_root(&root) || self.is_script_of_project_with(other),
            None => other.file.is_none() && other.module.as_deref() == Some(name),
        };
        if is_main(&call.module) {
            let text = other.text.as_deref().unwrap_or_default();
            let is_called = || calls_as_main(text, &call.function);
            let is_its_file = || other.file.is_some() && imported() == other.file;
            return if is_its_file() && is_called() { Alike::Certain } else { Alike::Perhaps };
        }
        // The `__main__.py` of the package, with code of its own.
        let is_named_so = self.name.replace('-', "_") == package;
        let is_of_package = is_main(package)
            && (is_named_so || module != package && other.text.as_ref().is_some_and(mentions));
        if is_of_package { Alike::Perhaps } else { Alike::No }
    }

    /// Returns whether no name can choose the bot: `alice.py` and `bob.py`, or `-m bots.alice` and
    /// `-m bots.bob`, may both only import what reads the name.
    fn is_named_like(&self, other: &PythonProgram) -> bool {
        let is_installed = |it: &PythonProgram| it.file.is_none() || it.is_in_environment();
        self.is_main_of_package()
            || other.is_main_of_package()
            || self.name == other.name && (is_installed(self) || is_installed(other))
    }
}

fn is_file_of_python(target: &Target) -> bool {
    matches!(target, Target::Script(path, _) if path.extension() == Some(OsStr::new("py")))
}

fn may_be_python(it: &Invocation) -> bool {
    match &it.target {
        Target::Script(_, language) => language.is_none_or(|language| language == Language::Python),
        Target::Module(_) => true,
        Target::Program(_) => is_script_of_project(it),
        Target::Code(..) | Target::Entry(..) | Target::Input => false,
    }
}
