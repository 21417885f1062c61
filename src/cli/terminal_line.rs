//! The one line on a terminal that is drawn over and over while a start settles; it is gone when
//! the start goes on.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::{Term, truncate_str};

/// What is drawn now. Whoever writes to standard error has to take it away for that moment.
static DRAWN: Mutex<Option<Drawn>> = Mutex::new(None);

fn drawn() -> MutexGuard<'static, Option<Drawn>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to standard error, in one piece: many may write to the same log. One that is full or gone
/// must not end a start halfway, nor a guard, and there is nobody to tell.
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

/// A line on a terminal; it goes when this does.
#[derive(Debug)]
pub(super) struct TerminalLine {
    terminal: Term,
}

impl TerminalLine {
    /// A line, where standard error is a terminal that one can be drawn on.
    pub(super) fn possible() -> Option<TerminalLine> {
        (io::stderr().is_terminal() && !console::is_dumb() && is_in_front())
            .then(|| TerminalLine { terminal: Term::buffered_stderr() })
    }

    /// The characters that it has room for.
    pub(super) fn width(&self) -> usize {
        width(&self.terminal)
    }

    /// Draws it anew.
    pub(super) fn draw(&self, text: String) {
        if is_in_front() {
            drawn().insert(Drawn { terminal: self.terminal.clone(), text }).show();
        }
    }

    /// Takes it away, for now.
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

/// A terminal that is gone is nobody's loss.
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

/// `^C`, and the column behind the last one.
const MARGIN: u16 = 3;

/// A little less than the terminal is wide. The line would fill it to its edge, and `^C`, which the
/// terminal itself writes behind the line, must not begin a new one: only the last is taken away.
fn width(terminal: &Term) -> usize {
    terminal.size().1.saturating_sub(MARGIN).max(MARGIN).into()
}

/// Whether this process has the terminal: in the background it would draw over somebody else's
/// line.
#[cfg(unix)]
fn is_in_front() -> bool {
    // Where nobody has the terminal, there is nobody to be disturbed.
    !rustix::termios::tcgetpgrp(io::stderr()).is_ok_and(|group| group != rustix::process::getpgrp())
}

#[cfg(windows)]
fn is_in_front() -> bool {
    true
}
