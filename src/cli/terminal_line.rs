//! The one line on a terminal that is drawn over and over while a start settles; it is gone when
//! the start goes on.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, truncate_str};

/// The drawn line; a write to standard error erases it for that moment.
static DRAWN: Mutex<Option<Drawn>> = Mutex::new(None);

fn drawn() -> MutexGuard<'static, Option<Drawn>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to standard error, in one piece: other processes may write to the same log. Failures are
/// ignored: they must end neither a start halfway nor a guard.
pub(super) fn write(text: &str) {
    let drawn = drawn();
    if let Some(line) = &*drawn {
        line.erase();
    }
    let _ = io::stderr().write_all(text.as_bytes());
    if let Some(line) = &*drawn {
        line.show();
    }
}

/// A line on a terminal, cleared when this is dropped.
#[derive(Debug)]
pub(super) struct TerminalLine {
    terminal: Term,
}

impl TerminalLine {
    /// A line, if standard error is a terminal that can draw one.
    pub(super) fn possible() -> Option<TerminalLine> {
        (io::stderr().is_terminal() && !console::is_dumb() && is_in_front())
            .then(|| TerminalLine { terminal: Term::buffered_stderr() })
    }

    pub(super) fn width(&self) -> usize {
        width(&self.terminal)
    }

    pub(super) fn draw(&self, text: String) {
        if is_in_front() {
            drawn().insert(Drawn { terminal: self.terminal.clone(), text }).show();
        }
    }

    pub(super) fn clear() {
        if let Some(line) = drawn().take() {
            line.erase();
        }
    }
}

impl Drop for TerminalLine {
    fn drop(&mut self) {
        TerminalLine::clear();
    }
}

#[derive(Debug)]
struct Drawn {
    terminal: Term,
    text: String,
}

/// Ignores errors: the terminal may be gone.
impl Drawn {
    fn show(&self) {
        let text = truncate_str(&self.text, width(&self.terminal), "");
        let _ = self.terminal.clear_line();
        let _ = self.terminal.write_str(&text);
        let _ = self.terminal.flush();
    }

    fn erase(&self) {
        let _ = self.terminal.clear_line();
        let _ = self.terminal.flush();
    }
}

/// Room for `^C` and the column after it.
const MARGIN: u16 = 3;

/// A little less than the terminal's width: `^C`, which the terminal itself writes after the line,
/// must not begin a new one, as only the last is erased.
fn width(terminal: &Term) -> usize {
    terminal.size().1.saturating_sub(MARGIN).max(MARGIN).into()
}

/// Returns whether this process is in the foreground: in the background it would draw over another
/// program's line.
#[cfg(unix)]
fn is_in_front() -> bool {
    // Where nobody has the terminal, there is nobody to be disturbed.
    !rustix::termios::tcgetpgrp(io::stderr()).is_ok_and(|group| group != rustix::process::getpgrp())
}

#[cfg(windows)]
fn is_in_front() -> bool {
    true
}
