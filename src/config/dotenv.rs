//! Reads `env_file` the way bots do, to find the bot id. Never blocks on a FIFO or a device.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::{Config, Origin};
use crate::engine::carried_tokens::bots_in;
use crate::engine::fact::Fact;
use crate::engine::instance::BotId;
use crate::engine::token::{Misfit, Token};
use crate::error::{Error, ExitStatus, may_pass};
use crate::text::printable;

/// Only the beginning of a larger file is read: it is probably a log or a disk.
const MOST: u64 = 1 << 20;

/// A token that a line sets.
#[derive(Debug, Clone)]
pub(crate) struct TokenLine {
    pub(crate) variable: String,
    pub(crate) token: Token,
    /// The printable path of the file.
    pub(crate) file: String,
    line: Option<usize>,
}

impl TokenLine {
    /// Returns the file, with the number of the line if it is known.
    pub(crate) fn place(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        format!("{}{line}", self.file)
    }
}

#[derive(Debug, Default)]
pub(crate) struct EnvFile {
    /// The first variable of `token_env` that has a token. Its last line counts.
    pub(crate) token: Option<TokenLine>,
    /// Another line that sets the same variable to the token of another bot.
    pub(crate) other: Option<TokenLine>,
    /// The bots of all tokens in the file, under any name.
    pub(crate) bots: BTreeSet<BotId>,
    /// A note for the log.
    pub(crate) note: Option<String>,
    /// A problem with a file that is named in `env_file` or that cannot be read.
    pub(crate) warning: Option<String>,
    /// The reason that the file cannot be read, if it may pass: another bot may be named there.
    pub(crate) failure: Option<Error>,
    /// The first variable of `token_env` that has a value other than a token, for a message.
    pub(crate) invalid: Option<Misfit>,
}

impl EnvFile {
    pub(crate) fn read(config: &Config) -> EnvFile {
        let path = &config.env_file;
        // The documented way to have no `env_file`.
        if path == Path::new("/dev/null") {
            return EnvFile::default();
        }
        let shown_path = path.to_string_lossy();
        let shown_path = printable(&shown_path);
        let note = |what: &str| {
            let variable = printable(config.suggested_token_variable());
            Some(format!("`{shown_path}` {what}; set ${variable} or `instance`"))
        };
        let is_default = config.origin("env_file") == Origin::Default;
        let unread = |what: &str| EnvFile {
            warning: Some(format!(
                "`env_file` {shown_path} {what}, so it is not searched for a bot token; set ${}, \
                 or correct `env_file`",
                printable(config.suggested_token_variable())
            )),
            ..EnvFile::default()
        };
        match read(path) {
            Ok((text, extent)) => {
                let assignments = assignments(&text);
                let values = config
                    .token_variables()
                    .filter_map(|name| assignments.iter().find(|it| it.name == name));
                let invalid = values
                    .filter(|it| !it.value.trim().is_empty())
                    .find(|it| config.expects_a_token_in(&it.name));
                EnvFile {
                    invalid: invalid.map(|it| {
                        let place = format!("{} in `{shown_path}`", printable(&it.name));
                        Misfit::new(place, &it.value)
                    }),
                    note: match extent {
                        ReadExtent::Whole => None,
                        ReadExtent::Beginning => note(&format!(
                            "is large: only its first {} KiB are searched for a bot token",
                            MOST >> 10
                        )),
                    },
                    ..EnvFile::with_tokens(config, path, &assignments)
                }
            }
            // `.env` is also a common name for a virtual environment's folder.
            Err(Unreadable::Kind("a folder")) if is_default => EnvFile::default(),
            Err(Unreadable::Missing) if config.uses_default_env_file() => EnvFile::default(),
            Err(Unreadable::Missing) => unread("does not exist"),
            Err(Unreadable::Kind(kind)) => unread(&format!("is {kind}")),
            Err(Unreadable::Failed(error)) if may_pass(&error) => {
                let what = format!("`env_file` {shown_path} cannot be read");
                let failure = Error::from_io(ExitStatus::Config, what, error);
                EnvFile { failure: Some(failure), ..EnvFile::default() }
            }
            Err(Unreadable::Failed(error)) => unread(&format!("cannot be read ({error})")),
        }
    }

