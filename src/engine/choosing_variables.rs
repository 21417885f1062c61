//! Environment variables that select which bot a script runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use crate::engine::carried_tokens::bots_in;
use crate::engine::instance::BotId;
use crate::engine::token_variables::TokenVariables;
use crate::engine::unrelated_variables::may_be_a_name;
use crate::engine::variable_kind::{
    CHOOSING_VARIABLES, VariableKind, is_log_variable, is_set_by_pm2, may_choose_token,
    may_name_a_file, never_chooses,
};

/// A variable that is set or unset.
pub(crate) type Variable = (OsString, Option<OsString>);

/// Stands for the name of every variable, where a command clears its environment (`env -i`).
pub(crate) const EVERY_VARIABLE: &str = "*";

/// Values for the bot that serves people, as a service has them.
const PRODUCTION: [&str; 3] = ["production", "prod", "live"];

/// The evidence that a process is this bot, before its variables are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Nothing,
    /// Both have the same given name, or that of the bot's number. An unset variable then says
    /// nothing, unless it is part of every guessed name or a script reads it. Nor does a name that
    /// only a command sets.
    Name,
}

/// The variables that a process gets on its way to its program, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct SetVariables<'a> {
    /// By scripts, recipes and launchers.
    pub by_scripts: &'a [Variable],
    /// By its own command line, which has the last word.
    pub by_words: &'a [Variable],
}

impl<'a> SetVariables<'a> {
    /// Returns the value that a variable has for the program in the end.
    fn value(self, name: &OsStr, inherited: Option<&'a [u8]>) -> Option<&'a [u8]> {
        let mut set = self.by_scripts.iter().chain(self.by_words).rev();
        match set.find(|(set, _)| set == name || set == EVERY_VARIABLE) {
            Some((_, value)) => value.as_ref().map(|value| value.as_encoded_bytes()),
            None => inherited,
        }
    }

    fn has(self, name: &OsStr) -> bool {
        let mut all = self.by_scripts.iter().chain(self.by_words);
        all.any(|(set, _)| set == name || set == EVERY_VARIABLE)
    }

    /// Returns the names of those that may choose the bot.
    fn names(self) -> impl Iterator<Item = &'a OsStr> + Clone {
        let by_scripts = self.by_scripts.iter().map(|(name, _)| name.as_os_str());
        let by_scripts = by_scripts.filter(|name| may_be_set_to_choose(name));
        let by_words = self.by_words.iter().map(|(name, _)| name.as_os_str());
        by_scripts.chain(by_words.filter(|name| counts_if_named(name)))
    }
}

/// The variables that may select the bot, as COMMAND gets them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnVariables {
    environment: BTreeMap<OsString, OsString>,
    /// The values that `.env` has for a process without them.
    file: BTreeMap<OsString, OsString>,
    /// The variables that COMMAND's own words set or that its script reads.
    named: BTreeSet<OsString>,
    /// Those of them that its script reads: it may do something else without one.
    read: BTreeSet<OsString>,
    /// The bots whose tokens it has in its environment or in `.env`.
    bots: BTreeSet<BotId>,
    tokens: TokenVariables,
}

impl OwnVariables {
    /// `set` has the variables that the words of COMMAND set, `read` those that its script reads.
    pub fn new(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        set: &[Variable],
        read: &[OsString],
    ) -> OwnVariables {
        let is_of_pm2 = |(name, value): &(OsString, OsString)| {
            is_set_by_pm2(name.as_encoded_bytes(), value.as_encoded_bytes())
        };
        let environment = environment.into_iter().filter(|it| !is_of_pm2(it));
        let mut environment: BTreeMap<_, _> = environment.collect();
        for (name, value) in set {
            match value {
                Some(value) => {
                    environment.insert(name.clone(), value.clone());
                }
                None if name == EVERY_VARIABLE => environment.clear(),
                None => {
                    environment.remove(name);
                }
            }
        }
        let named = set.iter().map(|(name, _)| name).chain(read);
        let named = named.filter(|name| counts_if_named(name)).cloned().collect();
        let is_read = |name: &&OsString| {
            counts_if_named(name) && VariableKind::of(name) != VariableKind::Session
        };
        let read = read.iter().filter(is_read).cloned().collect();
        let bots = environment.values().flat_map(|it| bots_in(it.as_encoded_bytes())).collect();
        OwnVariables { environment, named, read, bots, ..OwnVariables::default() }
    }

