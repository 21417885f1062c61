//! The bot token in `env_file`: read for its bot id, as bots read it, without ever waiting for a
//! file that is none.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::Path,
};

use crate::{
    config::{Config, Origin},
    engine::token::Token,
    text::printable,
};

/// Of a larger file only as much is read: somebody named a log, or a disk.
const MOST: u64 = 1 << 20;

/// What the file has.
#[derive(Debug, Default)]
pub(crate) struct EnvFile {
    /// The token of the first variable that has one.
    pub(crate) token: Option<Token>,
    /// What is worth a line to a person.
    pub(crate) note: Option<String>,
    /// Where there is none: the first of the variables that has something else, to be shown.
    pub(crate) misfit: Option<String>,
}

impl EnvFile {
    /// Reads it, if it is there.
    pub(crate) fn read(config: &Config) -> EnvFile {
        let path = &config.env_file;
        // The documented way to have none.
        if path == Path::new("/dev/null") {
            return EnvFile::default();
        }
        let note = |what: &str| {
            let variable = config.token_env.first().map_or("MONOPOLL_INSTANCE", String::as_str);
            let (path, variable) = (path.to_string_lossy(), printable(variable).into_owned());
            Some(format!("`{}` {what}; set ${variable} or `instance`", printable(&path)))
        };
        match text(path) {
            Ok(DotenvText { text, end }) => {
                let values = values_of(&text, &config.token_env);
                let shown = |name: &str| {
                    format!("{} in `{}`", printable(name), printable(&path.to_string_lossy()))
                };
                EnvFile {
                    token: values.iter().find_map(|(_, value)| Token::parse(value)),
                    misfit: values
                        .iter()
                        .find(|(_, value)| !value.trim().is_empty())
                        .map(|(name, _)| shown(name)),
                    note: match end {
                        ReadExtent::Reached => None,
                        ReadExtent::CutOff => note(&format!(
                            "is large, and only its first {} KiB are read for a bot token",
                            MOST >> 10
                        )),
                    },
                }
            }
            Err(NotRead::Missing) => EnvFile::default(),
            // `.env` is what many call the folder of a virtual environment: nobody asked for it to
            // be read.
            Err(NotRead::Kind("a folder")) if config.origin("env_file") == Origin::Default => {
                EnvFile::default()
            }
            Err(NotRead::Kind(kind)) => EnvFile {
                note: note(&format!("is {kind}, and is not read for a bot token")),
                ..EnvFile::default()
            },
            Err(NotRead::Failed(error)) => EnvFile {
                note: note(&format!("cannot be read for a bot token ({error})")),
                ..EnvFile::default()
            },
        }
    }
}

/// What could be read.
struct DotenvText {
    text: Vec<u8>,
    end: ReadExtent,
}

/// Whether that is all.
enum ReadExtent {
    Reached,
    CutOff,
}

/// Why nothing was read.
enum NotRead {
    Missing,
    /// It is not a regular file, but this.
    Kind(&'static str),
    Failed(io::Error),
}

impl From<io::Error> for NotRead {
    fn from(error: io::Error) -> NotRead {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => NotRead::Missing,
            _ => NotRead::Failed(error),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the file is read")]
fn text(path: &Path) -> Result<DotenvText, NotRead> {
    // Opening a device may do something already.
    insist_on_regular(&fs::metadata(path)?)?;
    let file = open(path)?;
    insist_on_regular(&file.metadata()?)?;
    let mut text = Vec::new();
    file.take(MOST + 1).read_to_end(&mut text)?;
    if text.len() as u64 <= MOST {
        return Ok(DotenvText { text, end: ReadExtent::Reached });
    }
    // Half a line may have half a token.
    let whole_lines = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    text.truncate(whole_lines);
    Ok(DotenvText { text, end: ReadExtent::CutOff })
}

/// A FIFO that took the file's place a moment ago must not hang the start.
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

fn insist_on_regular(metadata: &Metadata) -> Result<(), NotRead> {
    match metadata {
        it if it.is_file() => Ok(()),
        it if it.is_dir() => Err(NotRead::Kind("a folder")),
        it => Err(NotRead::Kind(special(it))),
    }
}

#[cfg(unix)]
fn special(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match metadata.file_type() {
        it if it.is_fifo() => "a FIFO",
        it if it.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn special(_metadata: &Metadata) -> &'static str {
    "no regular file"
}

/// What `env_file` has for this variable, read as the bot token is: for a program's own keys, which
/// people keep beside it.
#[must_use]
pub fn in_env_file(config: &Config, name: &str) -> Option<String> {
    let text = text(&config.env_file).ok()?.text;
    values(&text).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// What each of these variables has there, in their order.
fn values_of<'a>(text: &[u8], variables: &'a [String]) -> Vec<(&'a str, String)> {
    let values = values(text);
    let in_file = |name: &'a String| {
        values.iter().find(|(key, _)| key == name).map(|(_, value)| (name.as_str(), value.clone()))
    };
    variables.iter().filter_map(in_file).collect()
}

/// Every variable of a file, and its value.
fn values(text: &[u8]) -> Vec<(String, String)> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // A line that is no assignment says nothing about the others; one with a lone quote
    // (`NAME=don't`) takes them all with it.
    let lines = text.split(|byte| *byte == b'\n').flat_map(dotenvy::from_read_iter);
    dotenvy::from_read_iter(text).chain(lines).filter_map(Result::ok).collect()
}
