//! Who starts, as its record says it.

use crate::{
    engine::{instance::Instance, snapshot::User, start_history::Ticket},
    scan::{
        command::Command,
        machine::{self, Machine},
    },
    state::{
        lock::LockFile,
        record::{Record, RecordStage},
        state_dir,
    },
    text::command_line,
};

/// What a record keeps of a command line: nobody reads a record that is longer than `host::folder`
/// reads.
const LONGEST_COMMAND: usize = 4000;

/// Who starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HolderIdentity<'a> {
    /// What there may be only one of.
    pub(crate) instance: &'a Instance,
    /// Whose process it is.
    pub(crate) user: &'a User,
    /// The profile that is selected.
    pub(crate) profile: Option<&'a str>,
    /// What is, or will be, the poller.
    pub(crate) command: &'a Command,
}

impl HolderIdentity<'_> {
    /// The record of a start that drew this ticket, and opened these files.
    pub(crate) fn record(self, ticket: Ticket, files: &[LockFile], machine: &Machine) -> Record {
        Record {
            version: 1,
            instance: self.instance.to_string(),
            state: RecordStage::Starting,
            ticket,
            whereabouts: machine.whereabouts().clone(),
            locks: files.iter().filter_map(LockFile::known_id).collect(),
            host: machine::host_name(),
            user: self.user.name.clone(),
            command: command_line(&self.command.text()).chars().take(LONGEST_COMMAND).collect(),
            since: state_dir::now(),
            profile: self.profile.map(str::to_owned),
            child: None,
            monopoll: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
