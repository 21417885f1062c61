//! What was taken from Telegram and is not answered yet, in one small file beside the lock.
//!
//! Telegram forgets an update as soon as the next poll goes out, long before its answer is made. So
//! each message is written down before that poll, and crossed out when its answer has been
//! delivered: whoever holds the instance next goes on where this process ended, however it ended.
//! An answer is written down whole before its first part is sent, and each part is crossed out as
//! Telegram takes it, so a part comes twice only where the process was killed between the two.
//!
//! The file is written whole and renamed, which a killed process cannot leave in halves. It is not
//! forced to the disk: what a power cut takes is lost. Nothing but the holder of the lock reads or
//! writes it, and it is private as the lock is. A transcript is in it from the moment when its
//! first part is sent to the moment when its last one is delivered.
#![expect(clippy::disallowed_methods, reason = "the journal is a file of its own")]

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::intake::Letter;
use serde::{Deserialize, Serialize};

/// How many numbers of taken updates are kept: Telegram gives at most 100 at once, and what it
/// gives again are those of the last polls.
const MAX_NUMBERS: usize = 512;

/// A larger file is none of ours.
const MAX_BYTES: u64 = 64 << 20;

/// The version of the format.
const VERSION: u32 = 1;

/// What was taken, and how far each answer is.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    pages: Mutex<Pages>,
}

/// What the file holds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pages {
    version: u32,
    /// The updates that were taken last, answered or not.
    taken: VecDeque<u32>,
    /// What is still to be answered.
    open: BTreeMap<u32, Entry>,
}

impl Default for Pages {
    fn default() -> Self {
        Pages { version: VERSION, taken: VecDeque::new(), open: BTreeMap::new() }
    }
}

/// A message and how far its answer is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The message.
    pub(crate) letter: Letter,
    /// Whether somebody was told that it takes a while.
    pub(crate) notice: Notice,
    /// What is left to be sent of its answer, once that is made.
    pub(crate) answer: Option<VecDeque<String>>,
}

/// Whether somebody was told that it takes a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// Not yet.
    Untold,
    /// Once, which is enough.
    Told,
}

/// Whether an update is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is.
    New,
    /// It was taken before: Telegram gave it once more.
    Again,
}

impl Journal {
    /// The journal at `path`, with what the last holder left in it; what cannot be read is left
    /// out, and told in the log.
    pub(crate) fn open(path: PathBuf) -> Journal {
        let pages = match read(&path) {
            Ok(pages) => pages,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Pages::default(),
            Err(error) => {
                tracing::warn!(
                    "the journal of unanswered messages cannot be read, so what was in it stays \
                        unanswered: {error}"
                );
                Pages::default()
            }
        };
        Journal { path, pages: Mutex::new(pages) }
    }

    /// What is to be answered, oldest first.
    pub(crate) fn unanswered(&self) -> Vec<Entry> {
        self.pages().open.values().cloned().collect()
    }

    /// Writes a message down, unless it was taken before.
    pub(crate) fn take(&self, letter: &Letter) -> Taken {
        let mut pages = self.pages();
        if pages.taken.contains(&letter.update) {
            return Taken::Again;
        }
        pages.taken.push_back(letter.update);
        if pages.taken.len() > MAX_NUMBERS {
            pages.taken.pop_front();
        }
        pages.open.insert(
            letter.update,
            Entry { letter: letter.clone(), notice: Notice::Untold, answer: None },
        );
        self.write(&pages);
        Taken::New
    }

    /// Somebody was told that this one takes a while.
    pub(crate) fn noticed(&self, update: u32) {
        self.change(update, |entry| entry.notice = Notice::Told);
    }

    /// The answer to this one is made.
    pub(crate) fn answer(&self, update: u32, parts: VecDeque<String>) {
        self.change(update, |entry| entry.answer = Some(parts));
    }

