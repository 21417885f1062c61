//! One condition of a match entry or a rule.

use std::time::Duration;

use regex::Regex;

use crate::engine::fact::Truth;
use crate::engine::pattern::{ContainerLimit, Field, UserLimit};
use crate::engine::policy::{Conditions, MatchEntry};
use crate::engine::process::{Process, RunState, User};

/// One condition on a process; a `bool` is the wanted value.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    Looks(Field<'a>),
    User(&'a UserLimit),
    Container(ContainerLimit),
    HoldsLock(bool),
    /// It carries my bot token.
    SameToken(bool),
    /// Its parent did not start it, and nothing manages it.
    Orphaned(bool),
    State(RunState),
    /// At least this old.
    OlderThan(Duration),
    /// Younger than this.
    YoungerThan(Duration),
    /// A service manager of this name would restart it.
    ManagedBy(&'a Regex),
    /// It is on this host.
    Local(bool),
}

impl Condition<'_> {
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
            Condition::HoldsLock(wanted) => process.holds_lock.holds(|it| *it == wanted),
            Condition::SameToken(true) => process.same_token(),
            Condition::SameToken(false) => !process.same_token(),
            Condition::Orphaned(wanted) => process.orphaned.holds(|it| *it == wanted),
            Condition::State(state) => process.state.holds(|it| *it == state),
            Condition::OlderThan(age) => process.age.holds(|it| *it >= age),
            Condition::YoungerThan(age) => process.age.holds(|it| *it < age),
            Condition::ManagedBy(by) => process
                .managed_by
                .holds(|it| it.as_ref().is_some_and(|it| by.is_match(&it.to_string()))),
            Condition::Local(wanted) => wanted.into(),
        }
    }
}

impl MatchEntry {
    pub fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let limits = [Condition::User(&self.user), Condition::Container(self.container)];
        self.pattern.fields().map(Condition::Looks).chain(limits)
    }
}

impl Conditions {
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
