//! Shields: reasons never to act on a process.

use crate::engine::counter_evidence::{AnotherBot, CounterEvidence};
use crate::engine::fact::{Fact, Truth};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::process::{Process, Relation};
use crate::engine::snapshot::Caller;

/// A reason never to act on a process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shield {
    Myself,
    /// The process started monopoll, directly or indirectly.
    Ancestor,
    /// monopoll started the process, directly or indirectly.
    Descendant,
    Init,
    Kernel,
    /// The process's relation to monopoll cannot be read.
    UnknownRelation,
    AnotherBot(AnotherBot),
    OtherUser(String),
    /// The process's user cannot be read.
    UnknownUser,
    OtherContainer(String),
    /// The process's container cannot be read.
    UnknownContainer,
}

impl Shield {
    /// Returns whether the shield is certain. Unreadable facts shield too.
    pub fn holds(&self) -> Truth {
        match self {
            Shield::UnknownRelation | Shield::UnknownUser | Shield::UnknownContainer => {
                Truth::Unknown
            }
            Shield::Myself
            | Shield::Ancestor
            | Shield::Descendant
            | Shield::Init
            | Shield::Kernel
            | Shield::AnotherBot(_)
            | Shield::OtherUser(_)
            | Shield::OtherContainer(_) => Truth::True,
        }
    }
}

/// Returns the shield from the process's relation to monopoll, its PID namespace or the kernel.
pub fn relation(process: &Process) -> Option<Shield> {
    match process.relation {
        Fact::Unknown => Some(Shield::UnknownRelation),
        Fact::Known(Relation::Myself) => Some(Shield::Myself),
        Fact::Known(Relation::Ancestor) => Some(Shield::Ancestor),
        Fact::Known(Relation::Descendant) => Some(Shield::Descendant),
        Fact::Known(Relation::Init) => Some(Shield::Init),
        Fact::Known(Relation::Kernel) => Some(Shield::Kernel),
        Fact::Known(Relation::None) => None,
    }
}

/// Returns the shield from proof that the process belongs to another bot.
pub fn another_bot(against: &CounterEvidence) -> Option<Shield> {
    match against {
        CounterEvidence::AnotherBot(another) => Some(Shield::AnotherBot(another.clone())),
        CounterEvidence::Nothing | CounterEvidence::Doubt(_) => None,
    }
}

pub fn limit(
    process: &Process,
    me: &Caller,
    user: &UserLimit,
    container: ContainerLimit,
) -> Option<Shield> {
    other_user(process, me, user).or_else(|| other_container(process, container))
}

pub fn other_user(process: &Process, me: &Caller, limit: &UserLimit) -> Option<Shield> {
    match limit.admits(process, &me.user) {
        Truth::False => Some(Shield::OtherUser(
            process.user.known().map_or_else(String::new, ToString::to_string),
        )),
        Truth::Unknown => Some(Shield::UnknownUser),
        Truth::True => None,
    }
}

pub fn other_container(process: &Process, limit: ContainerLimit) -> Option<Shield> {
    match limit.admits(process) {
        Truth::False => Some(Shield::OtherContainer(
            process.container.known().cloned().flatten().unwrap_or_default(),
        )),
        Truth::Unknown => Some(Shield::UnknownContainer),
        Truth::True => None,
    }
}

pub fn may_signal(process: &Process, me: &Caller) -> bool {
    me.privileged || process.user.known().is_some_and(|user| user.id == me.user.id)
}
