//! The record of a guard next to its lock.

use std::io;

use serde::{Deserialize, Serialize};

use crate::engine::process::ProcessId;
use crate::engine::ticket::Ticket;
use crate::error::Error;
use crate::state::lock_folder::require_size;
use crate::state::state_dir::{StateDir, StateFile};
use crate::sys::file_id::FileId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    pub instance: String,
    #[serde(rename = "state")]
    pub stage: RecordStage,
    pub ticket: Ticket,
    #[serde(flatten)]
    pub holder: HostProcess,
    /// The locked files, even if they were removed since; empty on systems without file identity.
    #[serde(default)]
    pub locks: Vec<FileId>,
    pub host: String,
    pub user: String,
    pub command: String,
    /// The start, in seconds since 1970.
    pub since: u64,
    pub profile: Option<String>,
    pub child: Option<ProcessId>,
    /// monopoll's version.
    pub monopoll: String,
}

/// A process, unique on this host across its PID namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostProcess {
    /// The kernel's id of this boot.
    pub boot: String,
    /// The inode of the PID namespace that `process` belongs to.
    pub pid_namespace: u64,
    pub process: ProcessId,
}

/// The progress of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordStage {
    Starting,
    Running,
    Stopping,
}

impl StateDir {
    pub fn record(&self) -> Option<Record> {
        self.load(StateFile::Record)
    }

    pub(crate) fn has_record(&self) -> bool {
        self.exists(StateFile::Record)
    }

    /// Requires that this record may be written, so that nothing is ended in vain. Includes the
    /// child in the size, because the record of a running guard names it.
    pub(crate) fn require_room_for(&self, record: &Record) -> Result<(), Error> {
        let child = record.child.or(Some(record.holder.process));
        let stage = RecordStage::Stopping;
        let largest = Record { stage, child, ..record.clone() };
        let written = serde_json::to_string(&largest).map_err(io::Error::from);
        written.and_then(|text| require_size(text.len())).map_err(|error| {
            let why = format!("cannot write the record ({error})");
            Error::unsafe_lock(&self.record_path(), &why)
                .with_hint("allow larger files with `ulimit -f`")
                .due_to(error)
        })
    }

    pub fn write_record(&self, record: &Record) -> io::Result<()> {
        self.store(StateFile::Record, record)
    }

    /// Writes the record if there is none. Returns `false` to all but one of several writers.
    pub(crate) fn create_record(&self, record: &Record) -> io::Result<bool> {
        let content = serde_json::to_string(record)?;
        match self.folder().write_new(&self.name(StateFile::Record), &content) {
            // Some file systems replace the other record: only the content shows which was kept.
            Ok(()) => Ok(self.record().as_ref() == Some(record)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub fn remove_stale_record(&self) {
        self.remove(StateFile::Record);
    }

    pub(crate) fn remove_record(&self, ticket: Ticket) {
        if self.record().is_some_and(|record| record.ticket == ticket) {
            self.remove(StateFile::Record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_read_the_record_by_these_keys() {
        let process = |pid| ProcessId { pid, start: 2 };
        let record = Record {
            version: 1,
            instance: "bot1".to_owned(),
            stage: RecordStage::Running,
            ticket: Ticket(7),
            holder: HostProcess { boot: "b".to_owned(), pid_namespace: 4, process: process(1) },
            locks: vec![FileId { dev: 5, ino: 6 }],
            host: "h".to_owned(),
            user: "u".to_owned(),
            command: "python bot.py".to_owned(),
            since: 8,
            profile: None,
            child: Some(process(3)),
            monopoll: "0.1.0".to_owned(),
        };
        let text = concat!(
            r#"{"version":1,"instance":"bot1","state":"running","ticket":7,"boot":"b","#,
            r#""pid_namespace":4,"process":{"pid":1,"start":2},"locks":[{"dev":5,"ino":6}],"#,
            r#""host":"h","user":"u","command":"python bot.py","since":8,"profile":null,"#,
            r#""child":{"pid":3,"start":2},"monopoll":"0.1.0"}"#,
        );
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
        assert_eq!(serde_json::from_str::<Record>(text).unwrap(), record);
    }
}
