//! `[check]`: run before anything is touched; if it fails, the start is refused and the healthy bot lives on.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    signal::unix::{SignalKind, signal},
};

use super::say;
use crate::{
    config::CheckCommand,
    error::{Error, ExitStatus},
    host::linux::wait,
    report::mask,
};

/// The most of its output that is kept: the end says what went wrong.
const KEPT: usize = 16 << 10;

/// Runs the check to its end.
///
/// # Errors
/// It failed, took too long, cannot be run, or a signal ended it.
pub(super) fn run(check: &CheckCommand) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(ExitStatus::Fault, format!("`[check]` cannot be run: {error}")))?;
    runtime.block_on(watch(check))
}

async fn watch(check: &CheckCommand) -> Result<(), Error> {
    let Some((program, arguments)) = check.command.split_first() else { return Ok(()) };
    let shown = mask::command(&check.command);
    let mut interrupt = Ending::new()?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Whatever it starts is ended with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| {
        Error::new(ExitStatus::Config, format!("`check.command` cannot be run: {shown}: {error}"))
            .hint("correct `check.command`, or empty it")
    })?;
    let group = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let ((), (), status) = tokio::join!(
            async {
                if let Some(output) = stdout {
                    show(output).await;
                }
            },
            async {
                if let Some(output) = stderr {
                    show(output).await;
                }
            },
            child.wait()
        );
        status
    };
    let outcome = tokio::select! {
        status = ended => status.map_err(|error| Error::new(ExitStatus::Fault, format!("`[check]` cannot be waited for: {error}"))),
        () = tokio::time::sleep(check.timeout) => Err(too_long(&shown, check.timeout)),
        signal = interrupt.arrives() => Err(Error::new(ExitStatus::Signalled(signal), format!("ended by a signal while `[check]` ran: {shown}"))),
    };
    if let (Err(_), Some(group)) = (&outcome, group) {
        // It may just have ended by itself.
        let _ = killpg(group, Signal::SIGKILL);
    }
    let status = outcome?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(ExitStatus::Refused, format!("refused: `[check]` failed ({status}): {shown}"))
        .hint("nothing was touched; mend what it says and start again"))
}

fn too_long(shown: &str, timeout: Duration) -> Error {
    let timeout = humantime::format_duration(timeout);
    Error::new(ExitStatus::Refused, format!("refused: `[check]` took longer than {timeout}: {shown}"))
        .hint("nothing was touched; give it more time in `check.timeout`")
}

/// What the check says goes where people read: never to the child's standard output.
async fn show(mut output: impl AsyncRead + Unpin) {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = output.read(&mut chunk).await {
        text.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if text.len() > 2 * KEPT {
            text.drain(..text.len() - KEPT);
        }
    }
    for line in String::from_utf8_lossy(&text).lines() {
        say(mask::printable(&mask::secrets(line)));
    }
}

/// The signals that end a start; one that was ignored stays ignored.
struct Ending {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
    quit: Option<tokio::signal::unix::Signal>,
}

impl Ending {
    fn new() -> Result<Ending, Error> {
        let ignored = wait::ignored();
        let listen = |kind: SignalKind| {
            let is_ignored = ignored & (1 << (kind.as_raw_value() - 1)) != 0;
            (!is_ignored).then(|| signal(kind)).transpose()
        };
        let failed = |error| Error::new(ExitStatus::Fault, format!("signals cannot be waited for: {error}"));
        Ok(Ending {
            interrupt: listen(SignalKind::interrupt()).map_err(failed)?,
            terminate: listen(SignalKind::terminate()).map_err(failed)?,
            hangup: listen(SignalKind::hangup()).map_err(failed)?,
            quit: listen(SignalKind::quit()).map_err(failed)?,
        })
    }

    async fn arrives(&mut self) -> u8 {
        let next = async |signal: &mut Option<tokio::signal::unix::Signal>| match signal {
            Some(signal) => signal.recv().await,
            None => std::future::pending().await,
        };
        tokio::select! {
            _ = next(&mut self.interrupt) => 2,
            _ = next(&mut self.terminate) => 15,
            _ = next(&mut self.hangup) => 1,
            _ = next(&mut self.quit) => 3,
        }
    }
}
