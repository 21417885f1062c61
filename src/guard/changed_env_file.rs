//! Finds out whether a file with this bot's token may have named another bot before it changed: a
//! link to `.env.alice` is switched to `.env.bob`, or `.env.bob` is copied to `.env`.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "file systems stamp changes by the wall clock: the time only decides on a doubt"
)]

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::config::Config;
use crate::config::dotenv::{self, EnvFile, TokenLine};
use crate::engine::token::{ChangedEnvFile, Token};
use crate::scan::command::Command;
use crate::sys::clock::WallClock;
use crate::sys::machine::start_time;
use crate::text::printable;

/// The coarsest time stamps are those of FAT. Clocks of file servers may differ as much.
const MARGIN: Duration = Duration::from_secs(2);

/// The kernel's limit of links in a path.
const MOST_LINKS: usize = 40;

const MOST_ENTRIES: usize = 4096;

/// The files of a folder that are read, the first by name.
const MOST_FILES: usize = 32;

/// A larger file with `env` in its name has other contents.
const MOST_BYTES: u64 = 64 << 10;

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
    let folders = command.into_iter().flat_map(|command| {
        std::iter::once(command.runs_in.clone()).chain(command.loader_folders())
    });
    folders.filter_map(nearest).chain([config.env_file.clone()]).collect()
}

/// Returns the path itself and, while it is a link, what it leads to.
fn links(path: &Path) -> Vec<PathBuf> {
    let target = |path: &PathBuf| Some(path.parent()?.join(fs::read_link(path).ok()?));
    std::iter::successors(Some(path.to_owned()), target).take(MOST_LINKS).collect()
}

/// Returns the time since the last change of a file or link. A file that is moved or copied with
/// its times has a new `ctime`.
fn age(path: &Path) -> Duration {
    let now = WallClock::now();
    let Ok(seen) = fs::symlink_metadata(path) else { return Duration::ZERO };
    let times = seen.modified().ok().into_iter().chain(status_changed(&seen));
    // A time in the future is later than every process.
    times.max().and_then(|at| now.duration_since(at).ok()).unwrap_or_default()
}

#[cfg(unix)]
fn status_changed(seen: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = Duration::from_secs(u64::try_from(seen.ctime()).ok()?);
    SystemTime::UNIX_EPOCH
        .checked_add(seconds)?
        .checked_add(Duration::from_nanos(u64::try_from(seen.ctime_nsec()).ok()?))
}

/// A copy keeps the time of its last change there, but is created anew.
#[cfg(not(unix))]
fn status_changed(seen: &Metadata) -> Option<SystemTime> {
    seen.created().ok()
}

/// Returns the first line that names another bot than `mine`: one that is commented out, or one in
/// a file with `env` in its name beside one of these.
fn another_bots_line(config: &Config, links: &[PathBuf], mine: &Token) -> Option<TokenLine> {
    let is_small =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() <= MOST_BYTES);
    let another = |file: EnvFile| {
        let mut tokens = file.token.into_iter().chain(file.other);
        tokens.find(|line| line.token.id() != mine.id())
    };
    let folders: BTreeSet<&Path> = links.iter().filter_map(|path| path.parent()).collect();
    let in_folder = |folder: &Path| {
        let entries = fs::read_dir(folder).ok()?.take(MOST_ENTRIES).flatten();
        let named = entries.filter(|it| it.file_name().to_string_lossy().contains("env"));
        let paths: BTreeSet<PathBuf> = named.map(|it| it.path()).collect();
        let files = paths.into_iter().filter(is_small).take(MOST_FILES);
        files.filter_map(|path| dotenv::at(config, &path)).find_map(another)
    };
    let commented_out = || dotenv::commented_out(config, links.first()?).and_then(another);
    folders.into_iter().find_map(in_folder).or_else(commented_out)
}
