//! Who is never acted on, and why.

use crate::engine::{
    fact::{Fact, Truth},
    instance::BotId,
    pattern::{ContainerLimit, UserLimit},
    process::{Process, Relation},
    snapshot::Caller,
    token::CarriedToken,
};

/// Why a process is never acted on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shield {
    /// It is monopoll itself.
    Myself,
    /// It started monopoll, directly or not.
    Ancestor,
    /// monopoll started it.
    Descendant,
    /// It is PID 1 of its PID namespace.
    Init,
    /// It is a thread of the kernel.
    Kernel,
    /// How it is related to monopoll cannot be read.
    UnknownRelation,
    /// It carries another bot's token.
    OtherBot(BotId),
    /// It may carry another bot's token: its environment cannot be read.
    UnknownBot,
    /// It belongs to another user.
    OtherUser(String),
    /// Whose it is cannot be read.
    UnknownUser,
    /// It is in another container.
    OtherContainer(String),
    /// Where it is cannot be read.
    UnknownContainer,
}

impl Shield {
    /// Whether it is known to hold; what cannot be read shields too.
    #[must_use]
    pub fn holds(&self) -> Truth {
        match self {
            Shield::UnknownRelation
            | Shield::UnknownBot
            | Shield::UnknownUser
            | Shield::UnknownContainer => Truth::Unknown,
            Shield::Myself
            | Shield::Ancestor
            | Shield::Descendant
            | Shield::Init
            | Shield::Kernel
            | Shield::OtherBot(_)
            | Shield::OtherUser(_)
            | Shield::OtherContainer(_) => Truth::True,
        }
    }
}

/// The shield that holds for every process, whatever it was found by.
#[must_use]
pub fn absolute(process: &Process) -> Option<Shield> {
    relation(process).or_else(|| other_bot(process))
}

/// What it is to monopoll, to its PID namespace or to the kernel.
#[must_use]
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

/// Another bot's token.
#[must_use]
pub fn other_bot(process: &Process) -> Option<Shield> {
    match process.token {
        Fact::Known(CarriedToken::Other(bot)) => Some(Shield::OtherBot(bot)),
        Fact::Unknown => Some(Shield::UnknownBot),
        Fact::Known(CarriedToken::NotLookedFor | CarriedToken::None | CarriedToken::Mine(_)) => {
            None
        }
    }
}

/// The shields of other users and other containers: they limit what a pattern or a token may find.
#[must_use]
pub fn limit(
    process: &Process,
    me: &Caller,
    user: &UserLimit,
    container: ContainerLimit,
) -> Option<Shield> {
    other_user(process, me, user).or_else(|| other_container(process, container))
}

/// A user beyond this limit.
#[must_use]
pub fn other_user(process: &Process, me: &Caller, limit: &UserLimit) -> Option<Shield> {
    match limit.admits(process, &me.user) {
        Truth::False => Some(Shield::OtherUser(
            process.user.known().map_or_else(String::new, ToString::to_string),
        )),
        Truth::Unknown => Some(Shield::UnknownUser),
        Truth::True => None,
    }
}

/// A container beyond this limit.
#[must_use]
pub fn other_container(process: &Process, limit: ContainerLimit) -> Option<Shield> {
    match limit.admits(process) {
        Truth::False => Some(Shield::OtherContainer(container_of(process))),
        Truth::Unknown => Some(Shield::UnknownContainer),
        Truth::True => None,
    }
}

fn container_of(process: &Process) -> String {
    process.container.known().cloned().flatten().unwrap_or_default()
}

/// Whether monopoll may signal it.
#[must_use]
pub fn may_signal(process: &Process, me: &Caller) -> bool {
    me.privileged || process.user.known().is_some_and(|user| user.id == me.user.id)
}
