//! Variables that give a bot its token, or choose a file that has one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use crate::engine::carried_tokens::bots_in;
use crate::engine::instance::BotId;

/// The minimum length of an abbreviation: `prod` for `production`.
const MIN_ABBREVIATION: usize = 3;

/// The tokens and files that a start may find beside those of its own bot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenVariables {
    /// The bot of this start.
    pub mine: Option<BotId>,
    /// The bots of each variable in `.env`.
    pub in_file: BTreeMap<OsString, BTreeSet<BotId>>,
    /// The parts of the names of files that name another bot: `production` for `.env.production`.
    pub other_files: BTreeSet<String>,
}

impl TokenVariables {
    /// Returns whether this start has another bot's token in a variable, and the process does not.
    pub(super) fn differ(&self, name: &OsStr, mine: Option<&OsStr>, theirs: Option<&[u8]>) -> bool {
        // Without a known token, it is one of those in the file.
        let is_mine = |bot: &BotId| match self.mine {
            Some(mine) => *bot == mine,
            None => self.in_file.is_empty() || self.in_file.values().any(|it| it.contains(bot)),
        };
        let bots = mine.map(|it| bots_in(it.as_encoded_bytes())).unwrap_or_default();
        let others = theirs.map(bots_in).filter(|bots| !bots.is_empty());
        let others = others.or_else(|| self.in_file.get(name).cloned()).unwrap_or_default();
        bots != others && !bots.iter().all(is_mine)
    }

    /// Returns whether one of two different values names a file of another bot.
    pub(super) fn choose_file(&self, mine: Option<Vec<u8>>, theirs: Option<Vec<u8>>) -> bool {
        mine != theirs && [mine, theirs].into_iter().flatten().any(|it| self.name_a_file(&it))
    }

    fn name_a_file(&self, value: &[u8]) -> bool {
        let value = String::from_utf8_lossy(value).to_lowercase();
        let is_short_for = |short: &str, long: &str| {
            short == long || short.len() >= MIN_ABBREVIATION && long.starts_with(short)
        };
        let mut files = self.other_files.iter();
        files.any(|part| is_short_for(part, &value) || is_short_for(&value, part))
    }
}

/// Splits the name of an env file into the parts that a variable may have as its value:
/// `production` for `.env.production`.
pub(crate) fn distinguishing_parts(file: &str) -> impl Iterator<Item = String> {
    let parts = file.split(|c: char| "._-".contains(c)).map(str::to_lowercase);
    parts.filter(|part| !["", "env", "local"].contains(&part.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_name_of_a_file_or_short_for_it() {
        let parts = [".env.production", "bob.env", ".env.staging.local"];
        let other_files = parts.into_iter().flat_map(distinguishing_parts).collect();
        let variables = TokenVariables { other_files, ..TokenVariables::default() };
        for (value, expected) in [
            ("production", true),
            ("prod", true),
            ("PRODUCTION", true),
            ("bob", true),
            ("staging", true),
            ("p", false),
            ("local", false),
            ("env", false),
            ("development", false),
            ("", false),
        ] {
            assert_eq!(variables.name_a_file(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn a_token_of_another_bot_counts_if_the_process_does_not_have_it() {
        let token = |id: u64| format!("{id}:{}", "a".repeat(35));
        let (mine, other) = (token(8_123_450_001), token(8_123_450_002));
        let bots = |text: &str| bots_in(text.as_bytes());
        let variables = TokenVariables {
            mine: bots(&mine).first().copied(),
            in_file: [("ADMIN_TOKEN".into(), bots(&other)), ("APP_TOKEN".into(), bots(&mine))]
                .into(),
            other_files: BTreeSet::new(),
        };
        for (name, own, theirs, expected) in [
            ("PROD_TOKEN", Some(&other), None, true),
            ("PROD_TOKEN", Some(&other), Some(&mine), true),
            ("PROD_TOKEN", Some(&other), Some(&other), false),
            ("PROD_TOKEN", Some(&mine), None, false),
            ("PROD_TOKEN", None, Some(&other), false),
            // The process reads it in `.env`.
            ("ADMIN_TOKEN", Some(&other), None, false),
            ("APP_TOKEN", Some(&other), None, true),
        ] {
            let own = own.map(OsStr::new);
            let theirs = theirs.map(String::as_bytes);
            let seen = variables.differ(OsStr::new(name), own, theirs);
            assert_eq!(seen, expected, "{name} {own:?} {theirs:?}");
        }
    }
}
