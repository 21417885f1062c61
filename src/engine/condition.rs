//! One condition of a match entry or a rule.

use std::time::Duration;

use regex::Regex;

use crate::engine::fact::Truth;
use crate::engine::pattern::{ContainerLimit, Field, UserLimit};
use crate::engine::policy::{Conditions, MatchEntry};
use crate::engine::process::{Process, RunState, User};

/// One condition on a process.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    /// A field of a pattern.
    Looks(Field<'a>),
    /// Its user.
    User(&'a UserLimit),
    /// Its container.
    Container(ContainerLimit),
    /// It has the lock, or has not.
    HoldsLock(bool),
    /// It carries my bot token, or does not.
    SameToken(bool),
    /// Its parent did not start it and nothing manages it, or not so.
    Orphaned(bool),
    /// Its state in the kernel.
    State(RunState),
    /// At least this old.
    OlderThan(Duration),
    /// Younger than this.
    YoungerThan(Duration),
    /// A service manager of this name would restart it.
    ManagedBy(&'a Regex),
    /// It is on this host, or is not.
    Local(bool),
}

impl Condition<'_> {
    /// The key in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Condition::Looks(Field::Name(_)) => "name",
            Condition::Looks(Field::Cmdline(_)) => "cmdline",
            Condition::Looks(Field::Exe(_)) => "exe",
            Condition::Looks(Field::Cwd(_)) => "cwd",
            Condition::User(_) => "user",
            Condition::Container(_) => "container",
            Condition::HoldsLock(_) => "holds_lock",
            Condition::SameToken(_) => "same_token",
            Condition::Orphaned(_) => "orphaned",
            Condition::State(_) => "state",
            Condition::OlderThan(_) => "older_than",
            Condition::YoungerThan(_) => "younger_than",
            Condition::ManagedBy(_) => "managed_by",
            Condition::Local(_) => "local",
        }
    }

    /// Returns whether it holds for `process`, if `me` is the caller.
    pub fn holds(self, process: &Process, me: &User) -> Truth {
        match self {
            Condition::Looks(field) => field.matches(process),
            Condition::User(user) => user.admits(process, me),
            Condition::Container(container) => container.admits(process),
            Condition::HoldsLock(wanted) => is(wanted, process.holds_lock.holds(|held| *held)),
            Condition::SameToken(wanted) => is(wanted, process.same_token()),
            Condition::Orphaned(wanted) => is(wanted, process.orphaned.holds(|orphaned| *orphaned)),
            Condition::State(state) => process.state.holds(|it| *it == state),
            Condition::OlderThan(age) => process.age.holds(|it| *it >= age),
            Condition::YoungerThan(age) => process.age.holds(|it| *it < age),
            Condition::ManagedBy(by) => process
                .managed_by
                .holds(|it| it.as_ref().is_some_and(|it| by.is_match(&it.to_string()))),
            Condition::Local(wanted) => is(wanted, Truth::True),
        }
    }
}

fn is(wanted: bool, fact: Truth) -> Truth {
    match (wanted, fact) {
        (_, Truth::Unknown) => Truth::Unknown,
        (wanted, Truth::True) => wanted.into(),
        (wanted, Truth::False) => (!wanted).into(),
    }
}

impl MatchEntry {
    /// All of its conditions.
    pub fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let limits = [Condition::User(&self.user), Condition::Container(self.container)];
        self.pattern.fields().map(Condition::Looks).chain(limits)
    }
}

impl Conditions {
    /// The conditions that are given.
    pub fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let others = [
            self.user.as_ref().map(Condition::User),
            self.container.map(Condition::Container),
            self.holds_lock.map(Condition::HoldsLock),
            self.same_token.map(Condition::SameToken),
            self.orphaned.map(Condition::Orphaned),
            self.state.map(Condition::State),
            self.older_than.map(Condition::OlderThan),
            self.younger_than.map(Condition::YoungerThan),
            self.managed_by.as_ref().map(Condition::ManagedBy),
            self.local.map(Condition::Local),
        ];
        self.pattern.fields().map(Condition::Looks).chain(others.into_iter().flatten())
    }
}
