//! The proxy settings in the environment.
//!
//! Only https goes through the proxy, in a tunnel that hides the token. An `http://` address is a
//! self-hosted server and is contacted directly.
#![expect(clippy::disallowed_methods, reason = "these variables are every program's, and no keys")]

use std::env;

use ureq::{Proxy, ProxyProtocol};

use crate::config::{ApiUrl, Scheme};
use crate::telegram::api_error::ApiError;

const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

pub(super) fn for_server(server: &ApiUrl) -> Result<Option<Proxy>, ApiError> {
    let set = |names: &[&'static str]| {
        let mut values = names.iter().filter_map(|name| Some((*name, env::var(name).ok()?)));
        values.find(|(_, value)| !value.trim().is_empty())
    };
    let excepted = || set(&EXCEPTIONS).is_some_and(|(_, list)| is_excepted(server.host(), &list));
    match (server.scheme, set(&VARIABLES)) {
        (Scheme::Https, Some((name, value))) if !excepted() => parse(name, value.trim()).map(Some),
        (Scheme::Https | Scheme::Http, Some(_) | None) => Ok(None),
    }
}

/// Parses the proxy. The error does not include the value, which may contain a password.
fn parse(name: &str, value: &str) -> Result<Proxy, ApiError> {
    let unusable = |why: &str| ApiError::Proxy(format!("the proxy in ${name} {why}"));
    let proxy = Proxy::new(value).map_err(|_| unusable("has an invalid address"))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(proxy),
        _ => Err(unusable("is not an http or https proxy")),
    }
}

/// Returns whether `host` is in a list such as `localhost,.example.org`. A name covers its
/// subdomains.
fn is_excepted(host: &str, list: &str) -> bool {
    let host = host.to_lowercase();
    list.split(',').map(|entry| entry.trim().to_lowercase()).any(|entry| {
        let name = entry.trim_start_matches('*').trim_start_matches('.');
        entry == "*"
            || (!name.is_empty()
                && host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_list_includes_its_subdomains() {
        for (list, expected) in [
            ("api.telegram.org", true),
            ("localhost, .telegram.org", true),
            ("*.Telegram.org", true),
            ("telegram.org", true),
            ("*", true),
            ("gram.org", false),
            ("telegram.org.example", false),
            ("localhost,,", false),
            ("", false),
        ] {
            assert_eq!(is_excepted("api.telegram.org", list), expected, "{list}");
        }
    }

    #[test]
    fn an_unusable_proxy_is_named_by_its_variable_without_its_password() {
        for value in ["socks5://me:hunter2@host:1080", "ftp://me:hunter2@host", "http://", "\u{1}"]
        {
            let Err(ApiError::Proxy(why)) = parse("ALL_PROXY", value) else { panic!("{value}") };
            assert!(
                why.starts_with("the proxy in $ALL_PROXY ") && !why.contains("hunter2"),
                "{why}"
            );
        }
        assert_eq!(parse("ALL_PROXY", "proxy:3128").unwrap().port(), 3128);
    }
}
