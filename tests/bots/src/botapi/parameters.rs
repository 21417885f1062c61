//! The parameters of a call: in the query, as a form or as JSON.

use std::collections::HashMap;

use super::http::body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

/// The parameters of a method. Numbers may be strings, as they are in forms.
#[derive(Debug, Default)]
pub(super) struct Parameters(HashMap<String, Value>);

impl Parameters {
    /// Reads all parameters; `None` if the type of the body is not supported.
    pub(super) async fn read(request: Request<Incoming>) -> Option<Parameters> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|it| it.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body = body(request).await?;
        let mut all: HashMap<String, Value> = form(query.as_bytes());
        if !body.is_empty() {
            all.extend(match kind.split(';').next().unwrap_or_default() {
                "application/json" => {
                    serde_json::from_slice::<HashMap<String, Value>>(&body).ok()?
                }
                "application/x-www-form-urlencoded" => form(&body),
                _ => return None,
            });
        }
        Some(Parameters(all))
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    /// Returns a number in an object, which is a JSON string in forms.
    pub(super) fn inner(&self, name: &str, field: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        parsed.as_ref().unwrap_or(value).get(field)?.as_i64()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| {
            *value == Value::Bool(true)
                || value.as_str().is_some_and(|it| matches!(it, "true" | "True" | "1"))
        })
    }
}

fn form(encoded: &[u8]) -> HashMap<String, Value> {
    form_urlencoded::parse(encoded)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect()
}
