//! The two calls that are made: what the webhook is, and that there be none.

use std::{io, time::Duration};

use serde_json::Value;
use ureq::{Agent, Body, Error, http::Response};

use crate::{
    config::ApiUrl,
    engine::token::Token,
    sys::clock,
    telegram::{
        api_error::ApiError,
        proxy,
        response::{self, Webhook},
    },
    text::sanitize,
};

/// The largest answer that is read: a webhook's has less than a kilobyte.
const LARGEST: u64 = 64 << 10;

/// A bot's own place at a Bot API server.
#[derive(Debug, Clone)]
pub(super) struct Api {
    /// The server.
    pub(super) url: ApiUrl,
    /// The bot's token.
    pub(super) token: Token,
    /// How long a question may take in all, whatever it takes to answer it.
    pub(super) timeout: Duration,
}

/// What the calls of one question share: a connection, and the time.
struct ApiSession {
    agent: Agent,
    until: Duration,
}

/// A call, and how it is made.
enum ApiMethod {
    GetWebhookInfo,
    DeleteWebhook,
}

impl Api {
    /// The webhook that is set.
    pub(super) fn webhook(&self) -> Result<Option<Webhook>, ApiError> {
        self.tidied(self.line().and_then(|line| self.info(&line)))
    }

    /// Deletes the webhook and drops no update; the one that is set all the same, as something else
    /// sets it.
    pub(super) fn delete(&self) -> Result<Option<Webhook>, ApiError> {
        self.tidied(self.line().and_then(|line| {
            self.call(&ApiMethod::DeleteWebhook, &line)?;
            self.info(&line)
        }))
    }

    fn info(&self, line: &ApiSession) -> Result<Option<Webhook>, ApiError> {
        self.call(&ApiMethod::GetWebhookInfo, line).and_then(|info| response::webhook(&info))
    }

    fn line(&self) -> Result<ApiSession, ApiError> {
        let until = clock::patience().saturating_add(self.timeout);
        let config = Agent::config_builder()
            // The token is in the address: it goes nowhere else.
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(proxy::to(&self.url)?)
            .user_agent(concat!("monopoll/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(ApiSession { agent: config.into(), until })
    }

    fn call(&self, method: &ApiMethod, line: &ApiSession) -> Result<Value, ApiError> {
        let left = line.until.saturating_sub(clock::patience());
        if left.is_zero() {
            return Err(ApiError::Late(self.timeout));
        }
        let left = Some(left);
        let address = |method: &str| format!("{}/bot{}/{method}", self.url, self.token.expose());
        let response = match method {
            ApiMethod::GetWebhookInfo => line
                .agent
                .get(address("getWebhookInfo"))
                .config()
                .timeout_global(left)
                .build()
                .call(),
            ApiMethod::DeleteWebhook => {
                let request =
                    line.agent.post(address("deleteWebhook")).config().timeout_global(left).build();
                request.send_form([("drop_pending_updates", "false")])
            }
        };
        self.read(response.map_err(|error| self.trouble(error))?)
    }

    fn read(&self, mut response: Response<Body>) -> Result<Value, ApiError> {
        let status = response.status().as_u16();
        match response.body_mut().with_config().limit(LARGEST).read_to_vec() {
            Ok(body) => response::result(status, &body),
            Err(Error::BodyExceedsLimit(_)) => response::result(status, &[]),
            Err(error) => Err(self.trouble(error)),
        }
    }

    /// The client's own words may have the address in them, and so the token: only those are passed
    /// on that cannot.
    fn trouble(&self, error: Error) -> ApiError {
        match error {
            Error::Timeout(_) => ApiError::Late(self.timeout),
            Error::Io(error) => self.failure(&error),
            Error::HostNotFound => ApiError::Unreachable("there is no such host".to_owned()),
            Error::Tls(why) => ApiError::Untrusted(why.to_owned()),
            Error::Rustls(error) => ApiError::Untrusted(error.to_string()),
            Error::ConnectProxyFailed(why) => {
                ApiError::Proxy(format!("the proxy does not let it through ({why})"))
            }
            Error::InvalidProxyUrl => {
                ApiError::Proxy("the proxy's address cannot be read".to_owned())
            }
            Error::Protocol(_) | Error::Http(_) | Error::LargeResponseHeader(..) => {
                ApiError::NoBotApi
            }
            _ => ApiError::Unreachable("the connection failed".to_owned()),
        }
    }

    fn failure(&self, error: &io::Error) -> ApiError {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ApiError::Late(self.timeout),
            io::ErrorKind::UnexpectedEof => {
                ApiError::Unreachable("it hung up before it had answered".to_owned())
            }
            // TLS speaks through an I/O error while it shakes hands.
            io::ErrorKind::InvalidData => ApiError::Untrusted(error.to_string()),
            _ => ApiError::Unreachable(error.to_string()),
        }
    }

    /// Whatever somebody else said, fit to be repeated.
    fn tidied(
        &self,
        answer: Result<Option<Webhook>, ApiError>,
    ) -> Result<Option<Webhook>, ApiError> {
        let tidy = |text: String| sanitize(&self.token.redact(&text));
        match answer {
            Ok(webhook) => Ok(webhook.map(|webhook| Webhook { host: tidy(webhook.host) })),
            Err(ApiError::Answered(status, Some(why))) => {
                Err(ApiError::Answered(status, Some(tidy(why))))
            }
            Err(ApiError::Unreachable(why)) => Err(ApiError::Unreachable(tidy(why))),
            Err(ApiError::Untrusted(why)) => Err(ApiError::Untrusted(tidy(why))),
            Err(ApiError::Proxy(why)) => Err(ApiError::Proxy(tidy(why))),
            Err(
                trouble @ (ApiError::Unauthorized
                | ApiError::TooMany(_)
                | ApiError::Answered(_, None)
                | ApiError::Redirects(_)
                | ApiError::NoBotApi
                | ApiError::Late(_)),
            ) => Err(trouble),
        }
    }
}
