//! Finds a link to settings that was changed: `config.json`, which led to `configs/alice.json`, now
//! leads to `configs/bob.json`. What a bot that started before has read is unknown.
#![expect(
    clippy::disallowed_methods,
    reason = "a bot reads its settings itself: only their files tell what it may have read"
)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::carried_tokens::bots_in;
use crate::engine::changed_settings::{ChangedSettings, SettingsLink};
use crate::engine::instance::BotId;
use crate::guard::file_age::{MARGIN, age, links};
use crate::scan::command::Command;
use crate::scan::settings_files::{is_example, is_log_or_pid_file};
use crate::sys::file_id::is_same_file;
use crate::sys::machine::start_time;
use crate::text::printable;

/// The endings of files with settings.
const ENDINGS: [&str; 12] = [
    "cfg",
    "conf",
    "env",
    "ini",
    "json",
    "json5",
    "jsonc",
    "properties",
    "toml",
    "xml",
    "yaml",
    "yml",
];

/// The names of files and folders with settings, without an ending.
const NAMES: [&str; 12] = [
    ".env",
    "conf",
    "config",
    "configs",
    "configuration",
    "credentials",
    "env",
    "profile",
    "secret",
    "secrets",
    "settings",
    "token",
];

/// The beginnings of names of files that configure a tool, not a bot.
const TOOL_PREFIXES: [&str; 12] = [
    ".",
    "Cargo.",
    "composer.",
    "docker-compose.",
    "ecosystem.",
    "jsconfig.",
    "manifest.",
    "nodemon.",
    "package-lock.",
    "package.",
    "pyproject.",
    "tsconfig.",
];

/// Parts of the names of files that no bot reads.
const UNUSED: [&str; 6] = ["~", "bak", "backup", "default", "old", "orig"];

const MOST_ENTRIES: usize = 4096;

/// A larger file is none with a token.
const MOST_BYTES: u64 = 64 << 10;

/// Returns the link to settings that changed last, of those that COMMAND may read, if another file
/// lies beside what it leads to.
pub(super) fn find(command: &Command) -> Option<ChangedSettings> {
    // What writes its settings before the start is compared by that.
    if command.has_setup() {
        return None;
    }
    let changed = may_be_read(command).into_iter().filter_map(|path| {
        let links = links(&path);
        let target = links.last()?;
        let pairs = links.iter().zip(links.get(1..)?);
        let others = pairs
            .filter_map(|(link, leads_to)| Some((another(link, leads_to, target)?, age(link))));
        let (other, age) = others.min_by_key(|(_, age)| *age)?;
        let shown = |path: &Path| printable(&path.to_string_lossy()).into_owned();
        Some(ChangedSettings {
            link: SettingsLink { name: shown(&path), target: shown(target), other: shown(&other) },
            last_start: start_time::of_age(age.saturating_sub(MARGIN)),
        })
    });
    changed.max_by_key(|it| it.last_start)
}

/// Returns the links to settings in the folders of COMMAND and its script, and those that its
/// arguments name.
fn may_be_read(command: &Command) -> BTreeSet<PathBuf> {
    let is_link =
        |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_symlink());
    let folders: BTreeSet<PathBuf> =
        command.loader_folders().into_iter().chain([command.runs_in.clone()]).collect();
    let in_folder = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().take(MOST_ENTRIES).flatten();
        let paths = entries.map(|it| it.path()).filter(|path| has_settings(path) && is_link(path));
        paths.collect::<Vec<_>>()
    };
    let named = command.named_files().into_iter().filter(|it| is_link(it) && !is_output(it));
    // The same link by two paths to its folder is one.
    folders.into_iter().flat_map(in_folder).chain(named).collect()
}

/// Returns whether a path is a device, such as `/dev/stdout`, or a log.
fn is_output(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    path.starts_with("/dev") || path.starts_with("/proc") || name.is_some_and(is_log_or_pid_file)
}

fn has_settings(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return false };
    let stem = name.split('.').next().filter(|it| !it.is_empty()).unwrap_or(".env");
    let is_env_file = name == ".env" || name.starts_with(".env.");
    let is_of_a_tool = TOOL_PREFIXES.iter().any(|start| name.starts_with(start));
    let has_ending = path.extension().and_then(OsStr::to_str);
    is_env_file
        || !is_of_a_tool
            && (NAMES.contains(&stem) || has_ending.is_some_and(|it| ENDINGS.contains(&it)))
}

/// Returns another file or folder that a link may have led to: one beside its target, of the same
/// kind, or one of the same name in a folder beside that of the target.
fn another(link: &Path, leads_to: &Path, target: &Path) -> Option<PathBuf> {
    let (folder, name) = (leads_to.parent()?, leads_to.file_name()?);
    let is_here = is_same_file(folder, link.parent()?);
    if Some(name) != link.file_name() {
        return entries(folder).into_iter().find(|it| {
            it.file_name() != Some(name)
                && !(is_here && it.file_name() == link.file_name())
                && has_kind_of(it, leads_to)
                && has_form_of(it, leads_to)
                && may_choose_another(it, target)
        });
    }
    let beside = entries(folder.parent()?).into_iter().filter(|it| it != folder);
    let mut files = beside.map(|it| it.join(name)).filter(|it| has_kind_of(it, leads_to));
    files.find(|it| !is_same_file(it, link) && may_choose_another(it, target))
}

fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(MOST_ENTRIES).flatten();
    entries.map(|it| it.path()).collect()
}

/// Returns whether both are files with the same ending, or both are folders.
fn has_kind_of(path: &Path, other: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_unused = name.split(['.', '-', '_']).any(|part| UNUSED.contains(&part))
        || name.ends_with('~')
        || is_example(&name)
        || TOOL_PREFIXES.iter().skip(1).any(|start| name.starts_with(start));
    let kind = |path: &Path| {
        let found = fs::metadata(path).ok().filter(|it| it.is_dir() || it.is_file());
        found.map(|it| it.is_dir())
    };
    !is_unused
        && ending(path) == ending(other)
        && kind(path).is_some_and(|it| Some(it) == kind(other))
}

/// Returns the ending of a name; none of `.env.bob`, whose last part names a bot.
fn ending(path: &Path) -> Option<&OsStr> {
    let name = path.file_name()?.to_str()?;
    path.extension().filter(|_| !name.starts_with('.'))
}

/// Returns whether two names in one folder differ in one part, as in `config.bob.json` and
/// `config.alice.json`: other files of the folder have other purposes.
fn has_form_of(path: &Path, other: &Path) -> bool {
    let parts = |path: &Path| -> Vec<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split(['.', '-', '_']).map(str::to_owned).collect()
    };
    let (one, other) = (parts(path), parts(other));
    one.len() == other.len()
        && one.iter().zip(&other).filter(|(one, other)| one != other).count() == 1
}

/// Returns whether another file may belong to another bot: it is no copy, and has no token of the
/// same bots.
fn may_choose_another(path: &Path, target: &Path) -> bool {
    if is_same_file(path, target) {
        return false;
    }
    let read = |path: &Path| {
        let is_small = fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() <= MOST_BYTES);
        is_small.then(|| fs::read(path).ok()).flatten()
    };
    match (read(path), read(target)) {
        (Some(one), Some(other)) => {
            let [bots, others]: [BTreeSet<BotId>; 2] = [bots_in(&one), bots_in(&other)];
            one != other && (bots != others || bots.is_empty())
        }
        (_, _) => true,
    }
}