    fn with_tokens(config: &Config, path: &Path, assignments: &[Assignment]) -> EnvFile {
        let path = path.to_string_lossy();
        let last = |name: &str, test: &dyn Fn(&Token) -> bool| {
            let set = assignments.iter().rev().filter(|it| it.name == name);
            let (token, line) = set
                .filter_map(|it| Some((Token::parse(&it.value)?, it.line)))
                .find(|(token, _)| test(token))?;
            let (variable, file) = (name.to_owned(), printable(&path).into_owned());
            Some(TokenLine { variable, token, file, line })
        };
        let token = config.token_variables().find_map(|name| last(name, &|_| true));
        let other = token
            .as_ref()
            .and_then(|found| last(&found.variable, &|token| token.id() != found.token.id()));
        let bots = assignments.iter().flat_map(|it| bots_in(it.value.as_bytes())).collect();
        EnvFile { token, other, bots, ..EnvFile::default() }
    }
}

/// Reads the first file with the name of `env_file` in this folder or a folder above it, as a
/// loader does that searches from the script.
pub(crate) fn nearest(config: &Config, folder: &Path) -> Option<EnvFile> {
    let name = config.env_file.file_name()?;
    folder.ancestors().find_map(|folder| at(config, &folder.join(name)))
}

/// Reads the tokens of a file, if it exists.
pub(crate) fn at(config: &Config, path: &Path) -> Option<EnvFile> {
    let (text, _) = read(path).ok()?;
    Some(EnvFile::with_tokens(config, path, &assignments(&text)))
}

/// Returns the token that a file sets, or that is all there is in it.
pub(crate) fn token_at(config: &Config, path: &Path) -> Option<Token> {
    let (text, _) = read(path).ok()?;
    let alone = || Token::parse(std::str::from_utf8(&text).ok()?.trim());
    let file = EnvFile::with_tokens(config, path, &assignments(&text));
    // Two lines may name two bots.
    let set = file.token.filter(|_| file.other.is_none()).map(|line| line.token);
    set.or_else(alone)
}

/// Returns the bot that the nearest `.env` in a folder, or in one above, names: by the first of
/// these variables that has a token, or by its only token. None if that file is in one of the
/// `ignored` folders. `root` is the root of the paths. Unknown if a file on the way cannot be read.
pub(crate) fn nearest_bot(
    variables: &[String],
    root: &Path,
    folder: &Path,
    ignored: &[PathBuf],
) -> Fact<Option<BotId>> {
    let below_root = |folder: &Path| root.join(folder.strip_prefix("/").unwrap_or(folder));
    let mut texts = folder.ancestors().map(|it| (it, read(&below_root(it).join(".env"))));
    let is_there = |(_, text): &(&Path, Result<_, Unreadable>)| {
        !matches!(text, Err(Unreadable::Missing | Unreadable::Kind(_)))
    };
    let text = match texts.find(is_there) {
        None => return Fact::Known(None),
        Some((folder, _)) if ignored.iter().any(|it| it == folder) => return Fact::Known(None),
        Some((_, Ok((text, _)))) => text,
        Some((_, Err(_))) => return Fact::Unknown,
    };
    let assignments = assignments(&text);
    let set = |name: &String| {
        let mut values = assignments.iter().rev().filter(|it| it.name == *name);
        values.find_map(|it| Token::parse(&it.value))
    };
    let named = variables.iter().find_map(set).map(|token| token.id());
    Fact::Known(named.or_else(|| {
        let bots: BTreeSet<BotId> =
            assignments.iter().flat_map(|it| bots_in(it.value.as_bytes())).collect();
        bots.first().copied().filter(|_| bots.len() == 1)
    }))
}

/// Reads the tokens of lines that are commented out.
pub(crate) fn commented_out(config: &Config, path: &Path) -> Option<EnvFile> {
    let (text, _) = read(path).ok()?;
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.trim_ascii_start().strip_prefix(b"#").unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(&b'\n');
    Some(EnvFile::with_tokens(config, path, &assignments(&text)))
}

