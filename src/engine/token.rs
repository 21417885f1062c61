//! The bot token: who carries which. It is looked at, never kept, never written.

use std::fmt;

use memchr::memmem;

use crate::{
    engine::{
        instance::BotId,
        snapshot::{CarriedToken, TokenPlace},
    },
    text::MASK,
};

/// The secret half of a real token has 35 characters; on a command line anything shorter than this
/// is no token.
const SHORTEST_SECRET: usize = 20;

/// My own bot token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: BotId,
    text: String,
    /// The number and its colon.
    beginning: String,
}

impl Token {
    /// The token in a text such as a variable's value; `None`: it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Token> {
        let text = text.trim();
        let (id, secret) = text.split_once(':')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let id = parse_id(id.as_bytes())?;
        (!secret.is_empty() && secret.bytes().all(plain)).then(|| Token {
            id,
            text: text.to_owned(),
            beginning: format!("{id}:"),
        })
    }

    /// All of it, for a request to the Bot API and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The number before its colon.
    #[must_use]
    pub fn id(&self) -> BotId {
        self.id
    }

    /// `text` without it, in whatever form a server may have said it back.
    pub(crate) fn taken_out_of(&self, text: &str) -> String {
        let secret = self.text.split_once(':').map_or(self.text.as_str(), |(_, secret)| secret);
        text.replace(secret, MASK)
    }

    /// Which token a process carries, by its arguments and its environment as the kernel shows
    /// them.
    #[must_use]
    pub fn carried(&self, args: &[u8], environ: &[u8], token_env: &[String]) -> CarriedToken {
        let on_command_line = self.in_arguments(args);
        let in_environment = self.in_environment(environ, token_env);
        match (on_command_line, in_environment) {
            (TokenFound::Mine, _) => CarriedToken::Mine(TokenPlace::CommandLine),
            (_, TokenFound::Mine) => CarriedToken::Mine(TokenPlace::Environment),
            (TokenFound::Other(id), _) | (TokenFound::None, TokenFound::Other(id)) => {
                CarriedToken::Other(id)
            }
            (TokenFound::None, TokenFound::None) => CarriedToken::None,
        }
    }

    /// A quick look that never misses mine: whether a closer one is worth it.
    #[must_use]
    pub fn may_be_in(&self, bytes: &[u8]) -> bool {
        memmem::find(bytes, self.beginning.as_bytes()).is_some()
    }

    fn in_arguments(&self, args: &[u8]) -> TokenFound {
        if memmem::find(args, self.text.as_bytes()).is_some() {
            return TokenFound::Mine;
        }
        let mut other = TokenFound::None;
        for colon in memchr::memchr_iter(b':', args) {
            let (before, after) =
                (args.get(..colon).unwrap_or_default(), args.get(colon + 1..).unwrap_or_default());
            let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let secret = after
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            if secret < SHORTEST_SECRET {
                continue;
            }
            match parse_id(before.get(before.len() - digits..).unwrap_or_default()) {
                Some(id) if id == self.id => return TokenFound::Mine,
                Some(id) => other = TokenFound::Other(id),
                None => {}
            }
        }
        other
    }

    fn in_environment(&self, environ: &[u8], token_env: &[String]) -> TokenFound {
        let mut other = TokenFound::None;
        for entry in environ.split(|byte| *byte == 0) {
            let Some(equals) = memchr::memchr(b'=', entry) else { continue };
            let (name, value) = (
                entry.get(..equals).unwrap_or_default(),
                entry.get(equals + 1..).unwrap_or_default(),
            );
            if value == self.text.as_bytes() {
                return TokenFound::Mine;
            }
            if !token_env.iter().any(|known| known.as_bytes() == name) {
                continue;
            }
            match std::str::from_utf8(value).ok().and_then(Token::parse) {
                Some(token) if token.id == self.id => return TokenFound::Mine,
                Some(token) => other = TokenFound::Other(token.id),
                None => {}
            }
        }
        other
    }
}

/// The secret half is for nobody.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}:***)", self.id)
    }
}

enum TokenFound {
    None,
    Mine,
    Other(BotId),
}

fn parse_id(digits: &[u8]) -> Option<BotId> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    text.parse().ok().map(BotId)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
    const OTHER: &str = "654321:BBHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw2";

    fn carried(args: &str, environ: &str) -> CarriedToken {
        Token::parse(MINE).unwrap().carried(
            args.as_bytes(),
            environ.as_bytes(),
            &["BOT_TOKEN".to_owned()],
        )
    }

    #[test]
    fn a_token_is_a_number_a_colon_and_a_secret() {
        assert_eq!(Token::parse("123456:abc-_").map(|it| it.id()), Some(BotId(123_456)));
        for no_token in
            ["", ":abc", "123456:", "abc:def", "12 3:abc", "123:a b", "99999999999999999999999:abc"]
        {
            assert_eq!(Token::parse(no_token), None, "{no_token}");
        }
    }

    #[test]
    fn mine_is_told_from_another_bots() {
        let on_command_line = CarriedToken::Mine(TokenPlace::CommandLine);
        let in_environment = CarriedToken::Mine(TokenPlace::Environment);
        for (args, environ, expected) in [
            (format!("bot\0--token={MINE}\0"), String::new(), on_command_line),
            (format!("bot\0https://host/bot{MINE}/getMe\0"), String::new(), on_command_line),
            ("bot\0".into(), format!("A=b\0BOT_TOKEN={MINE}\0"), in_environment),
            ("bot\0".into(), format!("ANY_NAME={MINE}\0"), in_environment),
            ("bot\0".into(), "BOT_TOKEN=123456:rotated\0".into(), in_environment),
            ("bot\0".into(), format!("BOT_TOKEN={OTHER}\0"), CarriedToken::Other(BotId(654_321))),
            (format!("bot\0{OTHER}\0"), String::new(), CarriedToken::Other(BotId(654_321))),
            (format!("bot\0{OTHER}\0"), format!("BOT_TOKEN={MINE}\0"), in_environment),
            (
                "bot\0--listen=123456:8080\0".into(),
                format!("UNRELATED={OTHER}\0"),
                CarriedToken::None,
            ),
        ] {
            assert_eq!(carried(&args, &environ), expected, "{args:?} {environ:?}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Token::parse(MINE).unwrap()), "Token(123456:***)");
    }
}
