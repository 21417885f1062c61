//! Finds tokens in the arguments and the environment of a process, as the kernel shows them. A
//! token that was found is never kept.

use memchr::memmem;

use crate::engine::instance::BotId;
use crate::engine::token::{CarriedToken, Token, TokenPlace, parse_bot_id};

/// The secret half of a real token has 35 characters; on a command line anything shorter than this
/// is no token.
const MIN_SECRET: usize = 20;

/// Returns the token that a process with these arguments and this environment carries. Other bots'
/// tokens, and an older one of mine, are only looked for in the variables of `token_env`.
pub fn carried_token(
    mine: &Token,
    args: &[u8],
    environ: &[u8],
    token_env: &[String],
) -> CarriedToken {
    let on_command_line = in_arguments(mine, args);
    let in_environment = in_environment(mine, environ, token_env);
    match (on_command_line, in_environment) {
        (TokenFound::Mine, _) => CarriedToken::Mine(TokenPlace::CommandLine),
        (_, TokenFound::Mine) => CarriedToken::Mine(TokenPlace::Environment),
        (TokenFound::Other(id), _) | (TokenFound::None, TokenFound::Other(id)) => {
            CarriedToken::Other(id)
        }
        (TokenFound::None, TokenFound::None) => CarriedToken::None,
    }
}

/// Returns whether `bytes` may have a token of my bot in them; a quick search that never misses
/// one.
pub fn may_be_in(mine: &Token, bytes: &[u8]) -> bool {
    memmem::find(bytes, mine.prefix().as_bytes()).is_some()
}

fn in_arguments(mine: &Token, args: &[u8]) -> TokenFound {
    if memmem::find(args, mine.expose().as_bytes()).is_some() {
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
        if secret < MIN_SECRET {
            continue;
        }
        match parse_bot_id(before.get(before.len() - digits..).unwrap_or_default()) {
            Some(id) if id == mine.id() => return TokenFound::Mine,
            Some(id) => other = TokenFound::Other(id),
            None => {}
        }
    }
    other
}

fn in_environment(mine: &Token, environ: &[u8], token_env: &[String]) -> TokenFound {
    let mut other = TokenFound::None;
    for entry in environ.split(|byte| *byte == 0) {
        let Some(equals) = memchr::memchr(b'=', entry) else { continue };
        let (name, value) =
            (entry.get(..equals).unwrap_or_default(), entry.get(equals + 1..).unwrap_or_default());
        if value == mine.expose().as_bytes() {
            return TokenFound::Mine;
        }
        if !token_env.iter().any(|known| known.as_bytes() == name) {
            continue;
        }
        match std::str::from_utf8(value).ok().and_then(Token::parse) {
            Some(token) if token.id() == mine.id() => return TokenFound::Mine,
            Some(token) => other = TokenFound::Other(token.id()),
            None => {}
        }
    }
    other
}

enum TokenFound {
    None,
    Mine,
    Other(BotId),
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
    const OTHER: &str = "654321:BBHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw2";

    fn carried(args: &str, environ: &str) -> CarriedToken {
        carried_token(
            &Token::parse(MINE).unwrap(),
            args.as_bytes(),
            environ.as_bytes(),
            &["BOT_TOKEN".to_owned()],
        )
    }

    #[test]
    fn my_token_differs_from_that_of_another_bot() {
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
            // A rotated secret is still my bot's; 20 characters are the shortest on a command line.
            (format!("bot\0123456:{}\0", "x".repeat(20)), String::new(), on_command_line),
            (format!("bot\0123456:{}\0", "x".repeat(19)), String::new(), CarriedToken::None),
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
    fn the_quick_search_finds_every_token_of_my_bot() {
        let mine = Token::parse(MINE).unwrap();
        assert!(may_be_in(&mine, b"A=b\0BOT_TOKEN=123456:rotated\0"));
        assert!(!may_be_in(&mine, OTHER.as_bytes()));
    }
}
