//! The tables `match` and `rules`: their keys, and their conversion into the engine's types.

use regex::Regex;
use regex_syntax::hir::Look;
use regex_syntax::hir::literal::Extractor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::duration::HumanDuration;
use crate::config::impossible_patterns;
use crate::config::key_types::{Key, KeyType, ValueKind, settings_table};
use crate::config::parsed_text::{Parsed, TextValue, choices};
use crate::config::problem::Fault;
use crate::config::spanned_value::Value;
use crate::config::value_types::RuleName;
use crate::engine::action::Action;
use crate::engine::evidence_kind::EvidenceKind;
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
        /// A regular expression that must match the whole base name of the executable, or of the
        /// first argument if the executable is unknown.
        name: Option<Parsed<NamePattern>> where impossible_patterns::can_be_a_base_name = None,
        /// A regular expression that may match anywhere in the command line (arguments joined by
        /// one space).
        cmdline: Option<Parsed<CmdlinePattern>> = None,
        /// A glob for the executable's absolute path. `*` does not match `/`, `**` does.
        exe: Option<Parsed<PathPattern>> where impossible_patterns::can_be_an_executable = None,
        /// A glob for the absolute path of the working directory. Matches that folder and all
        /// folders below it.
        cwd: Option<Parsed<PathPattern>> where impossible_patterns::can_be_a_folder = None,
        /// `same` (default), `any` or the name or number of a user.
        user: Option<Parsed<UserLimit>> where impossible_patterns::is_a_known_user = None,
        /// `same` (default) or `any`.
        container: Option<ContainerLimit> = None,
    }
}

settings_table! {
    /// The first rule whose conditions all hold decides.
    pub struct RuleTable {
        /// Name of the rule in the output of `plan`. Default: its number.
        #[serde(default)]
        name: Option<Parsed<RuleName>>,
        /// Conditions of the rule. A rule without conditions always applies.
        #[serde(default)]
        when: ConditionsTable where ages_overlap,
        /// Action for a conflict to which the rule applies.
        action: Action,
    }
}

settings_table! {
    /// Conditions of a rule. A condition that is not set holds for every conflict.
    pub struct ConditionsTable {
        /// A regular expression that must match the whole base name of the executable, or of the
        /// first argument if the executable is unknown.
        name: Option<Parsed<NamePattern>> where impossible_patterns::can_be_a_base_name = None,
        /// A regular expression that may match anywhere in the command line (arguments joined by
        /// one space).
        cmdline: Option<Parsed<CmdlinePattern>> = None,
        /// A glob for the executable's absolute path. `*` does not match `/`, `**` does.
        exe: Option<Parsed<PathPattern>> where impossible_patterns::can_be_an_executable = None,
        /// A glob for the absolute path of the working directory. Matches that folder and all
        /// folders below it.
        cwd: Option<Parsed<PathPattern>> where impossible_patterns::can_be_a_folder = None,
        /// `same`, `any` or the name or number of a user.
        user: Option<Parsed<UserLimit>> where impossible_patterns::is_a_known_user = None,
        /// `same` or `any`.
        container: Option<ContainerLimit> = None,
        /// `true`: the process holds the lock. `false`: it does not.
        holds_lock: Option<bool> = None,
        /// The strongest evidence that found the process.
        found_by: Option<EvidenceKind> = None,
        /// `true`: the process has the bot token. `false`: it does not.
        same_token: Option<bool> = None,
        /// `true`: the process has an open connection to the Bot API. `false`: it has none. Only
        /// known of processes that carry the bot token, and of near misses.
        connected: Option<bool> = None,
        /// `true`: the process that started it has ended, and no supervisor manages it.
        orphaned: Option<bool> = None,
        /// State of the process in the kernel.
        state: Option<RunState> = None,
        /// Minimum age of the process.
        older_than: Option<HumanDuration> = None,
        /// The process must be younger than this.
        younger_than: Option<HumanDuration> = None,
        /// A regular expression for the supervisor that restarts it, such as `systemd:.*`.
        managed_by: Option<Parsed<Regex>> = None,
        /// `true`: the process runs on this host. `false`: on another one.
        local: Option<bool> = None,
    }
}

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

/// Checks that some age satisfies both conditions.
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

/// The only field of an entry, if it does not identify a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BroadField {
    Cmdline,
    Cwd,
}

impl MatchTable {
    /// Returns the only field of an entry, if it does not identify a program. A regex anchored at
    /// the start of the command line does.
    pub(super) fn broad_field(&self) -> Option<BroadField> {
        match (&self.name, &self.exe, &self.cmdline, &self.cwd) {
            (None, None, Some(words), None) if !begins_with_a_program(words.as_str()) => {
                Some(BroadField::Cmdline)
            }
            (None, None, None, Some(_)) => Some(BroadField::Cwd),
            (_, _, _, _) => None,
        }
    }

    /// Returns the `name` of an entry that finds only scripts with such an ending.
    pub(super) fn name_of_script(&self) -> Option<&str> {
        const ENDINGS: [&str; 8] = [".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".php", ".sh"];
        let name = self.name.as_ref()?.source();
        let is_script = ENDINGS.iter().any(|ending| name.ends_with(ending));
        (is_script && !name.contains(['|', '(', '['])).then_some(name)
    }

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

/// Returns whether a regular expression matches only at the start of the line and begins with
/// literal text.
fn begins_with_a_program(regex: &str) -> bool {
    let Ok(regex) = regex_syntax::parse(regex) else { return false };
    let anchored = regex.properties().look_set_prefix().contains(Look::Start);
    let first = Extractor::new().extract(&regex);
    anchored && first.literals().is_some_and(|words| words.iter().all(|word| !word.is_empty()))
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
                found_by: when.found_by,
                same_token: when.same_token,
                connected: when.connected,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_a_program_if_it_has_a_word_at_the_start_of_the_line() {
        for regex in ["^python3 main", "^(/usr/bin/)?python3", "^(?:node|bun) ", r"\Abot$"] {
            assert!(begins_with_a_program(regex), "{regex}");
        }
        for regex in ["main", "^.*main", "^.+main", "^a?.*main", "^python|main", "(?m)^bot", "^"] {
            assert!(!begins_with_a_program(regex), "{regex}");
        }
    }
}
