//! Who a start is: its bot's token, and the instance that there may be only one of.
#![expect(clippy::disallowed_methods, reason = "a bot's token is in its environment, or in a file that it reads itself")]

use std::{
    env,
    ffi::{OsStr, OsString},
};

use super::env_file::EnvFile;
use crate::{
    config::Config,
    engine::instance::Instance,
    host::{command::Command, token::Token},
    report::mask::printable,
};

/// My bot's token: the first variable that has one, else the first one in `env_file`.
#[must_use]
pub fn token(config: &Config) -> Option<Token> {
    let in_environment = |name: &String| env::var_os(name).as_deref().and_then(OsStr::to_str).and_then(Token::parse);
    config.token_env.iter().find_map(in_environment).or_else(|| {
        let EnvFile { token, note } = EnvFile::read(config);
        if let Some(note) = note {
            tracing::info!("{note}");
        }
        token
    })
}

/// What there may be only one of, by the configuration, the token or COMMAND; `None`: none of them names it.
pub(crate) fn instance(config: &Config, token: Option<&Token>, command: Option<&Command>) -> Option<Instance> {
    let by_token = || token.map(|token| Instance::of_bot(token.id()));
    config.instance.clone().or_else(by_token).or_else(|| command.and_then(|command| named_after(command).parse().ok()))
}

/// The variable by which a token is best given, to be shown.
pub(crate) fn variable(config: &Config) -> String {
    printable(config.token_env.first().map_or("MONOPOLL_INSTANCE", String::as_str)).into_owned()
}

/// The command's base name and a short hash of its arguments and working directory.
fn named_after(command: &Command) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let base: String = command.base_name().chars().map(allowed).take(Instance::MAX_LEN - 9).collect();
    let parts = command.args.iter().skip(1).map(OsString::as_os_str).chain([command.cwd.as_os_str()]);
    let hash = parts.fold(FNV_OFFSET, |hash, part| {
        // A byte that no argument has ends each of them.
        part.as_encoded_bytes().iter().chain(&[0]).fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
    });
    format!("{base}-{:08x}", hash >> 32)
}

/// FNV-1a: the same on every machine and in every version, and nobody has to withstand an attack here.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
