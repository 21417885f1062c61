//! Finds out whether a file with this bot's token may have named another bot before it changed: a
//! link to `.env.alice` is switched to `.env.bob`, or `.env.bob` is copied to `.env`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::dotenv::{self, EnvFile, TokenLine};
use crate::engine::token::{ChangedEnvFile, Token};
use crate::guard::env_files::{entries, files, files_in, name};
use crate::guard::file_age::{MARGIN, age, links};
use crate::scan::command::Command;
use crate::sys::machine::start_time;
use crate::text::printable;

/// The names of folders beside such a file that may have those of other bots.
const FOLDERS: [&str; 10] = [
    ".env.d",
    ".envs",
    "bots",
    "conf",
    "config",
    "configs",
    "env",
    "environments",
    "envs",
    "secrets",
];

/// Returns the file with the token of `mine` that changed last, of those that COMMAND may read, if
/// another bot's token is commented out in it or in a file beside it.
pub(super) fn find(
    config: &Config,
    command: Option<&Command>,
    mine: &Token,
) -> Option<ChangedEnvFile> {
    let changed = may_be_read(config, command).into_iter().filter_map(|path| {
        dotenv::at(config, &path)?.token.filter(|line| line.token.id() == mine.id())?;
        let links = links(&path);
        let other = another_bots_line(config, &links, mine)?;
        // The time of a file that is being replaced is unknown: it has changed just now.
        // What starts after this moment reads the file as it is now, so the margin ends there.
        let age = links.iter().map(|it| age(it)).min().unwrap_or_default();
        Some(ChangedEnvFile {
            name: printable(&path.to_string_lossy()).into_owned(),
            other_place: other.place(),
            bot: other.token.id(),
            last_start: start_time::of_age(age.saturating_sub(MARGIN)),
        })
    });
    changed.max_by_key(|it| it.last_start)
}

/// Returns the paths of `env_file` and of each `.env` that a loader finds.
fn may_be_read(config: &Config, command: Option<&Command>) -> BTreeSet<PathBuf> {
    let name = Path::new(".env");
    let nearest = |folder: PathBuf| {
        let mut paths = folder.ancestors().map(|it| it.join(name));
        paths.find(|path| path.is_file())
    };
    let folders = command.into_iter().flat_map(Command::env_file_folders);
    folders.filter_map(nearest).chain([config.env_file.clone()]).collect()
}

/// Returns the first line that names another bot than `mine`: one that is commented out, or one in
/// a file with `env` in its name beside one of these, or in a folder for such files.
fn another_bots_line(config: &Config, links: &[PathBuf], mine: &Token) -> Option<TokenLine> {
    let another = |(_, file): (PathBuf, EnvFile)| {
        let mut tokens = file.token.into_iter().chain(file.other);
        tokens.find(|line| line.token.id() != mine.id())
    };
    let folders: BTreeSet<&Path> = links.iter().filter_map(|path| path.parent()).collect();
    let below = |folder: &&Path| {
        let below = entries(folder);
        let mut below = below.iter().filter(|path| FOLDERS.contains(&&*name(path)));
        below.find_map(|folder| files(config, entries(folder)).find_map(another))
    };
    let commented_out = || {
        let path = links.first()?;
        another((path.clone(), dotenv::commented_out(config, path)?))
    };
    let beside = folders.iter().find_map(|folder| files_in(config, folder).find_map(another));
    beside.or_else(commented_out).or_else(|| folders.iter().find_map(below))
}
