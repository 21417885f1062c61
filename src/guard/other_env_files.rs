//! The files beside `.env` that name another bot, such as `.env.production`. A variable such as
//! `NODE_ENV` may choose one of them.
#![expect(clippy::disallowed_methods, reason = "a bot reads its token from files itself")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::config::Config;
use crate::config::dotenv;
use crate::engine::instance::BotId;
use crate::engine::token_variables::distinguishing_parts;
use crate::scan::command::Command;
use crate::scan::settings_files::is_example;

const MOST_ENTRIES: usize = 4096;

/// The files of a folder that are read, the first by name.
const MOST_FILES: usize = 32;

/// Returns the parts of the names of these files that a variable may have as its value.
pub(super) fn parts(config: &Config, command: &Command, mine: BotId) -> BTreeSet<String> {
    let folders = [command.runs_in.clone()].into_iter().chain(command.loader_folders());
    let folders: BTreeSet<PathBuf> = folders.collect();
    folders.iter().flat_map(|folder| in_folder(config, folder.clone(), mine)).collect()
}

fn in_folder(config: &Config, folder: PathBuf, mine: BotId) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(MOST_ENTRIES).flatten();
    let is_named = |name: &str| name.contains("env") && name != ".env" && !is_example(name);
    let mut files: Vec<(String, PathBuf)> = entries
        .map(|it| (it.file_name().to_string_lossy().into_owned(), it.path()))
        .filter(|(name, _)| is_named(name))
        .collect();
    files.sort();
    files.truncate(MOST_FILES);
    let names_another = |path: &PathBuf| {
        let token = dotenv::at(config, path).and_then(|file| file.token);
        token.is_some_and(|line| line.token.id() != mine)
    };
    let others = files.into_iter().filter(|(_, path)| names_another(path));
    others.flat_map(|(name, _)| distinguishing_parts(&name).collect::<Vec<_>>()).collect()
}
