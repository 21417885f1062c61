//! The one line on a terminal that is redrawn during a start, and erased at its end.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, truncate_str};

/// The drawn line; a write to standard error erases it for that moment.
static DRAWN: Mutex<Option<String>> = Mutex::new(None);

fn drawn() -> MutexGuard<'static, Option<String>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to standard error, in one piece: other processes may write to the same log. Failures are
/// ignored: they must end neither a start halfway nor a guard.
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

/// A line on a terminal, cleared when this is dropped.
#[derive(Debug)]
pub(super) struct TerminalLine;

impl TerminalLine {
    /// A line, if standard error is a terminal that can draw one.
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

/// Draws the line anew, cut to the terminal's width, or erases it. Ignores errors: the terminal may
/// be gone.
fn redraw(text: &str) {
    let terminal = Term::buffered_stderr();
    let _ = terminal.clear_line();
    let _ = terminal.write_str(&truncate_str(text, width(), ""));
    let _ = terminal.flush();
}

/// Room for `^C` and the column after it.
const MARGIN: u16 = 3;

/// A little less than the terminal's width: `^C`, which the terminal itself writes after the line,
/// must not begin a new one, as only the last is erased.
pub(super) fn width() -> usize {
    Term::stderr().size().1.saturating_sub(MARGIN).max(MARGIN).into()
}

/// Returns whether this process is in the foreground: in the background it would draw over another
/// program's line.
#[cfg(unix)]
fn is_in_front() -> bool {
    // Without a foreground group, the line disturbs no program.
    !rustix::termios::tcgetpgrp(io::stderr()).is_ok_and(|group| group != rustix::process::getpgrp())
}

#[cfg(windows)]
fn is_in_front() -> bool {
    true
}
