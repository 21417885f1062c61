//! A process by its identity. These systems cannot pin it, so it is looked up before each signal.

use crate::engine::process::ProcessId;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::sys::portable::process_table::{ProcessTable, TableFields};
use crate::sys::portable::system;

#[derive(Debug, Clone, Copy)]
pub struct ProcessHandle {
    pub(crate) id: ProcessId,
}

impl ProcessHandle {
    pub(crate) fn has_ended(&self) -> bool {
        // An unreadable process table does not prove that it has ended.
        ProcessTable::of(&[self.id.pid], TableFields::Parents)
            .is_ok_and(|table| table.id(self.id.pid) != Some(self.id))
    }

    /// Sends a signal to the process if it still has its pid.
    pub(crate) fn send(&self, signal: SignalToSend) -> SignalResult {
        let Ok(table) = ProcessTable::of(&[self.id.pid], TableFields::Parents) else {
            return SignalResult::Denied;
        };
        match table.process(self.id.pid).filter(|_| table.id(self.id.pid) == Some(self.id)) {
            Some(process) => system::send(process, signal),
            None => SignalResult::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "looks at this process")]

    use super::*;

    #[test]
    fn the_start_time_reveals_a_reused_pid() {
        let me = std::process::id();
        let id = ProcessTable::of(&[me], TableFields::Parents).unwrap().id(me).unwrap();
        assert!(!ProcessHandle { id }.has_ended());
        let reused = ProcessHandle { id: ProcessId { start: id.start - 1, ..id } };
        assert!(reused.has_ended());
        assert_eq!(reused.send(SignalToSend::Kill), SignalResult::Gone);
    }
}
