//! A process by its identity: looked at again right before whatever is sent, as nothing pins it
//! here.

use crate::{
    engine::{plan::Blow, snapshot::ProcessId},
    sys::portable::process_table::{Depth, Table},
    sys::portable::system,
    terminate::process_control::Sent,
};

/// One process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handle {
    pub(crate) id: ProcessId,
}

impl Handle {
    /// Whether it has ended, reaped or not.
    pub(crate) fn has_ended(&self) -> bool {
        // A table that cannot be read says nothing about anybody's end.
        Table::of(&[self.id.pid], Depth::Lineage)
            .is_ok_and(|table| table.id(self.id.pid) != Some(self.id))
    }

    /// Sends a signal to this process, if its pid is still its own.
    pub(crate) fn send(&self, blow: Blow) -> Sent {
        let Ok(table) = Table::of(&[self.id.pid], Depth::Lineage) else { return Sent::Denied };
        match table.process(self.id.pid).filter(|_| table.id(self.id.pid) == Some(self.id)) {
            Some(process) => system::send(process, blow),
            None => Sent::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_tells_a_recycled_pid() {
        let id = crate::scan::portable::identity(std::process::id()).unwrap();
        assert!(!Handle { id }.has_ended());
        let recycled = Handle { id: ProcessId { start: id.start - 1, ..id } };
        assert!(recycled.has_ended());
        assert_eq!(recycled.send(Blow::Kill), Sent::Gone);
    }
}
