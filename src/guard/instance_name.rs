//! The bot's token and the instance of a start.
#![expect(
    clippy::disallowed_methods,
    reason = "a bot's token is in its environment, or in a file that it reads itself"
)]

use std::env;
use std::ffi::OsString;

use crate::config::Config;
use crate::config::dotenv::EnvFile;
use crate::engine::instance::Instance;
use crate::engine::token::Token;
use crate::error::{Error, ExitStatus};
use crate::scan::command::Command;
use crate::text::printable;

/// Returns the bot's token: the first variable that has one, else the first one in `env_file`.
#[must_use]
pub fn token(config: &Config) -> Option<Token> {
    let TokenLookup { token, note, misfits } = search(config);
    if let Some(note) = note {
        tracing::info!("{note}");
    }
    for misfit in misfits {
        tracing::warn!(
            "{misfit} is set, but is not a bot token (a number, a colon and a secret); it is \
             ignored"
        );
    }
    token
}

#[derive(Debug, Default)]
pub(crate) struct TokenLookup {
    pub(crate) token: Option<Token>,
    /// A note about `env_file`, to be logged.
    pub(crate) note: Option<String>,
    /// Without a token: the variables that have another value, to be shown.
    pub(crate) misfits: Vec<String>,
}

/// Searches for the token without logging anything.
pub(crate) fn search(config: &Config) -> TokenLookup {
    let mut misfits = Vec::new();
    for name in config.token_variables() {
        let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { continue };
        match value.to_str().and_then(Token::parse) {
            Some(token) => return TokenLookup { token: Some(token), ..TokenLookup::default() },
            None => misfits.push(format!("${}", printable(name))),
        }
    }
    match EnvFile::read(config) {
        EnvFile { token: Some(token), note, .. } => {
            TokenLookup { token: Some(token), note, misfits: Vec::new() }
        }
        EnvFile { token: None, note, invalid } => {
            misfits.extend(invalid);
            TokenLookup { token: None, note, misfits }
        }
    }
}

/// Returns the instance by the configuration, the token or COMMAND; `None` where none of them names
/// it.
pub(crate) fn instance(
    config: &Config,
    token: Option<&Token>,
    command: Option<&Command>,
) -> Option<Instance> {
    let by_token = || token.map(|token| Instance::of_bot(token.id()));
    let configured = config.settings.instance.as_deref().cloned();
    configured
        .or_else(by_token)
        .or_else(|| command.and_then(|command| named_after(command).parse().ok()))
}

/// The error where nothing names the instance; `first` is the caller's own way to name it.
pub(crate) fn not_named(config: &Config, first: &str) -> Error {
    let variable = printable(config.suggested_token_variable());
    Error::new(ExitStatus::Usage, "no instance is named").with_hint(format!(
        "{first}set ${variable}, set $MONOPOLL_INSTANCE, or write `instance = \"…\"` in the \
         configuration"
    ))
}

/// Returns the command's base name and a short hash of its arguments and working directory.
fn named_after(command: &Command) -> String {
    let allowed =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let base: String =
        command.base_name().chars().map(allowed).take(Instance::MAX_LEN - 9).collect();
    let parts =
        command.args.iter().skip(1).map(OsString::as_os_str).chain([command.cwd.as_os_str()]);
    let hash = parts.fold(FNV_OFFSET, |hash, part| {
        // A byte that no argument has ends each of them.
        part.as_encoded_bytes()
            .iter()
            .chain(&[0])
            .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
    });
    format!("{base}-{:08x}", hash >> 32)
}

/// FNV-1a: the same on every machine and in every version; no attack is to be withstood here.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