    /// Adds this start's bot, and the names of files of other bots.
    #[must_use]
    pub fn with_bot(mut self, mine: BotId, other_files: BTreeSet<String>) -> OwnVariables {
        self.tokens.mine = Some(mine);
        self.tokens.other_files = other_files;
        self
    }

    /// Returns whether a variable may choose one of several bots.
    #[cfg_attr(
        any(not(target_os = "linux"), monopoll_portable),
        expect(dead_code, reason = "only Linux reads the variables of processes")
    )]
    pub(crate) fn may_choose_a_token(&self) -> bool {
        self.bots.len() >= 2 || !self.tokens.other_files.is_empty()
    }

    /// Adds the variables of `env_file`. A bot reads there what its environment does not have,
    /// whether this start or the process is that bot.
    #[must_use]
    pub fn with_file(
        mut self,
        file: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> OwnVariables {
        // The tokens of a file are compared on their own.
        for (name, value) in file {
            let bots = bots_in(value.as_encoded_bytes());
            self.bots.extend(&bots);
            if bots.is_empty() {
                self.file.insert(name, value);
            } else {
                self.tokens.in_file.insert(name, bots);
            }
        }
        self
    }

    /// Returns the values of the variables that are part of every guessed name, in order.
    pub fn values(&self) -> impl Iterator<Item = Option<&OsStr>> {
        CHOOSING_VARIABLES.iter().map(|name| self.value(OsStr::new(name)))
    }

    /// Returns the other variables that may select the bot, by name.
    pub fn named(&self) -> impl Iterator<Item = (&OsStr, Option<&OsStr>)> {
        let named = self.named.iter().map(OsString::as_os_str);
        named.map(|name| (name, self.value(name)))
    }

    fn value(&self, name: &OsStr) -> Option<&OsStr> {
        self.environment.get(name).map(OsString::as_os_str)
    }

    /// Returns the first variable whose value differs in a process. What is set for it overrides
    /// its environment. An unset variable is an empty one, and has the value of `env_file`.
    pub fn first_difference(
        &self,
        set: SetVariables<'_>,
        environ: &[u8],
        proof: Proof,
    ) -> Option<String> {
        let environ = variables_of(environ);
        let in_file = |name: &OsStr| self.file.get(name).map(|it| it.as_encoded_bytes());
        let or_in_file = |name: &OsStr, value: Option<&[u8]>| {
            value.filter(|value| !value.is_empty()).or_else(|| in_file(name)).map(<[u8]>::to_vec)
        };
        let mine = |name: &OsStr| or_in_file(name, self.value(name).map(OsStr::as_encoded_bytes));
        let theirs = |name: &OsStr| {
            let inherited = environ.get(name.as_encoded_bytes()).copied();
            or_in_file(name, set.value(name, inherited))
        };
        let says_more_than_the_name =
            |name: &OsStr| proof == Proof::Nothing || is_listed(name) || self.read.contains(name);
        // `env ROOM=bob` on the words of one command is as likely a new option of the same bot.
        let is_set_by_script = |name: &OsStr| set.by_scripts.iter().any(|(it, _)| it == name);
        let named_differs = |name: &&OsStr| match (mine(name), theirs(name)) {
            (Some(mine), Some(theirs)) => {
                let counts = VariableKind::of(name).may_choose()
                    || says_more_than_the_name(name)
                    || !bots_in(&mine).is_empty();
                counts && mine != theirs
            }
            (Some(value), None) | (None, Some(value))
                if says_nothing_alone(name, &value, self.bots.len())
                    && !self.read.contains(*name) =>
            {
                false
            }
            (Some(value), None) | (None, Some(value)) => {
                let may_be_named = VariableKind::of(name).may_choose() || is_set_by_script(name);
                let counts = may_be_named && says_more_than_the_name(name)
                    || self.read.contains(*name)
                    || is_listed(name);
                counts || !bots_in(&value).is_empty()
            }
            (None, None) => false,
        };
        // A token that only one of them has is compared as a token.
        let kind_differs = |name: &&OsStr| match (VariableKind::of(name), mine(name), theirs(name))
        {
            (VariableKind::Choosing | VariableKind::OftenChoosing, Some(mine), Some(theirs)) => {
                mine != theirs
            }
            (VariableKind::Unknown, Some(mine), Some(theirs)) => {
                proof == Proof::Nothing
                    && mine != theirs
                    && [&mine, &theirs].iter().all(|it| may_be_a_name(it))
            }
            (VariableKind::Choosing, Some(value), None)
            | (VariableKind::Choosing, None, Some(value)) => {
                says_more_than_the_name(name)
                    && bots_in(&value).is_empty()
                    && !says_nothing_alone(name, &value, self.bots.len())
            }
            // With the tokens of several bots, a program may choose one by any name.
            (
                VariableKind::Choosing
                | VariableKind::OftenChoosing
                | VariableKind::Unknown
                | VariableKind::Other
                | VariableKind::Session
                | VariableKind::Harmless,
                mine,
                theirs,
            ) => {
                let may_choose =
                    |value: &Vec<u8>| may_be_a_name(value) && bots_in(value).is_empty();
                self.bots.len() >= 2
                    && proof == Proof::Nothing
                    && mine != theirs
                    && may_choose_token(name)
                    && [&mine, &theirs].into_iter().flatten().all(may_choose)
            }
        };
        let set_names = set.names();
        let chooses_token = |name: &&OsStr| {
            let own = environ.get(name.as_encoded_bytes()).copied();
            let may_name_a_file =
                || may_name_a_file(name) || set_names.clone().any(|it| it == *name);
            proof == Proof::Nothing
                && (self.tokens.differ(name, self.value(name), own)
                    || may_name_a_file() && self.tokens.choose_file(mine(name), theirs(name)))
        };
        let mut named = CHOOSING_VARIABLES
            .iter()
            .map(OsStr::new)
            .chain(self.named.iter().map(OsString::as_os_str))
            .chain(set_names.clone());
        let own_names = self.environment.keys().map(OsString::as_os_str);
        let their_names = environ.keys().filter_map(|name| std::str::from_utf8(name).ok());
        // Most values are the same: comparing them is the quickest test.
        let may_differ = |name: &&OsStr| {
            let theirs = environ.get(name.as_encoded_bytes()).copied();
            self.value(name).map(OsStr::as_encoded_bytes) != theirs || set.has(name)
        };
        let inherited: BTreeSet<&OsStr> =
            own_names.chain(their_names.map(OsStr::new)).filter(may_differ).collect();
        named
            .find(named_differs)
            .or_else(|| inherited.iter().copied().find(kind_differs))
            .or_else(|| inherited.iter().copied().chain(set_names.clone()).find(chooses_token))
            .map(|name| name.to_string_lossy().into_owned())
    }
}

