//! The terminal line that is redrawn during a start and erased at its end.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, truncate_str};

/// The line on the terminal. It is erased while other output is written.
static DRAWN: Mutex<Option<String>> = Mutex::new(None);

fn drawn() -> MutexGuard<'static, Option<String>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to standard error in a single write, since other processes may write to the same log.
/// Ignores errors: neither a start nor a guard may fail halfway.
pub(super) fn write(text: &str) {
    let drawn = drawn();
    if drawn.is_some() {
        redraw("");
    }
    let _ = io::stderr().write_all(text.as_bytes());
    if let Some(line) = &*drawn {
        redraw(line);
    }
}

/// A line on a terminal, erased on drop.
#[derive(Debug)]
pub(super) struct TerminalLine;

impl TerminalLine {
    /// Returns a line if standard error is a terminal that supports it.
    pub(super) fn possible() -> Option<TerminalLine> {
        (io::stderr().is_terminal() && !console::is_dumb() && is_in_front()).then_some(TerminalLine)
    }

    pub(super) fn draw(text: String) {
        if is_in_front() {
            redraw(drawn().insert(text));
        }
    }

    pub(super) fn clear() {
        if drawn().take().is_some() {
            redraw("");
        }
    }
}

impl Drop for TerminalLine {
    fn drop(&mut self) {
        TerminalLine::clear();
    }
}

/// Redraws the line, cut to the terminal's width, or erases it. Ignores errors, because the
/// terminal may be gone.
fn redraw(text: &str) {
    let terminal = Term::buffered_stderr();
    let _ = terminal.clear_line();
    let _ = terminal.write_str(&truncate_str(text, width(), ""));
    let _ = terminal.flush();
}

/// Leaves room for `^C` and the cursor.
const MARGIN: u16 = 3;

/// Returns a bit less than the terminal's width. Only the last line is erased, so the `^C` that the
/// terminal echoes must not wrap.
pub(super) fn width() -> usize {
    Term::stderr().size().1.saturating_sub(MARGIN).max(MARGIN).into()
}

/// Returns whether this process is in the foreground. A background process would overwrite another
/// program's line.
#[cfg(unix)]
fn is_in_front() -> bool {
    // Without a foreground group, there is no other program to disturb.
    !rustix::termios::tcgetpgrp(io::stderr()).is_ok_and(|group| group != rustix::process::getpgrp())
}

#[cfg(windows)]
fn is_in_front() -> bool {
    true
}
