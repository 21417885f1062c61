//! Environment variables that select which bot a script runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use crate::engine::carried_tokens::bots_in;

/// Two processes with different values of one of these variables are different bots; unset counts
/// as a value. `NODE_ENV`, `ENV` and the like are not listed because they are often set in a
/// service and not in a shell.
pub const CHOOSING_VARIABLES: [&str; 18] = [
    "BOT_PROFILE",
    "BOT_CONFIG",
    "BOT_NAME",
    "BOT_ENV",
    "BOT_INSTANCE",
    "APP_PROFILE",
    "APP_CONFIG",
    "APP_ENV",
    "ENV_FILE",
    "DOTENV_CONFIG_PATH",
    "CONFIG",
    "CONFIG_FILE",
    "CONFIG_PATH",
    "BOT_TOKEN_FILE",
    "TOKEN_FILE",
    "TELEGRAM_TOKEN_FILE",
    "DJANGO_SETTINGS_MODULE",
    "SPRING_PROFILES_ACTIVE",
];

/// Variables that often select a configuration. Only two different values of one are a difference,
/// because a shell often has none where a service has one.
const OFTEN_CHOOSING: [&str; 14] = [
    "BOT",
    "INSTANCE",
    "DATA_DIR",
    "DATABASE_URL",
    "NODE_ENV",
    "ENV",
    "ENVIRONMENT",
    "PROFILE",
    "SETTINGS",
    "STAGE",
    "TENANT",
    "DOTENV_KEY",
    "DOTENV_PATH",
    "CREDENTIALS_DIRECTORY",
];

/// Beginnings of the names of such variables.
const OFTEN_CHOOSING_STARTS: [&str; 2] = ["BOT_", "INSTANCE_"];

/// Endings of the names of such variables.
const OFTEN_CHOOSING_ENDS: [&str; 16] = [
    "_BOT",
    "_INSTANCE",
    "_DATA_DIR",
    "_DATABASE_URL",
    "_ENV",
    "_ENVIRONMENT",
    "_ENV_FILE",
    "_PROFILE",
    "_CONFIG",
    "_CONFIG_FILE",
    "_CONFIG_PATH",
    "_CONFIG_DIR",
    "_SETTINGS",
    "_SETTINGS_MODULE",
    "_SETTINGS_FILE",
    "_TOKEN_FILE",
];

/// Beginnings of names that belong to a shell, a desktop or a build, although they match above.
const NOT_CHOOSING: [&str; 8] =
    ["BASH_ENV", "VIRTUAL_ENV", "CONDA_", "GIT_", "PKG_CONFIG", "XDG_", "GTK_", "DOCKER_CONFIG"];

/// Prefixes of the names of variables that only tune a runtime, its output or its network.
const HARMLESS: [&str; 24] = [
    "PYTHON",
    "NODE_OPTIONS",
    "NODE_NO",
    "NODE_PATH",
    "LANG",
    "LC_",
    "TZ",
    "TERM",
    "COLOR",
    "NO_COLOR",
    "FORCE_COLOR",
    "RUST_",
    "LOG",
    "DEBUG",
    "MALLOC_",
    "OMP_",
    "LD_",
    "PATH",
    "UV_",
    "PIP_",
    "npm_",
    "HTTP",
    "http",
    "MONOPOLL_",
];

/// The variables that may select the bot, as COMMAND gets them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnVariables {
    environment: BTreeMap<OsString, OsString>,
    /// The variables that COMMAND's own words set or that its script reads.
    named: BTreeSet<OsString>,
    /// Those of them that its script reads: it may do something else without one.
    read: BTreeSet<OsString>,
}

