//! The ticket counter: each start draws a larger number than all before.

use std::time::Duration;

use crate::engine::ticket::Ticket;
use crate::error::{Error, ExitStatus};
use crate::state::record::Record;
use crate::state::state_dir::{MAKE_ROOM, StateDir, StateFile};
use crate::sys::file_mutex::FileMutex;

/// The timeout for the counter, which other starts lock for microseconds.
const MUTEX_TIMEOUT: Duration = Duration::from_secs(2);

impl StateDir {
    /// Draws a ticket larger than the counter and the tickets of all records in the folder. Fails
    /// if the counter cannot be written, because a start without a ticket has no order.
    pub(crate) fn draw_ticket(&self) -> Result<Ticket, Error> {
        let _locked = self.lock_counter()?;
        // The largest number is ignored, because no counter could follow it.
        let ticket = self
            .newest_ticket()
            .map(Ticket::next)
            .filter(|ticket| *ticket < Ticket::MAX)
            .unwrap_or(Ticket(1));
        self.write_counter(ticket)?;
        Ok(ticket)
    }

    pub(crate) fn restore_counter(&self, ticket: Ticket) -> Result<(), Error> {
        let _locked = self.lock_counter()?;
        if self.counter().is_none_or(|counter| counter < ticket) {
            self.write_counter(ticket)
        } else {
            Ok(())
        }
    }

    pub fn counter(&self) -> Option<Ticket> {
        let text = self.folder().read(&self.name(StateFile::Counter))?;
        Some(Ticket(text.trim_end().parse().ok()?)).filter(|ticket| *ticket < Ticket::MAX)
    }

    pub(super) fn lock_counter(&self) -> Result<FileMutex, Error> {
        let path = self.path(StateFile::CounterMutex);
        match self.mutex(StateFile::CounterMutex)?.wait(MUTEX_TIMEOUT) {
            Ok(Some(locked)) => Ok(locked),
            Ok(None) => Err(Error::new(
                ExitStatus::Refused,
                format!("another start is in progress: it holds {}", path.display()),
            )
            .with_hint("try again; if it stays so, find that start with `fuser -v`")),
            Err(error) => Err(Error::unsafe_lock(&path, &error.to_string()).due_to(error)),
        }
    }

    fn write_counter(&self, ticket: Ticket) -> Result<(), Error> {
        // The fixed length allows overwriting in place. On some file systems, a rename would cost a
        // disk write.
        let content = format!("{:020}\n", ticket.0);
        self.folder().overwrite(&self.name(StateFile::Counter), &content).map_err(|error| {
            let path = self.path(StateFile::Counter);
            let why = format!("cannot write the ticket counter ({error})");
            Error::unsafe_lock(&path, &why).with_hint(MAKE_ROOM).due_to(error)
        })
    }

    fn newest_ticket(&self) -> Option<Ticket> {
        let records = self.folder().names_with(StateFile::Record.suffix());
        let record = |name| serde_json::from_str::<Record>(&self.folder().read(name)?).ok();
        let tickets = records.iter().filter_map(|name| record(name)).map(|record| record.ticket);
        tickets.filter(|ticket| *ticket < Ticket::MAX).chain(self.counter()).max()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::lock_folder::LockFolder;

    #[test]
    fn the_counter_file_has_twenty_digits_and_a_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let folder = LockFolder::open_existing(dir.path()).unwrap().unwrap();
        let state = StateDir::new(Arc::new(folder), "bot1.lock");
        assert_eq!(
            (state.draw_ticket().unwrap(), state.draw_ticket().unwrap()),
            (Ticket(1), Ticket(2))
        );
        let content = state.folder().read("bot1.lock.counter").unwrap();
        assert_eq!(content, "00000000000000000002\n");
        state.restore_counter(Ticket(9)).unwrap();
        assert_eq!(state.counter(), Some(Ticket(9)));
    }
}