/// Returns the variables of an environment. The first of two with one name counts.
fn variables_of(environ: &[u8]) -> BTreeMap<&[u8], &[u8]> {
    let entries = environ.split(|byte| *byte == 0).rev();
    entries
        .filter_map(|entry| {
            let at = entry.iter().position(|byte| *byte == b'=')?;
            Some((entry.get(..at)?, entry.get(at + 1..)?))
        })
        .filter(|(name, value)| !is_set_by_pm2(name, value))
        .collect()
}

/// Returns whether two different values of a variable mean two bots. What only often chooses, such
/// as `BOT_VERSION` or `NODE_ENV`, may as well be two releases of one bot.
pub(crate) fn differ_by_bot(name: &OsStr, one: &OsStr, other: &OsStr) -> bool {
    let [bots, others] = [one, other].map(|value| bots_in(value.as_encoded_bytes()));
    if !bots.is_empty() && !others.is_empty() {
        return bots != others;
    }
    one != other && (name == "BOT" || is_listed(name))
}

/// Returns whether a variable is part of every guessed name.
fn is_listed(name: &OsStr) -> bool {
    CHOOSING_VARIABLES.iter().any(|usual| name == *usual)
}

/// Returns whether a variable that a command line sets, or that a script reads, may choose the bot.
fn counts_if_named(name: &OsStr) -> bool {
    !is_listed(name) && name != EVERY_VARIABLE && VariableKind::of(name) != VariableKind::Harmless
}

