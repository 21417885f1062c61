//! The one line on a terminal that is drawn over and over while a start settles; it is gone when the start goes on.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// What is drawn now. Whoever writes to standard error has to take it away for that moment.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn drawn() -> MutexGuard<'static, Option<ProgressBar>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to standard error, in one piece: many may write to the same log. One that is full or gone must not end a start
/// halfway, nor a guard, and there is nobody to tell.
pub(super) fn write(text: &str) {
    let write = || {
        let _ = io::stderr().write_all(text.as_bytes());
    };
    match &*drawn() {
        Some(line) => line.suspend(write),
        None => write(),
    }
}

/// A line on a terminal; it goes when this does.
#[derive(Debug)]
pub(super) struct Line {
    terminal: Term,
    /// Once it was drawn.
    bar: Option<ProgressBar>,
}

impl Line {
    /// A line, where standard error is a terminal that one can be drawn on.
    pub(super) fn possible() -> Option<Line> {
        (io::stderr().is_terminal() && !console::is_dumb() && is_in_front()).then(|| Line { terminal: Term::buffered_stderr(), bar: None })
    }

    /// The characters that it has room for.
    pub(super) fn width(&self) -> usize {
        width(&self.terminal).into()
    }

    /// Draws it anew.
    pub(super) fn draw(&mut self, text: String) {
        if is_in_front() {
            let begin = || drawn().insert(begin(&self.terminal)).clone();
            self.bar.get_or_insert_with(begin).set_message(text);
        }
    }

    /// Takes it away, for now.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            *drawn() = None;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}

fn begin(terminal: &Term) -> ProgressBar {
    let target = ProgressDrawTarget::term_like(Box::new(Narrow(terminal.clone())));
    let line = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template("{wide_msg}") {
        Ok(style) => line.with_style(style),
        Err(_) => line,
    }
}

/// Whether this process has the terminal: in the background it would draw over somebody else's line.
#[cfg(unix)]
fn is_in_front() -> bool {
    // Where nobody has the terminal, there is nobody to be disturbed.
    !rustix::termios::tcgetpgrp(io::stderr()).is_ok_and(|group| group != rustix::process::getpgrp())
}

#[cfg(windows)]
fn is_in_front() -> bool {
    true
}

/// A terminal that is a little narrower than it is. The line fills it to its edge, and `^C`, which the terminal itself writes
/// behind the line, must not begin a new one: only the last is taken away.
#[derive(Debug)]
struct Narrow(Term);

/// `^C`, and the column behind the last one.
const MARGIN: u16 = 3;

fn width(terminal: &Term) -> u16 {
    terminal.size().1.saturating_sub(MARGIN).max(MARGIN)
}

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        width(&self.0)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
