//! One scenario with at most one fault: starts processes, and judges what became of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use monopoll_test_bots::stage::{Ended, Running, Stage, Start, is_alive};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::calls::{is_signal, may_pass};
use super::trace::{Fault, strace};

/// The limit of each wait. Nothing in a scenario takes more than a few seconds.
const LIMIT: Duration = Duration::from_secs(25);

/// The documented statuses of a start or another command that fails.
const FAILURES: [i32; 8] = [1, 64, 73, 75, 77, 78, 126, 127];

/// What is wrong with monopoll.
pub(super) type Verdict = Result<(), String>;

pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    pub(super) fault: Option<&'a Fault>,
}

/// A bot that runs before the start under test.
pub(super) struct Old<'a> {
    pub(super) bot: u32,
    /// Its guard, or the bot itself.
    pub(super) top: Running<'a>,
}

impl<'a> Scene<'a> {
    pub(super) fn output(&self) -> PathBuf {
        self.stage.folder().join("calls")
    }

    pub(super) fn run(&self, bot: &[&str]) -> Start<'a> {
        self.stage
            .run(bot)
            .set("timeouts.graceful='3s'")
            .set("timeouts.force='3s'")
            .set("timeouts.wait='5s'")
    }

    pub(super) fn guarded(&self, bot: &[&str]) -> Result<Old<'a>, String> {
        let old = self.old(self.run(bot).on_conflict("graceful"))?;
        self.stage.wait_for_start_mutex();
        Ok(old)
    }

    pub(super) fn unguarded(&self, bot: &[&str]) -> Result<Old<'a>, String> {
        self.old(self.stage.bot(bot))
    }

    pub(super) fn old(&self, start: Start<'a>) -> Result<Old<'a>, String> {
        let top = start.start();
        let bot = until("the old bot", || self.stage.pids_of("ready").first().copied())?;
        Ok(Old { bot, top })
    }

    /// Starts a program whose calls are counted or fail.
    pub(super) fn traced(&self, start: Start<'a>) -> Running<'a> {
        let line = strace(self.fault, &self.output());
        start.through(&line.iter().map(String::as_str).collect::<Vec<_>>()).start()
    }

    /// From now on, counts the calls of a process or makes them fail.
    pub(super) fn trace(&self, pid: u32) -> Result<Running<'a>, String> {
        let line = strace(self.fault, &self.output());
        let mut words: Vec<&str> = line.iter().map(String::as_str).collect();
        let number = pid.to_string();
        words.extend(["-p", &number]);
        let tracer = self.stage.program(words[0], &words[1..]).start();
        until("strace", || {
            if !is_alive(pid) {
                return Some(());
            }
            let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
            let is_traced = |thread: PathBuf| {
                fs::read_to_string(thread.join("status"))
                    .is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
            };
            threads.flatten().all(|thread| is_traced(thread.path())).then_some(())
        })?;
        Ok(tracer)
    }

    /// Waits for the end of a process. A guard that could not forward SIGTERM gets it again.
    pub(super) fn end(&self, running: Running<'a>) -> Result<Ended, String> {
        let mut sent_again = false;
        until("an end", || {
            if !sent_again && running.stderr().contains("no permission to send SIGTERM") {
                sent_again = true;
                self.stage.pids_of("ready").into_iter().for_each(terminate_guard_of);
            }
            (!running.is_alive()).then_some(())
        })?;
        Ok(running.end())
    }

    /// Waits until a start has started its bot or has ended. Returns the bot.
    pub(super) fn outcome(
        &self,
        start: &Running<'_>,
        others: usize,
    ) -> Result<Option<u32>, String> {
        until("a start to begin or to end", || {
            let bot = self.stage.pids_of("ready").get(others).copied();
            (bot.is_some() || !start.is_alive()).then_some(bot)
        })
    }

    /// Runs the start under test to its end. A bot that it starts gets SIGTERM through its guard.
    pub(super) fn play_start(&self, start: Start<'a>, old: Option<&Old<'_>>) -> Verdict {
        let newcomer = self.traced(start);
        let started = self.outcome(&newcomer, usize::from(old.is_some()))?;
        if let Some(bot) = started {
            terminate_guard_of(bot);
            if self.fault.is_some_and(|fault| fault.kind.ends_with('+')) {
                // A guard that cannot read its tree waits until that has ended.
                until("an end", || {
                    self.stage.pids_of("child").into_iter().for_each(kill_if_alive);
                    (!newcomer.is_alive()).then_some(())
                })?;
            }
        }
        let ended = self.end(newcomer)?;
        match started {
            Some(bot) => self.judge_guard(&ended, bot),
            None => self.judge_not_started(&ended, old),
        }
    }

    /// Judges the end of a guard of which the bot got SIGTERM.
    pub(super) fn judge_guard(&self, ended: &Ended, bot: u32) -> Verdict {
        if !self.is_signal() {
            until("the end of the bot", || (!is_alive(bot)).then_some(()))?;
        }
        self.judge_status(ended, &[0])
    }

    /// Judges the status of a program: one of these, or the signal that was sent to it.
    pub(super) fn judge_status(&self, ended: &Ended, expected: &[i32]) -> Verdict {
        let signal = match self.fault.map(|fault| &*fault.kind) {
            Some("SIGTERM") => Some(Signal::SIGTERM as i32),
            Some("SIGKILL") => Some(Signal::SIGKILL as i32),
            Some(_) | None => None,
        };
        let by_signal = signal
            .is_some_and(|signal| ended.signal == Some(signal) || ended.code == Some(128 + signal));
        let by_itself = ended.code.is_some_and(|code| expected.contains(&code));
        check(by_signal || by_itself, || format!("the status is {}", status(ended)))
    }

    /// Judges the end of a start that did not start its bot.
    pub(super) fn judge_not_started(&self, ended: &Ended, old: Option<&Old<'_>>) -> Verdict {
        let touched = old.is_some_and(|old| self.is_touched(old.bot));
        if self.is_signal() {
            self.judge_status(ended, &[75])?;
        } else {
            self.judge_failure(ended, &FAILURES)?;
            let untouched = [64, 73, 78, 126, 127];
            let says_untouched = ended.code.is_some_and(|code| untouched.contains(&code));
            check(!(touched && says_untouched), || {
                format!("ended the old bot, but its status is {}", status(ended))
            })?;
        }
        let is_dead = old.is_some_and(|old| !is_alive(old.bot));
        let says = ["has ended", "sent SIG", "asked"].iter().any(|word| ended.err.contains(word))
            || self.is_silent()
            || ended.signal.is_some();
        check(!is_dead || says, || "does not say that it ended the old bot".to_owned())
    }

    /// Judges the end of a command that failed.
    pub(super) fn judge_failure(&self, ended: &Ended, documented: &[i32]) -> Verdict {
        let passes = self.fault.is_some_and(|fault| may_pass(&fault.kind));
        let expected = if passes { &[75] } else { documented };
        let code = ended.code.unwrap_or(-1);
        check(expected.contains(&code), || format!("failed with status {}", status(ended)))?;
        let last = ended.err.lines().last().unwrap_or_default();
        check(last.starts_with("monopoll:") || self.is_silent(), || {
            format!("failed with status {code} and does not say why")
        })
    }

    /// Judges a command that may also give an answer.
    pub(super) fn judge_answer(&self, ended: &Ended, answers: &[i32]) -> Verdict {
        let code = ended.code.unwrap_or(-1);
        if answers.contains(&code) {
            return Ok(());
        }
        if self.is_signal() {
            return self.judge_status(ended, &[75]);
        }
        // An answer that cannot be written is no start that may work later.
        if code == 1 && self.is_silent() {
            return Ok(());
        }
        self.judge_failure(ended, &FAILURES)
    }

    /// Returns whether a bot got a signal.
    pub(super) fn is_touched(&self, bot: u32) -> bool {
        !is_alive(bot)
            || self.stage.events().iter().any(|it| it.pid == bot && it.what.starts_with("got "))
    }

    pub(super) fn is_signal(&self) -> bool {
        self.fault.is_some_and(|fault| is_signal(&fault.kind))
    }

    /// Returns whether a message may be missing: the fault can be that of writing it.
    fn is_silent(&self) -> bool {
        self.fault.is_some_and(|fault| fault.call == "write")
    }

    /// Ends all, and requires that another start then works and nothing stays.
    pub(super) fn finish(&self) -> Verdict {
        let bots = self.stage.pids_of("ready");
        until("everything to end", || {
            // Their guards then end by themselves.
            let roles = ["ready", "child", "daemon", "worker"];
            roles.iter().flat_map(|role| self.stage.pids_of(role)).for_each(kill_if_alive);
            self.stage.marked().is_empty().then_some(())
        })?;
        let left = ["record", "request", "answer"].map(|kind| self.stage.state_file(kind));
        if self.fault.is_some() && (left.iter().any(|file| file.exists()) || bots.len() < 2) {
            let next = self.run(&["--keep"]).on_conflict("graceful").start();
            match self.outcome(&next, bots.len())? {
                Some(bot) => terminate_guard_of(bot),
                None => return Err("a further start fails".to_owned()),
            }
            let ended = self.end(next)?;
            check(ended.code == Some(0), || format!("a further start: {ended:?}"))?;
        }
        check(self.stage.pids_of("OVERLAP").is_empty(), || "two polled at once".to_owned())?;
        let transcript = self.stage.transcript();
        for word in ["panicked", "memory allocation of", "fatal runtime error"] {
            check(!transcript.contains(word), || word.to_owned())?;
        }
        Ok(())
    }
}

/// Waits for a condition, with a limit.
pub(super) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T, String> {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(found) = condition() {
            return Ok(found);
        }
        if Instant::now() > until {
            return Err(format!("hangs: waited too long for {what}"));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

pub(super) fn check(is_right: bool, what: impl FnOnce() -> String) -> Verdict {
    if is_right { Ok(()) } else { Err(what()) }
}

fn status(ended: &Ended) -> String {
    match (ended.code, ended.signal) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

fn kill_if_alive(pid: u32) {
    // It may have just ended.
    let _ = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL);
}

/// Sends SIGTERM to the guard of this bot, or to the bot if it has none.
pub(super) fn terminate_guard_of(bot: u32) {
    let stat = fs::read_to_string(format!("/proc/{bot}/stat")).unwrap_or_default();
    let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let guard = parent.filter(|parent| name(*parent).starts_with("monopoll"));
    // It may have just ended.
    let pid = Pid::from_raw(guard.unwrap_or(bot).try_into().unwrap());
    let _ = kill(pid, Signal::SIGTERM);
    let _ = kill(pid, Signal::SIGCONT);
}