/// Returns whether a variable that a script, recipe or launcher sets may choose the bot: under any
/// name, such as `DEBUG`, but for those of the runtime.
fn may_be_set_to_choose(name: &OsStr) -> bool {
    let is_of_runtime = VariableKind::of(name) == VariableKind::Harmless && never_chooses(name);
    !is_listed(name) && name != EVERY_VARIABLE && !is_of_runtime
}

/// Returns whether a service, a shell or a start script often has this value where another start of
/// the same bot has none: `NODE_ENV=production`, `ENV` with the file that an interactive shell
/// reads when it starts, and where the log goes. In a guessed name, unset is a value. With the
/// tokens of several bots, any value may choose one.
pub(crate) fn says_nothing_alone(name: &OsStr, value: &[u8], bots: usize) -> bool {
    if bots >= 2 {
        return false;
    }
    if is_log_variable(name) {
        return true;
    }
    if is_listed(name) || VariableKind::of(name) != VariableKind::Choosing {
        return false;
    }
    let is_startup_file = name == "ENV" && value.contains(&b'/');
    is_startup_file || PRODUCTION.iter().any(|usual| value.eq_ignore_ascii_case(usual.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "BOT_TOKEN=123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

    const MY_BOT: &str = "MY_BOT=123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

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
            ("", "BOT=bob", "", "", Some("BOT")),
            ("", "BOT=bob", "", "BOT=bob", None),
            ("", TOKEN, "", "", Some("BOT_TOKEN")),
            ("", "", TOKEN, "", Some("BOT_TOKEN")),
            ("", TOKEN, "", TOKEN, None),
            ("", "BOT=bob", "BOT=alice", "", Some("BOT")),
            ("", "", "BOT=alice", "", Some("BOT")),
            ("BOT=bob", "", "BOT=alice", "", Some("BOT")),
            ("BOT=alice", "", "BOT=alice", "", None),
            // Of inherited variables with other names, only two values.
            ("SHOP=bob", "", "", "SHOP=alice", Some("SHOP")),
            ("SHOP=bob", "", "", "", None),
            ("", "", "", "SHOP=alice", None),
            ("NAME=bob", "", "", "NAME=alice", Some("NAME")),
            ("", "PYTHONUNBUFFERED=1", "", "", None),
            ("", "PYTHONUNBUFFERED=1", "", "PYTHONUNBUFFERED=0", None),
            ("TZ=UTC", "", "TZ=CET", "", None),
            ("", "ROOM=bob", "", "", None),
            ("", "ROOM=bob", "", "ROOM=alice", Some("ROOM")),
            ("ROOM=bob", "", "ROOM=bob", "", None),
            ("", "", "ROOM=bob", "", None),
            ("", "PYTHON_ENV=a", "", "", Some("PYTHON_ENV")),
            ("", "LOGIN=a", "", "LOGIN=b", Some("LOGIN")),
            ("", "HTTP_PROXY=a", "", "", None),
            ("", "NODE_ENV=production", "", "", None),
            ("", "", "NODE_ENV=production", "", None),
            ("", "BOT_ENV=production", "", "", Some("BOT_ENV")),
            ("", "NODE_ENV=test", "", "", Some("NODE_ENV")),
            ("bot=alice", "", "", "bot=bob", Some("bot")),
            ("bot=alice", "", "", "", Some("bot")),
            ("", "profile=a", "", "profile=b", Some("profile")),
            ("env=dev", "", "", "env=prod", Some("env")),
            ("", "", "", "env=dev", Some("env")),
            ("env=prod", "", "", "", None),
            ("namespace=a", "", "", "namespace=b", Some("namespace")),
            ("namespace=a", "", "", "namespace=default", None),
            ("exec_mode=fork_mode", "", "", "exec_mode=cluster_mode", None),
            ("shop=a", "", "", "shop=b", None),
            ("", "NODE_ENV=production", "", "NODE_ENV=staging", Some("NODE_ENV")),
            // An unset one of these is a value too, and empty is unset.
            ("NODE_ENV=a", "", "", "NODE_ENV=b", Some("NODE_ENV")),
            ("NODE_ENV=a", "", "NODE_ENV=b", "", Some("NODE_ENV")),
            ("NODE_ENV=a", "", "", "", Some("NODE_ENV")),
            ("NODE_ENV=production", "", "", "", None),
            ("", "", "", "ENV=Prod", None),
            ("BOT_ENV=production", "", "", "", Some("BOT_ENV")),
            ("NODE_ENV=production", "", "", "NODE_ENV=a", Some("NODE_ENV")),
            ("NODE_ENV=", "", "", "", None),
            ("", "", "", "BOT_NAME=", None),
            ("", "", "", "NODE_ENV=a", Some("NODE_ENV")),
            ("RUN_MODE=a", "", "", "", Some("RUN_MODE")),
            ("", "", "", "IS_PROD=1", Some("IS_PROD")),
            // The startup file of a shell.
            ("ENV=/etc/shrc", "", "", "", None),
            ("ENV=test", "", "", "", Some("ENV")),
            // These often select a configuration, and then both have a value.
            ("CREDENTIALS_DIRECTORY=/a", "", "", "", None),
            ("", "", "", "DATABASE_URL=/b", None),
            ("DATABASE_URL=/a", "", "", "DATABASE_URL=/b", Some("DATABASE_URL")),
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
            ("BOT=bob", "", "", "", Some("BOT")),
            (MY_BOT, "", "", "", None),
            ("AWS_PROFILE=a", "", "", "AWS_PROFILE=b", None),
            ("", "AWS_PROFILE=a", "", "", None),
            ("", "AWS_PROFILE=a", "", "AWS_PROFILE=b", Some("AWS_PROFILE")),
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
            let by_words = &set(by_theirs);
            let set = SetVariables { by_words, ..SetVariables::default() };
            let found = own.first_difference(set, environ.as_bytes(), Proof::Nothing);
            assert_eq!(found.as_deref(), expected, "{mine} {by_mine} | {by_theirs} {theirs}");
        }
    }

    #[test]
    fn with_the_tokens_of_several_bots_any_mode_may_choose() {
        let tokens = [TOKEN, "DEV_TOKEN=654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-"];
        for (mine, theirs, expected) in [
            ("", "DEBUG=1", Some("DEBUG")),
            ("IS_LOCAL=1", "", Some("IS_LOCAL")),
            ("SHOP=a", "", Some("SHOP")),
            ("NODE_ENV=production", "", Some("NODE_ENV")),
            ("DEBUG=1", "DEBUG=1", None),
            ("LOG_LEVEL=info", "", None),
            ("SSH_TTY=a", "", None),
        ] {
            let first = |tokens: &[&str]| {
                let own = OwnVariables::new(pairs(mine), &[], &[]);
                let own = own.with_file(tokens.iter().flat_map(|it| pairs(it)));
                own.first_difference(SetVariables::default(), theirs.as_bytes(), Proof::Nothing)
            };
            assert_eq!(first(&tokens).as_deref(), expected, "{mine} | {theirs}");
            assert_eq!(first(&tokens[..1]), None, "{mine} | {theirs}");
        }
    }

    #[test]
    fn the_name_of_another_bots_file_counts_under_any_name_that_a_person_may_have_set() {
        let files = ["2", "bob", "staging"].into_iter().map(str::to_owned).collect();
        let mine = bots_in(TOKEN.as_bytes()).into_iter().next().unwrap();
        let own = OwnVariables::default().with_bot(mine, files);
        for (theirs, expected) in [
            ("NODE_ENV=staging", Some("NODE_ENV")),
            ("WHERE=staging", Some("WHERE")),
            ("stage=bob", Some("stage")),
            ("which=bob", Some("which")),
            ("N=2", Some("N")),
            ("LOG_DIR=bob", Some("LOG_DIR")),
            ("SHLVL=2", None),
            ("XDG_SESSION_ID=2", None),
            ("USER=bob", None),
            ("LOGNAME=bob", None),
            ("HOME=bob", None),
            ("npm_config_user=bob", None),
        ] {
            let first = |set: SetVariables<'_>, environ: &str| {
                own.first_difference(set, environ.as_bytes(), Proof::Nothing)
            };
            assert_eq!(first(SetVariables::default(), theirs).as_deref(), expected, "{theirs}");
            let by_scripts = &set(theirs);
            let by_scripts = SetVariables { by_scripts, ..SetVariables::default() };
            let name = theirs.split_once('=').map(|(name, _)| name);
            assert_eq!(first(by_scripts, "").as_deref(), name, "{theirs}");
        }
    }

    #[test]
    fn what_a_script_sets_counts_under_any_name() {
        let by_scripts = &set("ROOM=bob");
        let set = SetVariables { by_scripts, ..SetVariables::default() };
        for (mine, proof, expected) in [
            ("", Proof::Nothing, Some("ROOM")),
            ("ROOM=alice", Proof::Nothing, Some("ROOM")),
            ("ROOM=bob", Proof::Nothing, None),
            ("ROOM=alice", Proof::Name, None),
        ] {
            let own = OwnVariables::new(pairs(mine), &[], &[]);
            let found = own.first_difference(set, b"ROOM=ann", proof);
            assert_eq!(found.as_deref(), expected, "{mine} {proof:?}");
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
        let first = |own: &OwnVariables, environ: &[u8]| {
            own.first_difference(SetVariables::default(), environ, Proof::Name)
        };
        let own = OwnVariables::new(pairs("BOT=bob"), &[], &["BOT".into(), "TERM".into()]);
        assert_eq!(first(&own, b"BOT=alice\0TERM=x").as_deref(), Some("BOT"));
        assert_eq!(first(&own, b"BOT=bob\0TERM=x"), None);
        assert_eq!(first(&own, b"").as_deref(), Some("BOT"));
        let unset = OwnVariables::new([], &[], &["BOT".into(), "XDG_DATA_DIR".into()]);
        assert_eq!(first(&unset, b"BOT=bob").as_deref(), Some("BOT"));
        assert_eq!(first(&unset, b"XDG_DATA_DIR=/a"), None);
    }

    #[test]
    fn where_a_name_says_that_it_is_the_same_bot_an_unset_variable_says_nothing() {
        for (mine, by_mine, theirs, expected) in [
            ("NODE_ENV=a", "", "", None),
            ("", "", "ENV=a", None),
            ("", "BOT=bob", "", None),
            ("", "VERSION=2", "VERSION=1", None),
            ("", "BOT=bob", "BOT=alice", Some("BOT")),
            ("NODE_ENV=a", "", "NODE_ENV=b", Some("NODE_ENV")),
            ("BOT_ENV=a", "", "", Some("BOT_ENV")),
            ("", TOKEN, "", Some("BOT_TOKEN")),
        ] {
            let own = OwnVariables::new(pairs(mine), &set(by_mine), &[]);
            let found =
                own.first_difference(SetVariables::default(), theirs.as_bytes(), Proof::Name);
            assert_eq!(found.as_deref(), expected, "{mine} {by_mine} | {theirs}");
        }
    }

    #[test]
    fn a_variable_that_is_not_in_an_environment_has_the_value_of_the_env_file() {
        for (mine, theirs, file, expected) in [
            ("", "ENV=a", "ENV=a", None),
            ("ENV=a", "", "ENV=a", None),
            ("", "", "ENV=a", None),
            ("", "ENV=b", "ENV=a", Some("ENV")),
            ("ENV=b", "", "ENV=a", Some("ENV")),
            ("ENV=b", "ENV=b", "ENV=a", None),
            ("", "BOT_ENV=a", "BOT_ENV=a", None),
            ("", "ENV=b", "MODE=a", Some("ENV")),
        ] {
            let own = OwnVariables::new(pairs(mine), &[], &[]).with_file(pairs(file));
            let found =
                own.first_difference(SetVariables::default(), theirs.as_bytes(), Proof::Nothing);
            assert_eq!(found.as_deref(), expected, "{mine} | {theirs} | {file}");
        }
    }

    #[test]
    fn a_command_that_clears_its_environment_has_none_of_the_variables() {
        let cleared = [(EVERY_VARIABLE.into(), None), ("MODE".into(), Some("x".into()))];
        let own = OwnVariables::new(pairs("ENV=a MODE=y"), &cleared, &[]);
        let first = |by_words: &[Variable], environ: &[u8]| {
            let set = SetVariables { by_words, ..SetVariables::default() };
            own.first_difference(set, environ, Proof::Nothing)
        };
        assert_eq!(first(&[], b"MODE=x"), None);
        assert_eq!(first(&[], b"MODE=x\0ENV=a").as_deref(), Some("ENV"));
        assert_eq!(first(&cleared, b"ENV=b"), None);
        assert!(own.named().all(|(name, _)| name != EVERY_VARIABLE));
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
