//! A key to somebody's service: used, never shown.

use std::fmt;

/// A text that no message, log or file may hold.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The key in a variable's value; `None`: no header could carry it.
    pub(crate) fn parse(text: &str) -> Option<Secret> {
        let text = text.trim();
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
            .then(|| Secret(text.to_owned()))
    }

    /// For the one header that it belongs into.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown_and_fits_into_a_header() {
        let secret = Secret::parse(" sk-123\n").unwrap();
        assert_eq!(secret.expose(), "sk-123");
        assert_eq!(format!("{secret:?}"), "***");
        for bad in ["", " ", "a b", "a\r\nHost: x", "schlüssel"] {
            assert_eq!(Secret::parse(bad), None);
        }
    }
}
