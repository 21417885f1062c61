//! The two calls to the Bot API: `getWebhookInfo` and `deleteWebhook`.

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

/// The most bytes that are read of an answer; that about a webhook has less than a kilobyte.
const MAX_ANSWER: u64 = 64 << 10;

/// A Bot API server, as one bot uses it.
#[derive(Debug, Clone)]
pub(super) struct BotApi {
    /// The server.
    pub(super) url: ApiUrl,
    /// The bot's token.
    pub(super) token: Token,
    /// The longest time for all calls of a request.
    pub(super) timeout: Duration,
}

/// The connection and the deadline that the calls of a request share.
struct ApiSession {
    agent: Agent,
    until: Duration,
}

enum ApiMethod {
    GetWebhookInfo,
    DeleteWebhook,
}

impl BotApi {
    /// Returns the webhook that is set.
    pub(super) fn webhook(&self) -> Result<Option<Webhook>, ApiError> {
        self.sanitized(self.session().and_then(|session| self.webhook_info(&session)))
    }

    /// Deletes the webhook, keeps all pending updates, and returns the webhook that is set
    /// afterwards: another program may set it again at once.
    pub(super) fn delete_webhook(&self) -> Result<Option<Webhook>, ApiError> {
        self.sanitized(self.session().and_then(|session| {
            self.call(&ApiMethod::DeleteWebhook, &session)?;
            self.webhook_info(&session)
        }))
    }

    fn webhook_info(&self, session: &ApiSession) -> Result<Option<Webhook>, ApiError> {
        let info = self.call(&ApiMethod::GetWebhookInfo, session)?;
        response::webhook(&info)
    }

    fn session(&self) -> Result<ApiSession, ApiError> {
        let until = clock::patience().saturating_add(self.timeout);
        let config = Agent::config_builder()
            // The address contains the token.
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(proxy::for_server(&self.url)?)
            .user_agent(concat!("monopoll/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(ApiSession { agent: config.into(), until })
    }

    fn call(&self, method: &ApiMethod, session: &ApiSession) -> Result<Value, ApiError> {
        let left = session.until.saturating_sub(clock::patience());
        if left.is_zero() {
            return Err(ApiError::Late(self.timeout));
        }
        let left = Some(left);
        let address = |method: &str| format!("{}/bot{}/{method}", self.url, self.token.expose());
        let response = match method {
            ApiMethod::GetWebhookInfo => {
                let request = session.agent.get(address("getWebhookInfo"));
                request.config().timeout_global(left).build().call()
            }
            ApiMethod::DeleteWebhook => {
                let request = session.agent.post(address("deleteWebhook"));
                let request = request.config().timeout_global(left).build();
                request.send_form([("drop_pending_updates", "false")])
            }
        };
        self.read(response.map_err(|error| self.classify(error))?)
    }

    fn read(&self, mut response: Response<Body>) -> Result<Value, ApiError> {
        let status = response.status().as_u16();
        match response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec() {
            Ok(body) => response::result(status, &body),
            Err(Error::BodyExceedsLimit(_)) => response::result(status, &[]),
            Err(error) => Err(self.classify(error)),
        }
    }

    /// Keeps only texts of the client that cannot contain the address, and so the token.
    fn classify(&self, error: Error) -> ApiError {
        match error {
            Error::Timeout(_) => ApiError::Late(self.timeout),
            Error::Io(error) => self.classify_io(&error),
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

    fn classify_io(&self, error: &io::Error) -> ApiError {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ApiError::Late(self.timeout),
            io::ErrorKind::UnexpectedEof => {
                ApiError::Unreachable("it hung up before it had answered".to_owned())
            }
            // TLS errors of the handshake.
            io::ErrorKind::InvalidData => ApiError::Untrusted(error.to_string()),
            _ => ApiError::Unreachable(error.to_string()),
        }
    }

    /// Masks and escapes texts of foreign origin.
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
