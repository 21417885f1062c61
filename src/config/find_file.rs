//! Finds and reads the configuration file, and warns if other users can change it.
#![expect(clippy::disallowed_methods, reason = "the file and its folders are read here")]

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::location::Location;
use crate::config::problem::{Fault, Problem};
use crate::config::settings::KEYS;
use crate::config::source_text::{SourceName, SourceText};
use crate::config::sources::Sources;
use crate::config::spanned_value::{Table, Value, parse_file};
use crate::text::{closest_name, quote, short_path};

/// A larger file is a log or a device, not a configuration.
const LARGEST: u64 = 1 << 20;

/// A file name that many programs use.
pub(crate) const SHARED_NAME: &str = "./config.toml";

/// Tables that the configuration of any bot may have.
const SHARED_KEYS: [&str; 2] = ["app", "telegram"];

#[derive(Debug)]
pub(crate) enum FileSearch {
    None,
    /// A file exists but is unusable. The reasons are among the problems.
    Unusable,
    Found(PathBuf, Table),
}

/// Finds and reads the named file, or the first of the usual files.
pub(crate) fn search(
    sources: &Sources,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<String>,
) -> FileSearch {
    if let Some((path, location)) = named_file(sources) {
        return match read(&sources.cwd.join(&path)) {
            Ok(text) => parse(path, &text, problems),
            Err(error) => {
                let name = quote(&path.to_string_lossy());
                let fault = Fault::new(format!("{name} {}", read_error(&error)))
                    .help("name an existing file, or none: every key has a default")
                    .due_to(&error);
                problems.push(Problem::at(location, fault));
                FileSearch::Unusable
            }
        };
    }
    for path in usual_files(sources) {
        let absolute = sources.cwd.join(&path);
        let metadata = std::fs::metadata(&absolute);
        if metadata.as_ref().is_err_and(is_missing) {
            continue;
        }
        if let Some(why) = reason_to_ignore(metadata) {
            notes.push(format!("{} is not read: {why}", short_path(&path)));
            continue;
        }
        let text = match read(&absolute) {
            Ok(text) => text,
            Err(error) if is_missing(&error) => continue,
            Err(error) => {
                let fault = Fault::new(read_error(&error))
                    .help("make it readable, or name another file with `--config`")
                    .due_to(&error);
                problems.push(Problem::at(Location::file(&path), fault));
                return FileSearch::Unusable;
            }
        };
        match parse(path, &text, problems) {
            FileSearch::Found(path, root)
                if path == Path::new(SHARED_NAME) && is_foreign(&root) =>
            {
                notes.push(not_read(&root));
            }
            found => return found,
        }
    }
    FileSearch::None
}

/// Returns the file that a start reads instead of `./config.toml`.
pub(crate) fn preferred_to_shared(sources: &Sources) -> Option<PathBuf> {
    let named = named_file(sources).map(|(path, _)| path);
    named.or_else(|| {
        usual_files(sources)
            .take_while(|path| path != Path::new(SHARED_NAME))
            .find(|path| sources.cwd.join(path).exists())
    })
}

/// Returns whether `./config.toml` has keys of monopoll.
pub(crate) fn shared_has_our_keys(sources: &Sources) -> bool {
    let path = PathBuf::from(SHARED_NAME);
    let Ok(text) = read(&sources.cwd.join(&path)) else { return false };
    match parse(path, &text, &mut Vec::new()) {
        FileSearch::Found(_, root) => !is_foreign(&root),
        FileSearch::None | FileSearch::Unusable => false,
    }
}

/// Returns whether a file may give an instance this name: its text has the name, or it is there and
/// cannot be read.
pub(crate) fn may_name(path: &Path, instance: &str) -> bool {
    match read(path) {
        Ok(text) => String::from_utf8_lossy(&text).contains(instance),
        Err(error) => !is_missing(&error) && error.kind() != io::ErrorKind::IsADirectory,
    }
}

fn named_file(sources: &Sources) -> Option<(PathBuf, Location)> {
    if let Some(path) = &sources.config {
        return Some((path.clone(), Location::flag("--config", &path.to_string_lossy())));
    }
    let path = sources.variable("MONOPOLL_CONFIG")?;
    Some((path.into(), Location::variable("MONOPOLL_CONFIG", &path.to_string_lossy())))
}

/// Returns the files to try if none is named, in order.
fn usual_files(sources: &Sources) -> impl Iterator<Item = PathBuf> {
    let absolute =
        |name| sources.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    [
        Some(PathBuf::from("./monopoll.toml")),
        Some(PathBuf::from(SHARED_NAME)),
        home.map(|home| home.join("monopoll/config.toml")),
        Some(PathBuf::from("/etc/monopoll/config.toml")),
    ]
    .into_iter()
    .flatten()
}

/// Returns the reason to skip a usual file.
fn reason_to_ignore(metadata: io::Result<Metadata>) -> Option<&'static str> {
    match metadata {
        Ok(metadata) if metadata.is_dir() => Some("it is a folder"),
        // Reading a pipe would never end.
        Ok(metadata) if !metadata.is_file() => Some("it is not a regular file"),
        // sudo can leave another user's home in the environment.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("this user may not read its folder")
        }
        Ok(_) | Err(_) => None,
    }
}

/// Returns whether a file has no key of monopoll, not even a misspelled one.
fn is_foreign(root: &Table) -> bool {
    let ours = || {
        let names = KEYS.iter().map(|key| key.name);
        names.filter(|name| !SHARED_KEYS.contains(name)).chain(["profile"])
    };
    !root.keys().any(|key| closest_name(key, ours()).is_some())
}

