//! One try at an endpoint: bounded in time and in size, and nothing of it ever reaches a log.

use std::time::Duration;

use crate::error::ServiceError;
use crate::settings::Service;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

/// A longer answer is no transcript: this is a novel.
const MAX_ANSWERED: usize = 1 << 20;

/// How long a connection may take to come about, within the whole time of a try.
const CONNECTING: Duration = Duration::from_secs(10);

/// A client for services; it follows nobody anywhere with a key or a recording.
///
/// # Errors
/// The system's TLS cannot be set up.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    let agent = concat!("voice-insight/", env!("CARGO_PKG_VERSION"));
    Client::builder().redirect(Policy::none()).connect_timeout(CONNECTING).user_agent(agent).build()
}

/// Sends a request as `service` wants it, and reads the JSON of its answer.
pub(crate) async fn ask(service: &Service, request: RequestBuilder) -> Result<Value, ServiceError> {
    let request = request.timeout(service.timeout);
    let request = match &service.key {
        Some(key) => request.bearer_auth(key.expose()),
        None => request,
    };
    let response = request.send().await.map_err(|error| ServiceError::of_connection(&error))?;
    if !response.status().is_success() {
        // What it says about it may repeat what was asked, so nobody reads it.
        return Err(ServiceError::of_status(
            response.status().as_u16(),
            retry_after(response.headers()),
        ));
    }
    serde_json::from_slice(&body(response).await?).map_err(|_| ServiceError::Unreadable)
}

async fn body(mut response: Response) -> Result<Vec<u8>, ServiceError> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| ServiceError::of_connection(&error))?
    {
        if body.len() + chunk.len() > MAX_ANSWERED {
            return Err(ServiceError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The seconds that the other side asks to be left alone; a date is passed over, as clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn only_seconds_are_understood_and_no_value_is_too_odd() {
        for (text, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("Fri, 01 Jan 2100 00:00:00 GMT", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