pub fn in_env_file(config: &Config, name: &str) -> Option<String> {
    let (text, _) = read(&config.env_file).ok()?;
    assignments(&text).into_iter().find(|it| it.name == name).map(|it| it.value)
}

/// Returns the variables that the bot reads from files: those that options of COMMAND name, then
/// the default `.env`, unless `env_file` names another file. A variable to which two named files
/// give different values is left out. The last line of each counts.
pub(crate) fn variables_in_files(
    config: &Config,
    files: &[PathBuf],
) -> BTreeMap<OsString, OsString> {
    let mut variables = if config.uses_default_env_file() {
        variables_at(&config.env_file)
    } else {
        BTreeMap::new()
    };
    let mut values: BTreeMap<OsString, BTreeSet<OsString>> = BTreeMap::new();
    for (name, value) in files.iter().flat_map(|it| variables_at(it)) {
        values.entry(name).or_default().insert(value);
    }
    for (name, values) in values {
        variables.remove(&name);
        if values.len() == 1 {
            variables.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
    }
    variables
}

fn variables_at(path: &Path) -> BTreeMap<OsString, OsString> {
    let Ok((text, _)) = read(path) else { return BTreeMap::new() };
    assignments(&text).into_iter().map(|it| (it.name.into(), it.value.into())).collect()
}

/// Returns the variables in `env_file` that contain a token but are not in `token_env`.
pub(crate) fn unlisted_tokens(config: &Config) -> Vec<String> {
    let Ok((text, _)) = read(&config.env_file) else { return Vec::new() };
    let mut names: Vec<String> = assignments(&text)
        .into_iter()
        .filter(|Assignment { name, value, .. }| {
            Token::parse(value).is_some() && !config.token_variables().any(|listed| listed == name)
        })
        .map(|it| it.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

enum ReadExtent {
    Whole,
    Beginning,
}

enum Unreadable {
    Missing,
    /// Not a regular file.
    Kind(&'static str),
    Failed(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Unreadable {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unreadable::Missing,
            _ => Unreadable::Failed(error),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the file is read")]
fn read(path: &Path) -> Result<(Vec<u8>, ReadExtent), Unreadable> {
    // Check the type first, because opening a device can have side effects.
    require_regular_file(&fs::metadata(path)?)?;
    let file = open(path)?;
    require_regular_file(&file.metadata()?)?;
    let mut text = Vec::new();
    file.take(MOST + 1).read_to_end(&mut text)?;
    if text.len() as u64 <= MOST {
        return Ok((text, ReadExtent::Whole));
    }
    // A cut line might end in part of a token.
    let whole_lines = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    text.truncate(whole_lines);
    Ok((text, ReadExtent::Beginning))
}

/// Opens the file without blocking, in case a FIFO has replaced it.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "this is where the file is read")]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn require_regular_file(metadata: &Metadata) -> Result<(), Unreadable> {
    match metadata {
        it if it.is_file() => Ok(()),
        it if it.is_dir() => Err(Unreadable::Kind("a folder")),
        it => Err(Unreadable::Kind(kind_of_special(it))),
    }
}

#[cfg(unix)]
fn kind_of_special(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match metadata.file_type() {
        it if it.is_fifo() => "a FIFO",
        it if it.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind_of_special(_metadata: &Metadata) -> &'static str {
    "no regular file"
}

struct Assignment {
    name: String,
    value: String,
    /// The number of its line, if the line was parsed separately.
    line: Option<usize>,
}

fn assignments(text: &[u8]) -> Vec<Assignment> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let parse = |text, line| {
        let parsed = dotenvy::from_read_iter::<&[u8]>(text).filter_map(Result::ok);
        parsed.map(move |(name, value)| Assignment { name, value, line })
    };
    // A stray quote (`NAME=don't`) breaks everything after it, so parse each line separately as
    // well.
    let lines = text.split(|byte| *byte == b'\n').zip(1..);
    parse(text, None).chain(lines.flat_map(|(text, line)| parse(text, Some(line)))).collect()
}
