//! The tables `match` and `rules`: their keys, and how they become the engine's.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::duration::HumanDuration;
use crate::config::keys::{Key, KeyType, ValueKind, settings_table};
use crate::config::parsed_text::{Parsed, TextValue, choices};
use crate::config::problem::Fault;
use crate::config::spanned_value::Value;
use crate::config::value_types::RuleName;
use crate::engine::action::Action;
use crate::engine::pattern::{
    CmdlinePattern, ContainerLimit, NamePattern, PathPattern, Pattern, UserLimit,
};
use crate::engine::policy::{Conditions, MatchEntry, Rule};
use crate::engine::process::RunState;
use crate::text::{join_or, quote};

settings_table! {
    /// A process that meets every field of one entry is a candidate; at least one of name, cmdline,
    /// exe and cwd is needed.
    #[schemars(extend("anyOf" = [
        { "required": ["name"] },
        { "required": ["cmdline"] },
        { "required": ["exe"] },
        { "required": ["cwd"] },
    ]))]
    pub struct MatchTable {
        /// A regular expression on the executable's base name (else the first argument's), the
        /// whole name.
        name: Option<Parsed<NamePattern>> = None,
        /// A regular expression anywhere in the command line (arguments joined by one space).
        cmdline: Option<Parsed<CmdlinePattern>> = None,
        /// A glob on the executable's path; `*` stays within a folder, `**` does not.
        exe: Option<Parsed<PathPattern>> = None,
        /// A glob on the working directory: that folder or any below it.
        cwd: Option<Parsed<PathPattern>> = None,
        /// `same` (default), `any` or a user name.
        user: Option<Parsed<UserLimit>> = None,
        /// `same` (default) or `any`.
        container: Option<ContainerLimit> = None,
    }
}

settings_table! {
    /// The first rule whose every condition holds decides.
    pub struct RuleTable {
        /// What `plan` calls the rule. Default: its number.
        #[serde(default)]
        name: Option<Parsed<RuleName>>,
        /// The conditions; without any, the rule always holds.
        #[serde(default)]
        when: ConditionsTable where ages_overlap,
        /// What to do.
        action: Action,
    }
}

settings_table! {
    /// What a rule asks of a conflict; what is not written holds for every conflict.
    pub struct ConditionsTable {
        /// A regular expression on the executable's base name (else the first argument's), the
        /// whole name.
        name: Option<Parsed<NamePattern>> = None,
        /// A regular expression anywhere in the command line (arguments joined by one space).
        cmdline: Option<Parsed<CmdlinePattern>> = None,
        /// A glob on the executable's path; `*` stays within a folder, `**` does not.
        exe: Option<Parsed<PathPattern>> = None,
        /// A glob on the working directory: that folder or any below it.
        cwd: Option<Parsed<PathPattern>> = None,
        /// `same`, `any` or a user name.
        user: Option<Parsed<UserLimit>> = None,
        /// `same` or `any`.
        container: Option<ContainerLimit> = None,
        /// Whether it has the lock.
        holds_lock: Option<bool> = None,
        /// Whether it carries the bot's token.
        same_token: Option<bool> = None,
        /// Whether whatever started it is gone and nothing manages it.
        orphaned: Option<bool> = None,
        /// What the kernel says it is doing.
        state: Option<RunState> = None,
        /// It has been running at least this long.
        older_than: Option<HumanDuration> = None,
        /// It has been running less than this.
        younger_than: Option<HumanDuration> = None,
        /// A regular expression on what would start it again, such as `systemd:.*`.
        managed_by: Option<Parsed<Regex>> = None,
        /// Whether it is on this host.
        local: Option<bool> = None,
    }
}

/// Checks that an entry of `match` does not match every process there is.
pub(super) fn has_a_pattern(entry: &Value) -> Option<Fault> {
    let Value::Table(entry) = entry else { return None };
    let patterns = ["name", "cmdline", "exe", "cwd"];
    if patterns.iter().any(|key| entry.contains_key(*key)) {
        return None;
    }
    Some(
        Fault::new("the entry matches every process")
            .help(format!("give it at least one of {}", join_or(patterns))),
    )
}

/// Checks that a rule does something.
pub(super) fn has_an_action(rule: &Value) -> Option<Fault> {
    let Value::Table(rule) = rule else { return None };
    if rule.contains_key("action") {
        return None;
    }
    Some(
        Fault::new("the rule has no action")
            .help(format!("add `action`: {}", join_or(choices::<Action>()))),
    )
}

/// Checks that a process can have both ages.
fn ages_overlap(conditions: &Value) -> Option<Fault> {
    let Value::Table(conditions) = conditions else { return None };
    let age = |key: &str| match &conditions.get(key)?.value {
        Value::Text(text) => Some((HumanDuration::parse(text).ok()?, text.as_str())),
        _ => None,
    };
    let ((older, older_text), (younger, younger_text)) = (age("older_than")?, age("younger_than")?);
    if older < younger {
        return None;
    }
    let found = format!(
        "no process is both older than {} and younger than {}",
        quote(older_text),
        quote(younger_text)
    );
    Some(Fault::new(found).help("`older_than` must be less than `younger_than`"))
}

impl MatchTable {
    pub(super) fn to_entry(&self) -> MatchEntry {
        MatchEntry {
            pattern: Pattern {
                name: self.name.as_deref().cloned(),
                cmdline: self.cmdline.as_deref().cloned(),
                exe: self.exe.as_deref().cloned(),
                cwd: self.cwd.as_deref().cloned(),
            },
            user: self.user.as_deref().cloned().unwrap_or_default(),
            container: self.container.unwrap_or_default(),
        }
    }
}

impl RuleTable {
    pub(super) fn to_rule(&self, index: usize) -> Rule {
        let name = self.name.as_ref().map(|name| name.as_str().to_owned());
        let when = &self.when;
        Rule {
            name: name.unwrap_or_else(|| format!("rules[{index}]")),
            when: Conditions {
                pattern: Pattern {
                    name: when.name.as_deref().cloned(),
                    cmdline: when.cmdline.as_deref().cloned(),
                    exe: when.exe.as_deref().cloned(),
                    cwd: when.cwd.as_deref().cloned(),
                },
                user: when.user.as_deref().cloned(),
                container: when.container,
                holds_lock: when.holds_lock,
                same_token: when.same_token,
                orphaned: when.orphaned,
                state: when.state,
                older_than: when.older_than.map(|age| *age),
                younger_than: when.younger_than.map(|age| *age),
                managed_by: when.managed_by.as_deref().cloned(),
                local: when.local,
            },
            action: self.action,
        }
    }
}
