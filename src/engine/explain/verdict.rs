//! The verdicts that an explanation consists of.

use std::path::Path;

use crate::engine::{
    action::SameToken,
    condition::Condition,
    explain::{TokenEvidence, command_match::CommandPart},
    fact::{Fact, Truth},
    plan::Evidence,
    policy::Rule,
    rules::RuleOutcome,
    shield::Shield,
    token::CarriedToken,
};

/// Whether it is found by an entry.
#[derive(Debug, Clone)]
pub struct EntryVerdict<'a> {
    /// [`Evidence::Match`], or [`Evidence::Command`] where no entry is written.
    pub entry: Evidence,
    /// Whether its pattern matches.
    pub pattern: Truth,
    /// Everything that is asked, with what came of it.
    pub asked: Vec<(FieldOrCondition<'a>, Truth)>,
    /// The limit of the entry that the process is beyond, whether the pattern matches or not.
    pub limit: Option<Shield>,
}

impl EntryVerdict<'_> {
    /// Whether its pattern matches, and the process is within its limits.
    #[must_use]
    pub fn holds(&self) -> Truth {
        self.pattern.and(self.limit.as_ref().map_or(Truth::True, |limit| !limit.holds()))
    }
}

/// One thing that an entry asks.
#[derive(Debug, Clone, Copy)]
pub enum FieldOrCondition<'a> {
    /// Of the entries that are written.
    Condition(Condition<'a>),
    /// Where none is written.
    Part(CommandPart<'a>),
}

/// What its token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenVerdict {
    /// What it carries.
    pub carried: Fact<CarriedToken>,
    /// Whether it is my bot's.
    pub same_token: Truth,
    /// What that is worth; nothing where it does not count.
    pub evidence: Option<TokenEvidence>,
    /// What the policy says about tokens.
    pub policy: SameToken,
}

/// Whether it has the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockVerdict<'a> {
    /// Whether it has one of them.
    pub holds: Truth,
    /// Those of which it is known to have them.
    pub paths: Vec<&'a Path>,
    /// Those that nobody has who could be identified.
    pub unidentified: Vec<&'a Path>,
}

/// What a shield is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShieldKind {
    /// What it is to monopoll, to its PID namespace, to the kernel.
    Relation,
    /// Another bot's process.
    OtherBot,
    /// Another user's process.
    OtherUser,
    /// A process in another container.
    OtherContainer,
}

/// Whether it is shielded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShieldVerdict {
    /// What it is about.
    pub kind: ShieldKind,
    /// The shield, where it is not ruled out.
    pub shield: Option<Shield>,
    /// What reaches beyond it: an entry that says so, or the lock.
    pub lifted_by: Option<Evidence>,
}

impl ShieldVerdict {
    /// Whether there is this shield, lifted or not.
    #[must_use]
    pub fn holds(&self) -> Truth {
        self.shield.as_ref().map_or(Truth::False, Shield::holds)
    }
}

/// What one rule says.
#[derive(Debug, Clone)]
pub struct RuleVerdict<'a> {
    /// Its place among the rules.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
    /// Each of its conditions.
    pub conditions: Vec<(Condition<'a>, Truth)>,
    /// What came of asking it.
    pub outcome: RuleOutcome,
}

impl RuleVerdict<'_> {
    /// Whether all of its conditions hold.
    #[must_use]
    pub fn holds(&self) -> Truth {
        Truth::all(self.conditions.iter().map(|(_, truth)| *truth))
    }
}
