//! The program that `cargo run` builds and becomes.
#![expect(clippy::disallowed_methods, reason = "reads what cargo reads")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::scan::passing_failure::{canonicalize, is_file, noted};
use crate::scan::small_file;

/// Larger files are ignored.
const MAX_LENGTH: u64 = 1 << 20;

/// The most entries of a folder or members of a workspace that are looked at.
const MAX_ENTRIES: usize = 256;

/// Options that do not change where the program is. Those of one letter are in `note_flag`.
const FLAGS: [&str; 11] = [
    "--quiet",
    "--verbose",
    "--locked",
    "--offline",
    "--frozen",
    "--all-features",
    "--no-default-features",
    "--ignore-rust-version",
    "--keep-going",
    "--unit-graph",
    "--timings",
];

/// Such options with a value in the next word.
const VALUES: [&str; 7] = ["--features", "--jobs", "--color", "--message-format", "-F", "-j", "-Z"];

/// The program that the options of `cargo run` select.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CargoRun {
    /// The folder of the profile below `target`, if it is not `debug`.
    profile: Option<String>,
    /// The platform, which is a folder above that of the profile.
    platform: Option<String>,
    target_folder: Option<PathBuf>,
    manifest: Option<PathBuf>,
    package: Option<String>,
    program: Option<Program>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Program {
    Binary(String),
    Example(String),
}

/// Parses the arguments of cargo. Returns the program that it runs, and the program's arguments.
pub(super) fn read(words: &[&OsStr]) -> Option<(CargoRun, Vec<OsString>)> {
    let mut words = words;
    let is = |word: &&OsStr, expected: fn(&str) -> bool| word.to_str().is_some_and(expected);
    // `cargo +nightly run`
    if let Some((_, rest)) = words.split_first().filter(|it| is(it.0, |it| it.starts_with('+'))) {
        words = rest;
    }
    while let Some((_, rest)) =
        words.split_first().filter(|it| is(it.0, |it| CargoRun::default().note_flag(it)))
    {
        words = rest;
    }
    let (_, mut words) =
        words.split_first().filter(|it| is(it.0, |it| ["run", "r"].contains(&it)))?;
    let mut run = CargoRun::default();
    while let Some((option, mut rest)) = words.split_first() {
        let Some(option) = option.to_str().filter(|it| it.starts_with('-')) else { break };
        words = rest;
        if option == "--" {
            break;
        }
        if !run.note_flag(option) {
            let (name, value) = match split_option(option) {
                (name, Some(value)) => (name, value.to_owned()),
                (name, None) => {
                    let value;
                    (value, rest) = rest.split_first()?;
                    (name, value.to_str()?.to_owned())
                }
            };
            words = rest;
            run.note_value(name, value)?;
        }
    }
    Some((run, words.iter().map(|word| (*word).to_owned()).collect()))
}

/// Splits `--bin=bot`, `-pbot` and `-j4` into the option and its value.
fn split_option(option: &str) -> (&str, Option<&str>) {
    match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None if option.starts_with("--") || option.len() <= 2 => (option, None),
        None => option.split_at_checked(2).map_or((option, None), |(name, it)| (name, Some(it))),
    }
}

impl CargoRun {
    /// Records an option without a value. Returns whether it is one.
    fn note_flag(&mut self, option: &str) -> bool {
        let letters = option.strip_prefix('-').filter(|it| !it.is_empty());
        let is_letters = letters.is_some_and(|it| it.chars().all(|c| "qvr".contains(c)));
        if option == "--release" || is_letters && option.contains('r') {
            self.profile = Some("release".to_owned());
        }
        is_letters || option == "--release" || FLAGS.contains(&option)
    }

    /// Records an option with its value; `None` if it is unknown.
    fn note_value(&mut self, name: &str, value: String) -> Option<()> {
        match name {
            "--profile" => {
                self.profile = Some(match value.as_str() {
                    "dev" | "test" => "debug".to_owned(),
                    "bench" => "release".to_owned(),
                    _ => value,
                });
            }
            "--target" => self.platform = Some(value),
            "--target-dir" => self.target_folder = Some(value.into()),
            "--manifest-path" => self.manifest = Some(value.into()),
            "-p" | "--package" => self.package = Some(value),
            "--bin" => self.program = Some(Program::Binary(value)),
            "--example" => self.program = Some(Program::Example(value)),
            name if VALUES.contains(&name) => {}
            _ => return None,
        }
        Some(())
    }

    /// Returns the path of the program. It lies below the folder of `Cargo.lock`, which is that of
    /// the workspace.
    pub(super) fn path(&self, cwd: &Path) -> Option<PathBuf> {
        let folder = match &self.manifest {
            Some(manifest) => canonicalize(&cwd.join(manifest))?.parent()?.to_owned(),
            None => cwd.ancestors().find(|it| is_file(&it.join("Cargo.toml")))?.to_owned(),
        };
        let root = folder.ancestors().find(|it| is_file(&it.join("Cargo.lock"))).unwrap_or(&folder);
        let program = match &self.program {
            Some(Program::Example(name)) => Path::new("examples").join(name),
            Some(Program::Binary(name)) => name.into(),
            None => match &self.package {
                Some(package) => default_program(&package_folder(package, root)?)?.into(),
                None => default_program(&folder)?.into(),
            },
        };
        let mut path = match &self.target_folder {
            Some(folder) => folder.clone(),
            None if root == cwd => "target".into(),
            None => root.join("target"),
        };
        path.extend(self.platform.as_deref());
        path.push(self.profile.as_deref().unwrap_or("debug"));
        Some(path.join(program))
    }
}

