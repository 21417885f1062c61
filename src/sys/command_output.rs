//! The output of a short command, read within a time limit.

use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::sys::clock;

/// The maximum size of the output. A few short lines are expected.
const MAX_BYTES: usize = 4 << 10;

/// Starts a command and reads its standard output. `None` if the command does not start. The output
/// is `None` if it is too long, or is not complete in time.
pub(crate) fn spawn_and_read(
    command: &mut Command,
    time: Duration,
) -> Option<(Child, Option<String>)> {
    let until = clock::monotonic() + time;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.ok()?;
    let output = child.stdout.take().and_then(|stdout| read_until(stdout, until));
    Some((child, output))
}

fn read_until(mut stdout: ChildStdout, until: Duration) -> Option<String> {
    let mut output = Vec::new();
    let mut chunk = [0; 512];
    while output.len() < MAX_BYTES {
        let left = until.saturating_sub(clock::monotonic());
        let ready = {
            let mut fds = [PollFd::new(&stdout, PollFlags::IN)];
            poll(&mut fds, Timespec::try_from(left).ok().as_ref())
        };
        match ready {
            Ok(0) => return None,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return None,
        }
        match stdout.read(&mut chunk).ok()? {
            0 => return String::from_utf8(output).ok(),
            read => output.extend_from_slice(chunk.get(..read)?),
        }
    }
    None
}
