//! What makes two states the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::files::FILES;
use super::machine::{State, Wait};

impl State {
    /// Returns a number for everything that determines what can happen from here on.
    pub(super) fn fingerprint(&mut self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let kernel = &self.kernel;
        (kernel.now, kernel.restart_at, kernel.restarts, &kernel.ends).hash(&mut hasher);
        kernel.lock_states().for_each(|lock| lock.hash(&mut hasher));
        for proc in kernel.procs.values() {
            let id = (proc.id.pid, proc.id.start, proc.parent, proc.kind);
            (id, proc.is_alive, proc.is_reaped, proc.is_stopped, proc.pending).hash(&mut hasher);
        }
        for actor in &self.actors {
            (actor.knowledge, actor.is_guard, actor.outcome.is_some(), actor.action)
                .hash(&mut hasher);
            // The counters of changes differ between runs: only what is new matters.
            match &actor.wait {
                Wait::Files { seen, .. } | Wait::Guard { seen, .. } => {
                    (*seen != kernel.changes).hash(&mut hasher);
                }
                Wait::Release { seen, .. } => (*seen != kernel.releases).hash(&mut hasher),
                Wait::Ready | Wait::Mutex { .. } => {}
            }
        }
        self.search.current.hash(&mut hasher);
        for file in FILES {
            self.files.content(file, &self.kernel).hash(&mut hasher);
        }
        hasher.finish()
    }
}
