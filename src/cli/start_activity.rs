//! The progress of a start as one sentence: for the line on a terminal, or logged every ten
//! seconds.

use std::time::Duration;

use crate::engine::ladder::{Step, WaitLimit};
use crate::engine::plan::{Conflict, ConflictCommand};
use crate::engine::signal::SignalToSend;
use crate::text::{printable, short_command_line, truncate};

#[derive(Debug, Default)]
pub(super) enum StartActivity {
    #[default]
    Idle,
    /// Waiting for another start.
    Queued {
        /// Monotonic, like all times here.
        since: Duration,
    },
    /// Waiting for processes to end by themselves.
    Waiting {
        since: Duration,
        others: Vec<OtherProcess>,
    },
    Ending(Vec<OtherProcess>),
}

#[derive(Debug)]
pub(super) struct OtherProcess {
    pid: Option<u32>,
    command: ShownCommand,
    steps: Vec<Step>,
    last_action: Option<(LastAction, Duration)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastAction {
    Asked,
    Acknowledged,
    Sent(SignalToSend),
}

#[derive(Debug)]
enum ShownCommand {
    Arguments(Vec<String>),
    /// The command in a guard's record: quoted and masked.
    Recorded(String),
    Unknown,
}

/// Precedes the command of a guarded bot, because the pid is the guard's.
const GUARD_OF: &str = "the guard of ";

/// The minimum width of a command, even if there is less room.
const NARROWEST: usize = 12;

impl StartActivity {
    pub(super) fn ends(&self, pid: u32) -> bool {
        match self {
            StartActivity::Ending(others) => others.iter().any(|other| other.pid == Some(pid)),
            StartActivity::Idle | StartActivity::Queued { .. } | StartActivity::Waiting { .. } => {
                false
            }
        }
    }

    pub(super) fn note(&mut self, pid: Option<u32>, action: LastAction, now: Duration) {
        if let StartActivity::Ending(others) = self
            && let Some(other) = others.iter_mut().find(|other| other.pid == pid)
        {
            other.last_action = Some((action, now));
        }
    }

    pub(super) fn named(&self, pid: Option<u32>) -> String {
        let other = match self {
            StartActivity::Ending(others) => others.iter().find(|other| other.pid == pid),
            StartActivity::Idle | StartActivity::Queued { .. } | StartActivity::Waiting { .. } => {
                None
            }
        };
        match (other, pid) {
            (Some(other), _) => other.named(usize::MAX),
            (None, Some(pid)) => format!("pid {pid}"),
            (None, None) => "the guard in another PID namespace".to_owned(),
        }
    }

    pub(super) fn remove(&mut self, pid: Option<u32>) {
        if let StartActivity::Ending(others) = self {
            others.retain(|other| other.pid != pid);
        }
    }

    /// Describes the activity at `now` in about `room` characters. The command is shortened first.
    pub(super) fn sentence(&self, now: Duration, room: usize) -> Option<String> {
        let (doing, others, time) = match self {
            StartActivity::Idle => return None,
            StartActivity::Queued { since } => {
                return Some(format!(
                    "waiting for another start to finish: {} so far",
                    passed(*since, now)
                ));
            }
            StartActivity::Waiting { since, others } => {
                ("waiting for", others, others.first()?.waited(*since, now))
            }
            StartActivity::Ending(others) => ("ending", others, others.first()?.progress(now)),
        };
        let more = match others.len() {
            0 | 1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        let rest = doing.len() + more.len() + time.len() + ": ".len() + 1;
        Some(format!("{doing} {}{more}: {time}", others.first()?.named(room.saturating_sub(rest))))
    }

    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            StartActivity::Idle | StartActivity::Queued { .. } => None,
            StartActivity::Waiting { others, .. } | StartActivity::Ending(others) => {
                others.first()?.pid
            }
        }
    }
}

impl OtherProcess {
    pub(super) fn new(conflict: &Conflict) -> OtherProcess {
        let command = match conflict.command() {
            ConflictCommand::Recorded(command) => ShownCommand::Recorded(command.to_owned()),
            ConflictCommand::Arguments(args) => ShownCommand::Arguments(args.to_vec()),
            ConflictCommand::Unknown => ShownCommand::Unknown,
        };
        OtherProcess {
            pid: conflict.pid(),
            command,
            steps: conflict.ladder.steps(),
            last_action: None,
        }
    }

