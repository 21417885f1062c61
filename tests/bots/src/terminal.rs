//! A pseudoterminal, and what a user would see on it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::stage::Stage;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// Keeps a terminal from becoming the controlling terminal of the tests.
const NOCTTY: i32 = rustix::fs::OFlags::NOCTTY.bits().cast_signed();

/// Opens a new pseudoterminal: the user's end and the programs' end.
pub fn terminal() -> (File, File) {
    let open = |path: &str| {
        File::options().read(true).write(true).custom_flags(NOCTTY).open(path).unwrap()
    };
    let master = open("/dev/ptmx");
    rustix::pty::unlockpt(&master).unwrap();
    let terminal = open(rustix::pty::ptsname(&master, Vec::new()).unwrap().to_str().unwrap());
    (master, terminal)
}

/// A terminal with 24 lines, and its keyboard.
pub struct Screen {
    master: File,
    /// Kept open, so that the output can be read after the programs have ended.
    terminal: File,
    written: String,
}

const COLUMNS: u16 = 80;

impl Screen {
    pub fn new() -> Screen {
        let (master, terminal) = terminal();
        let size = Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        Screen { master, terminal, written: String::new() }
    }

    /// Returns the programs' end.
    pub fn file(&self) -> File {
        self.terminal.try_clone().unwrap()
    }

    /// Returns the terminal's modes.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap()
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Returns everything ever written to the terminal.
    pub fn written(&mut self) -> &str {
        let mut chunk = [0; 4096];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        while poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&now)) == Ok(1) {
            let read = self.master.read(&mut chunk).unwrap();
            self.written.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        }
        &self.written
    }

    /// Waits until `what` is written to the terminal.
    #[track_caller]
    pub fn wait_for(&mut self, stage: &Stage, what: &str) {
        stage.wait_until(&format!("`{what}` on the terminal"), || {
            self.written().contains(what).then_some(())
        });
    }

    /// Returns the visible lines, without empty ones.
    pub fn lines(&mut self) -> Vec<String> {
        let lines = shown(self.written());
        lines
            .into_iter()
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    }
}

/// Interprets the few terminal codes that are used. Panics on any other.
fn shown(text: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                let code: String =
                    rest.by_ref().take_while(|c| !c.is_ascii_alphabetic() || *c == '[').collect();
                panic_unless_clear(&code, text);
                lines[row].clear();
            }
            c => {
                assert!(!c.is_control(), "{text:?}");
                if column == usize::from(COLUMNS) {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}

/// The only supported code clears a line: `ESC [ 2 K`.
#[track_caller]
fn panic_unless_clear(code: &str, text: &str) {
    assert_eq!(code, "[2", "only lines are cleared: {text:?}");
}