impl OwnVariables {
    /// `set` has the variables that the words of COMMAND set, `read` those that its script reads.
    pub fn new(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        set: &[(OsString, Option<OsString>)],
        read: &[OsString],
    ) -> OwnVariables {
        let mut environment: BTreeMap<_, _> = environment.into_iter().collect();
        for (name, value) in set {
            match value {
                Some(value) => environment.insert(name.clone(), value.clone()),
                None => environment.remove(name),
            };
        }
        let named = set.iter().map(|(name, _)| name).chain(read);
        let named = named.filter(|name| may_choose(name)).cloned().collect();
        let is_read = |name: &&OsString| may_choose(name) && !belongs_to_session(name);
        let read = read.iter().filter(is_read).cloned().collect();
        OwnVariables { environment, named, read }
    }

    /// Returns the values of [`CHOOSING_VARIABLES`], in order.
    pub fn values(&self) -> impl Iterator<Item = Option<&OsStr>> {
        CHOOSING_VARIABLES.iter().map(|name| self.value(OsStr::new(name)))
    }

    /// Returns the other variables that may select the bot, by name.
    pub fn named(&self) -> impl Iterator<Item = (&OsStr, Option<&OsStr>)> {
        self.named.iter().map(|name| (name.as_os_str(), self.value(name)))
    }

    fn value(&self, name: &OsStr) -> Option<&OsStr> {
        self.environment.get(name).map(OsString::as_os_str)
    }

    /// Returns the first variable whose value differs in a process. `set` has the variables that
    /// the command line of the process sets, which override its environment. A missing variable
    /// counts as a difference for [`CHOOSING_VARIABLES`], for what COMMAND's script reads, and if
    /// the other one has a token.
    pub fn first_difference(
        &self,
        set: &[(OsString, Option<OsString>)],
        environ: &[u8],
    ) -> Option<String> {
        let theirs = |name: &OsStr| {
            let set = set.iter().rev().find(|(set, _)| set == name);
            if let Some((_, value)) = set {
                return value.as_ref().map(|value| value.as_encoded_bytes());
            }
            environ
                .split(|byte| *byte == 0)
                .find_map(|entry| entry.strip_prefix(name.as_encoded_bytes())?.strip_prefix(b"="))
        };
        let differs = |name: &&OsStr| {
            let (mine, theirs) = (self.value(name).map(OsStr::as_encoded_bytes), theirs(name));
            let is_usual = CHOOSING_VARIABLES.iter().any(|usual| name == usual);
            let both_or_a_token = || match (mine, theirs) {
                (Some(_), Some(_)) => true,
                (value, None) | (None, value) => value.is_some_and(|it| !bots_in(it).is_empty()),
            };
            mine != theirs && (is_usual || self.read.contains(*name) || both_or_a_token())
        };
        let is_often_other = |name: &&OsStr| {
            let mine = self.value(name).map(OsStr::as_encoded_bytes);
            theirs(name).is_some_and(|theirs| mine.is_some_and(|mine| mine != theirs))
        };
        let set = set.iter().map(|(name, _)| name.as_os_str()).filter(|name| may_choose(name));
        let mut names = CHOOSING_VARIABLES
            .iter()
            .map(OsStr::new)
            .chain(self.named.iter().map(OsString::as_os_str))
            .chain(set);
        let mut often = self.environment.keys().map(OsString::as_os_str);
        names
            .find(differs)
            .or_else(|| often.find(|name| often_chooses(name) && is_often_other(name)))
            .map(|name| name.to_string_lossy().into_owned())
    }
}

/// Returns whether a variable often selects a configuration.
fn often_chooses(name: &OsStr) -> bool {
    let Some(text) = name.to_str().filter(|_| may_choose(name)) else { return false };
    let is_named = || OFTEN_CHOOSING.contains(&text) || text.contains("SECRETS");
    let starts = || OFTEN_CHOOSING_STARTS.iter().any(|start| text.starts_with(start));
    let ends = || OFTEN_CHOOSING_ENDS.iter().any(|end| text.ends_with(end));
    (is_named() || starts() || ends()) && !belongs_to_session(name)
}

