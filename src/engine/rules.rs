//! Asks the rules about one conflict, each in turn.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::{Action, SameToken};
use crate::engine::fact::{Fact, Truth};
use crate::engine::plan::Evidence;
use crate::engine::policy::{Policy, Rule};
use crate::engine::process::{Process, User};

/// The outcome of asking one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// It holds, and no rule before it did.
    Decides,
    /// A condition does not hold.
    DoesNotHold,
    /// A condition is unknown, and a rule that kills does not hold on that.
    TooUncertain,
    /// A condition is unknown, and a rule that would not kill is not skipped for one that
    /// might: the start is refused.
    Undecidable,
    /// It does not name the token, and nothing but the token relates the process.
    NotAboutTokens,
    /// A rule before it has decided.
    NotAsked,
}

impl RuleOutcome {
    pub fn is_final(self) -> bool {
        match self {
            RuleOutcome::Decides | RuleOutcome::Undecidable => true,
            RuleOutcome::DoesNotHold
            | RuleOutcome::TooUncertain
            | RuleOutcome::NotAboutTokens
            | RuleOutcome::NotAsked => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleScope {
    Every,
    /// Those that name the token, because nothing else relates the process.
    AboutTokens,
}

impl RuleScope {
    pub(super) fn of<'a>(
        policy: &Policy,
        evidence: impl IntoIterator<Item = &'a Evidence>,
    ) -> RuleScope {
        let only_token = evidence.into_iter().all(|it| *it == Evidence::Token);
        if only_token && policy.same_token != SameToken::Act {
            RuleScope::AboutTokens
        } else {
            RuleScope::Every
        }
    }

    pub(super) fn outcomes<'p>(
        self,
        policy: &'p Policy,
        subject: &Process,
        me: &User,
    ) -> impl Iterator<Item = (&'p Rule, RuleOutcome)> {
        policy.rules.iter().scan(false, move |decided, rule| {
            let outcome =
                if *decided { RuleOutcome::NotAsked } else { self.ask(rule, subject, me) };
            *decided = *decided || outcome.is_final();
            Some((rule, outcome))
        })
    }

    fn ask(self, rule: &Rule, subject: &Process, me: &User) -> RuleOutcome {
        if self == RuleScope::AboutTokens && !rule.when.mention_token() {
            return RuleOutcome::NotAboutTokens;
        }
        match (rule.when.hold(subject, me), rule.action) {
            (Truth::True, _) => RuleOutcome::Decides,
            (Truth::False, _) => RuleOutcome::DoesNotHold,
            (Truth::Unknown, Action::Graceful | Action::Force) => RuleOutcome::TooUncertain,
            (Truth::Unknown, Action::Refuse | Action::Wait | Action::Ignore) => {
                RuleOutcome::Undecidable
            }
        }
    }
}

/// A bot is connected if any process of its tree is; it is known not to be if none of them is.
fn connected(root: &Process, tree: &[Process]) -> Fact<bool> {
    let each = || std::iter::once(root).chain(tree).map(|process| process.connected);
    if each().any(|it| it == Fact::Known(true)) {
        Fact::Known(true)
    } else if each().all(|it| it == Fact::Known(false)) {
        Fact::Known(false)
    } else {
        Fact::Unknown
    }
}

/// Returns the subject of the rules: the root, with what its tree proves of it.
pub(super) fn subject<'a>(
    root: Option<&Process>,
    tree: &[Process],
    evidence: impl IntoIterator<Item = &'a Evidence>,
) -> Process {
    let mut subject = root.cloned().unwrap_or_else(Process::default);
    if evidence.into_iter().any(|it| *it == Evidence::Lock) {
        subject.holds_lock = Fact::Known(true);
    } else if tree.iter().any(|member| member.holds_lock == Fact::Unknown) {
        subject.holds_lock = Fact::Unknown;
    }
    if subject.same_token() != Truth::True
        && let Some(carrier) = tree.iter().find(|member| member.same_token() == Truth::True)
    {
        subject.token = carrier.token;
    }
    subject.connected = connected(&subject, tree);
    subject
}
