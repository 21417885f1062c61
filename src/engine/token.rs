//! The bot token, and the token that a process carries.

use std::fmt;

use crate::engine::instance::BotId;
use crate::text::MASK;

/// My own bot token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: BotId,
    text: String,
    /// The number and its colon.
    prefix: String,
}

impl Token {
    /// Reads a token from a string such as a variable's value; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Token> {
        let text = text.trim();
        let (id, secret) = text.split_once(':')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let id = parse_bot_id(id.as_bytes())?;
        (!secret.is_empty() && secret.bytes().all(plain)).then(|| Token {
            id,
            text: text.to_owned(),
            prefix: format!("{id}:"),
        })
    }

    /// All of it, for a request to the Bot API and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The number and its colon, which no other bot's token has.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The number before its colon.
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

/// Leaves out the secret half.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}:***)", self.id)
    }
}

/// The number before a token's colon.
pub(super) fn parse_bot_id(digits: &[u8]) -> Option<BotId> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    text.parse().ok().map(BotId)
}

/// The bot token that a process carries, on its command line or in its environment. The token
/// itself is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarriedToken {
    /// My bot is not known, or the user asked not to look.
    NotLookedFor,
    /// None that can be seen; a token that was read from a file cannot.
    None,
    /// My bot's.
    Mine(TokenPlace),
    /// Only another bot's.
    Other(BotId),
}

/// The place where a token was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// On the command line: it was meant for this process.
    CommandLine,
    /// In the environment: it may only have been inherited.
    Environment,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

    #[test]
    fn a_token_is_a_number_a_colon_and_a_secret() {
        assert_eq!(Token::parse("123456:abc-_").map(|it| it.id()), Some(BotId(123_456)));
        for no_token in [
            "",
            ":abc",
            "123456:",
            "abc:def",
            "+12:abc",
            "12 3:abc",
            "123:a b",
            "99999999999999999999999:abc",
        ] {
            assert_eq!(Token::parse(no_token), None, "{no_token}");
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
