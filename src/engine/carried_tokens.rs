//! Parses the bot tokens in the arguments and environment of a process. Tokens themselves are never
//! stored. `evidence.rs` decides whether a token proves that the process polls.

use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memmem;

use crate::engine::fact::Fact;
use crate::engine::instance::BotId;
use crate::engine::token::{
    CarriedTokens, MyToken, OwnTokens, Token, TokenPlace, is_secret_byte, parse_bot_id,
};
use crate::text::SECRET_LENGTH;

/// The owner of a process, which decides how its tokens are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOwner {
    /// The bot's number is enough: the secret may have been rotated.
    Me,
    /// The secret must match too, because anyone can make up a number.
    AnotherUser,
}

/// Returns the tokens in these arguments and this environment. `None` means unreadable, so any
/// token may be in there.
pub fn carried_tokens(
    own: &OwnTokens,
    args: Option<&[u8]>,
    environ: Option<&[u8]>,
    owner: TokenOwner,
) -> CarriedTokens {
    let mut bots = BTreeSet::new();
    let mut place = None;
    for (bytes, in_place) in [(args, TokenPlace::CommandLine), (environ, TokenPlace::Environment)] {
        let bytes = bytes.unwrap_or_default();
        for found in (TokensIn { bytes, at: 0 }) {
            bots.insert(found.bot);
            let is_mine = own.mine.as_ref().is_some_and(|mine| match owner {
                TokenOwner::Me => mine.id() == found.bot,
                TokenOwner::AnotherUser => {
                    bytes.get(found.span.clone()) == Some(mine.expose().as_bytes())
                }
            });
            let is_request =
                in_place == TokenPlace::CommandLine && is_other_request(bytes, &found.span);
            if is_mine && !is_request {
                place = place.or(Some(in_place));
            }
        }
    }
    let is_all_read = args.is_some() && environ.is_some();
    let other = bots.iter().copied().find(|bot| !own.bots.contains(bot));
    CarriedTokens {
        mine: match (&own.mine, place) {
            (None, _) => Fact::Known(MyToken::NotLookedFor),
            (Some(_), Some(place)) => Fact::Known(MyToken::Seen(place)),
            (Some(_), None) if is_all_read => Fact::Known(MyToken::NotSeen),
            (Some(_), None) => Fact::Unknown,
        },
        other: if other.is_some() || is_all_read { Fact::Known(other) } else { Fact::Unknown },
        count: bots.len(),
    }
}

/// Returns the bots whose tokens are in `text`.
pub fn bots_in(text: &[u8]) -> BTreeSet<BotId> {
    TokensIn { bytes: text, at: 0 }.map(|found| found.bot).collect()
}

/// Returns whether `bytes` may contain a token of the bot. Quick, and without false negatives.
pub fn may_be_in(mine: &Token, bytes: &[u8]) -> bool {
    memmem::find(bytes, mine.prefix().as_bytes()).is_some()
}

/// Precedes the token in the URL of a Bot API request.
const URL_PREFIX: &[u8] = b"/bot";

/// Returns whether the token is part of a URL that calls a non-polling method, such as an upload.
fn is_other_request(bytes: &[u8], span: &Range<usize>) -> bool {
    let (before, after) =
        (bytes.get(..span.start).unwrap_or_default(), bytes.get(span.end..).unwrap_or_default());
    let Some(method) = after.strip_prefix(b"/").filter(|_| before.ends_with(URL_PREFIX)) else {
        return false;
    };
    let length = method.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    !method.get(..length).is_some_and(|method| method.eq_ignore_ascii_case(b"getUpdates"))
}

struct FoundToken {
    bot: BotId,
    span: Range<usize>,
}

