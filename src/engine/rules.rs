//! Applies the rules to a conflict, in order.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::Action;
use crate::engine::condition::Condition;
use crate::engine::evidence::Evidence;
use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::fact::{Fact, Truth};
use crate::engine::plan::UncertainRule;
use crate::engine::policy::{Policy, Rule};
use crate::engine::process::{Process, User};

/// The outcome of applying one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// The rule holds, and no earlier rule did.
    Decides,
    /// A condition does not hold.
    DoesNotHold,
    /// A condition is unknown, and the rule would kill. An unknown never makes a kill more likely.
    TooUncertain,
    /// A condition is unknown, and the rule would not kill. Skipping it might reach a rule that
    /// kills, so the start is refused.
    Undecidable,
    /// An earlier rule decided.
    NotAsked,
}

impl RuleOutcome {
    pub fn is_final(self) -> bool {
        match self {
            RuleOutcome::Decides | RuleOutcome::Undecidable => true,
            RuleOutcome::DoesNotHold | RuleOutcome::TooUncertain | RuleOutcome::NotAsked => false,
        }
    }
}

/// Applies each rule in turn to a conflict.
pub(super) fn outcomes<'p>(
    policy: &'p Policy,
    subject: &Process,
    me: &User,
) -> impl Iterator<Item = (&'p Rule, RuleOutcome)> {
    policy.rules.iter().scan(false, move |decided, rule| {
        let outcome = if *decided { RuleOutcome::NotAsked } else { ask(rule, subject, me) };
        *decided = *decided || outcome.is_final();
        Some((rule, outcome))
    })
}

/// Returns the rules that cannot decide about a conflict because of unknown facts.
pub(super) fn uncertain(
    policy: &Policy,
    subject: &Process,
    me: &User,
) -> impl Iterator<Item = UncertainRule> {
    outcomes(policy, subject, me).filter_map(move |(rule, outcome)| match outcome {
        RuleOutcome::TooUncertain | RuleOutcome::Undecidable => {
            let conditions = rule.when.each();
            let unknown = conditions.filter(|it| it.holds(subject, me) == Truth::Unknown);
            let unknown = unknown.map(Condition::key).collect();
            Some(UncertainRule { name: rule.name.clone(), unknown })
        }
        RuleOutcome::Decides | RuleOutcome::DoesNotHold | RuleOutcome::NotAsked => None,
    })
}

fn ask(rule: &Rule, subject: &Process, me: &User) -> RuleOutcome {
    match (rule.when.hold(subject, me), rule.action) {
        (Truth::True, _) => RuleOutcome::Decides,
        (Truth::False, _) => RuleOutcome::DoesNotHold,
        (Truth::Unknown, Action::Graceful | Action::Force) => RuleOutcome::TooUncertain,
        (Truth::Unknown, Action::Refuse | Action::Wait | Action::Ignore) => {
            RuleOutcome::Undecidable
        }
    }
}

/// Returns whether any process of the tree is connected; unknown unless that is certain.
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

/// Returns what the rules are applied to: the root, with what its tree proves about it.
pub(super) fn subject<'a>(
    root: Option<&Process>,
    tree: &[Process],
    evidence: impl IntoIterator<Item = &'a Evidence>,
) -> Process {
    let mut process = root.cloned().unwrap_or_else(Process::default);
    process.found_by = evidence.into_iter().min().map(|strongest| strongest.kind());
    if process.found_by == Some(EvidenceKind::Lock) {
        process.holds_lock = Fact::Known(true);
    } else if tree.iter().any(|member| member.holds_lock == Fact::Unknown) {
        process.holds_lock = Fact::Unknown;
    }
    if process.same_token() != Truth::True
        && let Some(carrier) = tree.iter().find(|member| member.same_token() == Truth::True)
    {
        process.tokens = carrier.tokens;
    }
    process.connected = connected(&process, tree);
    process
}
