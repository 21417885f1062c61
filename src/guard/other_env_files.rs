//! The files beside `.env` that name another bot, such as `.env.production`. A variable such as
//! `NODE_ENV` may choose one of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::dotenv::EnvFile;
use crate::engine::instance::BotId;
use crate::engine::token_variables::distinguishing_parts;
use crate::guard::changed_env_file::files_in;
use crate::scan::command::Command;

/// Returns the parts of the names of these files that a variable may have as its value.
pub(super) fn parts(config: &Config, command: &Command, mine: BotId) -> BTreeSet<String> {
    let folders = [command.runs_in.clone()].into_iter().chain(command.loader_folders());
    let folders: BTreeSet<PathBuf> = folders.collect();
    let names_another =
        |file: &EnvFile| file.token.as_ref().is_some_and(|line| line.token.id() != mine);
    let files = folders.iter().flat_map(|folder| files_in(config, folder));
    let others = files.filter(|(path, file)| !path.ends_with(".env") && names_another(file));
    others.flat_map(|(path, _)| parts_of(&path)).collect()
}

fn parts_of(file: &Path) -> Vec<String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    distinguishing_parts(&name).collect()
}
