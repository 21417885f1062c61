//! What may happen next on the machine, and what must never happen.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::signal::{Signal, SignalToSend};

use super::conflicts::Action;
use super::kernel::Kind;
use super::machine::{BEGIN, State, Wait};
use super::search::{Fault, HORIZON};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Run(usize),
    /// A process ends after SIGTERM.
    End(u32),
    Continue(usize),
    /// Time passes although something could happen.
    PassTime,
    Kill(usize),
    Stop(usize),
    Exit(u32),
    Slow,
    Delete(&'static str),
    ReplaceLock,
}

impl State {
    /// Lets things happen until a start has its turn. Returns `None` at the end of the run.
    pub(super) fn choose(&mut self) -> Option<usize> {
        loop {
            self.kernel.note_releases();
            let is_doomed = |it: &usize| self.actors[*it].is_doomed && self.is_unfinished(*it);
            if let Some(doomed) = (0..self.actors.len()).find(is_doomed) {
                return Some(doomed);
            }
            self.check();
            if self.search.violation.is_some() {
                return None;
            }
            let steps = self.steps();
            let step = match steps.as_slice() {
                [] => {
                    if self.pass_time() {
                        continue;
                    }
                    self.check_end();
                    return None;
                }
                [only] => *only,
                several => {
                    if !self.search.is_repeating() {
                        let state = self.fingerprint();
                        if self.search.is_known(state) {
                            return None;
                        }
                    }
                    several[self.search.pick(several.len())]
                }
            };
            self.pay(step);
            if let Some(next) = self.take(step) {
                self.search.current = Some(next);
                return Some(next);
            }
        }
    }

    fn is_unfinished(&self, actor: usize) -> bool {
        self.actors[actor].outcome.is_none()
    }

    pub(super) fn is_stopped(&self, actor: usize) -> bool {
        self.kernel.procs[&self.actors[actor].id.pid].is_stopped
    }

    pub(super) fn can_run(&mut self, actor: usize) -> bool {
        let it = &self.actors[actor];
        if !self.is_unfinished(actor) || self.is_stopped(actor) {
            return false;
        }
        let kernel = &self.kernel;
        let has_signal = kernel.procs[&it.id.pid].pending > 0;
        let is_over = |until: Option<Duration>| until.is_some_and(|until| kernel.now >= until);
        let has_ended = |ids: &BTreeSet<ProcessId>| ids.iter().any(|id| !kernel.is_alive(*id));
        match &it.wait {
            Wait::Ready => true,
            Wait::Mutex { path, until } => {
                has_signal || is_over(*until) || self.files.is_mutex_free(path)
            }
            Wait::Files { seen, ends_of, until } => {
                has_signal || *seen != kernel.changes || has_ended(ends_of) || is_over(*until)
            }
            Wait::Release { seen, ends_of, until } => {
                has_signal
                    || *seen != kernel.releases
                    || has_ended(ends_of)
                    || is_over(Some(*until))
            }
            Wait::Guard { seen, ends, until } => {
                has_signal
                    || *seen != kernel.changes
                    || *ends != self.ends_below(it.id.pid)
                    || is_over(*until)
            }
        }
    }

    pub(super) fn ends_below(&self, guard: u32) -> u64 {
        self.kernel.ends.get(&guard).copied().unwrap_or_default()
    }

    /// Returns whether the first start is still on its way to the state in which others begin.
    fn is_setting_up(&mut self) -> bool {
        let first = &self.actors[0];
        let guards = matches!(first.wait, Wait::Guard { .. });
        let is_on_its_way = self.search.scenario.runs_already && !guards && !self.is_set_up;
        self.is_set_up |= !is_on_its_way;
        is_on_its_way
    }

    fn steps(&mut self) -> Vec<Step> {
        if self.is_setting_up() {
            return vec![Step::Run(0)];
        }
        let current = self.search.current.filter(|current| self.can_run(*current));
        let mut steps: Vec<Step> = current.map(Step::Run).into_iter().collect();
        let may_switch = match current {
            None => true,
            Some(current) => self.search.budget.switches > 0 && self.has_conflict(current),
        };
        if may_switch {
            let others = (0..self.actors.len()).filter(|it| Some(*it) != current);
            steps.extend(others.filter(|it| self.can_run(*it)).map(Step::Run));
            let is_ending = |proc: &&super::kernel::Proc| {
                proc.kind != Kind::Start && proc.pending > 0 && !proc.is_stopped
            };
            let ending = self.kernel.living().filter(is_ending);
            steps.extend(ending.map(|proc| Step::End(proc.id.pid)));
            let stopped =
                (0..self.actors.len()).filter(|it| self.is_unfinished(*it) && self.is_stopped(*it));
            steps.extend(stopped.map(Step::Continue));
        }
        let no_start_runs = !steps.iter().any(|step| matches!(step, Step::Run(_)));
        if no_start_runs && steps.iter().any(|step| matches!(step, Step::Continue(_))) {
            let waits_for_time = self.next_time().is_some();
            if waits_for_time && !steps.iter().any(|step| matches!(step, Step::End(_))) {
                steps.push(Step::PassTime);
            }
        }
        if self.search.budget.faults > 0 {
            for fault in self.search.scenario.faults {
                self.add_faults(*fault, no_start_runs, &mut steps);
            }
        }
        steps
    }

