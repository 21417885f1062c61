//! Where `python -m` finds a module that is not in the folder: in the virtual environment of the
//! interpreter, and in `$PYTHONPATH`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::scan::command_context::{CommandContext, CommandOption, ENVIRONMENT, MODULE_PATH};
use crate::scan::executable::has_folder;
use crate::scan::invocation::absolute;
use crate::scan::passing_failure::is_file;

/// The file in a virtual environment of Python, and the folder in one of conda.
const MARKS: [&str; 2] = ["pyvenv.cfg", "conda-meta"];

impl CommandContext {
    /// Replaces the options that say where the module is found. `folder` is the folder in which
    /// the command starts.
    pub(super) fn set_module_search(
        &mut self,
        environ: &[(OsString, OsString)],
        folder: Option<&Path>,
    ) {
        self.options.retain(|it| ![ENVIRONMENT, MODULE_PATH].contains(&it.name.as_str()));
        let variable = |name: &str| {
            let set = self.variables.iter().rev().find(|(set, _)| set == name);
            let inherited = || environ.iter().find(|(own, _)| own == name).map(|it| it.1.clone());
            set.map_or_else(inherited, |(_, value)| value.clone()).unwrap_or_default()
        };
        let path = variable("PATH");
        let prefix = self.python.as_deref().and_then(|it| prefix(it, &path, folder?));
        let modules = variable("PYTHONPATH");
        let option = |name: &str, value| CommandOption { name: name.to_owned(), value };
        self.options.extend(prefix.map(|it| option(ENVIRONMENT, it.into())));
        self.options.push(option(MODULE_PATH, modules));
    }

    /// Returns the folders of `$PYTHONPATH`, as `set_module_search` found it.
    pub(super) fn module_folders(&self, folder: &Path) -> Vec<PathBuf> {
        let value = self.options.iter().find(|it| it.name == MODULE_PATH);
        let folders = value.into_iter().flat_map(|it| env::split_paths(&it.value));
        folders.map(|it| absolute(&it, folder)).collect()
    }
}

/// Returns the virtual environment of an interpreter, empty for that of the system; `None` if it
/// is unknown.
fn prefix(python: &OsStr, path: &OsStr, folder: &Path) -> Option<PathBuf> {
    let file = if has_folder(python) {
        absolute(Path::new(python), folder)
    } else {
        let mut files = env::split_paths(path).map(|it| absolute(&it.join(python), folder));
        files.find(|file| is_file(file))?
    };
    let mut prefixes = file.ancestors().skip(1).take(2);
    let found = prefixes.find(|it| MARKS.iter().any(|mark| it.join(mark).exists()));
    Some(found.map(Path::to_owned).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes environments")]
    fn the_virtual_environment_is_that_of_the_interpreter_as_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
        };
        let files = ["a/pyvenv.cfg", "a/bin/python", "b/conda-meta/x", "b/bin/python"];
        files.into_iter().chain(["usr/bin/python"]).for_each(file);
        let whole = |name: &str| root.path().join(name).into_os_string();
        for (python, path, expected) in [
            ("a/bin/python3.12".into(), "", Some("a")),
            (whole("a/bin/python"), "b/bin", Some("a")),
            ("./a/bin/../bin/python".into(), "", Some("a")),
            ("python".into(), "nowhere:a/bin:b/bin", Some("a")),
            ("python".into(), "b/bin:a/bin", Some("b")),
            ("python".into(), "usr/bin:a/bin", Some("")),
            ("python".into(), "nowhere", None),
        ] {
            let found = prefix(&python, OsStr::new(path), root.path());
            let expected = expected.map(|it: &str| match it {
                "" => PathBuf::new(),
                _ => root.path().join(it),
            });
            assert_eq!(found, expected, "{} {path}", python.display());
        }
    }
}