/// Returns whether a variable belongs to a shell, a desktop or a build.
fn belongs_to_session(name: &OsStr) -> bool {
    NOT_CHOOSING.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()))
}

/// Returns whether two different values of a variable mean two bots. What only often chooses, such
/// as `BOT_VERSION` or `NODE_ENV`, may as well be two releases of one bot.
pub(crate) fn differ_by_bot(name: &OsStr, one: &OsStr, other: &OsStr) -> bool {
    let [bots, others] = [one, other].map(|value| bots_in(value.as_encoded_bytes()));
    if !bots.is_empty() && !others.is_empty() {
        return bots != others;
    }
    one != other && (name == "BOT" || CHOOSING_VARIABLES.iter().any(|usual| name == *usual))
}

/// Returns whether a variable that a command line sets may choose the bot.
fn may_choose(name: &OsStr) -> bool {
    !CHOOSING_VARIABLES.iter().any(|usual| name == *usual)
        && !HARMLESS.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "BOT_TOKEN=123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

    fn pairs(text: &str) -> Vec<(OsString, OsString)> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn set(text: &str) -> Vec<(OsString, Option<OsString>)> {
        pairs(text).into_iter().map(|(name, value)| (name, Some(value))).collect()
    }

    #[test]
    fn what_a_command_sets_itself_chooses_the_bot() {
        // My environment, what my command sets; what theirs sets, their environment.
        for (mine, by_mine, by_theirs, theirs, expected) in [
            ("", "", "", "", None),
            ("BOT_NAME=a", "", "", "BOT_NAME=b", Some("BOT_NAME")),
            ("", "BOT=bob", "", "BOT=alice", Some("BOT")),
            ("", "BOT=bob", "", "", None),
            ("", "BOT=bob", "", "BOT=bob", None),
            ("", TOKEN, "", "", Some("BOT_TOKEN")),
            ("", "", TOKEN, "", Some("BOT_TOKEN")),
            ("", TOKEN, "", TOKEN, None),
            ("", "BOT=bob", "BOT=alice", "", Some("BOT")),
            ("", "", "BOT=alice", "", None),
            ("BOT=bob", "", "BOT=alice", "", Some("BOT")),
            ("BOT=alice", "", "BOT=alice", "", None),
            // Inherited variables with other names prove nothing.
            ("NAME=bob", "", "", "NAME=alice", None),
            ("", "PYTHONUNBUFFERED=1", "", "", None),
            ("", "PYTHONUNBUFFERED=1", "", "PYTHONUNBUFFERED=0", None),
            ("TZ=UTC", "", "TZ=CET", "", None),
            ("", "NODE_ENV=production", "", "", None),
            ("", "NODE_ENV=production", "", "NODE_ENV=staging", Some("NODE_ENV")),
            // These often select a configuration, and then both have a value.
            ("NODE_ENV=a", "", "", "NODE_ENV=b", Some("NODE_ENV")),
            ("NODE_ENV=a", "", "NODE_ENV=b", "", Some("NODE_ENV")),
            ("NODE_ENV=a", "", "", "", None),
            ("", "", "", "NODE_ENV=a", None),
            ("NODE_ENV=a", "", "", "NODE_ENV=a", None),
            (
                "CREDENTIALS_DIRECTORY=/a",
                "",
                "",
                "CREDENTIALS_DIRECTORY=/b",
                Some("CREDENTIALS_DIRECTORY"),
            ),
            ("ALICE_CONFIG=a", "", "", "ALICE_CONFIG=b", Some("ALICE_CONFIG")),
            ("MY_ENV_FILE=a", "", "", "MY_ENV_FILE=b", Some("MY_ENV_FILE")),
            ("BOT=bob", "", "", "BOT=alice", Some("BOT")),
            ("BOT=bob", "", "", "", None),
            ("BOT_ID=1", "", "", "BOT_ID=2", Some("BOT_ID")),
            ("INSTANCE_ID=1", "", "", "INSTANCE_ID=2", Some("INSTANCE_ID")),
            ("DATA_DIR=/a", "", "", "DATA_DIR=/b", Some("DATA_DIR")),
            ("MY_SECRETS=/a", "", "", "MY_SECRETS=/b", Some("MY_SECRETS")),
            ("XDG_DATA_DIR=/a", "", "", "XDG_DATA_DIR=/b", None),
            ("VIRTUAL_ENV=a", "", "", "VIRTUAL_ENV=b", None),
            ("PIP_CONFIG_FILE=a", "", "", "PIP_CONFIG_FILE=b", None),
            ("HOME=/a", "", "", "HOME=/b", None),
        ] {
            let own = OwnVariables::new(pairs(mine), &set(by_mine), &[]);
            let environ = theirs.replace(' ', "\0");
            let found = own.first_difference(&set(by_theirs), environ.as_bytes());
            assert_eq!(found.as_deref(), expected, "{mine} {by_mine} | {by_theirs} {theirs}");
        }
    }

    #[test]
    fn the_variables_of_a_name_are_the_usual_ones_and_those_of_the_command() {
        let set = [
            ("BOT".into(), Some("bob".into())),
            ("BOT_NAME".into(), Some("b".into())),
            ("PYTHONUNBUFFERED".into(), Some("1".into())),
            ("LEVEL".into(), None),
        ];
        let own = OwnVariables::new(pairs("BOT_PROFILE=p LEVEL=3 TERM=x"), &set, &["SHARD".into()]);
        let of = |text: &'static str| Some(OsStr::new(text));
        let usual: Vec<_> = own.values().collect();
        assert_eq!(usual.len(), CHOOSING_VARIABLES.len());
        assert_eq!(usual[..4], [of("p"), None, of("b"), None]);
        assert!(usual[4..].iter().all(Option::is_none), "{usual:?}");
        let named: Vec<_> = own.named().collect();
        let expected = [("BOT", of("bob")), ("LEVEL", None), ("SHARD", None)];
        assert_eq!(named, expected.map(|(name, value)| (OsStr::new(name), value)));
    }

    #[test]
    fn what_a_script_reads_chooses_the_bot() {
        let own = OwnVariables::new(pairs("BOT=bob"), &[], &["BOT".into(), "TERM".into()]);
        assert_eq!(own.first_difference(&[], b"BOT=alice\0TERM=x").as_deref(), Some("BOT"));
        assert_eq!(own.first_difference(&[], b"BOT=bob\0TERM=x"), None);
        assert_eq!(own.first_difference(&[], b"").as_deref(), Some("BOT"));
        let unset = OwnVariables::new([], &[], &["BOT".into(), "XDG_DATA_DIR".into()]);
        assert_eq!(unset.first_difference(&[], b"BOT=bob").as_deref(), Some("BOT"));
        assert_eq!(unset.first_difference(&[], b"XDG_DATA_DIR=/a"), None);
    }

    #[test]
    fn only_two_values_of_a_choosing_variable_or_two_tokens_mean_two_bots() {
        let token = |bot: u32| format!("{bot}:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-");
        for (name, one, other, expected) in [
            ("BOT_ENV", "a", "b", true),
            ("BOT_ENV", "a", "a", false),
            ("BOT", "a", "b", true),
            ("BOT_VERSION", "1", "2", false),
            ("NODE_ENV", "a", "b", false),
            ("WORKERS", "2", "4", false),
            ("KEY", &*token(123_456), &*token(654_321), true),
            ("BOT_TOKEN", &token(123_456), &format!("{}x", &token(123_456)[..41]), false),
            ("KEY", "a", &token(654_321), false),
        ] {
            let differ = differ_by_bot(OsStr::new(name), OsStr::new(one), OsStr::new(other));
            assert_eq!(differ, expected, "{name} {one} {other}");
        }
    }
}
