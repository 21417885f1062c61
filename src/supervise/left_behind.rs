//! What COMMAND left behind when it ended by itself (S18): a bot that went into the background, or
//! other processes.

use std::collections::BTreeSet;

use tracing::warn;

use crate::engine::fact::{Fact, Truth};
use crate::engine::process::Process;
use crate::engine::signal_sequence::Member;
use crate::error::ExitStatus;
use crate::guard::start_request::StartRequest;
use crate::scan::machine::describe_processes;
use crate::text::count;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftBehind {
    count: usize,
    kind: LeftKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftKind {
    /// COMMAND exited with 0, but the bot kept running.
    Bot,
    Others,
}

impl LeftBehind {
    /// Classifies what a COMMAND with this status left behind.
    pub(super) fn new(
        request: &StartRequest,
        status: Option<ExitStatus>,
        members: &[Member],
    ) -> LeftBehind {
        let is_done = status == Some(ExitStatus::Child(0));
        let pids: BTreeSet<u32> = members.iter().map(|member| member.id.pid).collect();
        // A process that cannot be described is not known to be the bot.
        let has_bot = || {
            // Ancestors are described, too, such as this guard.
            let is_left_bot = |it: &Process| pids.contains(&it.id.pid) && is_bot(it);
            describe_processes(request.scan_request(), pids.clone())
                .is_ok_and(|processes| processes.iter().any(is_left_bot))
        };
        let kind = if is_done && has_bot() { LeftKind::Bot } else { LeftKind::Others };
        LeftBehind::of_kind(kind, members.len())
    }

    pub fn of_kind(kind: LeftKind, count: usize) -> LeftBehind {
        LeftBehind { count, kind }
    }

    pub(super) fn warn(self) {
        let processes = count(self.count, "process", "processes");
        warn!(
            count = self.count,
            "COMMAND ended and left {processes} behind (now ended); a bot must stay in the \
             foreground"
        );
    }

    /// Returns the exit status of the guard. If the bot left the foreground, the status tells a
    /// supervisor to try again.
    pub(super) fn exit_status(self, of_command: ExitStatus) -> ExitStatus {
        match self.kind {
            LeftKind::Bot => ExitStatus::Refused,
            LeftKind::Others => of_command,
        }
    }
}

/// The modules of Python that end right after the program that used `multiprocessing`.
const HELPERS: [&str; 2] = ["multiprocessing.resource_tracker", "multiprocessing.forkserver"];

fn is_bot(process: &Process) -> bool {
    if process.args.known().is_some_and(|args| is_helper(args)) {
        return false;
    }
    process.may_be_spawned == Fact::Known(true)
        || process.same_token() == Truth::True
        || process.connected == Fact::Known(true)
}

/// Returns whether this is `python -c "from multiprocessing.resource_tracker import main;main(4)"`.
fn is_helper(args: &[String]) -> bool {
    let code = args.iter().skip_while(|arg| *arg != "-c").nth(1);
    code.is_some_and(|code| HELPERS.iter().any(|it| code.starts_with(&format!("from {it} import"))))
}
