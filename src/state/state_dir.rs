//! What lies beside the first lock and is named after it: the record, the ticket counter, requests
//! and their answers; the history too, see [`history`](crate::state::history_file). What they say is in
//! [`record`](crate::state::record).
//!
//! They are believed only as far as the kernel confirms them: garbage, or none at all, never leads
//! to a kill (S22).

use std::{sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

pub use crate::state::record::{Asker, HostProcess, Record, RecordStage};
use crate::{
    engine::start_history::Ticket,
    error::{Error, ExitStatus},
    state::{
        folder::{Folder, unsafe_lock},
        record::{Request, RequestAnswer},
    },
    sys::{UNFINISHED, clock, file_mutex::FileMutex},
    text::printable,
};

/// How long a start waits to draw a ticket: others hold the counter for microseconds.
const COUNTER_PATIENCE: Duration = Duration::from_secs(2);

/// The small files of one instance.
#[derive(Debug)]
pub struct StateDir {
    folder: Arc<Folder>,
    lock_name: String,
}

impl StateDir {
    /// What lies beside the lock `lock_name` in `folder`.
    #[must_use]
    pub fn new(folder: Arc<Folder>, lock_name: &str) -> StateDir {
        StateDir { folder, lock_name: lock_name.to_owned() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    fn turnstile_name(&self) -> String {
        format!("{}.turnstile", self.lock_name)
    }

    /// What one start passes at a time, not locked yet.
    ///
    /// # Errors
    /// As [`Folder::open_or_make`].
    pub(crate) fn turnstile(&self) -> Result<FileMutex, Error> {
        self.unshared(&self.turnstile_name())
    }

    /// What the first of those has who wait for a guard, not locked yet.
    ///
    /// # Errors
    /// As [`Folder::open_or_make`].
    pub(crate) fn queue(&self) -> Result<FileMutex, Error> {
        self.unshared(&format!("{}.queue", self.lock_name))
    }

    fn unshared(&self, name: &str) -> Result<FileMutex, Error> {
        let path = self.folder.path().join(name);
        FileMutex::open(self.folder.open_or_make(name)?, &path)
            .map_err(|error| unsafe_lock(&path, &error.to_string()))
    }

    /// Whether there was ever a start.
    #[must_use]
    pub fn has_turnstile(&self) -> bool {
        !matches!(self.folder.open_existing(&self.turnstile_name()), Ok(None))
    }

    fn counter_name(&self) -> String {
        format!("{}.counter", self.lock_name)
    }

    fn record_name(&self) -> String {
        format!("{}.record", self.lock_name)
    }

    /// Where the record is.
    #[must_use]
    pub fn record_path(&self) -> std::path::PathBuf {
        self.folder.path().join(self.record_name())
    }

    /// Where a program may keep what it has taken and not finished: the next one that holds the
    /// instance finds it.
    #[must_use]
    pub fn journal_path(&self) -> std::path::PathBuf {
        self.folder.path().join(format!("{}.journal", self.lock_name))
    }

    fn request_name(&self) -> String {
        format!("{}.request", self.lock_name)
    }

    fn answer_name(&self) -> String {
        format!("{}.answer", self.lock_name)
    }

    pub(crate) fn history_name(&self) -> String {
        format!("{}.history", self.lock_name)
    }

    /// The history cannot be written: said once, and no reason not to start.
    pub(crate) fn unwritten(&self, error: &std::io::Error) -> Error {
        let path = self.folder.path().join(self.history_name());
        Error::new(
            ExitStatus::LockFile,
            format!(
                "the history cannot be written: {error}: {}",
                printable(&path.to_string_lossy())
            ),
        )
    }

    fn load<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(&self.folder.read(name)?).ok()
    }

    fn store(&self, name: &str, value: &impl Serialize) -> std::io::Result<()> {
        self.folder.write(name, &serde_json::to_string(value)?)
    }

    /// The guard's word about itself, if there is one that can be read.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        self.load(&self.record_name())
    }

    /// Whether there is one, readable or not.
    #[must_use]
    pub fn has_record(&self) -> bool {
        !matches!(self.folder.open_existing(&self.record_name()), Ok(None))
    }

    /// # Errors
    /// As the file system says.
    pub fn write_record(&self, record: &Record) -> std::io::Result<()> {
        self.store(&self.record_name(), record)
    }

    /// Writes the record where there is none: of two that do so at the same moment, one is told.
    /// `false`: it is not there now.
    ///
    /// # Errors
    /// As the file system says.
    pub fn claim_record(&self, record: &Record) -> std::io::Result<bool> {
        match self.folder.write_first(&self.record_name(), &serde_json::to_string(record)?) {
            // Not every file system can say so, and two that write at once may take each other's
            // file: what lies there counts.
            Ok(()) => Ok(self.record().as_ref() == Some(record)),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotFound
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a record away that counts for nobody.
    pub fn discard_record(&self) {
        // One that cannot be taken away is seen by the next try to write.
        let _ = self.folder.remove(&self.record_name());
    }

    /// Takes the record away, if it is still `mine`.
    pub fn remove_record(&self, mine: Ticket) {
        if self.record().is_some_and(|record| record.ticket == mine) {
            // A record that stays is one of a process that has ended: nobody believes it.
            let _ = self.folder.remove(&self.record_name());
        }
    }

    /// # Errors
    /// As the file system says.
    pub fn write_request(&self, request: &Request) -> std::io::Result<()> {
        self.store(&self.request_name(), request)
    }

    /// What is asked of the guard with this ticket.
    #[must_use]
    pub fn request_to(&self, me: Ticket) -> Option<Request> {
        self.load::<Request>(&self.request_name()).filter(|request| request.to == me)
    }

    /// Takes a question back that was answered, or will not be.
    pub fn remove_request(&self) {
        // One that stays is for a ticket that nobody will ever have again.
        let _ = self.folder.remove(&self.request_name());
        let _ = self.folder.remove(&self.answer_name());
    }

    /// Says that a request was heard.
    ///
    /// # Errors
    /// As the file system says.
    pub fn acknowledge(&self, request: &Request) -> std::io::Result<()> {
        self.store(&self.answer_name(), &RequestAnswer { id: request.id.clone() })
    }

    /// Whether the request with this id was heard.
    #[must_use]
    pub fn is_acknowledged(&self, id: &str) -> bool {
        self.load::<RequestAnswer>(&self.answer_name()).is_some_and(|answer| answer.id == id)
    }

    /// Whether everything that a start writes can be put in its place: found out before anybody is
    /// asked to leave it.
    ///
    /// # Errors
    /// A folder is there, which nothing replaces.
    pub fn insist_on_room(&self) -> Result<(), Error> {
        [self.record_name(), self.counter_name(), self.request_name(), self.answer_name()]
            .iter()
            .flat_map(|name| [name.clone(), format!("{name}.{UNFINISHED}")])
            .try_for_each(|name| self.folder.insist_on_no_folder(&name))
    }

    /// Draws a ticket: larger than the counter and than that of every record in the folder that can
    /// be read.
    ///
    /// # Errors
    /// The counter cannot be written: nothing is started that could not be told apart later.
    pub fn draw_ticket(&self) -> Result<Ticket, Error> {
        let _alone = self.draw_alone()?;
        // The largest number is not believed: a guard that had drawn it would find its counter lost
        // for ever.
        let ticket = self
            .newest()
            .map(Ticket::next)
            .filter(|ticket| *ticket < Ticket::MAX)
            .unwrap_or(Ticket(1));
        self.write_counter(ticket)?;
        Ok(ticket)
    }

    /// Writes the counter again if it lost this ticket: a guard that holds the instance sees to
    /// that.
    ///
    /// # Errors
    /// As the file system says.
    pub fn restore_counter(&self, ticket: Ticket) -> Result<(), Error> {
        let _alone = self.draw_alone()?;
        if self.counter().is_none_or(|counter| counter < ticket) {
            self.write_counter(ticket)
        } else {
            Ok(())
        }
    }

    /// fslock empties its file when it lets go, so the lock is not on the counter itself.
    pub(crate) fn draw_alone(&self) -> Result<FileMutex, Error> {
        let name = format!("{}.drawing", self.lock_name);
        let lock = self.unshared(&name)?;
        let path = self.folder.path().join(&name);
        let failed = |error: std::io::Error| unsafe_lock(&path, &error.to_string());
        if let Some(lock) = lock.wait(COUNTER_PATIENCE).map_err(failed)? {
            return Ok(lock);
        }
        Err(Error::new(
            ExitStatus::Refused,
            format!("another start is in progress: it keeps {} locked", path.display()),
        )
        .with_hint("try again; if nothing changes, `fuser -v` on that file names it"))
    }

    fn write_counter(&self, ticket: Ticket) -> Result<(), Error> {
        // Of one width, so that it is written over where it lies: it is read and written behind its
        // lock, and to put a file in the place of another costs some file systems a write to the
        // disk.
        self.folder.overwrite(&self.counter_name(), &format!("{:020}\n", ticket.0)).map_err(|error| {
            unsafe_lock(&self.folder.path().join(self.counter_name()), &format!("no ticket can be drawn ({error})"))
                .with_hint("remove what is in its place, free some space, or name another folder in `lock.paths`")
        })
    }

    /// The last ticket that was drawn, if the counter can be read.
    #[must_use]
    pub fn counter(&self) -> Option<Ticket> {
        let number = self.folder.read(&self.counter_name())?.trim_end().parse().ok()?;
        Some(Ticket(number)).filter(|ticket| *ticket < Ticket::MAX)
    }

    fn newest(&self) -> Option<Ticket> {
        let records = self.folder.names_with(".record");
        let tickets =
            records.iter().filter_map(|name| self.load::<Record>(name)).map(|record| record.ticket);
        tickets.filter(|ticket| *ticket < Ticket::MAX).chain(self.counter()).max()
    }
}

/// How the names end of what lies beside a lock.
const ENDINGS: [&str; 10] = [
    ".record",
    ".counter",
    ".turnstile",
    ".queue",
    ".drawing",
    ".request",
    ".answer",
    ".history",
    ".journal",
    ".new",
];

/// The lock that `name` is a file beside of, if `names` has that lock; a record alone is enough to
/// know of its lock.
#[must_use]
pub fn lock_of<'a>(name: &'a str, names: &[String]) -> Option<&'a str> {
    let lock = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    (name.ends_with(".record") || names.iter().any(|it| it == lock)).then_some(lock)
}

/// Seconds since 1970, for a record.
#[must_use]
pub fn now() -> u64 {
    clock::wall_seconds()
}
