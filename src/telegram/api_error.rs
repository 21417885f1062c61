//! Why Telegram could not say whether there is a webhook.

use std::time::Duration;

use humantime::format_duration;

/// Why there is no answer; texts are masked and printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// Telegram does not know the token.
    Unauthorized,
    /// Too many requests: it wants to be left alone, for this long if it says so.
    TooMany(Option<Duration>),
    /// It answered with this status, and said why if it is a Bot API.
    Answered(u16, Option<String>),
    /// It names another place with this status; the token is not taken there.
    Redirects(u16),
    /// It answered with what is not the Bot API's.
    NoBotApi,
    /// It did not answer in time.
    Late(Duration),
    /// It cannot be connected to.
    Unreachable(String),
    /// Its certificate or its TLS cannot be trusted.
    Untrusted(String),
    /// The proxy of the environment cannot be used.
    Proxy(String),
}

impl ApiError {
    /// What is the matter with the server that is called `server`.
    #[must_use]
    pub fn sentence(&self, server: &str) -> String {
        match self {
            ApiError::Unauthorized => {
                format!("{server} does not know this bot's token (401 Unauthorized)")
            }
            ApiError::TooMany(Some(wait)) => {
                format!(
                    "{server} wants to be left alone for {} (429 Too Many Requests)",
                    format_duration(*wait)
                )
            }
            ApiError::TooMany(None) => {
                format!("{server} wants to be left alone (429 Too Many Requests)")
            }
            ApiError::Answered(status, Some(why)) => format!("{server} answered {status}: {why}"),
            ApiError::Answered(status, None) => format!("{server} answered {status}"),
            ApiError::Redirects(status) => format!(
                "{server} answered {status}, which names another place; the token is not taken there"
            ),
            ApiError::NoBotApi => format!("{server} answered what no Bot API does"),
            ApiError::Late(timeout) => {
                format!("{server} did not answer within {}", format_duration(*timeout))
            }
            ApiError::Unreachable(why) | ApiError::Proxy(why) => {
                format!("{server} cannot be reached: {why}")
            }
            ApiError::Untrusted(why) => format!("{server} cannot be trusted: {why}"),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        match self {
            ApiError::Unauthorized => {
                "compare it with what @BotFather says: it may have been revoked, or cut off"
            }
            ApiError::TooMany(_) => "try again later",
            ApiError::Answered(..) | ApiError::Redirects(_) | ApiError::NoBotApi => {
                "see whether `telegram.api_url` is right"
            }
            ApiError::Late(_) => {
                "see whether this machine reaches it, and give it more time in `telegram.timeout`"
            }
            ApiError::Unreachable(_) => {
                "see whether this machine reaches it, and whether `telegram.api_url` is right"
            }
            ApiError::Untrusted(_) => {
                "see who answers at `telegram.api_url`: the authorities that browsers trust are trusted here, and no others"
            }
            ApiError::Proxy(_) => "see to HTTPS_PROXY or ALL_PROXY, or name the server in NO_PROXY",
        }
    }
}
