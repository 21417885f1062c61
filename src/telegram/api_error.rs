//! Errors of requests to Telegram.

use std::time::Duration;

use humantime::format_duration;

#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError {
    Unauthorized,
    /// Too many requests. Telegram may say when to try again.
    TooMany(Option<Duration>),
    /// Another status, with the description if the server speaks the Bot API.
    Answered(u16, Option<String>),
    /// A redirect with this status. Redirects are not followed.
    Redirects(u16),
    /// The response is not from a Bot API.
    NoBotApi,
    /// No answer within this time.
    Late(Duration),
    Unreachable(String),
    /// The certificate or TLS connection cannot be trusted.
    Untrusted(String),
    Proxy(String),
}

impl ApiError {
    pub(super) fn map_text(self, f: impl FnOnce(String) -> String) -> ApiError {
        match self {
            ApiError::Answered(status, why) => ApiError::Answered(status, why.map(f)),
            ApiError::Unreachable(why) => ApiError::Unreachable(f(why)),
            ApiError::Untrusted(why) => ApiError::Untrusted(f(why)),
            ApiError::Proxy(why) => ApiError::Proxy(f(why)),
            other @ (ApiError::Unauthorized
            | ApiError::TooMany(_)
            | ApiError::Redirects(_)
            | ApiError::NoBotApi
            | ApiError::Late(_)) => other,
        }
    }

    pub fn sentence(&self, server: &str) -> String {
        match self {
            ApiError::Unauthorized => {
                format!("{server} does not know this bot's token (401 Unauthorized)")
            }
            ApiError::TooMany(Some(wait)) => {
                format!(
                    "{server} asks to wait for {} (429 Too Many Requests)",
                    format_duration(*wait)
                )
            }
            ApiError::TooMany(None) => {
                format!("{server} asks to wait (429 Too Many Requests)")
            }
            ApiError::Answered(status, Some(why)) => format!("{server} answered {status}: {why}"),
            ApiError::Answered(status, None) => format!("{server} answered {status}"),
            ApiError::Redirects(status) => format!(
                "{server} answered {status}, a redirect, which is not followed because that would \
                 reveal the token"
            ),
            ApiError::NoBotApi => format!("{server} did not answer like a Bot API server"),
            ApiError::Late(timeout) => {
                format!("{server} did not answer within {}", format_duration(*timeout))
            }
            ApiError::Unreachable(why) | ApiError::Proxy(why) => {
                format!("{server} cannot be reached: {why}")
            }
            ApiError::Untrusted(why) => format!("{server} cannot be trusted: {why}"),
        }
    }

    pub fn hint(&self) -> &'static str {
        match self {
            ApiError::Unauthorized => {
                "compare it with the token at @BotFather: it may be revoked or incomplete"
            }
            ApiError::TooMany(_) => "try again later",
            ApiError::Answered(..) | ApiError::Redirects(_) | ApiError::NoBotApi => {
                "check `telegram.api_url`"
            }
            ApiError::Late(_) => "check the network, or raise `telegram.timeout`",
            ApiError::Unreachable(_) => "check the network and `telegram.api_url`",
            ApiError::Untrusted(_) => {
                "check `telegram.api_url`: only the certificate authorities that browsers trust \
                 are trusted"
            }
            ApiError::Proxy(_) => "check HTTPS_PROXY and ALL_PROXY, or name the server in NO_PROXY",
        }
    }
}
