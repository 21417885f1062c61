//! The evidence that a process is this bot.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use crate::engine::action::SameToken;
use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::{CommandDifference, CommandDoubt, CommandLikeness};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::policy::{MatchEntry, Policy};
use crate::engine::process::{Process, Role};
use crate::engine::token::{MyToken, TokenPlace};

/// Evidence that makes a process a candidate, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    Lock,
    /// The index of the match entry that the process meets.
    Match(usize),
    /// The process runs the same command in the same place.
    Command,
    /// The process carries this bot's token.
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

/// The result of matching a pattern, with the users and containers that the pattern is limited to.
pub(super) struct PatternMatch<'a> {
    pub(super) evidence: Evidence,
    pub(super) holds: Truth,
    pub(super) user: &'a UserLimit,
    pub(super) container: ContainerLimit,
}

/// Compares a process with each match entry and with COMMAND. Neither applies to monopoll, which is
/// recognized by its ticket, nor to programs that serve others, whose bots are their children.
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
        holds: if may_run_unread(process) { Truth::True } else { process.is_same_command() },
        user: &UserLimit::Same,
        container: ContainerLimit::Same,
    };
    policy.matches.iter().enumerate().map(entry).chain([command]).collect()
}

/// Returns whether a process may run COMMAND, but its command line cannot be read. This is doubt.
fn may_run_unread(process: &Process) -> bool {
    process.blocks_reads && process.may_be_spawned == Fact::Known(true)
}

/// The evidence in a process's copy of this bot's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEvidence {
    /// The process polls for this bot.
    Proof,
    /// Nothing: the process may have inherited the token.
    Hint,
}

/// An orphan younger than this may not have connected yet.
const JUST_ORPHANED: Duration = Duration::from_mins(1);

/// Returns what the process's token proves; `None` if it has no token of this bot, or one that does
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

/// Returns a process without the likeness of its command if its token says more: if COMMAND's
/// script does not say in full what it starts.
pub(super) fn with_stronger_evidence(
    token: Option<TokenEvidence>,
    process: &Process,
) -> Cow<'_, Process> {
    let is_unclear = process.command_doubt == Fact::Known(Some(CommandDoubt::UnclearScript));
    if !is_unclear || token != Some(TokenEvidence::Proof) {
        return Cow::Borrowed(process);
    }
    Cow::Owned(Process {
        likeness: Fact::Known(CommandLikeness::Different),
        command_doubt: Fact::Known(None),
        ..process.clone()
    })
}

/// Returns whether a process that may have inherited the token polls with it.
fn inherited_token_proves(my_folder: Option<&Path>, process: &Process) -> bool {
    // `may_be_spawned` excludes daemons that the bot started: they have its token and folder too.
    let is_my_orphan = || {
        process.orphaned == Fact::Known(true)
            && process.is_in(my_folder) == Truth::True
            && process.may_be_spawned == Fact::Known(true)
    };
    let is_here = process.container == Fact::Known(None);
    // A process that rewrote its title hides its script, but has the same interpreter and folder.
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
