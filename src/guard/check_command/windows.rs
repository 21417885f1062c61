//! The console keys that end a check on Windows, and its process tree.

use tokio::process::{Child, Command};
use tokio::signal::windows::{ctrl_break, ctrl_c};

use crate::error::{Error, ExitStatus};
use crate::scan::machine::tree_reader;

/// The root of the check's process tree, which is searched when the check is ended.
pub(super) struct ProcessGroup(Option<u32>);

impl ProcessGroup {
    pub(super) fn prepare(_command: &mut Command) {}

    pub(super) fn of(child: &Child) -> ProcessGroup {
        ProcessGroup(child.id())
    }

    pub(super) fn kill(&self) {
        if let Some(pid) = self.0 {
            tree_reader::kill_tree(pid);
        }
    }
}

/// Handles the console keys, and returns the corresponding POSIX signal.
pub(super) fn stop_signal() -> Result<impl Future<Output = u8>, Error> {
    let failed = |error| Error::from_io(ExitStatus::Fault, "cannot wait for signals", error);
    let mut interrupt = ctrl_c().map_err(failed)?;
    let mut ctrl_break = ctrl_break().map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = ctrl_break.recv() => {}
        }
        2
    })
}
