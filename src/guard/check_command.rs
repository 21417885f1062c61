//! `[check]`: runs before anything is touched. If it fails, the start is refused and the running
//! bot keeps running.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::process::{self, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
#[cfg(unix)]
use unix::{ProcessGroup, stop_signal};
#[cfg(windows)]
use windows::{ProcessGroup, stop_signal};

use crate::config::settings::CheckTable;
use crate::error::{Error, ExitStatus};
use crate::guard::start_request::Cancellation;
use crate::sys::machine::poll::Poller;
use crate::sys::wake::CANCELLED;
use crate::text::command_line;

/// The number of output bytes that are kept. The end of the output shows what went wrong.
const KEPT: usize = 16 << 10;

/// The log target of the check's own output, which is passed on unchanged in text format.
pub(crate) const PASSED_ON: &str = "monopoll::check";

const CANCEL_CHECK: Duration = Duration::from_millis(20);

pub(crate) fn run(check: &CheckTable, cancellation: &Cancellation) -> Result<(), Error> {
    #[cfg(unix)]
    let runtime = unix::require_descriptors().and_then(|()| runtime());
    #[cfg(windows)]
    let runtime = runtime();
    let runtime = runtime
        .map_err(|error| Error::from_io(ExitStatus::Fault, "cannot run `[check]`", error))?;
    runtime.block_on(watch(check, cancellation))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn watch(check: &CheckTable, cancellation: &Cancellation) -> Result<(), Error> {
    let Some((program, arguments)) = check.command.split_first() else { return Ok(()) };
    let shown = command_line(&check.command);
    let interrupted: Pin<Box<dyn Future<Output = u8>>> = match cancellation {
        Cancellation::Signals => Box::pin(stop_signal()?),
        Cancellation::Program(poller) => Box::pin(cancelled(poller)),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    ProcessGroup::prepare(&mut command);
    let mut child = command.spawn().map_err(|error| {
        let what = format!("cannot run `check.command`: {shown}: {error}");
        Error::new(ExitStatus::Config, what)
            .with_hint("fix `check.command`, or set it to `[]`")
            .due_to(error)
    })?;
    let group = ProcessGroup::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let printed = RefCell::new(String::new());
    let ended = async {
        let ((), (), status) =
            tokio::join!(read(stdout, &printed), read(stderr, &printed), child.wait());
        status
    };
    let outcome = tokio::select! {
        status = ended => status.map_err(|error| {
            Error::from_io(ExitStatus::Fault, "cannot wait for `[check]`", error)
        }),
        () = tokio::time::sleep(*check.timeout) => Err(too_long(&shown, *check.timeout)),
        signal = interrupted => Err(Error::new(
            ExitStatus::Signaled(signal),
            format!("interrupted by a signal while `[check]` ran: {shown}"),
        )),
    };
    if outcome.is_err() {
        group.kill();
    }
    let status = outcome?;
    pass_on(&printed.into_inner(), status);
    if status.success() {
        return Ok(());
    }
    Err(Error::new(ExitStatus::Refused, format!("refused: `[check]` failed ({status}): {shown}"))
        .with_hint("nothing was touched; fix what it reports, then start again"))
}

async fn cancelled(poller: &Poller) -> u8 {
    while !poller.is_cancelled() {
        tokio::time::sleep(CANCEL_CHECK).await;
    }
    CANCELLED
}

fn too_long(shown: &str, timeout: Duration) -> Error {
    let timeout = humantime::format_duration(timeout);
    Error::new(
        ExitStatus::Refused,
        format!("refused: `[check]` took longer than {timeout}: {shown}"),
    )
    .with_hint("nothing was touched; allow it more time with `check.timeout`")
}

/// Passes the check's output to the log, never to the child's standard output. With `-q`, only if
/// the check failed.
fn pass_on(printed: &str, status: process::ExitStatus) {
    for line in printed.lines() {
        if status.success() {
            tracing::info!(target: PASSED_ON, "{line}");
        } else {
            tracing::error!(target: PASSED_ON, "{line}");
        }
    }
}

/// Adds the end of the output to `printed` once it is complete.
async fn read(output: Option<impl AsyncRead + Unpin>, printed: &RefCell<String>) {
    let Some(mut output) = output else { return };
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    let mut is_cut = false;
    while let Ok(read @ 1..) = output.read(&mut chunk).await {
        text.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if text.len() > 2 * KEPT {
            text.drain(..text.len() - KEPT);
            is_cut = true;
        }
    }
    if is_cut {
        // The rest of a truncated token would not be recognized and masked.
        let whole = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        text.drain(..whole);
    }
    printed.borrow_mut().push_str(&String::from_utf8_lossy(&text));
}
