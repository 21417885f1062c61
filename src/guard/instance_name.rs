//! The bot's token and the instance of a start.
#![expect(
    clippy::disallowed_methods,
    reason = "a bot's token is in its environment, or in a file that it reads itself"
)]

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::Config;
use crate::config::dotenv::{self, EnvFile};
use crate::engine::choosing_variables::CHOOSING_VARIABLES;
use crate::engine::instance::{BotId, Instance};
use crate::engine::token::{OwnTokens, Token};
use crate::engine::token_parser::bots_in;
use crate::error::{Error, ExitStatus};
use crate::scan::command::Command;
use crate::scan::invocation::Target;
use crate::text::printable;

/// Returns the bot's token: the first variable that has one, else the first one in `env_file`.
#[must_use]
pub fn token(config: &Config) -> Option<Token> {
    own_tokens(config).mine
}

/// Returns the tokens of this start, and logs what is wrong with them.
pub(crate) fn own_tokens(config: &Config) -> OwnTokens {
    let TokenLookup { tokens, note, misfits } = search(config);
    if let Some(note) = note {
        tracing::info!("{note}");
    }
    for misfit in misfits {
        tracing::warn!(
            "{misfit} is set, but is not a bot token (5–16 digits, a colon and 35 letters, digits, \
             `_` or `-`); it is ignored"
        );
    }
    tokens
}

#[derive(Debug, Default)]
pub(crate) struct TokenLookup {
    pub(crate) tokens: OwnTokens,
    /// A note about `env_file`, to be logged.
    pub(crate) note: Option<String>,
    /// Without a token: the variables that have another value, to be shown.
    pub(crate) misfits: Vec<String>,
}

/// Searches for the token without logging anything.
pub(crate) fn search(config: &Config) -> TokenLookup {
    let mut misfits = Vec::new();
    let mut mine = None;
    for name in config.token_variables() {
        let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { continue };
        mine = value.to_str().and_then(Token::parse);
        if mine.is_some() {
            break;
        }
        if config.expects_a_token_in(name) {
            misfits.push(format!("${}", printable(name)));
        }
    }
    let file = EnvFile::read(config);
    let note = file.note.filter(|_| mine.is_none());
    let mine = mine.or(file.token);
    misfits.extend(file.invalid);
    if mine.is_some() {
        misfits.clear();
    }
    let mut bots = file.bots;
    for (_, value) in env::vars_os() {
        bots.extend(bots_in(value.as_encoded_bytes()));
    }
    TokenLookup { tokens: OwnTokens { mine, bots }, note, misfits }
}

/// Returns my values of the variables that choose among bots.
pub(crate) fn choosing_variables() -> Vec<Option<Vec<u8>>> {
    let value = |name: &&str| env::var_os(name).map(OsString::into_encoded_bytes);
    CHOOSING_VARIABLES.iter().map(value).collect()
}

/// The folder of a start without a COMMAND.
pub(crate) fn working_folder() -> Option<PathBuf> {
    env::current_dir().ok()
}

/// Returns the variables, as they are shown, that have a token and are not in `token_env`.
pub(crate) fn unlisted_tokens(config: &Config) -> Vec<String> {
    let in_file = dotenv::unlisted_tokens(config).into_iter();
    let file = config.env_file.to_string_lossy();
    let in_file = in_file.map(|name| format!("{} in `{}`", printable(&name), printable(&file)));
    let mut names: Vec<String> = env::vars_os()
        .filter(|(_, value)| value.to_str().and_then(Token::parse).is_some())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| !config.token_variables().any(|listed| listed == name))
        .map(|name| format!("${}", printable(&name)))
        .collect();
    names.sort_unstable();
    names.into_iter().chain(in_file).collect()
}

/// Returns the instance by the configuration, the token or COMMAND; `None` where none of them names
/// it.
pub(crate) fn instance(
    config: &Config,
    tokens: &OwnTokens,
    command: Option<&Command>,
) -> Option<Instance> {
    let by_token = || tokens.mine.as_ref().map(|token| Instance::of_bot(token.id()));
    let configured = config.settings.instance.as_deref().cloned();
    configured.or_else(by_token).or_else(|| guessed(command?, &tokens.bots))
}

/// The error where nothing names the instance; `first` is the caller's own way to name it.
pub(crate) fn not_named(config: &Config, command: Option<&Command>, first: &str) -> Error {
    let variable = printable(config.suggested_token_variable());
    let (what, first) = if command.is_some() {
        let what = "no instance is named, and COMMAND names none: it reads its program from \
                    standard input, /dev or /proc";
        (what, "give it the path of its program; or ")
    } else {
        ("no instance is named", first)
    };
    Error::new(ExitStatus::Usage, what).with_hint(format!(
        "{first}set ${variable}, set $MONOPOLL_INSTANCE, or write `instance = \"…\"` in the \
         configuration"
    ))
}

/// Returns the base name of what COMMAND runs, and a hash of what makes it another bot: its path as
/// written, its arguments, the folder, the tokens and the choosing variables. Links are not
/// followed, so that a `current` that moves leads to the same name. `None` where what it runs
/// cannot be known.
fn guessed(command: &Command, bots: &BTreeSet<BotId>) -> Option<Instance> {
    let target = match &command.runs.target {
        Target::Input => return None,
        Target::Code(_, code) => code.as_os_str(),
        Target::Module(name) | Target::Entry(name) => name.as_os_str(),
        Target::Script(path, _) | Target::Program(path) => {
            command.file.as_ref().unwrap_or(path).as_os_str()
        }
    };
    let mut hash = Hash(FNV_OFFSET);
    hash.add(target.as_encoded_bytes());
    for arg in &command.runs.args {
        hash.add(arg.as_encoded_bytes());
    }
    // Bytes that no argument has end each group.
    hash.add(&[0]);
    hash.add(command.folder.as_os_str().as_encoded_bytes());
    for bot in bots {
        hash.add(bot.to_string().as_bytes());
    }
    hash.add(&[0]);
    for value in choosing_variables() {
        hash.add(value.as_deref().unwrap_or(&[0]));
    }
    let allowed =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let base: String =
        command.target_name().chars().map(allowed).take(Instance::MAX_LEN - 13).collect();
    format!("{base}-{:012x}", hash.0 >> 16).parse().ok()
}

/// FNV-1a: the same on every machine and in every version; no attack is to be withstood here.
struct Hash(u64);

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

impl Hash {
    /// Adds a part and its end.
    fn add(&mut self, part: &[u8]) {
        for byte in part.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}
