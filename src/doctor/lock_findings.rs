//! The lock folders: permissions, file systems and free space.

use std::path::PathBuf;

use crate::doctor::Finding;
use crate::error::Error;
use crate::sys::filesystem::{FolderFacts, Support};
use crate::sys::folder_owner::writers_hint;
use crate::text::printable;

/// Less free space than this is worth a warning: files next to a lock are small but written often.
const MIN_BYTES: u64 = 1 << 20;
const MIN_INODES: u64 = 100;

#[derive(Debug, Clone)]
pub enum FolderCheck {
    /// The folder exists and is safe to use.
    Found(PathBuf, Option<FolderFacts>),
    /// The folder does not exist yet. The second path is the existing folder above it.
    Missing(PathBuf, PathBuf, Option<FolderFacts>),
    /// The folder, or a lock file in it, is not safe to use.
    Unsafe(Error),
}

pub fn lock_findings(folders: &[FolderCheck]) -> Vec<Finding> {
    folders.iter().flat_map(folder_findings).collect()
}

fn folder_findings(folder: &FolderCheck) -> Vec<Finding> {
    let (what, parent, folder, facts) = match folder {
        FolderCheck::Unsafe(error) => return vec![Finding::of_error(NAME, error)],
        FolderCheck::Found(path, facts) => (shown(path), String::new(), shown(path), facts),
        FolderCheck::Missing(path, parent, facts) => {
            let parent = shown(parent);
            let what =
                format!("{} does not exist yet; the first start creates it, private", shown(path));
            (what, format!(", in {parent}"), parent, facts)
        }
    };
    let Some(facts) = facts else { return vec![Finding::ok(NAME, what)] };
    let what = format!("{what}{parent}{}", description(facts));
    vec![access_finding(&folder, facts, what), space_finding(&folder, facts)]
}

const NAME: &str = "lock folder";

fn access_finding(path: &str, facts: &FolderFacts, what: String) -> Finding {
    if let Some((folder, owner)) = &facts.exposed {
        let hint = writers_hint(folder, *owner);
        let folder = shown(folder);
        return Finding::problem(
            NAME,
            format!("{what}: other users can write to {folder} and replace files in it"),
            hint,
        );
    }
    if let Some((folder, uid)) = &facts.foreign {
        let what = format!(
            "{what}: {} belongs to another user (uid {uid}), who can replace files in it",
            shown(folder)
        );
        return Finding::problem(
            NAME,
            what,
            "choose a folder in `lock.paths` that you own, inside folders that you or root own",
        );
    }
    if let Some(network) = facts.network {
        let what = format!("{what}: locks on a network file system ({network}) are not reliable");
        return Finding::problem(NAME, what, "choose a folder on a local disk in `lock.paths`");
    }
    match &facts.writing {
        Support::Given => Finding::ok(NAME, what),
        Support::Refused(why) => Finding::problem(
            NAME,
            format!("{what}: cannot create a file in {path} ({why})"),
            "run as the owner of the folder, or choose another folder in `lock.paths`",
        ),
    }
}

fn description(facts: &FolderFacts) -> String {
    let FolderFacts { owner, mode, file_system, .. } = facts;
    let on = match file_system.as_deref() {
        Some(memory @ ("tmpfs" | "ramfs")) => {
            format!(", on {memory}: a reboot empties it, and ends every holder too")
        }
        Some(file_system) => format!(", on {file_system}"),
        None => String::new(),
    };
    format!(" (owner {}, mode {mode:04o}{})", printable(owner), printable(&on))
}

fn space_finding(path: &str, facts: &FolderFacts) -> Finding {
    const NAME: &str = "lock space";
    let files = facts
        .free_inodes
        .map_or_else(|| "any number of files".to_owned(), |free| format!("{free} files"));
    let what = format!("{} and {files} are free at {path}", size(facts.free_bytes));
    let hint = "free some space there, or choose a folder on another file system in `lock.paths`";
    let inodes = facts.free_inodes.unwrap_or(u64::MAX);
    if facts.free_bytes == 0 || inodes == 0 {
        Finding::problem(NAME, what, hint)
    } else if facts.free_bytes < MIN_BYTES || inodes < MIN_INODES {
        Finding::warning(NAME, what, hint)
    } else {
        Finding::ok(NAME, what)
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

fn shown(path: &std::path::Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}
