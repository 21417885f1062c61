//! The commands defined in the files of wrapper programs: `package.json`, `deno.json`, `Pipfile`,
//! `pyproject.toml`.
#![expect(clippy::disallowed_methods, reason = "reads what a wrapper program reads")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::scan::command_context::CommandContext;
use crate::scan::passing_failure::{is_file, noted};
use crate::scan::python_scripts;
use crate::scan::small_file;
use crate::scan::wrapper_result::{Entry, EntryFile, EntryLine, PackageEntry};

/// Larger files are ignored.
const MAX_LENGTH: u64 = 1 << 20;

/// The most packages of a workspace that are looked at.
const MAX_PACKAGES: usize = 256;

pub(super) fn look_up(entry: &PackageEntry, folder: &Path) -> Entry {
    let missing = || Entry::Missing(CommandContext::default());
    let (Some(name), args) = (entry.name.to_str(), &entry.args) else { return missing() };
    let line = match entry.file {
        EntryFile::Package => package_script(name, folder),
        EntryFile::Deno => deno_task(name, folder).or_else(|| package_script(name, folder)),
        EntryFile::Pipfile => pipfile_script(name, folder),
        EntryFile::Pdm | EntryFile::PdmName => {
            return python_scripts::of_tool("pdm", name, args, folder);
        }
        EntryFile::Rye => return python_scripts::of_tool("rye", name, args, folder),
        EntryFile::Hatch => {
            let environment = entry.part.as_ref().and_then(|it| it.to_str()).unwrap_or("default");
            return python_scripts::of_hatch(environment, name, args, folder);
        }
    };
    let with_args = |line| {
        let (args, context) = (args.clone(), CommandContext::default());
        Entry::Line(EntryLine { line, args, context })
    };
    line.map_or_else(missing, with_args)
}

/// The scripts of a folder without such an entry: node runs the first, tsx and bun others too.
const INDEX_FILES: [&str; 5] = ["index.js", "index.ts", "index.tsx", "index.mjs", "index.cjs"];

/// Returns the script that `node DIRECTORY` runs, according to its `package.json`. `bun init`
/// writes a `module`.
pub(super) fn package_main(folder: &Path) -> OsString {
    let package = json(&folder.join("package.json"));
    let entry = |name| Some(OsString::from(package.as_ref()?.get(name)?.as_str()?));
    let exists = |file: &OsString| is_file(&folder.join(file));
    entry("main")
        .or_else(|| entry("module").filter(exists))
        .or_else(|| INDEX_FILES.map(OsString::from).into_iter().find(exists))
        .unwrap_or_else(|| OsString::from(INDEX_FILES[0]))
}

/// Returns the folder of a workspace's package, given by its name or folder.
pub(super) fn workspace_folder(package: &OsStr, root: &Path) -> Option<PathBuf> {
    let folders =
        workspaces(root).into_iter().flat_map(|pattern| match pattern.strip_suffix("/*") {
            Some(parent) => folders_in(&root.join(parent)),
            None => vec![root.join(pattern)],
        });
    let is_it = |folder: &PathBuf| {
        json(&folder.join("package.json")).is_some_and(|it| {
            it.get("name").and_then(|it| it.as_str()).map(OsStr::new) == Some(package)
        })
    };
    let by_folder = || Some(root.join(package)).filter(|it| is_file(&it.join("package.json")));
    folders.take(MAX_PACKAGES).find(is_it).or_else(by_folder)
}

fn folders_in(parent: &Path) -> Vec<PathBuf> {
    let entries = noted(parent, std::fs::read_dir(parent)).into_iter().flatten();
    let entries = entries.take(MAX_PACKAGES);
    entries.filter_map(|entry| Some(noted(parent, entry)?.path())).collect()
}

/// Returns the folders of a workspace. Some end in `/*`.
fn workspaces(root: &Path) -> Vec<String> {
    let in_package = json(&root.join("package.json")).and_then(|manifest| {
        let workspaces = manifest.get("workspaces")?;
        let patterns = workspaces.get("packages").unwrap_or(workspaces).as_array()?;
        Some(patterns.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect())
    });
    let of_pnpm = || {
        small_file::text(&root.join("pnpm-workspace.yaml"), MAX_LENGTH)
            .map(|it| packages_of_pnpm(&it))
    };
    in_package.or_else(of_pnpm).unwrap_or_default()
}

/// Parses the list `packages` of a `pnpm-workspace.yaml` in its usual form: one entry per line.
fn packages_of_pnpm(text: &str) -> Vec<String> {
    let after = text.lines().skip_while(|line| line.trim_end() != "packages:").skip(1);
    let lines = after.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map_while(|line| line.strip_prefix("- "))
        .map(|entry| entry.trim().trim_matches(['\'', '"']).trim_start_matches("./").to_owned())
        .collect()
}

/// Returns the names and lines of the scripts of a package.
pub(super) fn package_scripts(folder: &Path) -> Vec<(String, String)> {
    let package = json(&folder.join("package.json"));
    let scripts = package.as_ref().and_then(|it| it.get("scripts")?.as_object());
    let line = |(name, line): (&String, &serde_json::Value)| {
        Some((name.clone(), line.as_str()?.to_owned()))
    };
    scripts.into_iter().flatten().filter_map(line).collect()
}

fn package_script(name: &str, folder: &Path) -> Option<String> {
    let package = json(&folder.join("package.json"))?;
    let script = package.get("scripts").and_then(|scripts| scripts.get(name)?.as_str());
    match script {
        Some(line) => Some(line.to_owned()),
        // The default of npm.
        None if name == "start" => Some("node server.js".to_owned()),
        None => None,
    }
}

fn deno_task(name: &str, folder: &Path) -> Option<String> {
    let config = ["deno.json", "deno.jsonc"].iter().find_map(|file| json(&folder.join(file)))?;
    let task = config.get("tasks")?.get(name)?;
    Some(task.as_str().or_else(|| task.get("command")?.as_str())?.to_owned())
}

fn pipfile_script(name: &str, folder: &Path) -> Option<String> {
    let pipfile: toml::Table =
        small_file::text(&folder.join("Pipfile"), MAX_LENGTH)?.parse().ok()?;
    let script = pipfile.get("scripts")?.get(name)?;
    Some(script.as_str().or_else(|| script.get("cmd")?.as_str())?.to_owned())
}

fn json(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&small_file::text(path, MAX_LENGTH)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_of_a_workspace_of_pnpm_are_read_a_line_each() {
        for (text, expected) in [
            ("packages:\n  - 'bots/*'\n  # mine\n\n  - \"app\"\n", &["bots/*", "app"][..]),
            ("catalog:\n  a: 1\npackages:\n- ./bots/*\nonlyBuilt:\n- x\n", &["bots/*"]),
            ("packages: ['bots/*']\n", &[]),
            ("", &[]),
        ] {
            assert_eq!(packages_of_pnpm(text), expected, "{text}");
        }
    }
}
