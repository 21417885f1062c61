//! The policies of the starts: two profiles with rules, one or two locks, and every action.

use monopoll_test_bots::stage::{Stage, Start};

use crate::random::Random;

/// The `config.toml` of a stage.
pub(super) const CONFIG: &str = r#"
[timeouts]
graceful = "150ms"
wait = "400ms"

[limits]
max_takeovers = 30
takeover_window = "1s"

[profile.patient]
after_wait = "graceful"
lock.on_lost = "warn"
kill.escalate = false

[[profile.patient.rules]]
name = "a young guard may be a start"
when = { holds_lock = true, younger_than = "100ms" }
action = "wait"

[profile.strict]
kill.signal = "SIGINT"
timeouts.graceful = "50ms"

[[profile.strict.rules]]
name = "what is stopped does not end by itself"
when = { state = "stopped" }
action = "force"

[[profile.strict.rules]]
name = "what a guard left behind"
when = { orphaned = true }
action = "graceful"

[[profile.strict.rules]]
name = "a bot that just ends"
when = { found_by = "command", older_than = "1s" }
action = "refuse"
"#;

const ACTIONS: [&str; 4] = ["graceful", "force", "wait", "refuse"];

/// All starts have one lock in common, which need not be the first of each.
const LOCKS: [&[&str]; 4] = [&["x"], &["x", "z"], &["a", "x"], &["z", "x", "a"]];

pub(super) fn random_action(random: &mut Random) -> &'static str {
    ACTIONS[random.below(ACTIONS.len())]
}

/// Adds a random profile, rule and locks.
pub(super) fn random_policy<'a>(start: Start<'a>, stage: &Stage, random: &mut Random) -> Start<'a> {
    let start = match random.below(4) {
        0 => start.flag("--profile").flag("patient"),
        1 => start.flag("--profile").flag("strict"),
        _ => start,
    };
    let locks: Vec<String> = random
        .one_of(&LOCKS)
        .iter()
        .map(|name| format!("'{}/{name}.lock'", stage.locks().display()))
        .collect();
    start.set(&format!("lock.paths=[{}]", locks.join(", ")))
}
