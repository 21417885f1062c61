//! The files with variables in a folder, such as `.env.production`.
#![expect(clippy::disallowed_methods, reason = "a bot reads its token from files itself")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::dotenv::{self, EnvFile};
use crate::engine::instance::BotId;
use crate::engine::token_variables::distinguishing_parts;
use crate::scan::command::Command;
use crate::scan::settings_files::is_example;

const MOST_ENTRIES: usize = 4096;

/// The files of a folder that are read, the first by name.
const MOST_FILES: usize = 32;

/// A larger file with `env` in its name has other contents.
const MOST_BYTES: u64 = 64 << 10;

/// Returns the parts of the names of files beside `.env` that name another bot than `mine`. A
/// variable such as `NODE_ENV` may have them as its value, and so choose the file.
pub(super) fn parts_of_names(config: &Config, command: &Command, mine: BotId) -> BTreeSet<String> {
    let names_another =
        |file: &EnvFile| file.token.as_ref().is_some_and(|line| line.token.id() != mine);
    let folders = command.env_file_folders();
    let files = folders.iter().flat_map(|folder| files_in(config, folder));
    let others = files.filter(|(path, file)| !path.ends_with(".env") && names_another(file));
    others.flat_map(|(path, _)| distinguishing_parts(&name(&path)).collect::<Vec<_>>()).collect()
}

/// Reads the files of a folder that have `env` in their names.
pub(super) fn files_in(config: &Config, folder: &Path) -> impl Iterator<Item = (PathBuf, EnvFile)> {
    let mut named = entries(folder);
    named.retain(|path| name(path).contains("env"));
    files(config, named)
}

/// Reads those of these files that may have variables.
pub(super) fn files(
    config: &Config,
    paths: BTreeSet<PathBuf>,
) -> impl Iterator<Item = (PathBuf, EnvFile)> {
    let is_small =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() <= MOST_BYTES);
    let files = paths.into_iter().filter(move |path| !is_example(&name(path)) && is_small(path));
    files.take(MOST_FILES).filter_map(|path| dotenv::at(config, &path).map(|file| (path, file)))
}

pub(super) fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(MOST_ENTRIES).flatten();
    entries.map(|it| it.path()).collect()
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
