//! The verdicts that an explanation consists of.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::SameToken;
use crate::engine::condition::Condition;
use crate::engine::explain::TokenEvidence;
use crate::engine::explain::command_match::CommandPart;
use crate::engine::fact::{Fact, Truth};
use crate::engine::plan::Evidence;
use crate::engine::policy::Rule;
use crate::engine::rules::RuleOutcome;
use crate::engine::shield::Shield;
use crate::engine::token::CarriedToken;

/// The verdict of one match entry.
#[derive(Debug, Clone)]
pub struct EntryVerdict<'a> {
    /// [`Evidence::Match`], or [`Evidence::Command`] where no entry is written.
    pub entry: Evidence,
    /// The verdict of its pattern.
    pub pattern: Truth,
    /// Each condition with its verdict.
    pub conditions: Vec<(FieldOrCondition<'a>, Truth)>,
    /// The limit of the entry that the process is beyond, whether the pattern matches or not.
    pub limit: Option<Shield>,
}

impl EntryVerdict<'_> {
    /// Returns whether the pattern matches a process within its limits.
    pub fn holds(&self) -> Truth {
        self.pattern.and(self.limit.as_ref().map_or(Truth::True, |limit| !limit.holds()))
    }
}

/// One thing that an entry asks.
#[derive(Debug, Clone, Copy)]
pub enum FieldOrCondition<'a> {
    /// A condition of a written entry.
    Condition(Condition<'a>),
    /// A part of the command, if no entry is written.
    Part(CommandPart<'a>),
}

/// The verdict on the token of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenVerdict {
    /// The token that it carries.
    pub carried: Fact<CarriedToken>,
    /// It is my bot's token.
    pub same_token: Truth,
    /// The evidence in it; none if it does not count.
    pub evidence: Option<TokenEvidence>,
    /// The policy on tokens.
    pub policy: SameToken,
}

/// The locks of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockVerdict<'a> {
    /// It has one of the locks.
    pub holds: Truth,
    /// The locks that it is known to have.
    pub paths: Vec<&'a Path>,
    /// The locks whose holders cannot be identified.
    pub unidentified: Vec<&'a Path>,
}

/// The subject of a shield.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShieldKind {
    /// The relation to monopoll, to the PID namespace, to the kernel.
    Relation,
    /// Another bot's process.
    OtherBot,
    /// Another user's process.
    OtherUser,
    /// A process in another container.
    OtherContainer,
}

/// The verdict of one kind of shield.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShieldVerdict {
    /// The subject.
    pub kind: ShieldKind,
    /// The shield, unless it is ruled out.
    pub shield: Option<Shield>,
    /// The evidence that lifts it: an entry that says so, or the lock.
    pub lifted_by: Option<Evidence>,
}

impl ShieldVerdict {
    /// Returns whether there is this shield, lifted or not.
    pub fn holds(&self) -> Truth {
        self.shield.as_ref().map_or(Truth::False, Shield::holds)
    }
}

/// The verdict of one rule.
#[derive(Debug, Clone)]
pub struct RuleVerdict<'a> {
    /// Its place among the rules.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
    /// Each of its conditions.
    pub conditions: Vec<(Condition<'a>, Truth)>,
    /// The outcome of asking it.
    pub outcome: RuleOutcome,
}

impl RuleVerdict<'_> {
    /// Returns whether all of its conditions hold.
    pub fn holds(&self) -> Truth {
        Truth::all(self.conditions.iter().map(|(_, truth)| *truth))
    }
}
