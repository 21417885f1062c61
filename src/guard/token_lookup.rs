//! Finds the tokens of a start: in its environment, and in `env_file`.
#![expect(
    clippy::disallowed_methods,
    reason = "a bot's token is in its environment, or in a file that it reads itself"
)]

use std::env;

use crate::config::Config;
use crate::config::dotenv::{self, EnvFile};
use crate::engine::carried_tokens::bots_in;
use crate::engine::token::{OwnTokens, Token};
use crate::text::{join_and, printable};

/// Returns the bot's token: from the first variable that has one, else the first one in `env_file`.
#[must_use]
pub fn token(config: &Config) -> Option<Token> {
    own_tokens(config).mine
}

/// Returns the tokens of this start, and logs problems with them.
pub(crate) fn own_tokens(config: &Config) -> OwnTokens {
    let lookup = search(config);
    if let Some(note) = &lookup.note {
        tracing::info!("{note}");
    }
    for warning in lookup.warnings(config) {
        tracing::warn!("{warning}");
    }
    if let Some(mine) = lookup.tokens.mine.as_ref().filter(|_| lookup.tokens.bots.len() > 1) {
        let others = lookup.tokens.bots.iter().filter(|bot| **bot != mine.id());
        let others: Vec<String> = others.map(ToString::to_string).collect();
        tracing::debug!(
            "the token of bot {} names the instance; that of bot {} is set too",
            mine.id(),
            join_and(&others)
        );
    }
    lookup.tokens
}

#[derive(Debug, Default)]
pub(crate) struct TokenLookup {
    pub(crate) tokens: OwnTokens,
    /// A note about `env_file` for the log.
    pub(crate) note: Option<String>,
    /// A problem with `env_file`.
    pub(crate) warning: Option<String>,
    /// If there is no token: printable names of variables with another value.
    pub(crate) misfits: Vec<String>,
}

impl TokenLookup {
    /// Returns the problems with `env_file` and with the variables that may have the token.
    pub(crate) fn warnings(&self, config: &Config) -> Vec<String> {
        let unlisted =
            if self.tokens.mine.is_some() { Vec::new() } else { unlisted_tokens(config) };
        let unlisted = (!unlisted.is_empty()).then(|| {
            let names = join_and(&unlisted);
            let looks = if unlisted.len() == 1 { "looks like one" } else { "look like tokens" };
            format!(
                "no bot token is in a variable of `token_env`, but {names} {looks}; add the \
                 variable that the bot reads to `token_env`"
            )
        });
        let misfit = |misfit: &String| {
            format!(
                "{misfit} is set, but is not a bot token (5–16 digits, a colon and 35 letters, \
                 digits, `_` or `-`), so it is ignored; set it to the token from @BotFather"
            )
        };
        let misfits = self.misfits.iter().map(misfit);
        self.warning.iter().cloned().chain(unlisted).chain(misfits).collect()
    }
}

/// Searches for the token without logging.
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
    TokenLookup { tokens: OwnTokens { mine, bots }, note, warning: file.warning, misfits }
}

/// Returns printable names of variables that have a token but are not in `token_env`.
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
