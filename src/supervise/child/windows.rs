//! COMMAND on Windows: a thread waits for it, and the console signals it directly.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::{io, thread};

use crate::error::ExitStatus;
use crate::supervise::child::{Inheritance, Reaped, prepare};
use crate::sys::machine::signals::ReceivedSignal;

/// The exit code of a process that Ctrl-C ended (`STATUS_CONTROL_C_EXIT`).
const CONTROL_C: u32 = 0xC000_013A;

pub(in crate::supervise) struct Child {
    pid: u32,
    status: Receiver<ExitStatus>,
}

impl Child {
    pub(in crate::supervise) fn spawn(
        program: &Path,
        args: &[OsString],
        inheritance: &Inheritance<'_>,
    ) -> io::Result<Child> {
        let mut child = prepare(program, args, inheritance)?.spawn()?;
        let pid = child.id();
        let child_end = inheritance.poller.child_end();
        let (send, status) = mpsc::sync_channel(1);
        thread::Builder::new().name("child".to_owned()).spawn(move || {
            let code = child.wait().ok().and_then(|status| status.code());
            // Fails if the guard has given up.
            let _ = send.send(code.map_or(ExitStatus::Fault, exit_status));
            child_end.store(true, Ordering::Release);
        })?;
        Ok(Child { pid, status })
    }

    pub(in crate::supervise) fn pid(&self) -> u32 {
        self.pid
    }

    /// Does nothing, because the console signals the child itself.
    #[expect(clippy::unused_self, reason = "on Unix the child is signaled here")]
    pub(in crate::supervise) fn forward(&self, _signal: ReceivedSignal) {}

    pub(in crate::supervise) fn reap(&mut self) -> Reaped {
        Reaped { child: self.status.try_recv().ok(), is_childless: false }
    }
}

/// Converts a 32-bit code to 8 bits. A code that does not fit becomes a failure, never 0.
fn exit_status(code: i32) -> ExitStatus {
    match code.cast_unsigned() {
        CONTROL_C => ExitStatus::Signaled(2),
        code => ExitStatus::Child(u8::try_from(code).unwrap_or(u8::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_becomes_a_success() {
        for (code, expected) in
            [(0, 0), (3, 3), (256, 255), (-1, 255), (CONTROL_C.cast_signed(), 130)]
        {
            assert_eq!(exit_status(code).code(), expected, "{code}");
        }
    }
}
