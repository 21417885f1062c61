//! The limit of takeovers: when it is reached, and when it no longer applies.

use std::time::Duration;

use crate::fixture::*;

use monopoll::internals::engine::action::OnConflict;
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::ladder::{Ladder, StopMode};
use monopoll::internals::engine::policy::Policy;
use monopoll::internals::engine::reason::{RefusalKind, Verdict};
use monopoll::internals::engine::snapshot::Snapshot;
use monopoll::internals::engine::takeover_limit::{AttemptKind, TakeoverAttempt, TakeoverHistory};
use monopoll::internals::engine::ticket::Ticket;

const WINDOW: Duration = Duration::from_mins(1);

/// Attempts this many seconds ago, each by a separate start. A negative number was refused by the
/// limit.
fn tries(ago: &[i64]) -> TakeoverHistory {
    let one = |(ticket, &ago): (u64, &i64)| TakeoverAttempt {
        ago: Duration::from_secs(ago.unsigned_abs()),
        ticket: Ticket(100 + ticket),
        kind: if ago < 0 { AttemptKind::RefusedByLimit } else { AttemptKind::Done },
    };
    TakeoverHistory { attempts: (0..).zip(ago).map(one).collect() }
}

fn exceeds_takeover_limit(ago: &[i64], most: usize) -> bool {
    tries(ago).exceeds_takeover_limit(Some(Ticket(7)), most, WINDOW)
}

#[test]
fn as_many_takeovers_as_the_limit_within_the_window_are_too_many() {
    assert!(!exceeds_takeover_limit(&[], 1));
    assert!(!exceeds_takeover_limit(&[10, 20], 3));
    assert!(exceeds_takeover_limit(&[10, 20, 30], 3));
    assert!(!exceeds_takeover_limit(&[10, 20, 60], 3), "a whole window ago is over");
    assert!(exceeds_takeover_limit(&[10, 20, 59], 3));
}

#[test]
fn a_limit_of_zero_allows_no_takeover() {
    assert!(exceeds_takeover_limit(&[], 0));
    assert!(exceeds_takeover_limit(&[500], 0));
}

#[test]
fn refusals_by_the_limit_count_toward_the_limit() {
    // Three takeovers more than a minute ago, and an attempt every half minute since.
    assert!(exceeds_takeover_limit(&[115, 110, 105, -80, -50, -20], 3));
    assert!(
        exceeds_takeover_limit(&[115, 110, 105, -80, -50], 3),
        "less than three lie within the window"
    );
    assert!(exceeds_takeover_limit(&[115, 110, 105, -59], 3));
    assert!(
        !exceeds_takeover_limit(&[115, 110, 105, -60], 3),
        "a whole window has passed without a try"
    );
    assert!(
        !exceeds_takeover_limit(&[215, 210, 205, -180, -100, -50], 3),
        "so it has between these two"
    );
}

#[test]
fn a_raised_limit_allows_a_start_again() {
    assert!(exceeds_takeover_limit(&[50, 40, 30, -20], 3));
    assert!(!exceeds_takeover_limit(&[50, 40, 30, -20], 10));
}

#[test]
fn all_conflicts_that_one_start_ended_are_one_takeover() {
    let one = |ticket| TakeoverAttempt {
        ago: Duration::from_secs(10),
        ticket: Ticket(ticket),
        kind: AttemptKind::Done,
    };
    let history = TakeoverHistory { attempts: vec![one(5), one(5), one(5), one(6)] };
    assert!(!history.exceeds_takeover_limit(None, 3, WINDOW));
    assert!(history.exceeds_takeover_limit(None, 2, WINDOW));
    assert!(
        !history.exceeds_takeover_limit(Some(Ticket(6)), 2, WINDOW),
        "what this start did is its own"
    );
}

#[test]
fn the_order_of_the_history_does_not_matter() {
    assert!(exceeds_takeover_limit(&[-20, 105, -50, 110, -80, 115], 3));
}

fn verdict(policy: &Policy, ago: &[i64], seen: Snapshot) -> Verdict {
    decide(policy, &Snapshot { history: tries(ago), ..seen }).verdict()
}

#[test]
fn too_many_takeovers_refuse_only_starts_that_would_end_a_process() {
    let too_many = Verdict::Refuse(RefusalKind::TooManyTakeovers);
    let ago = [1, 2, 3, 4, 5];
    for (on_conflict, expected) in [
        (OnConflict::Graceful, too_many),
        (OnConflict::Force, too_many),
        (OnConflict::Refuse, Verdict::Refuse(RefusalKind::Policy)),
        (OnConflict::Wait, Verdict::Wait),
    ] {
        assert_eq!(
            verdict(&policy(on_conflict), &ago, snapshot(vec![same_command(5)])),
            expected,
            "{on_conflict:?}"
        );
        assert_eq!(
            verdict(&policy(on_conflict), &ago, snapshot(Vec::new())),
            Verdict::Clear,
            "without a conflict nothing is refused"
        );
    }
}

#[test]
fn a_start_that_gives_way_is_not_refused_for_too_many_takeovers() {
    let seen = Snapshot { guards: vec![guard(None, Some(51))], ..snapshot(Vec::new()) };
    assert_eq!(
        verdict(&policy(OnConflict::Graceful), &[1, 2, 3, 4, 5], seen),
        Verdict::Refuse(RefusalKind::Superseded)
    );
}

#[test]
fn a_refusal_for_too_many_takeovers_names_the_limit_and_the_hint() {
    let plan = decide(
        &policy(OnConflict::Graceful),
        &Snapshot { history: tries(&[1, 2, 3, 4, 5]), ..snapshot(vec![same_command(5)]) },
    );
    assert!(plan.conflicts.iter().all(|conflict| conflict.ladder == Ladder::Nothing));
    for part in ["5 takeovers within 1m, and `limits.max_takeovers`", "`monopoll stop`"] {
        assert!(reason(&plan).contains(part), "{}", reason(&plan));
    }
}

#[test]
fn a_start_that_ended_a_conflict_was_not_refused_whatever_was_recorded_first() {
    let refused = tries(&[115, 110, 105, -80, -50, -20]);
    let mut ended = refused.clone();
    ended.attempts.push(TakeoverAttempt { kind: AttemptKind::Done, ..ended.attempts[5] });
    let mut reversed = ended.clone();
    reversed.attempts.reverse();
    let exceeds =
        [refused, ended, reversed].map(|it| it.exceeds_takeover_limit(Some(Ticket(7)), 3, WINDOW));
    assert_eq!(exceeds, [true, false, false]);
}

#[test]
fn tickets_stop_at_the_largest_number_that_json_readers_count_exactly() {
    assert_eq!(Ticket(7).next(), Ticket(8));
    assert_eq!(Ticket(9_007_199_254_740_991).next(), Ticket(9_007_199_254_740_991));
    assert_eq!(Ticket(9_007_199_254_740_991).to_string(), "9007199254740991");
}

#[test]
fn too_many_takeovers_do_not_refuse_a_stop() {
    let seen = Snapshot { history: tries(&[1, 2, 3, 4, 5]), ..snapshot(vec![same_command(5)]) };
    let policy = policy(OnConflict::Refuse).to_stop(StopMode::Graceful);
    assert_eq!(decide(&policy, &seen).verdict(), Verdict::Act);
}