    /// The next part of an answer has been delivered.
    pub(crate) fn delivered(&self, update: u32) {
        self.change(update, |entry| {
            entry.answer.as_mut().and_then(VecDeque::pop_front);
        });
    }

    /// This one needs nothing more.
    pub(crate) fn close(&self, update: u32) {
        let mut pages = self.pages();
        pages.open.remove(&update);
        self.write(&pages);
    }

    fn change(&self, update: u32, change: impl FnOnce(&mut Entry)) {
        let mut pages = self.pages();
        if let Some(entry) = pages.open.get_mut(&update) {
            change(entry);
            self.write(&pages);
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A journal that cannot be written is a warning: the message itself is answered all the same.
    fn write(&self, pages: &Pages) {
        if let Err(error) = write(&self.path, pages) {
            tracing::warn!("the journal of unanswered messages cannot be written: {error}");
        }
    }
}

fn read(path: &Path) -> io::Result<Pages> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    // What it is not does not matter, and what it holds belongs into no log.
    let garbage =
        || io::Error::new(io::ErrorKind::InvalidData, "it is damaged, or of another version");
    serde_json::from_slice(&bytes)
        .ok()
        .filter(|pages: &Pages| pages.version == VERSION)
        .ok_or_else(garbage)
}

fn write(path: &Path, pages: &Pages) -> io::Result<()> {
    let new = path.with_extension("journal.new");
    // Left by a process that was killed within these lines.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&new)?.write_all(&serde_json::to_vec(pages)?)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Address, Asks};

    fn letter(update: u32) -> Letter {
        Letter {
            update,
            address: Address { chat: 5, message: Some(1), topic: None },
            asks: Asks::Words,
        }
    }

    fn parts(parts: &[&str]) -> VecDeque<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn what_is_not_answered_is_found_again_as_far_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock.journal");
        let journal = Journal::open(path.clone());
        for update in [7, 8, 9] {
            assert_eq!(journal.take(&letter(update)), Taken::New);
        }
        journal.close(7);
        journal.answer(8, parts(&["one", "two"]));
        journal.delivered(8);
        journal.noticed(9);
        drop(journal);

        let journal = Journal::open(path.clone());
        let [second, third] = journal.unanswered().try_into().unwrap();
        assert_eq!((second.letter, second.answer), (letter(8), Some(parts(&["two"]))));
        assert_eq!((third.letter, third.notice, third.answer), (letter(9), Notice::Told, None));
        for update in [7, 8, 9] {
            assert_eq!(journal.take(&letter(update)), Taken::Again);
        }
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["x.lock.journal"]);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.journal");
        Journal::open(path.clone()).take(&letter(1));
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_the_last_numbers_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path().join("x.journal"));
        for update in 0..=u32::try_from(MAX_NUMBERS).unwrap() {
            journal.take(&letter(update));
            journal.close(update);
        }
        assert_eq!(journal.pages().taken.len(), MAX_NUMBERS);
        assert_eq!(journal.take(&letter(0)), Taken::New);
        assert_eq!(journal.take(&letter(2)), Taken::Again);
    }

    #[test]
    fn garbage_a_folder_and_a_folder_that_is_gone_are_an_empty_journal_that_works() {
        let folder = tempfile::tempdir().unwrap();
        for garbage in
            [&b""[..], b"{", b"\xff\xff", br#"{"version": 2, "taken": [], "open": {}}"#, b"[]"]
        {
            let path = folder.path().join("x.journal");
            fs::write(&path, garbage).unwrap();
            let journal = Journal::open(path);
            assert!(journal.unanswered().is_empty());
            assert_eq!(journal.take(&letter(1)), Taken::New);
        }
        fs::create_dir(folder.path().join("folder")).unwrap();
        for path in ["folder", "gone/x.journal"] {
            let journal = Journal::open(folder.path().join(path));
            assert_eq!(journal.take(&letter(1)), Taken::New);
            assert_eq!(journal.unanswered().len(), 1);
        }
    }
}
