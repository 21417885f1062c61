//! The ids of an instance and of a bot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::mask_secrets;

/// An instance id: 1–64 characters of `[A-Za-z0-9._-]`, and not only dots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instance(String);

impl Instance {
    pub const MAX_LEN: usize = 64;

    pub fn of_bot(bot: BotId) -> Instance {
        Instance(format!("bot{bot}"))
    }

    /// Builds a guessed name: as much of `base` as fits, without secrets, and 48 bits of `hash`.
    pub fn guessed(base: &str, hash: u64) -> Instance {
        let allowed = |c: char| if is_allowed(c) { c } else { '_' };
        let hash = format!("{:012x}", hash >> 16);
        let fitting = Self::MAX_LEN - "-".len() - hash.len();
        let base: String = mask_secrets(base).chars().map(allowed).take(fitting).collect();
        Instance(format!("{base}-{hash}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Instance {
    type Err = BadInstance;

    fn from_str(text: &str) -> Result<Self, BadInstance> {
        if text.is_empty() {
            return Err(BadInstance::Empty);
        }
        if let Some(bad) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(BadInstance::Character(bad));
        }
        if text.len() > Self::MAX_LEN {
            return Err(BadInstance::TooLong(text.len()));
        }
        if text.chars().all(|c| c == '.') {
            return Err(BadInstance::Dots);
        }
        Ok(Instance(text.to_owned()))
    }
}

impl TryFrom<String> for Instance {
    type Error = BadInstance;

    fn try_from(text: String) -> Result<Self, BadInstance> {
        text.parse()
    }
}

impl From<Instance> for String {
    fn from(instance: Instance) -> String {
        instance.0
    }
}

/// The reason a string is not an instance id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadInstance {
    #[error("an instance id may not be empty")]
    Empty,
    #[error("an instance id has at most 64 characters, this one has {0}")]
    TooLong(usize),
    #[error("an instance id has only letters, digits, `.`, `_` and `-`, not {0:?}")]
    Character(char),
    /// Would name a folder.
    #[error("an instance id may not be only dots")]
    Dots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameSource {
    /// The configuration, a variable or a flag.
    Given,
    /// The number of the bot token.
    Token,
    /// A guess: COMMAND and a hash.
    Command,
}

impl NameSource {
    /// Guesses the source of a name from its form. A configured name may look like a generated one.
    pub fn by_form(instance: &str) -> NameSource {
        let is_of = |text: &str, allowed: fn(&u8) -> bool| {
            !text.is_empty() && text.bytes().all(|byte| allowed(&byte))
        };
        if instance.strip_prefix("bot").is_some_and(|id| is_of(id, u8::is_ascii_digit)) {
            return NameSource::Token;
        }
        let is_hash = |hash: &str| {
            HASH_LENGTHS.contains(&hash.len())
                && is_of(hash, u8::is_ascii_hexdigit)
                && hash == hash.to_ascii_lowercase()
        };
        match instance.rsplit_once('-') {
            Some((base, hash)) if !base.is_empty() && is_hash(hash) => NameSource::Command,
            Some(_) | None => NameSource::Given,
        }
    }
}

/// The lengths of the hash in a guessed name: that of [`Instance::guessed`], and that of earlier
/// versions.
const HASH_LENGTHS: [usize; 2] = [12, 8];

/// The public half of a bot token: the number before its colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BotId(pub u64);

impl fmt::Display for BotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guessed_name_has_no_token() {
        let base = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";
        assert_eq!(Instance::guessed(base, 1 << 16).as_str(), "123456____-000000000001");
    }
}