/// Explains why a `./config.toml` is not read, and where monopoll's keys belong.
fn not_read(root: &Table) -> String {
    let tool = root.get("tool").map(|node| &node.value);
    let (why, keys) = if root.contains_key("monopoll") {
        ("monopoll's keys are not in a table `[monopoll]`", "move them to the top level of")
    } else if matches!(tool, Some(Value::Table(tools)) if tools.contains_key("monopoll")) {
        ("monopoll's keys are not in a table `[tool.monopoll]`", "move them to the top level of")
    } else if root.keys().any(|key| SHARED_KEYS.contains(&key.as_str())) {
        (
            "its tables may be another program's, as many have `[app]` or `[telegram]`",
            "write monopoll's keys to",
        )
    } else {
        ("it has none of monopoll's keys", "write monopoll's keys to")
    };
    format!(
        "{SHARED_NAME} is not read: {why}; {keys} `monopoll.toml`, or name the file with `--config`"
    )
}

/// Adds a hint to the last problem if `./config.toml` was only found, not named: it may belong to
/// another program.
pub(super) fn suspect_another_program(sources: &Sources, path: &Path, problems: &mut [Problem]) {
    if named_file(sources).is_some() || path != Path::new(SHARED_NAME) {
        return;
    }
    let is_typo =
        |help: &Option<String>| help.as_ref().is_some_and(|it| it.contains("did you mean"));
    if let Some(last) = problems.iter_mut().max_by_key(|problem| problem.location.rank())
        && !is_typo(&last.help)
    {
        let advice = "if this file is another program's, write monopoll's keys to \
                      `monopoll.toml`, or name a file with `--config`";
        let help = last.help.take().map_or_else(String::new, |help| format!("{help}; "));
        last.help = Some(help + advice);
    }
}

fn parse(path: PathBuf, text: &[u8], problems: &mut Vec<Problem>) -> FileSearch {
    // Some Windows editors write a byte order mark.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let parsed = match std::str::from_utf8(text) {
        Ok(text) => parse_file(text, &path),
        Err(error) => {
            let text = String::from_utf8_lossy(text).into_owned();
            let source = Arc::new(SourceText::new(SourceName::File(path.clone()), text));
            let at = error.valid_up_to();
            let fault =
                Fault::new("this is not TOML: it is not UTF-8").help("save the file as UTF-8");
            Err(vec![Problem::at(Location::part_of(&source, at..at + 1), fault)])
        }
    };
    match parsed {
        Ok(root) => FileSearch::Found(path, root),
        Err(found) => {
            problems.extend(found);
            FileSearch::Unusable
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if is_named_fifo(path) {
        return Err(io::Error::other("it is a FIFO, whose reader may wait forever"));
    }
    // Windows reports a folder as "permission denied".
    let file = File::open(path)
        .map_err(|error| if path.is_dir() { io::ErrorKind::IsADirectory.into() } else { error })?;
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// Returns whether a path is a FIFO in a folder. What a shell passes in `/dev/fd` has a writer.
#[cfg(unix)]
fn is_named_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;

    !(path.starts_with("/dev") || path.starts_with("/proc"))
        && path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(windows)]
fn is_named_fifo(_: &Path) -> bool {
    false
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns the reason a file cannot be read, to follow its name.
fn read_error(error: &io::Error) -> String {
    match error.kind() {
        _ if is_missing(error) => "does not exist".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        io::ErrorKind::PermissionDenied => "is not readable by this user".to_owned(),
        io::ErrorKind::FileTooLarge => {
            format!("is larger than {} KiB, too large for a configuration", LARGEST / 1024)
        }
        _ => format!("cannot be read: {error}"),
    }
}

/// Returns a note if anyone but the owner and root can change the file, because it decides which
/// processes are killed. `name` is the path as named or found.
#[cfg(unix)]
pub(super) fn exposure_note(name: &Path, path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    use crate::text::sanitize;

    let name = sanitize(&name.to_string_lossy());
    let file = std::fs::metadata(path).ok()?;
    if !file.is_file() {
        return None;
    }
    if others_write(&file) {
        return Some(format!(
            "other users can write to {name} and so decide what is ended; as its owner, run \
             `chmod go-w {name}`"
        ));
    }
    // Write access to a folder is enough to replace the file, or the link to it.
    let mut folders: Vec<_> =
        [path.parent().map(std::fs::canonicalize), Some(std::fs::canonicalize(path))]
            .into_iter()
            .filter_map(|path| path?.ok())
            .flat_map(|path| path.ancestors().map(Path::to_owned).collect::<Vec<_>>())
            .collect();
    folders.dedup();
    let is_open = |folder: &PathBuf| {
        std::fs::metadata(folder).is_ok_and(|folder| {
            folder.is_dir() && others_write(&folder) && folder.mode() & 0o1000 == 0
        })
    };
    let folder = folders.into_iter().find(is_open)?;
    let folder = sanitize(&folder.to_string_lossy());
    Some(format!(
        "other users can write to {folder}, replace {name} and so decide what is ended; as its \
         owner, run `chmod go-w {folder}`"
    ))
}

/// Returns whether anyone but the owner can write. A user's private group does not count.
#[cfg(unix)]
fn others_write(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    use crate::sys::folder_permissions::own_group;

    let everybody = file.mode() & 0o002 != 0;
    let group = file.mode() & 0o020 != 0 && file.gid() != 0;
    everybody || (group && own_group(file.uid()) != Some(file.gid()))
}

/// Without Unix modes, there is no simple way to tell who can write.
#[cfg(not(unix))]
pub(super) fn exposure_note(_name: &Path, _path: &Path) -> Option<String> {
    None
}
