//! An `.env` file: whatever else is in it, a line with a token gives the token, which is not shown.

use std::fs;

use tempfile::TempDir;

use monopoll::internals::config::dotenv::in_env_file;
use monopoll::internals::config::{Config, Sources};
use monopoll::internals::engine::token::Token;
use monopoll::internals::guard::token;

use super::configuration::SECRET;

/// Takes the content of a file.
pub(crate) fn check(content: &[u8]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(".env");
    let sources = Sources { cwd: folder.path().to_owned(), ..Sources::default() };
    let only = |name: &str| Config::load(&sources.clone().set("token_env", name)).unwrap();
    // No test runs with a variable of this name.
    let config = only("['FUZZED_TOKEN']");
    fs::write(&path, content).unwrap();
    let found = token(&config);
    if let Some(found) = &found {
        assert_eq!(Token::parse(found.expose()).as_ref(), Some(found));
        assert!(!format!("{found:?}").contains(found.expose()), "{found:?}");
    }
    let _ = in_env_file(&config, "FUZZED_TOKEN");

    let line = format!("123456:{SECRET}");
    let with_a_line = [content, b"\nFUZZED_TOKEN=", line.as_bytes(), b"\n"].concat();
    if with_a_line.len() < 1 << 20 {
        fs::write(&path, with_a_line).unwrap();
        let found = token(&config).map(|token| token.expose().to_owned());
        assert_eq!(found.as_ref(), Some(&line), "the last line counts");
    }
    assert_eq!(token(&only("['FUZZED_OTHER_TOKEN_9']")).map(|_| ()), None);
}
