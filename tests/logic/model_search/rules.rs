//! What must never happen, and what must be true once nothing happens anymore.

use std::collections::BTreeSet;

use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::signal::{SignalResult, SignalToSend};

use super::kernel::{Kind, Proc};
use super::machine::{Actor, Outcome, State};
use super::search::Fault;

impl State {
    /// Sends a signal on behalf of a start or guard.
    pub(super) fn send(
        &mut self,
        from: usize,
        to: ProcessId,
        signal: SignalToSend,
    ) -> SignalResult {
        let target = self.kernel.procs.get(&to.pid).filter(|it| it.id == to);
        if target.is_some_and(|it| it.kind == Kind::Innocent) {
            self.search.fail(format!("an innocent process got {signal:?}"));
        }
        self.check_order(from, to);
        if signal == SignalToSend::Kill
            && let Some(target) = self.actors.iter_mut().find(|it| it.id == to)
        {
            target.is_doomed = true;
        }
        self.search.note(|| format!("       start {} sends {signal:?} to {}", from + 1, to.pid));
        self.kernel.signal(to, signal)
    }

    /// Checks that a start ends only guards with an older ticket.
    pub(super) fn check_order(&mut self, from: usize, guard: ProcessId) {
        let mine = &self.actors[from];
        let Some(theirs) = self.actors.iter().find(|it| it.id == guard) else { return };
        if mine.id != guard && mine.ticket.is_some() && theirs.ticket >= mine.ticket {
            let (mine, theirs) = (mine.ticket, theirs.ticket);
            self.search.fail(format!("the start with ticket {mine:?} ends that with {theirs:?}"));
        }
    }

    /// Returns what polls: a number for the tree of each guard, and for each unguarded bot.
    fn pollers(&self) -> BTreeSet<u32> {
        let group = |proc: &Proc| match proc.kind {
            Kind::Bot { guard } | Kind::Helper { guard } => Some(guard),
            Kind::Unguarded => Some(proc.id.pid),
            Kind::Start | Kind::Innocent => None,
        };
        self.kernel.living().filter_map(group).collect()
    }

    /// Checks a state.
    pub(super) fn check(&mut self) {
        let pollers = self.pollers();
        if pollers.len() > 1 {
            self.search.fail(format!("two bots poll, those of {pollers:?}"));
        }
        for actor in &self.actors {
            if let Some(Outcome::Panicked(why)) = &actor.outcome {
                self.search.fail(format!("a start panicked: {why}"));
            }
        }
    }

    /// Checks what is left once nothing happens anymore.
    pub(super) fn check_end(&mut self) {
        let pollers = self.pollers();
        let scenario = &self.search.scenario;
        let has_fault = self.search.budget.faults < scenario.max_faults;
        let may = |fault| has_fault && scenario.faults.contains(&fault);
        // A start that waits for a stopped one gives up. Without a record, the start times decide.
        let may_give_up =
            may(Fault::Exit) || may(Fault::Stop) || may(Fault::DeleteRecord) || scenario.unguarded;
        let newest = self.actors.iter().max_by_key(|actor| actor.ticket);
        let must_poll = newest
            .filter(|it| it.outcome != Some(Outcome::Killed))
            .filter(|_| scenario.all_take_over() && !may_give_up);
        let may_be_none = may(Fault::Kill) || may(Fault::Exit);
        let waits = |actor: &Actor| actor.outcome.is_none() && !actor.is_guard;
        let why = if must_poll.is_some_and(|newest| !pollers.contains(&newest.id.pid)) {
            "the newest start does not poll"
        } else if pollers.is_empty() && !may_be_none {
            "nobody polls"
        } else if pollers.is_empty() && self.actors.iter().any(waits) {
            "a start waits although nobody polls"
        } else {
            return;
        };
        let outcome = |it: &Actor| format!("{}: {:?}", it.id.pid, it.outcome);
        let outcomes: Vec<String> = self.actors.iter().map(outcome).collect();
        self.search.fail(format!("{why} at the end; {}", outcomes.join(", ")));
    }
}