/// Returns the program of a package that `cargo run` runs without `--bin`: the one of
/// `default-run`, or the only one.
fn default_program(folder: &Path) -> Option<String> {
    let manifest = manifest(folder)?;
    let package = manifest.get("package")?;
    if let Some(name) = package.get("default-run") {
        return Some(name.as_str()?.to_owned());
    }
    let own = package.get("name")?.as_str()?;
    let mut names = BTreeSet::new();
    let mut has_own_main = is_file(&folder.join("src/main.rs"));
    for program in manifest.get("bin").and_then(|it| it.as_array()).into_iter().flatten() {
        names.extend(program.get("name").and_then(|it| it.as_str()).map(str::to_owned));
        has_own_main &= program.get("path").and_then(|it| it.as_str()) != Some("src/main.rs");
    }
    let finds_others = package.get("autobins").and_then(toml::Value::as_bool) != Some(false);
    if finds_others {
        names.extend(has_own_main.then(|| own.to_owned()));
        names.extend(others(&folder.join("src/bin")));
    }
    let mut names = names.into_iter();
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name),
        (Some(_), Some(_)) => None,
        // The manifest is all that is here.
        (None, _) => Some(own.to_owned()),
    }
}

/// Returns the programs in `src/bin`: `a.rs` and `b/main.rs`.
fn others(folder: &Path) -> Vec<String> {
    let name = |path: PathBuf| {
        let is_source = path.extension() == Some(OsStr::new("rs")) && is_file(&path);
        (is_source || is_file(&path.join("main.rs")))
            .then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
    };
    entries(folder).filter_map(name).collect()
}

/// Returns the first entries of a folder, in no particular order.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = noted(folder, fs::read_dir(folder)).into_iter().flatten();
    entries.take(MAX_ENTRIES).flatten().map(|it| it.path())
}

/// Returns the folder of a package of the workspace in `root`.
fn package_folder(package: &str, root: &Path) -> Option<PathBuf> {
    let workspace = manifest(root);
    let members = workspace.as_ref().and_then(|it| it.get("workspace")?.get("members")?.as_array());
    let patterns = members.into_iter().flatten().filter_map(|it| it.as_str());
    let folders = patterns.flat_map(|pattern| {
        let parent = pattern.strip_suffix('*').filter(|it| it.is_empty() || it.ends_with('/'));
        let all = parent.map(|it| entries(&root.join(it)));
        all.into_iter().flatten().chain(parent.is_none().then(|| root.join(pattern)))
    });
    let is_it = |folder: &PathBuf| {
        let manifest = manifest(folder);
        let name = manifest.as_ref().and_then(|it| it.get("package")?.get("name")?.as_str());
        name == Some(package)
    };
    [root.to_owned()].into_iter().chain(folders).take(MAX_ENTRIES).find(is_it)
}

fn manifest(folder: &Path) -> Option<toml::Table> {
    small_file::text(&folder.join("Cargo.toml"), MAX_LENGTH)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Option<(CargoRun, Vec<OsString>)> {
        let words: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        read(&words)
    }

    fn path(line: &str, folder: &Path) -> Option<String> {
        let path = run(line)?.0.path(folder)?;
        Some(path.strip_prefix(folder).unwrap_or(&path).display().to_string())
    }

    #[test]
    fn the_options_of_cargo_run_say_which_program_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[package]\nname = \"own\"\n[workspace]\nmembers = [\"bots/*\"]\n");
        write("Cargo.lock", "");
        write("src/main.rs", "");
        write("bots/a/Cargo.toml", "[package]\nname = \"alice\"\n[[bin]]\nname = \"a\"\n");
        write("bots/b/Cargo.toml", "[package]\nname = \"bob\"\n");
        write("bots/b/src/bin/x.rs", "");
        write("bots/b/src/bin/y/main.rs", "");
        for (line, expected) in [
            ("run", Some("target/debug/own")),
            ("r -qr -- --x", Some("target/release/own")),
            ("run --features a,b --no-default-features -j4", Some("target/debug/own")),
            ("+nightly -vq run -F=a --jobs 4 --locked x", Some("target/debug/own")),
            ("run --profile=dev --target-dir /t", Some("/t/debug/own")),
            ("run --profile fast --target x86", Some("target/x86/fast/own")),
            ("run -p alice --release", Some("target/release/a")),
            ("run -palice", Some("target/debug/a")),
            ("run --manifest-path bots/a/Cargo.toml", Some("target/debug/a")),
            ("run --package bob", None),
            ("run --package bob --bin x", Some("target/debug/x")),
            ("run --example x", Some("target/debug/examples/x")),
            ("run --package carol", None),
            ("run --config x=1", None),
            ("build", None),
        ] {
            assert_eq!(path(line, folder).as_deref(), expected, "{line}");
        }
        assert_eq!(run("run --bin a -- --x").unwrap().1, ["--x"]);
        assert_eq!(run("run -j 4 x --release").unwrap().1, ["x", "--release"]);
        assert_eq!(
            path("run", &folder.join("bots/a")).as_deref(),
            path("run -p alice", folder).map(|it| folder.join(it).display().to_string()).as_deref()
        );
        // As many members as are looked at, and one more.
        let names: Vec<String> = (1..=MAX_ENTRIES).map(|at| format!("\"m/{at}\"")).collect();
        write("Cargo.toml", &format!("[workspace]\nmembers = [{}]\n", names.join(", ")));
        for (at, found) in [(MAX_ENTRIES - 1, true), (MAX_ENTRIES, false)] {
            write(&format!("m/{at}/Cargo.toml"), &format!("[package]\nname = \"m{at}\"\n"));
            assert_eq!(path(&format!("run -p m{at}"), folder).is_some(), found, "{at}");
        }
    }
}
