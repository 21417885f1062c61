//! A bot token, and the tokens that a process carries.

use std::collections::BTreeSet;
use std::fmt;

use crate::engine::fact::Fact;
use crate::engine::instance::BotId;
use crate::text::{MASK, SECRET_LENGTH};

/// The digits of a bot's number.
const NUMBER_LENGTHS: std::ops::RangeInclusive<usize> = 5..=16;

/// A bot token: 5–16 digits, a colon, and 35 letters, digits, `_` or `-`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: BotId,
    text: String,
    /// The number and its colon.
    prefix: String,
}

impl Token {
    /// Parses a token from a string, such as the value of a variable.
    #[must_use]
    pub fn parse(text: &str) -> Option<Token> {
        let text = text.trim();
        let (id, secret) = text.split_once(':')?;
        let id = parse_bot_id(id.as_bytes())?;
        let is_secret = secret.len() == SECRET_LENGTH && secret.bytes().all(is_secret_byte);
        is_secret.then(|| Token { id, text: text.to_owned(), prefix: format!("{id}:") })
    }

    /// Returns the whole token. Only for requests to the Bot API.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Returns the number with its colon, which is unique to this bot.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the number before the colon.
    #[must_use]
    pub fn id(&self) -> BotId {
        self.id
    }

    /// Returns `text` without the secret half of this token.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secret = self.text.split_once(':').map_or(self.text.as_str(), |(_, secret)| secret);
        text.replace(secret, MASK)
    }
}

/// Hides the secret half.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}:***)", self.id)
    }
}

/// A variable that should have a token, and has another value, which is not kept.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// The variable and its place, printable.
    pub(crate) place: String,
    /// The number of characters after the colon, if a token has another number of them.
    pub(crate) wrong_length: Option<usize>,
}

impl Misfit {
    pub(crate) fn new(place: String, value: &str) -> Misfit {
        let secret = value.trim().split_once(':').filter(|(id, _)| is_bot_id(id));
        let length = secret.map(|(_, secret)| secret.chars().count());
        Misfit { place, wrong_length: length.filter(|length| *length != SECRET_LENGTH) }
    }
}

fn is_bot_id(text: &str) -> bool {
    parse_bot_id(text.as_bytes()).is_some()
}

/// Parses the number before a token's colon.
pub(super) fn parse_bot_id(digits: &[u8]) -> Option<BotId> {
    let is_number = NUMBER_LENGTHS.contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    text.parse().ok().map(BotId)
}

pub(super) fn is_secret_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The bot tokens of this start: those in its environment and in `env_file`, under any name.
#[derive(Debug, Clone, Default)]
pub struct OwnTokens {
    /// This bot's token: the value of the first variable of `token_env` that is set.
    pub mine: Option<Token>,
    /// The numbers of all bots.
    pub bots: BTreeSet<BotId>,
    /// Another bot, which the `.env` of the folder names. A process that has no token in its
    /// environment may have read it.
    pub in_dotenv: Option<BotId>,
    /// The file that names this bot, if it may have named another one before.
    pub changed_env_file: Option<ChangedEnvFile>,
}

/// A file with this bot's token that may have had another bot's before its last change: a file
/// beside it has that, or a line that is commented out. What a process has read is unknown if it
/// may have read the file before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedEnvFile {
    /// The file, printable.
    pub name: String,
    /// The file and line with the other bot's token, printable.
    pub other_place: String,
    /// The other bot.
    pub bot: BotId,
    /// The latest start of a process that may have read the file before its last change, as in
    /// [`ProcessId::start`](crate::engine::process::ProcessId::start).
    pub last_start: u64,
}

/// The bot tokens on a process's command line and in its environment. Tokens that it read from a
/// file are not visible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarriedTokens {
    /// This bot's token, and the place where it was seen.
    pub mine: Fact<MyToken>,
    /// Another bot, which this start has no token of.
    pub other: Fact<Option<BotId>>,
    /// The number of different bots whose tokens are visible.
    pub count: usize,
}

/// The result of looking for this bot's token on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MyToken {
    /// The start has no token, so there is nothing to compare.
    NotLookedFor,
    /// The process visibly carries no token of this bot.
    NotSeen,
    /// The process carries this bot's token.
    Seen(TokenPlace),
}

/// The place where a token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// On the command line, so it was meant for this process.
    CommandLine,
    /// In the environment, so it may have been inherited.
    Environment,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

    #[test]
    fn a_token_is_a_number_a_colon_and_a_secret() {
        let secret = "abcdefghijklmnopqrstuvwxyz-_1234567";
        let token = |number: &str| Token::parse(&format!(" {number}:{secret} "));
        assert_eq!(token("12345").map(|it| it.id()), Some(BotId(12_345)));
        for no_number in ["", "abc", "+12345", "12 345", "1234", "12345678901234567"] {
            assert_eq!(token(no_number), None, "{no_number}");
        }
        for no_secret in ["", "abc", "a b", &secret[1..], &format!("{secret}x")] {
            assert_eq!(Token::parse(&format!("123456:{no_secret}")), None, "{no_secret}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let token = Token::parse(MINE).unwrap();
        assert_eq!(format!("{token:?}"), "Token(123456:***)");
        let url = format!("/bot{MINE}/getMe");
        assert_eq!(token.redact(&url), "/bot123456:***/getMe");
    }
}
