//! The child on Windows: a thread waits for it, and the console gives its keys to it by itself.

use std::{
    ffi::OsString,
    io,
    path::Path,
    sync::{
        atomic::Ordering,
        mpsc::{self, Receiver},
    },
    thread,
};

use crate::{
    error::ExitStatus,
    supervise::portable::{Inheritance, Reaped, prepared},
    sys::machine::signals::ReceivedSignal,
};

/// What a process that Ctrl-C ended exits with (`STATUS_CONTROL_C_EXIT`).
const CONTROL_C: u32 = 0xC000_013A;

/// COMMAND, once it was started.
#[derive(Debug)]
pub(crate) struct Child {
    pid: u32,
    ended: Receiver<ExitStatus>,
}

impl Child {
    /// Starts `program` with `args`.
    ///
    /// # Errors
    /// As `CreateProcessW`.
    pub(crate) fn spawn(
        program: &Path,
        args: &[OsString],
        inheritance: &Inheritance<'_>,
    ) -> io::Result<Child> {
        let mut child = prepared(program, args, inheritance)?.spawn()?;
        let pid = child.id();
        let child_end = inheritance.alarm.child_end();
        let (tell, ended) = mpsc::sync_channel(1);
        thread::Builder::new().name("child".to_owned()).spawn(move || {
            let status = child
                .wait()
                .ok()
                .and_then(|status| status.code())
                .map_or(ExitStatus::Fault, status);
            // Nobody listens any more where the guard has given up.
            let _ = tell.send(status);
            child_end.store(true, Ordering::Release);
        })?;
        Ok(Child { pid, ended })
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The console has told the child already, and nothing else could.
    #[expect(clippy::unused_self, reason = "on Unix the child is told here")]
    pub(crate) fn forward(&self, _arrived: ReceivedSignal) {}

    /// COMMAND's end.
    pub(crate) fn reap(&mut self) -> Reaped {
        Reaped { child: self.ended.try_recv().ok(), childless: false }
    }
}

/// A status has 32 bits there and 8 here: what does not fit is a failure, never 0.
fn status(code: i32) -> ExitStatus {
    match code.cast_unsigned() {
        CONTROL_C => ExitStatus::Signalled(2),
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
            assert_eq!(status(code).code(), expected, "{code}");
        }
    }
}
