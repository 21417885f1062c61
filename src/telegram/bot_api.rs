//! The Bot API calls that monopoll makes: `getWebhookInfo` and `deleteWebhook`.

use std::io;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, Error};

use crate::config::ApiUrl;
use crate::engine::token::Token;
use crate::sys::clock;
use crate::telegram::api_error::ApiError;
use crate::telegram::proxy;
use crate::telegram::response::{self, Webhook};
use crate::text::sanitize;

/// The most bytes read of a response. A typical one has less than a kilobyte.
const MAX_ANSWER: u64 = 64 << 10;

#[derive(Debug, Clone)]
pub(super) struct BotApi {
    pub(super) url: ApiUrl,
    pub(super) token: Token,
    /// The time limit of all calls together.
    pub(super) timeout: Duration,
}

impl BotApi {
    pub(super) fn webhook(&self) -> Result<Option<Webhook>, ApiError> {
        let until = clock::monotonic().saturating_add(self.timeout);
        self.sanitized(self.agent().and_then(|agent| self.webhook_info(&agent, until)))
    }

    /// Deletes the webhook but keeps pending updates, and returns the webhook that is set
    /// afterward, because another program may set it again at once.
    pub(super) fn delete_webhook(&self) -> Result<Option<Webhook>, ApiError> {
        let until = clock::monotonic().saturating_add(self.timeout);
        self.sanitized(self.agent().and_then(|agent| {
            let request = agent.post(self.address("deleteWebhook")).config();
            let request = request.timeout_global(Some(self.time_left(until)?)).build();
            self.read(request.send_form([("drop_pending_updates", "false")]))?;
            self.webhook_info(&agent, until)
        }))
    }

    fn webhook_info(&self, agent: &Agent, until: Duration) -> Result<Option<Webhook>, ApiError> {
        let request = agent.get(self.address("getWebhookInfo")).config();
        let request = request.timeout_global(Some(self.time_left(until)?)).build();
        response::webhook(&self.read(request.call())?)
    }

    fn agent(&self) -> Result<Agent, ApiError> {
        let config = Agent::config_builder()
            // A redirect would reveal the token, which is part of the address.
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(proxy::for_server(&self.url)?)
            .user_agent(concat!("monopoll/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(config.into())
    }

    fn address(&self, method: &str) -> String {
        format!("{}/bot{}/{method}", self.url, self.token.expose())
    }

    fn time_left(&self, until: Duration) -> Result<Duration, ApiError> {
        let left = until.saturating_sub(clock::monotonic());
        if left.is_zero() { Err(ApiError::Late(self.timeout)) } else { Ok(left) }
    }

    fn read(&self, response: Result<Response<Body>, Error>) -> Result<Value, ApiError> {
        let mut response = response.map_err(|error| self.classify(error))?;
        let status = response.status().as_u16();
        match response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec() {
            Ok(body) => response::result(status, &body),
            Err(Error::BodyExceedsLimit(_)) => response::result(status, &[]),
            Err(error) => Err(self.classify(error)),
        }
    }

    /// Keeps only error texts of the client that cannot contain the address, and with it the token.
    fn classify(&self, error: Error) -> ApiError {
        match error {
            Error::Timeout(_) => ApiError::Late(self.timeout),
            Error::Io(error) => self.classify_io(&error),
            Error::HostNotFound => ApiError::Unreachable("unknown host".to_owned()),
            Error::Tls(why) => ApiError::Untrusted(why.to_owned()),
            Error::Rustls(error) => ApiError::Untrusted(error.to_string()),
            Error::ConnectProxyFailed(why) => {
                ApiError::Proxy(format!("the proxy refused the connection ({why})"))
            }
            Error::InvalidProxyUrl => ApiError::Proxy("the proxy's address is invalid".to_owned()),
            Error::Protocol(_) | Error::Http(_) | Error::LargeResponseHeader(..) => {
                ApiError::NoBotApi
            }
            _ => ApiError::Unreachable("the connection failed".to_owned()),
        }
    }

    fn classify_io(&self, error: &io::Error) -> ApiError {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ApiError::Late(self.timeout),
            io::ErrorKind::UnexpectedEof => {
                ApiError::Unreachable("it closed the connection without an answer".to_owned())
            }
            // TLS handshake errors.
            io::ErrorKind::InvalidData => ApiError::Untrusted(error.to_string()),
            _ => ApiError::Unreachable(error.to_string()),
        }
    }

    fn sanitized(
        &self,
        answer: Result<Option<Webhook>, ApiError>,
    ) -> Result<Option<Webhook>, ApiError> {
        let clean = |text: String| sanitize(&self.token.redact(&text));
        match answer {
            Ok(webhook) => Ok(webhook.map(|webhook| Webhook { host: clean(webhook.host) })),
            Err(error) => Err(error.map_text(clean)),
        }
    }
}
