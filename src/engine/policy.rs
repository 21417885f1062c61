//! Valid rules in order; the first that holds decides, else the default action.

use std::time::Duration;

use regex::Regex;

use crate::engine::{
    action::{Action, AfterWait, OnConflict, SameToken},
    fact::Truth,
    pattern::{ContainerLimit, Pattern, UserLimit},
    purpose::Purpose,
    signal::Signal,
    snapshot::{Process, RunState, User},
};

/// What the user wants, valid and compiled: all that [`decide`](crate::engine::decide::decide)
/// needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What conflicts are ended for.
    pub purpose: Purpose,
    /// For a conflict that no rule speaks of.
    pub on_conflict: OnConflict,
    /// When waiting has run out.
    pub after_wait: AfterWait,
    /// For a process that is related by nothing but my token.
    pub same_token: SameToken,
    /// Who is a candidate; empty: the same command, in the same place.
    pub matches: Vec<MatchEntry>,
    /// In the order in which they are asked.
    pub rules: Vec<Rule>,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// What `graceful` sends.
    pub signal: Signal,
    /// What comes when `graceful` was not enough.
    pub escalation: AfterGraceful,
    /// The most conflicts that are acted on; more are a sign of patterns that are too broad.
    pub max_targets: usize,
    /// The most takeovers within [`takeover_window`](Self::takeover_window) before a policy that
    /// kills refuses.
    pub max_takeovers: usize,
    /// The time in which takeovers are counted.
    pub takeover_window: Duration,
}

/// What comes when `graceful` was not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterGraceful {
    /// SIGKILL.
    Kill,
    /// The start is refused, the conflict lives on.
    Refuse,
}

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a conflict to end by itself.
    pub wait: Patience,
    /// From the signal to SIGKILL.
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    pub force: Duration,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Patience {
    /// As long as it takes.
    Forever,
    /// At most this long; zero is one try.
    For(Duration),
}

impl Patience {
    /// Whether somebody who has waited `waited` waits no longer.
    #[must_use]
    pub fn is_over(self, waited: Duration) -> bool {
        match self {
            Patience::Forever => false,
            Patience::For(most) => waited >= most,
        }
    }
}

/// A process that meets every field is a candidate.
#[derive(Debug, Clone)]
pub struct MatchEntry {
    /// What it looks like; at least one field is given.
    pub pattern: Pattern,
    /// Whose it may be.
    pub user: UserLimit,
    /// Where it may be.
    pub container: ContainerLimit,
}

/// A rule: under these conditions, this action.
#[derive(Debug, Clone)]
pub struct Rule {
    /// For people.
    pub name: String,
    /// All must hold.
    pub when: Conditions,
    /// What is done then.
    pub action: Action,
}

/// What a rule asks of a conflict; what is not given holds for every conflict.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// What the process looks like.
    pub pattern: Pattern,
    /// Whose it is.
    pub user: Option<UserLimit>,
    /// Where it is.
    pub container: Option<ContainerLimit>,
    /// Whether it has the lock.
    pub holds_lock: Option<bool>,
    /// Whether it carries my bot token.
    pub same_token: Option<bool>,
    /// Whether it was left behind by whatever started it.
    pub orphaned: Option<bool>,
    /// What the kernel says it is doing.
    pub state: Option<RunState>,
    /// At least this old.
    pub older_than: Option<Duration>,
    /// Younger than this.
    pub younger_than: Option<Duration>,
    /// What would start it again.
    pub managed_by: Option<Regex>,
    /// Whether it is on this host.
    pub local: Option<bool>,
}

impl Conditions {
    /// Whether all of them hold for `process`, seen from `me`.
    #[must_use]
    pub fn hold(&self, process: &Process, me: &User) -> Truth {
        Truth::all(self.each().map(|condition| condition.holds(process, me)))
    }

    /// Whether they say anything about the token.
    #[must_use]
    pub fn name_the_token(&self) -> bool {
        self.same_token.is_some()
    }
}
