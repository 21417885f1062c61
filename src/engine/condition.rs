//! One condition of a match entry or a rule.

use std::time::Duration;

use regex::Regex;

use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::fact::Truth;
use crate::engine::pattern::{
    CmdlinePattern, ContainerLimit, NamePattern, PathPattern, Pattern, UserLimit,
};
use crate::engine::policy::{Conditions, MatchEntry};
use crate::engine::process::{Process, RunState, User};

/// One condition on a process; a `bool` is the wanted value.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    Name(&'a NamePattern),
    Cmdline(&'a CmdlinePattern),
    Exe(&'a PathPattern),
    Cwd(&'a PathPattern),
    User(&'a UserLimit),
    Container(ContainerLimit),
    HoldsLock(bool),
    /// The strongest evidence for the process is of this kind.
    FoundBy(EvidenceKind),
    /// The process carries this bot's token.
    SameToken(bool),
    Connected(bool),
    /// Orphaned: the process that started it has ended, and no supervisor manages it.
    Orphaned(bool),
    State(RunState),
    OlderThan(Duration),
    YoungerThan(Duration),
    /// A service manager with this name would restart the process.
    ManagedBy(&'a Regex),
    /// The process runs on this host.
    Local(bool),
}

impl Condition<'_> {
    pub fn key(self) -> &'static str {
        match self {
            Condition::Name(_) => "name",
            Condition::Cmdline(_) => "cmdline",
            Condition::Exe(_) => "exe",
            Condition::Cwd(_) => "cwd",
            Condition::User(_) => "user",
            Condition::Container(_) => "container",
            Condition::HoldsLock(_) => "holds_lock",
            Condition::FoundBy(_) => "found_by",
            Condition::SameToken(_) => "same_token",
            Condition::Connected(_) => "connected",
            Condition::Orphaned(_) => "orphaned",
            Condition::State(_) => "state",
            Condition::OlderThan(_) => "older_than",
            Condition::YoungerThan(_) => "younger_than",
            Condition::ManagedBy(_) => "managed_by",
            Condition::Local(_) => "local",
        }
    }

    pub fn holds(self, process: &Process, me: &User) -> Truth {
        match self {
            Condition::Name(name) => name.holds(process),
            Condition::Cmdline(cmdline) => cmdline.holds(process),
            Condition::Exe(exe) => exe.holds_for_exe(process),
            Condition::Cwd(cwd) => cwd.holds_for_cwd(process),
            Condition::User(user) => user.admits(process, me),
            Condition::Container(container) => container.admits(process),
            Condition::HoldsLock(wanted) => process.holds_lock.holds(|it| *it == wanted),
            Condition::FoundBy(kind) => (process.found_by == Some(kind)).into(),
            Condition::SameToken(true) => process.same_token(),
            Condition::SameToken(false) => !process.same_token(),
            Condition::Connected(wanted) => process.connected.holds(|it| *it == wanted),
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

impl Pattern {
    fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let name = self.name.as_ref().map(Condition::Name);
        let cmdline = self.cmdline.as_ref().map(Condition::Cmdline);
        let exe = self.exe.as_ref().map(Condition::Exe);
        let cwd = self.cwd.as_ref().map(Condition::Cwd);
        [name, cmdline, exe, cwd].into_iter().flatten()
    }
}

impl MatchEntry {
    pub fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let limits = [Condition::User(&self.user), Condition::Container(self.container)];
        self.pattern.each().chain(limits)
    }
}

impl Conditions {
    pub fn hold(&self, process: &Process, me: &User) -> Truth {
        Truth::all(self.each().map(|condition| condition.holds(process, me)))
    }

    pub fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let others = [
            self.user.as_ref().map(Condition::User),
            self.container.map(Condition::Container),
            self.holds_lock.map(Condition::HoldsLock),
            self.found_by.map(Condition::FoundBy),
            self.same_token.map(Condition::SameToken),
            self.connected.map(Condition::Connected),
            self.orphaned.map(Condition::Orphaned),
            self.state.map(Condition::State),
            self.older_than.map(Condition::OlderThan),
            self.younger_than.map(Condition::YoungerThan),
            self.managed_by.as_ref().map(Condition::ManagedBy),
            self.local.map(Condition::Local),
        ];
        self.pattern.each().chain(others.into_iter().flatten())
    }
}
