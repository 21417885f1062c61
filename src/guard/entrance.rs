//! The way in: the lock files, open, and a ticket.

use std::path::PathBuf;

use crate::{
    engine::start_history::Ticket, error::Error, guard::lock_set::LockSet, state::lock::LockFile,
};

/// How often a folder may be taken away just when it was opened.
const MOST_REPLACEMENTS: u32 = 100;

/// How often to try again what failed, and may have failed because the folder was just being
/// emptied.
const MOST_DOUBTS: u32 = 5;

/// The lock files, open, and the number that was drawn beside them.
#[derive(Debug)]
pub struct OpenedInstance {
    /// Where they are.
    pub place: LockSet,
    /// The lock files.
    pub files: Vec<LockFile>,
    /// What was drawn.
    pub ticket: Ticket,
}

impl OpenedInstance {
    /// Opens these locks and draws a ticket.
    ///
    /// # Errors
    /// One of them is not safe to use, or no ticket can be drawn.
    pub fn open(paths: &[PathBuf]) -> Result<OpenedInstance, Error> {
        let (mut replacements, mut doubts) = (1..MOST_REPLACEMENTS, 1..MOST_DOUBTS);
        loop {
            let place = match LockSet::open(paths) {
                Ok(place) => place,
                // It may have vanished between two steps of opening it, and that says nothing about
                // the next time.
                Err(_) if doubts.next().is_some() => continue,
                Err(error) => return Err(error),
            };
            let opened = place.open_locks().and_then(|files| {
                place.beside().insist_on_room()?;
                Ok((files, place.beside().draw_ticket()?))
            });
            match opened {
                Ok((files, ticket)) => return Ok(OpenedInstance { place, files, ticket }),
                Err(_) if !place.is_in_place() && replacements.next().is_some() => {}
                Err(_) if doubts.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }
}
