//! Reads `env_file` the way bots do, to find the bot id. Never blocks on a FIFO or a device.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use crate::config::{Config, Origin};
use crate::engine::carried_tokens::bots_in;
use crate::engine::instance::BotId;
use crate::engine::token::Token;
use crate::text::printable;

/// Only the beginning of a larger file is read: it is probably a log or a disk.
const MOST: u64 = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct EnvFile {
    pub(crate) token: Option<Token>,
    /// The bots of all tokens in the file, under any name.
    pub(crate) bots: BTreeSet<BotId>,
    /// A note for the log.
    pub(crate) note: Option<String>,
    /// A problem with a file that is named in `env_file` or that cannot be read.
    pub(crate) warning: Option<String>,
    /// The first variable of `token_env` that has a value other than a token, for a message.
    pub(crate) invalid: Option<String>,
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
        // `config init` writes `.env` into the configuration, so this does not mean that the file
        // exists.
        let may_be_missing = config.settings.env_file == Path::new(".env");
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
                let values: Vec<_> = config
                    .token_variables()
                    .filter_map(|name| assignments.iter().find(|(key, _)| key == name))
                    .collect();
                let invalid = values.iter().find(|(name, value)| {
                    !value.trim().is_empty() && config.expects_a_token_in(name)
                });
                EnvFile {
                    token: values.iter().find_map(|(_, value)| Token::parse(value)),
                    bots: assignments
                        .iter()
                        .flat_map(|(_, value)| bots_in(value.as_bytes()))
                        .collect(),
                    invalid: invalid
                        .map(|(name, _)| format!("{} in `{shown_path}`", printable(name))),
                    note: match extent {
                        ReadExtent::Whole => None,
                        ReadExtent::Beginning => note(&format!(
                            "is large: only its first {} KiB are searched for a bot token",
                            MOST >> 10
                        )),
                    },
                    warning: None,
                }
            }
            // `.env` is also a common name for a virtual environment's folder.
            Err(Unreadable::Kind("a folder")) if is_default => EnvFile::default(),
            Err(Unreadable::Missing) if may_be_missing => EnvFile::default(),
            Err(Unreadable::Missing) => unread("does not exist"),
            Err(Unreadable::Kind(kind)) => unread(&format!("is {kind}")),
            Err(Unreadable::Failed(error)) => unread(&format!("cannot be read ({error})")),
        }
    }
}

pub fn in_env_file(config: &Config, name: &str) -> Option<String> {
    let (text, _) = read(&config.env_file).ok()?;
    assignments(&text).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Returns the variables in `env_file` that contain a token but are not in `token_env`.
pub(crate) fn unlisted_tokens(config: &Config) -> Vec<String> {
    let Ok((text, _)) = read(&config.env_file) else { return Vec::new() };
    let mut names: Vec<String> = assignments(&text)
        .into_iter()
        .filter(|(name, value)| {
            Token::parse(value).is_some() && !config.token_variables().any(|listed| listed == name)
        })
        .map(|(name, _)| name)
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

fn assignments(text: &[u8]) -> Vec<(String, String)> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // A stray quote (`NAME=don't`) breaks everything after it, so parse each line separately as
    // well.
    let lines = text.split(|byte| *byte == b'\n').flat_map(dotenvy::from_read_iter);
    dotenvy::from_read_iter(text).chain(lines).filter_map(Result::ok).collect()
}
