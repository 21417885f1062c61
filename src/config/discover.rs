//! The places that a configuration comes from, and which file is the one.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the configuration file is looked for and read"
)]

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::{
        keys::ROOT,
        location::Location,
        parse,
        problem::{Fault, Problem},
        source::{Source, SourceName},
        value::Table,
    },
    engine::action::OnConflict,
    error::{Error, ExitStatus},
    text::{closest_name, quote, sanitize},
};

/// A file that is larger is no configuration: somebody named a log, or a device.
const LARGEST: u64 = 1 << 20;

/// Everything that a configuration is made of, given in: nothing is read from the process.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--profile`.
    pub profile: Option<String>,
    /// Each `--set`, as `key=value`.
    pub set: Vec<String>,
    /// `--on-conflict`.
    pub on_conflict: Option<OnConflict>,
    /// `--instance`.
    pub instance: Option<String>,
    /// The whole environment; what is not ours is passed over.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory that relative paths are seen from.
    pub cwd: PathBuf,
}

impl Sources {
    /// What this process would be given on its command line if it were monopoll: nothing, so that
    /// its environment, its working directory and the file that is found decide. Every method below
    /// overrides one of those.
    ///
    /// # Errors
    /// The working directory is gone.
    pub fn here() -> Result<Sources, Error> {
        let cwd = std::env::current_dir().map_err(|error| {
            Error::from_source(ExitStatus::Usage, "the working directory cannot be read", error)
                .with_hint("change to a folder that exists")
        })?;
        Ok(Sources { env: std::env::vars_os().collect(), cwd, ..Sources::default() })
    }

    /// Reads this file, as `--config` does.
    #[must_use]
    pub fn config(self, path: impl Into<PathBuf>) -> Sources {
        Sources { config: Some(path.into()), ..self }
    }

    /// Selects this `[profile.NAME]`, as `--profile` does.
    #[must_use]
    pub fn profile(self, name: impl Into<String>) -> Sources {
        Sources { profile: Some(name.into()), ..self }
    }

    /// Sets one key, as `--set key=value` does; may be said more than once.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Sources {
        self.set.push(format!("{key}={value}"));
        self
    }

    /// Names the instance, as `--instance` does.
    #[must_use]
    pub fn instance(self, id: impl Into<String>) -> Sources {
        Sources { instance: Some(id.into()), ..self }
    }

    /// Says what to do about whoever is in the way, as `--on-conflict` does.
    #[must_use]
    pub fn on_conflict(self, action: OnConflict) -> Sources {
        Sources { on_conflict: Some(action), ..self }
    }

    /// The variable of this name, unless it is empty, which is how many a launcher says "not set".
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        let found =
            self.env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str());
        found.filter(|value| !value.is_empty())
    }

    /// The profile that is selected, and where.
    pub(crate) fn selected(&self) -> Option<(String, Location)> {
        let flag =
            self.profile.clone().map(|name| (name.clone(), Location::flag("--profile", &name)));
        flag.or_else(|| {
            let name = self.variable("MONOPOLL_PROFILE")?.to_string_lossy();
            Some((name.clone().into_owned(), Location::variable("MONOPOLL_PROFILE", &name)))
        })
    }

    /// Where a file is looked for when none is named, first one first.
    fn candidates(&self) -> Vec<PathBuf> {
        let absolute =
            |name| self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let mut found = vec![PathBuf::from("./monopoll.toml"), PathBuf::from(OURS_OR_NOT)];
        found.extend(home.map(|home| home.join("monopoll/config.toml")));
        found.push(PathBuf::from("/etc/monopoll/config.toml"));
        found
    }
}

/// A name that many programs use.
const OURS_OR_NOT: &str = "./config.toml";

/// Keys that do not tell whose a file is: many programs that have a bot have these tables.
const ANYBODYS: [&str; 2] = ["app", "telegram"];

/// What became of the search for a file.
#[derive(Debug)]
pub(crate) enum FileSearch {
    /// There is none.
    None,
    /// There is one, but it cannot be used; the problems say why.
    Unusable,
    /// The file, as it was named or found, and what is in it.
    Found(PathBuf, Table),
}

