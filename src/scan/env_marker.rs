//! The environment variable by which a guard marks everything that it starts.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::engine::process::ProcessId;
use crate::engine::ticket::Ticket;

pub(crate) const HELD: &str = "MONOPOLL_HELD";

/// The marker: `INSTANCE:TICKET:PID:START:LOCK`, as of the start of COMMAND. The pid belongs to the
/// guard's PID namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvMarker {
    pub instance: String,
    pub ticket: Ticket,
    pub guard: ProcessId,
    pub lock: PathBuf,
}

impl EnvMarker {
    pub fn value(&self) -> OsString {
        let mut value = OsString::from(format!(
            "{}:{}:{}:{}:",
            self.instance, self.ticket, self.guard.pid, self.guard.start
        ));
        value.push(&self.lock);
        value
    }

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
            lock: rest(value, text(0..fourth + 1)?)?,
        })
    }
}

#[cfg(unix)]
fn rest(value: &OsStr, head: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(OsStr::from_bytes(value.as_bytes().strip_prefix(head.as_bytes())?)))
}

#[cfg(not(unix))]
fn rest(value: &OsStr, head: &str) -> Option<PathBuf> {
    value.to_str()?.strip_prefix(head).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let marker = EnvMarker {
            instance: "bot7".to_owned(),
            ticket: Ticket(3),
            guard: ProcessId { pid: 12, start: 345 },
            lock: "/run/with:colons/bot7.lock".into(),
        };
        assert_eq!(marker.value(), "bot7:3:12:345:/run/with:colons/bot7.lock");
        assert_eq!(EnvMarker::parse(&marker.value()), Some(marker));
    }

    #[test]
    fn garbage_is_no_marker() {
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
