//! What a guard leaves in the environment of everything that it starts: which lock it holds for it.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::engine::{instance::Instance, process::ProcessId, start_history::Ticket};

/// The variable's name.
pub(crate) const HELD: &str = "MONOPOLL_HELD";

/// `INSTANCE:TICKET:PID:START:LOCK`, as the guard was when it started COMMAND; the pid is of its
/// own PID namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvMarker {
    /// What is held.
    pub instance: String,
    /// What the guard drew.
    pub ticket: Ticket,
    /// Who it is.
    pub guard: ProcessId,
    /// Its first lock.
    pub lock: PathBuf,
}

impl EnvMarker {
    /// The mark of this guard.
    #[must_use]
    pub fn new(instance: &Instance, ticket: Ticket, guard: ProcessId, lock: &Path) -> EnvMarker {
        EnvMarker { instance: instance.to_string(), ticket, guard, lock: lock.to_owned() }
    }

    /// The variable's value.
    #[must_use]
    pub fn value(&self) -> OsString {
        let mut value = OsString::from(format!(
            "{}:{}:{}:{}:",
            self.instance, self.ticket, self.guard.pid, self.guard.start
        ));
        value.push(&self.lock);
        value
    }

    /// The mark in the value of the variable; `None`: it is none.
    #[must_use]
    pub fn parse(value: &OsStr) -> Option<EnvMarker> {
        let bytes = value.as_encoded_bytes();
        let ends: Vec<usize> = memchr::memchr_iter(b':', bytes).take(4).collect();
        let &[first, second, third, fourth] = ends.as_slice() else { return None };
        let text = |range: std::ops::Range<usize>| {
            bytes.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok())
        };
        Some(EnvMarker {
            instance: text(0..first)?.to_owned(),
            ticket: Ticket(text(first + 1..second)?.parse().ok()?),
            guard: ProcessId {
                pid: text(second + 1..third)?.parse().ok()?,
                start: text(third + 1..fourth)?.parse().ok()?,
            },
            lock: behind(value, text(0..fourth + 1)?)?,
        })
    }
}

#[cfg(unix)]
fn behind(value: &OsStr, head: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(OsStr::from_bytes(value.as_bytes().strip_prefix(head.as_bytes())?)))
}

#[cfg(not(unix))]
fn behind(value: &OsStr, head: &str) -> Option<PathBuf> {
    value.to_str()?.strip_prefix(head).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = EnvMarker::new(
            &"bot7".parse().unwrap(),
            Ticket(3),
            ProcessId { pid: 12, start: 345 },
            Path::new("/run/with:colons/bot7.lock"),
        );
        assert_eq!(mark.value(), "bot7:3:12:345:/run/with:colons/bot7.lock");
        assert_eq!(EnvMarker::parse(&mark.value()), Some(mark));
    }

    #[test]
    fn garbage_is_no_mark() {
        for garbage in [
            "",
            "bot7",
            "bot7:3:12:345",
            "bot7:x:12:345:/run/a.lock",
            "bot7:3:-1:345:/run/a.lock",
            ":::::",
        ] {
            assert_eq!(EnvMarker::parse(OsStr::new(garbage)), None, "{garbage}");
        }
    }
}
