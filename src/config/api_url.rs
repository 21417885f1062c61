//! The address of the Bot API: Telegram's own server, or a self-hosted one.

use std::fmt;

use crate::config::parsed_text::TextValue;
use crate::config::problem::Fault;
use crate::text::{quote, secret_spans};

/// The base address of a Bot API server. Requests go to `{address}/bot{token}/{method}`.
#[derive(Debug, Clone)]
pub struct ApiUrl {
    pub(crate) scheme: Scheme,
    /// The host, with the port if one is given. Names the server in messages.
    pub(crate) authority: String,
    /// Empty, or a path with a leading slash and without a trailing one.
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl TextValue for ApiUrl {
    const PATTERN: Option<&'static str> = Some("^https?://[^@?#]+$");

    const HINT: &'static str = "write an address such as \"https://api.telegram.org\", or \
                                \"http://127.0.0.1:8081\" for a server of your own";

    fn parse(text: &str) -> Result<ApiUrl, Fault> {
        if text.is_empty() {
            return Err(Fault::new("is empty").help(Self::HINT));
        }
        let Some((scheme, rest)) = scheme(text) else {
            // Text with `@` or `?` may contain a credential, so it is not shown.
            let shown = if text.contains(['@', '?']) { "it".to_owned() } else { quote(text) };
            let found = format!("{shown} does not begin with https:// or http://");
            return Err(Fault::new(found).help(Self::HINT));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(Fault::new("has a credential before its host").help(
                "remove everything before the `@`; the bot's token is read from the \
                 variables in `token_env`",
            ));
        }
        if !secret_spans(text).is_empty() {
            return Err(Fault::new("has a bot token in it").help(
                "write only the server's address; the token is read from the variables in \
                 `token_env`",
            ));
        }
        if let Some(at) = path.find(['?', '#']) {
            let at = text.len() - path.len() + at;
            return Err(Fault::new("has more than an address")
                .part(at..at + 1)
                .help("remove the `?` or `#` and what follows it"));
        }
        let uri = text.parse::<ureq::http::Uri>().ok();
        let Some(uri) = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty())) else {
            return Err(Fault::of(text, "is not the address of a server").help(Self::HINT));
        };
        // The parser silently drops an invalid port.
        if authority.rsplit_once(':').is_some_and(|(_, port)| {
            !port.ends_with(']') && uri.port_u16().is_none_or(|port| port == 0)
        }) {
            return Err(Fault::of(text, "has an invalid port").help(Self::HINT));
        }
        let path = path.trim_end_matches('/');
        if path.ends_with("/bot") {
            return Err(Fault::of(text, "ends in `/bot`")
                .help("leave `/bot` out: it is added with the token"));
        }
        Ok(ApiUrl { scheme, authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl ApiUrl {
    pub(crate) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            Some(_) | None => &self.authority,
        }
    }

    /// Returns the given port, or the default port of the scheme.
    pub(crate) fn port(&self) -> u16 {
        let written = self.authority.get(self.host().len() + 1..).and_then(|it| it.parse().ok());
        written.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

fn scheme(text: &str) -> Option<(Scheme, &str)> {
    let http = || text.strip_prefix("http://").map(|rest| (Scheme::Http, rest));
    text.strip_prefix("https://").map(|rest| (Scheme::Https, rest)).or_else(http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_perhaps_a_port_and_a_path() {
        for (text, shown, host, port) in [
            ("https://api.telegram.org", "https://api.telegram.org", "api.telegram.org", 443),
            ("https://api.telegram.org/", "https://api.telegram.org", "api.telegram.org", 443),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081", "127.0.0.1", 8081),
            ("http://[::1]:8081/telegram//", "http://[::1]:8081/telegram", "[::1]", 8081),
            ("http://[::1]", "http://[::1]", "[::1]", 80),
            ("http://bot-api", "http://bot-api", "bot-api", 80),
        ] {
            let url = ApiUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.host(), url.port()), (shown, host, port));
        }
    }

    #[test]
    fn a_host_and_a_port_are_needed_to_be_real() {
        for (text, expected) in [
            ("ftp://me:hunter2@host", "it does not begin with https:// or http://"),
            ("https://", "`https://` is not the address of a server"),
            ("https://:80", "`https://:80` is not the address of a server"),
            ("https://host:", "`https://host:` has an invalid port"),
            ("https://host:0", "`https://host:0` has an invalid port"),
            ("https://host:99999", "`https://host:99999` has an invalid port"),
            ("https://host#x", "has more than an address"),
        ] {
            assert_eq!(ApiUrl::parse(text).unwrap_err().message, expected, "{text}");
        }
    }
}