    fn add_faults(&self, fault: Fault, no_start_runs: bool, steps: &mut Vec<Step>) {
        let unfinished = |it: &usize| self.is_unfinished(*it) && self.actors[*it].action != BEGIN;
        let starts = (0..self.actors.len()).filter(unfinished);
        match fault {
            Fault::Kill => steps.extend(starts.map(Step::Kill)),
            Fault::Stop => {
                steps.extend(starts.filter(|it| !self.is_stopped(*it)).map(Step::Stop));
            }
            Fault::Exit => steps.extend(
                self.kernel
                    .living()
                    .filter(|it| matches!(it.kind, Kind::Bot { .. }) && it.pending == 0)
                    .map(|bot| Step::Exit(bot.id.pid)),
            ),
            Fault::Slow => {
                let is_ending = steps.iter().any(|step| matches!(step, Step::End(_)));
                if no_start_runs && is_ending && self.next_time().is_some() {
                    steps.push(Step::Slow);
                }
            }
            Fault::ReplaceLock if self.files.path("x.lock").exists() => {
                steps.push(Step::ReplaceLock);
            }
            Fault::ReplaceLock => {}
            Fault::DeleteLock | Fault::DeleteRecord => {
                let file = if fault == Fault::DeleteLock { "x.lock" } else { "x.lock.record" };
                if self.files.path(file).exists() {
                    steps.push(Step::Delete(file));
                }
            }
        }
    }

    fn pay(&mut self, step: Step) {
        let budget = &mut self.search.budget;
        match step {
            Step::Kill(_)
            | Step::Stop(_)
            | Step::Exit(_)
            | Step::Slow
            | Step::Delete(_)
            | Step::ReplaceLock => budget.faults -= 1,
            Step::Run(_) | Step::End(_) | Step::Continue(_) | Step::PassTime => {
                let current = self.search.current.filter(|it| self.can_run(*it));
                if current.is_some_and(|current| step != Step::Run(current)) {
                    self.search.budget.switches -= 1;
                }
            }
        }
    }

    /// Takes a step. Returns the start that runs then.
    fn take(&mut self, step: Step) -> Option<usize> {
        if self.search.log.is_some() {
            let text = self.describe(step);
            self.search.note(|| text);
        }
        match step {
            Step::Run(actor) => return Some(actor),
            Step::End(pid) | Step::Exit(pid) => self.kernel.end(pid),
            Step::Continue(actor) => self.set_stopped(actor, false),
            Step::Stop(actor) => self.set_stopped(actor, true),
            Step::PassTime | Step::Slow => {
                self.pass_time();
            }
            Step::Kill(actor) => {
                self.actors[actor].is_doomed = true;
                return Some(actor);
            }
            Step::Delete(file) => {
                fs::remove_file(self.files.path(file)).unwrap();
                self.kernel.changes += 1;
                self.files.forget();
            }
            Step::ReplaceLock => {
                let (lock, copy) = (self.files.path("x.lock"), self.files.path("x.lock.copy"));
                fs::copy(&lock, &copy).unwrap();
                fs::rename(copy, lock).unwrap();
                self.kernel.changes += 1;
            }
        }
        None
    }

    fn describe(&self, step: Step) -> String {
        let now = self.kernel.now.as_millis();
        let name = |actor: usize| {
            let Action { what, on } = self.actors[actor].action;
            format!("start {} ({what} {on:?})", actor + 1)
        };
        match step {
            Step::Run(it) => format!("{now:>6} {}", name(it)),
            Step::Continue(it) => format!("{now:>6} SIGCONT to {}", name(it)),
            Step::Kill(it) => format!("{now:>6} SIGKILL to {}", name(it)),
            Step::Stop(it) => format!("{now:>6} SIGSTOP to {}", name(it)),
            other => format!("{now:>6} {other:?}"),
        }
    }

    fn set_stopped(&mut self, actor: usize, stopped: bool) {
        let pid = self.actors[actor].id.pid;
        self.kernel.procs.get_mut(&pid).unwrap().is_stopped = stopped;
    }

    fn next_time(&self) -> Option<Duration> {
        let until = |actor: usize| match &self.actors[actor].wait {
            Wait::Ready => None,
            Wait::Mutex { until, .. } | Wait::Files { until, .. } | Wait::Guard { until, .. } => {
                *until
            }
            Wait::Release { until, .. } => Some(*until),
        };
        let running =
            (0..self.actors.len()).filter(|it| self.is_unfinished(*it) && !self.is_stopped(*it));
        let times = running
            .filter_map(until)
            .chain(self.kernel.restart_at.filter(|_| self.kernel.restarts == 0));
        times.filter(|at| *at > self.kernel.now && *at <= HORIZON).min()
    }

    fn pass_time(&mut self) -> bool {
        let Some(next) = self.next_time() else { return false };
        self.kernel.now = next;
        self.search.note(|| format!("{:>6} time has passed", next.as_millis()));
        if self.kernel.restarts == 0 && self.kernel.restart_at == Some(next) {
            self.kernel.restart();
        }
        true
    }
}

/// The signal that asks a bot to end.
pub(super) const TERM: SignalToSend = SignalToSend::Signal(Signal::SigTerm);
