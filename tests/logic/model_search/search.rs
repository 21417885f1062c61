//! The search: a depth-first walk through the choices of a scenario. Each run starts anew and
//! repeats the choices of an earlier run up to its last one that has an untried alternative.

use std::collections::HashMap;
use std::time::Duration;

use super::kernel::{Kernel, Kind, PARENT};

/// A fault that may occur at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL to a start or guard, whose pid is used again at once.
    Kill,
    /// SIGSTOP to a start or guard; SIGCONT at any later step.
    Stop,
    /// COMMAND ends by itself.
    Exit,
    /// Nothing reacts to a signal until time has passed.
    Slow,
    DeleteLock,
    DeleteRecord,
    /// A copy takes the place of the lock.
    ReplaceLock,
}

#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// The settings of each start, in the order of their pids.
    pub(super) starts: Vec<&'static [&'static str]>,
    /// The first start runs before the others begin.
    pub(super) runs_already: bool,
    /// A bot runs that no guard started, and its parent starts it again once.
    pub(super) unguarded: bool,
    pub(super) faults: &'static [Fault],
    pub(super) max_faults: u32,
    /// The number of switches away from a start that could go on.
    pub(super) max_switches: u32,
}

impl Scenario {
    pub(super) fn all_take_over(&self) -> bool {
        let takes_over = [super::GRACEFUL, super::FORCE, super::WARN];
        self.starts.iter().all(|settings| takes_over.contains(settings))
    }
}

/// The time after which a machine on which only timers run counts as quiet.
pub(super) const HORIZON: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) runs: u64,
    pub(super) states: u64,
    pub(super) accesses: u64,
}

/// What a run may still spend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) faults: u32,
    pub(super) switches: u32,
}

struct Branch {
    picked: usize,
    options: usize,
}

pub(super) struct Search {
    pub(super) scenario: Scenario,
    path: Vec<Branch>,
    depth: usize,
    /// The number of branches that repeat an earlier run.
    repeated: usize,
    visited: HashMap<u64, Vec<Budget>>,
    pub(super) budget: Budget,
    /// The start that ran last.
    pub(super) current: Option<usize>,
    pub(super) violation: Option<String>,
    /// The steps of this run, if they are to be reported.
    pub(super) log: Option<Vec<String>>,
    pub(super) counts: Counts,
}

impl Search {
    pub(super) fn new(scenario: Scenario) -> Search {
        let budget = Search::full_budget(&scenario);
        Search {
            scenario,
            path: Vec::new(),
            depth: 0,
            repeated: 0,
            visited: HashMap::new(),
            budget,
            current: None,
            violation: None,
            log: None,
            counts: Counts { runs: 1, ..Counts::default() },
        }
    }

    fn full_budget(scenario: &Scenario) -> Budget {
        Budget { faults: scenario.max_faults, switches: scenario.max_switches }
    }

    /// Adds the processes with which the scenario begins.
    pub(super) fn prepare(&self, kernel: &mut Kernel) {
        if self.scenario.unguarded {
            kernel.spawn(Kind::Unguarded, PARENT);
        }
    }

    /// Moves on to the next run. Returns `false` after the last one.
    pub(super) fn next_run(&mut self) -> bool {
        while self.path.last().is_some_and(|last| last.picked + 1 == last.options) {
            self.path.pop();
        }
        let Some(last) = self.path.last_mut() else { return false };
        last.picked += 1;
        self.counts.runs += 1;
        self.rewind();
        true
    }

    /// Repeats the present run, and reports its steps.
    pub(super) fn repeat_with_log(&mut self) {
        self.log = Some(Vec::new());
        self.rewind();
    }

    fn rewind(&mut self) {
        self.repeated = self.path.len();
        self.depth = 0;
        self.violation = None;
        self.current = None;
        self.budget = Search::full_budget(&self.scenario);
    }

    /// Returns whether this run repeats an earlier one up to here.
    pub(super) fn is_repeating(&self) -> bool {
        self.depth < self.repeated
    }

    /// Notes a state. Returns whether it was reached before with at least this budget.
    pub(super) fn is_known(&mut self, state: u64) -> bool {
        let budget = self.budget;
        let known = self.visited.entry(state).or_default();
        let covers = |it: &Budget| it.faults >= budget.faults && it.switches >= budget.switches;
        if known.iter().any(covers) {
            return true;
        }
        self.counts.states += u64::from(known.is_empty());
        known.push(budget);
        false
    }

    /// Picks one of several options: as in the repeated run, or the first.
    pub(super) fn pick(&mut self, options: usize) -> usize {
        let picked = if let Some(branch) = self.path.get(self.depth) {
            assert_eq!(branch.options, options, "a run must repeat exactly");
            branch.picked
        } else {
            self.path.push(Branch { picked: 0, options });
            0
        };
        self.depth += 1;
        picked
    }

    pub(super) fn note(&mut self, step: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(step());
        }
    }

    pub(super) fn fail(&mut self, why: String) {
        self.violation.get_or_insert(why);
    }
}
