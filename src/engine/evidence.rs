//! The evidence for a process being my bot.

use std::path::Path;
use std::time::Duration;

use crate::engine::action::SameToken;
use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::{CommandDifference, CommandLikeness};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::policy::{MatchEntry, Policy};
use crate::engine::process::{Process, Role};
use crate::engine::token::{MyToken, TokenPlace};

/// Evidence that a process is a candidate, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// The process has the lock.
    Lock,
    /// The process meets the match entry with this index.
    Match(usize),
    /// The process is the same command in the same place.
    Command,
    /// The process carries my bot token.
    Token,
}

impl Evidence {
    pub fn kind(self) -> EvidenceKind {
        match self {
            Evidence::Lock => EvidenceKind::Lock,
            Evidence::Match(_) => EvidenceKind::Match,
            Evidence::Command => EvidenceKind::Command,
            Evidence::Token => EvidenceKind::Token,
        }
    }
}

/// One pattern with whether it matches a process, and the users and containers that it is limited
/// to.
pub(super) struct PatternMatch<'a> {
    pub(super) evidence: Evidence,
    pub(super) holds: Truth,
    pub(super) user: &'a UserLimit,
    pub(super) container: ContainerLimit,
}

/// Compares a process with each match entry, and with COMMAND. A monopoll is known by its ticket,
/// and what serves people by its children: no pattern is compared with either.
pub(super) fn pattern_matches<'a>(policy: &'a Policy, process: &Process) -> Vec<PatternMatch<'a>> {
    match process.role {
        Role::Monopoll | Role::ServesOthers => return Vec::new(),
        Role::Program => {}
    }
    let entry = |(index, entry): (usize, &'a MatchEntry)| PatternMatch {
        evidence: Evidence::Match(index),
        holds: entry.pattern.matches(process),
        user: &entry.user,
        container: entry.container,
    };
    let command = PatternMatch {
        evidence: Evidence::Command,
        holds: process.is_same_command(),
        user: &UserLimit::Same,
        container: ContainerLimit::Same,
    };
    policy.matches.iter().enumerate().map(entry).chain([command]).collect()
}

/// The evidence in my bot token on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEvidence {
    /// The process polls my bot.
    Proof,
    /// Nothing: it may only have inherited the token.
    Hint,
}

/// An orphan with my token that is younger than this has just lost its launcher, and may not be
/// connected yet.
const JUST_ORPHANED: Duration = Duration::from_mins(1);

/// Returns the evidence in the token of a process; `None` where it has none of mine, or that does
/// not count.
pub(crate) fn token_evidence(
    policy: &Policy,
    my_folder: Option<&Path>,
    process: &Process,
) -> Option<TokenEvidence> {
    let Fact::Known(MyToken::Seen(place)) = process.tokens.mine else { return None };
    let is_counted = match process.role {
        Role::Program => policy.same_token != SameToken::Off,
        Role::Monopoll | Role::ServesOthers => false,
    };
    if !is_counted || process.is_related() {
        return None;
    }
    let proves = match place {
        TokenPlace::CommandLine => true,
        TokenPlace::Environment => inherited_token_proves(my_folder, process),
    };
    Some(if proves && policy.same_token != SameToken::Warn {
        TokenEvidence::Proof
    } else {
        TokenEvidence::Hint
    })
}

/// Returns whether a process that may only have inherited the token polls with it.
fn inherited_token_proves(my_folder: Option<&Path>, process: &Process) -> bool {
    // A daemon that the bot started has its token and its folder too.
    let is_my_orphan = || {
        process.orphaned == Fact::Known(true)
            && process.is_in(my_folder) == Truth::True
            && process.may_be_spawned == Fact::Known(true)
    };
    let is_here = process.container == Fact::Known(None);
    // A title hides the script, in my folder and with my interpreter.
    let is_my_program = process.same_program == Fact::Known(true)
        || process.likeness
            == Fact::Known(CommandLikeness::Near(CommandDifference::RewrittenTitle));
    match process.connected {
        Fact::Known(true) => true,
        Fact::Unknown => is_here && (is_my_program || is_my_orphan()),
        Fact::Known(false) => {
            is_here && is_my_orphan() && process.age.known().is_some_and(|age| *age < JUST_ORPHANED)
        }
    }
}
