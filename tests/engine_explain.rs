//! An explanation never disagrees with the plan.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod fixture;
#[path = "fixture/generators.rs"]
mod generators;

use std::time::Duration;

use fixture::*;
use generators::{policies, snapshots};
use monopoll::engine::{
    action::{Action, AfterWait, OnConflict, SameToken},
    decide::decide,
    explain::{
        Asked, Carried, Explanation, ShieldKind, Standing, explain,
        likeness::{Likeness, Part, Runs},
    },
    fact::{Fact::Known, Truth},
    instance::BotId,
    pattern::UserLimit,
    plan::{DecidedBy, Evidence, Plan},
    policy::{Conditions, MatchEntry, Patience, Policy, Timeouts},
    ruling::Ruling,
    shield::{self, Shield},
    snapshot::{CarriedToken, Kin, LockState, Process, RunState, Snapshot},
};
use proptest::prelude::*;

/// What `python3 main.py` in `/srv/bot` would be.
fn likeness() -> Likeness {
    Likeness { program: "/usr/bin/python3".into(), runs: Runs::ByItself, args: vec!["main.py".to_owned()], cwd: "/srv/bot".into() }
}

/// The sentence about one of these processes, and the rest of it as the test wants it.
fn about<T>(policy: &Policy, snapshot: &Snapshot, pid: u32, look: impl FnOnce(&Explanation<'_>, &Plan) -> T) -> T {
    let plan = decide(policy, snapshot);
    let likeness = likeness();
    look(&explain(policy, snapshot, &plan, pid, Some(&likeness)).unwrap(), &plan)
}

fn sentence(policy: &Policy, snapshot: &Snapshot, pid: u32) -> String {
    about(policy, snapshot, pid, |it, _| it.sentence.clone())
}

fn rulings(policy: &Policy, snapshot: &Snapshot, pid: u32) -> Vec<Ruling> {
    about(policy, snapshot, pid, |it, _| it.rules.iter().map(|rule| rule.ruling).collect())
}

/// The rule that is said to have decided.
fn decider<'a>(it: &'a Explanation<'_>) -> Option<(&'a str, Action, Ruling, Truth)> {
    let rule = it.rules.iter().find(|rule| rule.ruling.is_final())?;
    Some((&rule.rule.name, rule.rule.action, rule.ruling, rule.holds()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_it_comes_to_is_what_the_plan_says((policy, snapshot) in (policies(), snapshots())) {
        let plan = decide(&policy, &snapshot);
        for process in &snapshot.processes {
            let pid = process.id.pid;
            let it = explain(&policy, &snapshot, &plan, pid, None).unwrap();
            let of_a_conflict: Vec<_> = plan.conflicts.iter().filter(|conflict| pids(conflict).contains(&pid)).collect();
            prop_assert_eq!(it.conflict.is_some(), !of_a_conflict.is_empty());
            let shielded = plan.shielded.iter().find(|it| it.process.id.pid == pid).map(|it| &it.shield);
            let suspect = plan.suspects.iter().any(|it| it.process.id.pid == pid);
            match &it.standing {
                Standing::Candidate { evidence, .. } => {
                    prop_assert!(of_a_conflict.iter().any(|conflict| evidence.iter().all(|it| conflict.evidence.contains(it))));
                    prop_assert_eq!((shielded, suspect), (None, false));
                }
                Standing::Shielded(shield) => prop_assert_eq!((shielded, suspect), (Some(shield), false)),
                Standing::Suspect => prop_assert_eq!((shielded, suspect), (None, it.conflict.is_none())),
                Standing::Unrelated => prop_assert_eq!((shielded, suspect), (None, false)),
            }
            let root = it.conflict.and_then(|conflict| conflict.root.as_ref());
            let candidate = matches!(it.standing, Standing::Candidate { .. });
            prop_assert!(root.is_none_or(|root| root.id.pid != pid) || candidate);
            // A root, and so a guard, stands for itself.
            if plan.conflicts.iter().filter_map(|conflict| conflict.root.as_ref()).any(|root| root.id.pid == pid) {
                prop_assert_eq!(root.map(|root| root.id.pid), Some(pid));
            }
        }
    }

    #[test]
    fn what_decides_is_what_decided((policy, snapshot) in (policies(), snapshots())) {
        let rules = policy.rules.iter().enumerate().map(|(index, rule)| monopoll::engine::policy::Rule { name: index.to_string(), ..rule.clone() });
        let policy = Policy { rules: rules.collect(), ..policy };
        let plan = decide(&policy, &snapshot);
        for process in &snapshot.processes {
            let it = explain(&policy, &snapshot, &plan, process.id.pid, None).unwrap();
            let decider = decider(&it);
            if let Some((_, action, ruling, holds)) = decider {
                prop_assert_eq!(holds, if ruling == Ruling::Decides { Truth::True } else { Truth::Unknown });
                prop_assert!(ruling == Ruling::Decides || !action.kills());
            }
            let Some(conflict) = it.conflict else { continue };
            match (&conflict.decided_by, decider) {
                (DecidedBy::Rule(name), Some((rule, action, ruling, _))) => {
                    prop_assert_eq!(name, rule);
                    let waited = action == Action::Wait && policy.timeouts.wait.is_over(snapshot.waited);
                    let expected = match (ruling, waited) {
                        (Ruling::Undecidable, _) => Action::Refuse,
                        (_, true) => policy.after_wait.into(),
                        (_, false) => action,
                    };
                    prop_assert_eq!(conflict.action, expected);
                }
                (DecidedBy::Rule(_), None) => prop_assert!(false, "no rule is said to have decided: {:?}", conflict),
                // What caution forbids, a rule may have wanted.
                (DecidedBy::Caution, decider) => prop_assert!(decider.is_none_or(|(_, _, ruling, _)| ruling == Ruling::Decides)),
                (DecidedBy::OnConflict | DecidedBy::SameToken, decider) => prop_assert_eq!(decider, None),
            }
        }
    }

    #[test]
    fn each_verdict_is_part_of_the_decision((policy, snapshot) in (policies(), snapshots())) {
        let plan = decide(&policy, &snapshot);
        for process in &snapshot.processes {
            let it = explain(&policy, &snapshot, &plan, process.id.pid, None).unwrap();
            let reached = |entry: &Evidence| match &it.standing {
                Standing::Candidate { evidence, .. } => evidence.contains(entry),
                Standing::Shielded(_) | Standing::Suspect | Standing::Unrelated => false,
            };
            // Whoever an entry finds within its reach is a candidate by it, unless something shields absolutely.
            for entry in &it.entries {
                let all = Truth::all(entry.asked.iter().map(|(_, truth)| *truth));
                prop_assert!(entry.entry == Evidence::Command || (entry.holds() == Truth::True) == (all == Truth::True));
                prop_assert!(entry.holds() != Truth::True || reached(&entry.entry) || shield::absolute(process).is_some());
                prop_assert!(entry.holds() != Truth::False || !reached(&entry.entry));
            }
            prop_assert_eq!(it.lock.holds == Truth::True, reached(&Evidence::Lock));
            prop_assert_eq!(it.token.weight == Some(Carried::Proof), reached(&Evidence::Token));
            let first = it.shields.iter().take(2).find_map(|verdict| verdict.shield.clone());
            prop_assert_eq!(first, shield::absolute(process));
            let of_any_kind = |shield: &Shield| it.shields.iter().any(|verdict| verdict.shield.as_ref() == Some(shield));
            match &it.standing {
                Standing::Shielded(shield) | Standing::Candidate { shield: Some(shield), .. } => {
                    let by_an_entry = it.entries.iter().any(|entry| entry.limit.as_ref() == Some(shield));
                    prop_assert!(of_any_kind(shield) || by_an_entry);
                }
                Standing::Candidate { shield: None, .. } => {
                    prop_assert!(it.shields.iter().all(|verdict| verdict.shield.is_none() || verdict.lifted_by.is_some()));
                }
                Standing::Suspect | Standing::Unrelated => {}
            }
        }
    }
}