    pub(super) fn named(&self, room: usize) -> String {
        let pid = self
            .pid
            .map_or_else(|| "in another PID namespace".to_owned(), |pid| format!("pid {pid}"));
        let width = room.saturating_sub(pid.len() + "`` ()".len());
        let (prefix, command) = match (&self.command, self.pid) {
            (ShownCommand::Arguments(args), _) => {
                ("", short_command_line(args, width.max(NARROWEST)))
            }
            (ShownCommand::Recorded(text), _) => {
                let width = width.saturating_sub(GUARD_OF.len()).max(NARROWEST);
                (GUARD_OF, truncate(text, width))
            }
            (ShownCommand::Unknown, Some(_)) => return pid,
            (ShownCommand::Unknown, None) => return "an unknown holder of the lock".to_owned(),
        };
        format!("{prefix}`{}` ({pid})", printable(&command))
    }

    fn waited(&self, since: Duration, now: Duration) -> String {
        let Some(Step::Wait { limit: WaitLimit::For(limit) }) = self.steps.first() else {
            return format!("{} so far, without a limit", passed(since, now));
        };
        let then = match self.steps.get(1) {
            Some(Step::Ask { .. }) => "then its guard is asked to end it".to_owned(),
            Some(Step::Signal { signal, .. }) => format!("then {}", signal.name()),
            Some(Step::Wait { .. }) | None => "then this start is refused".to_owned(),
        };
        format!("{} of {}, {then}", passed(since, now), whole(*limit))
    }

    fn progress(&self, now: Duration) -> String {
        match self.last_action {
            None => "checking whether it has ended".to_owned(),
            Some((LastAction::Asked, at)) => format!("asked its guard {} ago", passed(at, now)),
            Some((LastAction::Acknowledged, at)) => {
                format!("its guard has been ending it for {}", passed(at, now))
            }
            Some((LastAction::Sent(signal), at)) => {
                let sent = format!("{} sent {} ago", signal.name(), passed(at, now));
                let limit = |(index, step): (usize, &Step)| match *step {
                    Step::Signal { signal: it, timeout } if it == signal => Some((index, timeout)),
                    Step::Signal { .. } | Step::Ask { .. } | Step::Wait { .. } => None,
                };
                let Some((index, limit)) = self.steps.iter().enumerate().find_map(limit) else {
                    return sent;
                };
                let next = match self.steps.get(index + 1) {
                    Some(Step::Signal { signal, .. }) => signal.name(),
                    Some(Step::Ask { .. } | Step::Wait { .. }) | None => "giving up",
                };
                format!("{sent}, {next} in {}", left(at.saturating_add(limit), now))
            }
        }
    }
}

fn passed(since: Duration, now: Duration) -> String {
    whole(Duration::from_secs(now.saturating_sub(since).as_secs()))
}

/// Rounds up, so that the elapsed and the remaining seconds add up to the limit.
fn left(until: Duration, now: Duration) -> String {
    let left = until.saturating_sub(now);
    whole(Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0)))
}