/// Iterates over the tokens in `bytes`. A token starts after a byte that is not alphanumeric, and
/// ends before a byte that cannot be part of a secret.
struct TokensIn<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for TokensIn<'_> {
    type Item = FoundToken;

    fn next(&mut self) -> Option<FoundToken> {
        loop {
            let colon = self.at + memchr::memchr(b':', self.bytes.get(self.at..)?)?;
            self.at = colon + 1;
            let (before, after) = (self.bytes.get(..colon)?, self.bytes.get(colon + 1..)?);
            let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let (before, number) = before.split_at(colon - digits);
            let secret = after.iter().take_while(|byte| is_secret_byte(**byte)).count();
            let is_part_of_a_word = before.last().is_some_and(u8::is_ascii_alphanumeric)
                && !before.ends_with(URL_PREFIX);
            if secret == SECRET_LENGTH
                && !is_part_of_a_word
                && let Some(bot) = parse_bot_id(number)
            {
                self.at = colon + 1 + secret;
                return Some(FoundToken { bot, span: colon - digits..self.at });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
    const ROTATED: &str = "123456:ZZHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9";
    const ALSO_MINE: &str = "777777:CCHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw3";
    const OTHER: &str = "654321:BBHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw2";

    fn own() -> OwnTokens {
        let bots = [MINE, ALSO_MINE].iter().map(|it| Token::parse(it).unwrap().id()).collect();
        OwnTokens { mine: Token::parse(MINE), bots, ..OwnTokens::default() }
    }

    fn carried(args: &str, environ: &str) -> CarriedTokens {
        let (args, environ) = (Some(args.as_bytes()), Some(environ.as_bytes()));
        carried_tokens(&own(), args, environ, TokenOwner::Me)
    }

    fn tokens(mine: MyToken, other: Option<u64>, count: usize) -> CarriedTokens {
        CarriedTokens { mine: Fact::Known(mine), other: Fact::Known(other.map(BotId)), count }
    }

    #[test]
    fn a_token_under_any_name_is_seen_and_told_from_another_bots() {
        let on_command_line = MyToken::Seen(TokenPlace::CommandLine);
        let in_environment = MyToken::Seen(TokenPlace::Environment);
        let none = MyToken::NotSeen;
        for (args, environ, expected) in [
            (format!("bot\0--token={MINE}\0"), String::new(), tokens(on_command_line, None, 1)),
            (format!("bot\0{ROTATED}\0"), String::new(), tokens(on_command_line, None, 1)),
            ("bot\0".into(), format!("A=b\0BOT_TOKEN={MINE}\0"), tokens(in_environment, None, 1)),
            ("bot\0".into(), format!("ANY_NAME={ROTATED}\0"), tokens(in_environment, None, 1)),
            ("bot\0".into(), format!("U=http://h/bot{MINE}/\0"), tokens(in_environment, None, 1)),
            ("bot\0".into(), format!("MY_SECRET={OTHER}\0"), tokens(none, Some(654_321), 1)),
            (format!("bot\0{OTHER}\0"), String::new(), tokens(none, Some(654_321), 1)),
            ("bot\0".into(), format!("ADMIN={ALSO_MINE}\0"), tokens(none, None, 1)),
            (
                format!("bot\0{OTHER}\0"),
                format!("BOT_TOKEN={MINE}\0"),
                tokens(in_environment, Some(654_321), 2),
            ),
            ("bot\0--listen=123456:8080\0".into(), String::new(), tokens(none, None, 0)),
        ] {
            assert_eq!(carried(&args, &environ), expected, "{args:?} {environ:?}");
        }
    }

    #[test]
    fn what_only_resembles_a_token_is_none() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        for text in [
            digest,
            format!("x{OTHER}"),
            format!("{OTHER}x"),
            format!("1234:{}", "a".repeat(35)),
            format!("12345678901234567:{}", "a".repeat(35)),
            format!("654321:{}", "a".repeat(34)),
        ] {
            assert_eq!(carried(&format!("bot\0{text}\0"), ""), tokens(MyToken::NotSeen, None, 0));
        }
    }

    #[test]
    fn the_url_of_a_request_is_a_poller_only_for_get_updates() {
        let in_url = |method: &str| format!("curl\0https://host/bot{MINE}{method}\0");
        for (method, place) in [
            ("/sendDocument", MyToken::NotSeen),
            ("/getMe?x=1", MyToken::NotSeen),
            ("/getUpdates?timeout=50", MyToken::Seen(TokenPlace::CommandLine)),
            ("/GETUPDATES", MyToken::Seen(TokenPlace::CommandLine)),
            ("", MyToken::Seen(TokenPlace::CommandLine)),
        ] {
            assert_eq!(carried(&in_url(method), "").mine, Fact::Known(place), "{method}");
        }
    }

    #[test]
    fn of_another_user_only_the_exact_token_counts() {
        let of = |token: &str| {
            let args = format!("bot\0{token}\0");
            let (args, environ) = (Some(args.as_bytes()), Some(b"".as_slice()));
            carried_tokens(&own(), args, environ, TokenOwner::AnotherUser).mine
        };
        assert_eq!(of(MINE), Fact::Known(MyToken::Seen(TokenPlace::CommandLine)));
        assert_eq!(of(ROTATED), Fact::Known(MyToken::NotSeen));
    }

    #[test]
    fn without_a_token_of_mine_every_token_is_of_a_bot_that_i_do_not_have() {
        let environ = format!("MY_SECRET={OTHER}\0");
        let (args, environ) = (Some(b"bot\0".as_slice()), Some(environ.as_bytes()));
        let carried = carried_tokens(&OwnTokens::default(), args, environ, TokenOwner::Me);
        assert_eq!(carried, tokens(MyToken::NotLookedFor, Some(654_321), 1));
    }

    #[test]
    fn what_cannot_be_read_may_have_any_token_in_it() {
        let args = format!("bot\0{MINE}\0");
        let on_command_line = carried_tokens(&own(), Some(args.as_bytes()), None, TokenOwner::Me);
        assert_eq!(on_command_line.mine, Fact::Known(MyToken::Seen(TokenPlace::CommandLine)));
        assert_eq!(on_command_line.other, Fact::Unknown);
        let nothing_seen = carried_tokens(&own(), Some(b"bot\0"), None, TokenOwner::Me);
        assert_eq!((nothing_seen.mine, nothing_seen.other), (Fact::Unknown, Fact::Unknown));
    }

    #[test]
    fn the_quick_search_finds_every_token_of_my_bot() {
        let mine = Token::parse(MINE).unwrap();
        assert!(may_be_in(&mine, format!("A=b\0BOT_TOKEN={ROTATED}\0").as_bytes()));
        assert!(!may_be_in(&mine, OTHER.as_bytes()));
    }
}
