//! Where the Bot API is: Telegram's own server, or one that the user runs.

use std::fmt;

use crate::{
    config::{parsed_text::TextValue, problem::Fault},
    text::{quote, secret_spans},
};

/// The address of a Bot API server; a bot's own is `{address}/bot{token}/{method}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiUrl {
    scheme: Scheme,
    /// The host, and the port where one is written.
    authority: String,
    /// Nothing, or a path that begins with a slash and ends without one.
    path: String,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear: for a server of one's own, on a network of one's own.
    Http,
    /// Through TLS.
    Https,
}

const HINT: &str = "write an address such as \"https://api.telegram.org\", or \
                    \"http://127.0.0.1:8081\" for a server of your own";

impl TextValue for ApiUrl {
    const PATTERN: Option<&'static str> = Some("^https?://[^@?#]+$");

    fn hint() -> String {
        HINT.to_owned()
    }

    fn parse(text: &str) -> Result<ApiUrl, Fault> {
        if text.is_empty() {
            return Err(Fault::new("is empty").help(HINT));
        }
        let Some((scheme, rest)) = scheme(text) else {
            return Err(Fault::new(format!(
                "{} begins with neither https:// nor http://",
                shown(text)
            ))
            .help(HINT));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            let help = "take out what stands before the `@`; the bot's token is read from the variables in `token_env`";
            return Err(Fault::new("has a credential before its host").help(help));
        }
        if !secret_spans(text).is_empty() {
            return Err(Fault::new("has a bot token in it")
                .help("write the server's address alone; the token is read from the variables in `token_env`"));
        }
        if let Some(at) = path.find(['?', '#']) {
            let at = text.len() - path.len() + at;
            return Err(Fault::new("has more than an address")
                .part(at..at + 1)
                .help("take out the `?` or `#` and what follows it"));
        }
        let Some(whole) = text
            .parse::<ureq::http::Uri>()
            .ok()
            .filter(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        else {
            return Err(Fault::new(format!("{} is no address of a server", quote(text))).help(HINT));
        };
        // What a port could not be is silently none to the parser.
        if authority.rsplit_once(':').is_some_and(|(_, port)| {
            !port.ends_with(']') && whole.port_u16().is_none_or(|port| port == 0)
        }) {
            return Err(Fault::new(format!("{} has a port that is none", quote(text))).help(HINT));
        }
        let path = path.trim_end_matches('/');
        if path.ends_with("/bot") {
            return Err(Fault::new(format!("{} ends in `/bot`", quote(text)))
                .help("leave `/bot` out: it is added with the token"));
        }
        Ok(ApiUrl { scheme, authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl ApiUrl {
    /// How it is spoken to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, and the port where one is written: what it is called where it is spoken of.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            Some(_) | None => &self.authority,
        }
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

/// Quoted, unless there may be a credential in it that nothing else knows for one.
fn shown(text: &str) -> String {
    if text.contains(['@', '?']) { "it".to_owned() } else { quote(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_perhaps_a_port_and_a_path() {
        for (text, shown, host) in [
            ("https://api.telegram.org", "https://api.telegram.org", "api.telegram.org"),
            ("https://api.telegram.org/", "https://api.telegram.org", "api.telegram.org"),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081", "127.0.0.1"),
            ("http://[::1]:8081/telegram//", "http://[::1]:8081/telegram", "[::1]"),
            ("http://[::1]", "http://[::1]", "[::1]"),
            ("http://bot-api", "http://bot-api", "bot-api"),
        ] {
            let url = ApiUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.host()), (shown, host));
        }
    }

    #[test]
    fn what_is_no_address_or_more_than_one_says_the_way_out() {
        let token = "https://api.telegram.org/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
        for (text, expected) in [
            ("", "is empty"),
            ("api.telegram.org", "`api.telegram.org` begins with neither https:// nor http://"),
            ("ftp://me:hunter2@host", "it begins with neither https:// nor http://"),
            ("https://", "`https://` is no address of a server"),
            ("https://:80", "`https://:80` is no address of a server"),
            ("https://a b", "`https://a b` is no address of a server"),
            ("https://host:", "`https://host:` has a port that is none"),
            ("https://host:0", "`https://host:0` has a port that is none"),
            ("https://host:99999", "`https://host:99999` has a port that is none"),
            ("https://hunter2@host", "has a credential before its host"),
            ("https://me:hunter2@host/x", "has a credential before its host"),
            (token, "has a bot token in it"),
            ("https://host/?key=hunter2", "has more than an address"),
            ("https://host#x", "has more than an address"),
            ("https://api.telegram.org/bot", "`https://api.telegram.org/bot` ends in `/bot`"),
        ] {
            let fault = ApiUrl::parse(text).unwrap_err();
            assert_eq!(fault.message, expected, "{text}");
            assert!(fault.help.is_some(), "{text}");
        }
    }
}