/// Finds and reads the file.
pub(crate) fn search(
    sources: &Sources,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<String>,
) -> FileSearch {
    let flag = sources.config.clone().map(|path| {
        let place = Location::flag("--config", &path.to_string_lossy());
        (path, place)
    });
    let named = flag.or_else(|| {
        let path = sources.variable("MONOPOLL_CONFIG")?;
        Some((PathBuf::from(path), Location::variable("MONOPOLL_CONFIG", &path.to_string_lossy())))
    });
    if let Some((path, place)) = named {
        return match read(&sources.cwd.join(&path)) {
            Ok(text) => parse(path, &text, problems),
            Err(error) => {
                let fault =
                    Fault::new(format!("{} {}", quote(&path.to_string_lossy()), cannot(&error)));
                problems.push(Problem::at(
                    place,
                    fault.help(
                        "name a file that is there, or leave it out: every key has a default",
                    ),
                ));
                FileSearch::Unusable
            }
        };
    }
    for path in sources.candidates() {
        let whole = sources.cwd.join(&path);
        match std::fs::metadata(&whole) {
            // A folder of that name, or a pipe that would never end, is nobody's configuration.
            Ok(metadata) if !metadata.is_file() => {
                let what = if metadata.is_dir() { "a folder" } else { "no regular file" };
                notes.push(format!(
                    "{}: ignored, as it is {what}",
                    sanitize(&path.to_string_lossy())
                ));
                continue;
            }
            // The home of another user, left in the environment by sudo: there is nothing for this
            // one in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                notes.push(format!(
                    "{}: ignored, as this user may not look into its folder",
                    sanitize(&path.to_string_lossy())
                ));
                continue;
            }
            Ok(_) | Err(_) => {}
        }
        let text = match read(&whole) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(error) => {
                let fault = Fault::new(cannot(&error))
                    .help("make it readable, or name another file with --config");
                problems.push(Problem::at(Location::file(&path), fault));
                return FileSearch::Unusable;
            }
        };
        match parse(path, &text, problems) {
            FileSearch::Found(path, root)
                if path == Path::new(OURS_OR_NOT) && is_foreign(&root) =>
            {
                notes.push(format!("{OURS_OR_NOT}: ignored, as it has no key of monopoll's; name it with --config if it is meant"));
            }
            found => return found,
        }
    }
    FileSearch::None
}

/// Whether a file has no key of ours and none that looks like a misspelt one.
fn is_foreign(root: &Table) -> bool {
    let ours = || {
        ROOT.iter().map(|key| key.name).filter(|name| !ANYBODYS.contains(name)).chain(["profile"])
    };
    !root.keys().any(|key| closest_name(key, ours()).is_some())
}

fn parse(path: PathBuf, text: &[u8], problems: &mut Vec<Problem>) -> FileSearch {
    // An editor on Windows may leave a byte order mark; it is not part of the text.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let parsed = match std::str::from_utf8(text) {
        Ok(text) => parse::parse_file(text, &path),
        Err(error) => {
            let source = Source::new(
                SourceName::File(path.clone()),
                String::from_utf8_lossy(text).into_owned(),
            );
            let place =
                Location::part_of(&Arc::new(source), error.valid_up_to()..error.valid_up_to() + 1);
            Err(vec![Problem::at(
                place,
                Fault::new("this is not TOML: it is not UTF-8").help("save the file as UTF-8"),
            )])
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
    // Windows calls a folder forbidden.
    let file = File::open(path)
        .map_err(|error| if path.is_dir() { io::ErrorKind::IsADirectory.into() } else { error })?;
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// Why a file cannot be read, to follow its name.
fn cannot(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "does not exist".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        io::ErrorKind::FileTooLarge => {
            format!("is larger than {} KiB, which no configuration is", LARGEST / 1024)
        }
        _ => format!("cannot be read: {error}"),
    }
}
