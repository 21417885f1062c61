//! The two calls that are made: what the webhook is, and that there be none.

use std::{io, time::Duration};

use serde_json::Value;
use ureq::{Agent, Body, Error, http::Response};

use crate::{
    config::ApiUrl,
    engine::token::Token,
    sys::clock,
    telegram::{
        error::Trouble,
        proxy,
        response::{self, Webhook},
    },
    text::mask,
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
struct Line {
    agent: Agent,
    until: Duration,
}

/// A call, and how it is made.
enum Method {
    GetWebhookInfo,
    DeleteWebhook,
}

impl Api {
    /// The webhook that is set.
    pub(super) fn webhook(&self) -> Result<Option<Webhook>, Trouble> {
        self.tidied(self.line().and_then(|line| self.info(&line)))
    }

    /// Deletes the webhook and drops no update; the one that is set all the same, as something else
    /// sets it.
    pub(super) fn delete(&self) -> Result<Option<Webhook>, Trouble> {
        self.tidied(self.line().and_then(|line| {
            self.call(&Method::DeleteWebhook, &line)?;
            self.info(&line)
        }))
    }

    fn info(&self, line: &Line) -> Result<Option<Webhook>, Trouble> {
        self.call(&Method::GetWebhookInfo, line).and_then(|info| response::webhook(&info))
    }

    fn line(&self) -> Result<Line, Trouble> {
        let until = clock::patience().saturating_add(self.timeout);
        let config = Agent::config_builder()
            // The token is in the address: it goes nowhere else.
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(proxy::to(&self.url)?)
            .user_agent(concat!("monopoll/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Line { agent: config.into(), until })
    }

    fn call(&self, method: &Method, line: &Line) -> Result<Value, Trouble> {
        let left = line.until.saturating_sub(clock::patience());
        if left.is_zero() {
            return Err(Trouble::Late(self.timeout));
        }
        let left = Some(left);
        let address = |method: &str| format!("{}/bot{}/{method}", self.url, self.token.expose());
        let response = match method {
            Method::GetWebhookInfo => line
                .agent
                .get(address("getWebhookInfo"))
                .config()
                .timeout_global(left)
                .build()
                .call(),
            Method::DeleteWebhook => {
                let request =
                    line.agent.post(address("deleteWebhook")).config().timeout_global(left).build();
                request.send_form([("drop_pending_updates", "false")])
            }
        };
        self.read(response.map_err(|error| self.trouble(error))?)
    }

    fn read(&self, mut response: Response<Body>) -> Result<Value, Trouble> {
        let status = response.status().as_u16();
        match response.body_mut().with_config().limit(LARGEST).read_to_vec() {
            Ok(body) => response::result(status, &body),
            Err(Error::BodyExceedsLimit(_)) => response::result(status, &[]),
            Err(error) => Err(self.trouble(error)),
        }
    }

    /// The client's own words may have the address in them, and so the token: only those are passed
    /// on that cannot.
    fn trouble(&self, error: Error) -> Trouble {
        match error {
            Error::Timeout(_) => Trouble::Late(self.timeout),
            Error::Io(error) => self.failure(&error),
            Error::HostNotFound => Trouble::Unreachable("there is no such host".to_owned()),
            Error::Tls(why) => Trouble::Untrusted(why.to_owned()),
            Error::Rustls(error) => Trouble::Untrusted(error.to_string()),
            Error::ConnectProxyFailed(why) => {
                Trouble::Proxy(format!("the proxy does not let it through ({why})"))
            }
            Error::InvalidProxyUrl => {
                Trouble::Proxy("the proxy's address cannot be read".to_owned())
            }
            Error::Protocol(_) | Error::Http(_) | Error::LargeResponseHeader(..) => {
                Trouble::NoBotApi
            }
            _ => Trouble::Unreachable("the connection failed".to_owned()),
        }
    }

    fn failure(&self, error: &io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Trouble::Late(self.timeout),
            io::ErrorKind::UnexpectedEof => {
                Trouble::Unreachable("it hung up before it had answered".to_owned())
            }
            // TLS speaks through an I/O error while it shakes hands.
            io::ErrorKind::InvalidData => Trouble::Untrusted(error.to_string()),
            _ => Trouble::Unreachable(error.to_string()),
        }
    }

    /// Whatever somebody else said, fit to be repeated.
    fn tidied(&self, answer: Result<Option<Webhook>, Trouble>) -> Result<Option<Webhook>, Trouble> {
        let tidy = |text: String| {
            mask::printable(&mask::secrets(&self.token.taken_out_of(&text))).into_owned()
        };
        match answer {
            Ok(webhook) => Ok(webhook.map(|webhook| Webhook { host: tidy(webhook.host) })),
            Err(Trouble::Answered(status, Some(why))) => {
                Err(Trouble::Answered(status, Some(tidy(why))))
            }
            Err(Trouble::Unreachable(why)) => Err(Trouble::Unreachable(tidy(why))),
            Err(Trouble::Untrusted(why)) => Err(Trouble::Untrusted(tidy(why))),
            Err(Trouble::Proxy(why)) => Err(Trouble::Proxy(tidy(why))),
            Err(
                trouble @ (Trouble::Unauthorized
                | Trouble::TooMany(_)
                | Trouble::Answered(_, None)
                | Trouble::Redirects(_)
                | Trouble::NoBotApi
                | Trouble::Late(_)),
            ) => Err(trouble),
        }
    }
}
