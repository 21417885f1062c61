//! What ends a check on Windows: the console's keys for whoever waits for it; its tree, as far as
//! it can be seen.

use tokio::process::{Child, Command};
use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

use crate::error::{Error, ExitStatus};
use crate::scan::machine::tree_reader;

/// The root of the check's process tree, which is looked for when it is ended.
pub(super) struct Group(Option<u32>);

impl Group {
    pub(super) fn prepare(_command: &mut Command) {}

    pub(super) fn of(child: &Child) -> Group {
        Group(child.id())
    }

    pub(super) fn kill(&self) {
        if let Some(pid) = self.0 {
            tree_reader::kill_tree(pid);
        }
    }
}

pub(super) struct Ending {
    interrupt: CtrlC,
    interrupt_harder: CtrlBreak,
}

impl Ending {
    pub(super) fn new() -> Result<Ending, Error> {
        let failed =
            |error| Error::from_source(ExitStatus::Fault, "signals cannot be waited for", error);
        Ok(Ending {
            interrupt: ctrl_c().map_err(failed)?,
            interrupt_harder: ctrl_break().map_err(failed)?,
        })
    }

    /// Returns the POSIX signal that the key stands for.
    pub(super) async fn arrives(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.interrupt_harder.recv() => {}
        }
        2
    }
}