fn whole(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::engine::ladder::{AfterGraceful, Ladder, Stop, StopMeans, StopMode, StopOptions};
    use crate::engine::signal::Signal;

    const SECOND: Duration = Duration::from_secs(1);
    const WIDE: usize = 200;

    fn other(pid: u32, args: &str, ladder: Ladder) -> OtherProcess {
        let args = args.split(' ').map(str::to_owned).collect();
        let (command, steps) = (ShownCommand::Arguments(args), ladder.steps());
        OtherProcess { pid: Some(pid), command, steps, last_action: None }
    }

    const STOP: Stop = Stop {
        means: StopMeans::Signal,
        options: StopOptions {
            mode: StopMode::Graceful,
            signal: Signal::SigTerm,
            graceful: Duration::from_secs(30),
            force: Duration::from_secs(5),
            escalation: AfterGraceful::Kill,
        },
    };

    #[test]
    fn a_wait_names_the_time_so_far_the_limit_and_the_next_step() {
        let limited = |then| Ladder::Wait { limit: WaitLimit::For(60 * SECOND), then };
        let ask = Stop { means: StopMeans::AskThenSignal, ..STOP };
        for (ladder, expected) in [
            (limited(Some(STOP)), "12s of 1m, then SIGTERM"),
            (limited(Some(ask)), "12s of 1m, then its guard is asked to end it"),
            (limited(None), "12s of 1m, then this start is refused"),
            (Ladder::Wait { limit: WaitLimit::Forever, then: None }, "12s so far, without a limit"),
        ] {
            let others = vec![other(4711, "python3 main.py", ladder)];
            let waiting = StartActivity::Waiting { since: 5 * SECOND, others };
            let text = waiting.sentence(17 * SECOND + SECOND / 2, WIDE);
            assert_eq!(text, Some(format!("waiting for `python3 main.py` (pid 4711): {expected}")));
        }
        let queued = StartActivity::Queued { since: SECOND };
        assert_eq!(
            queued.sentence(11 * SECOND, WIDE).as_deref(),
            Some("waiting for another start to finish: 10s so far")
        );
        assert_eq!(StartActivity::Idle.sentence(SECOND, WIDE), None);
    }

    #[test]
    fn an_end_names_the_last_action_its_age_and_the_next_step() {
        let one = |pid| other(pid, "python3 main.py", Ladder::Stop(STOP));
        let mut ending = StartActivity::Ending(vec![one(4711), one(4712)]);
        let text = |ending: &StartActivity, now: u32| {
            ending.sentence(now * SECOND + SECOND / 10, WIDE).unwrap_or_default()
        };
        let both = "ending `python3 main.py` (pid 4711) and 1 more: ";
        ending.note(Some(4711), LastAction::Sent(SignalToSend::Signal(Signal::SigTerm)), SECOND);
        assert_eq!(text(&ending, 4), format!("{both}SIGTERM sent 3s ago, SIGKILL in 27s"));
        ending.note(Some(4711), LastAction::Sent(SignalToSend::Kill), 31 * SECOND);
        assert_eq!(text(&ending, 33), format!("{both}SIGKILL sent 2s ago, giving up in 3s"));
        assert!(ending.ends(4711) && !ending.ends(4713));
        ending.remove(Some(4711));
        ending.note(Some(4712), LastAction::Asked, 33 * SECOND);
        let last = "ending `python3 main.py` (pid 4712): ";
        assert_eq!(text(&ending, 34), format!("{last}asked its guard 1s ago"));
        ending.note(Some(4712), LastAction::Acknowledged, 34 * SECOND);
        assert_eq!(text(&ending, 44), format!("{last}its guard has been ending it for 10s"));
        ending.remove(Some(4712));
        assert_eq!(ending.sentence(50 * SECOND, WIDE), None);
    }

    #[test]
    fn a_guard_without_a_process_is_in_another_namespace_only_if_its_pid_is_unknown() {
        let named = |pid| {
            let command = ShownCommand::Recorded("python3 main.py".to_owned());
            OtherProcess { pid, command, ..other(1, "", Ladder::Stop(STOP)) }.named(WIDE)
        };
        assert_eq!(named(Some(10)), "the guard of `python3 main.py` (pid 10)");
        assert_eq!(named(None), "the guard of `python3 main.py` (in another PID namespace)");
    }

    #[test]
    fn the_command_is_shortened_to_the_room_and_the_time_stays() {
        let long = format!(
            "/usr/bin/python3 -W ignore /srv/bot/main.py --token 123456:{}",
            "a".repeat(35)
        );
        let mut ending = StartActivity::Ending(vec![other(4711, &long, Ladder::Stop(STOP))]);
        ending.note(Some(4711), LastAction::Sent(SignalToSend::Signal(Signal::SigTerm)), SECOND);
        let text = ending.sentence(SECOND, 77).unwrap_or_default();
        let expected = "`python3 … main.py …` (pid 4711): SIGTERM sent 0s ago, SIGKILL in 30s";
        assert_eq!(text, format!("ending {expected}"));
        for room in 0..300 {
            let text = ending.sentence(SECOND, room).unwrap_or_default();
            assert!(text.ends_with("SIGKILL in 30s") && !text.contains("aaa"), "{text}");
            assert!(room < 70 || text.chars().count() <= room, "{room}: {text}");
        }
    }
}
