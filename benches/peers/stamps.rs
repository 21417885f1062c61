//! The start and end times that children report: lines in a FIFO, read without polling.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use crate::bench::Failure;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

/// Longer than any step takes.
const TIMEOUT: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

pub(crate) struct Stamps {
    path: PathBuf,
    file: File,
    read: String,
    lines: VecDeque<Stamp>,
}

/// A timestamp reported by a child.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// The child.
    pub(crate) pid: Pid,
    /// The time on the monotonic clock.
    pub(crate) at: Duration,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Start,
    End,
}

impl Stamps {
    /// Creates the FIFO. It is also open for writing here, so that it never reaches its end.
    pub(crate) fn open(path: PathBuf) -> Result<Stamps, Failure> {
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(Stamps { path, file, read: String::new(), lines: VecDeque::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next child that starts.
    pub(crate) fn start(&mut self) -> Result<Stamp, Failure> {
        self.next(What::Start)
    }

    /// Waits for the next child that ends.
    pub(crate) fn end(&mut self) -> Result<Stamp, Failure> {
        self.next(What::End)
    }

    /// Ends a child and returns the time of its end.
    pub(crate) fn terminate(&mut self, child: Stamp) -> Result<Stamp, Failure> {
        kill_process(child.pid, Signal::TERM)?;
        self.end()
    }

    fn next(&mut self, what: What) -> Result<Stamp, Failure> {
        loop {
            if let Some(at) = self.lines.iter().position(|stamp| stamp.what == what) {
                return self.lines.remove(at).ok_or_else(|| "a stamp is gone".into());
            }
            if poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&TIMEOUT))? == 0 {
                return Err("no child began or ended for a minute".into());
            }
            let mut buffer = [0; 4096];
            let length = self.file.read(&mut buffer)?;
            self.read.push_str(std::str::from_utf8(&buffer[..length])?);
            while let Some((line, rest)) = self.read.split_once('\n') {
                self.lines.push_back(stamp(line)?);
                self.read = rest.to_owned();
            }
        }
    }
}

fn stamp(line: &str) -> Result<Stamp, Failure> {
    let mut words = line.split(' ');
    let (Some(what), Some(pid), Some(at), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("a child said `{line}`").into());
    };
    let what = if what == "start" { What::Start } else { What::End };
    let pid = Pid::from_raw(pid.parse()?).ok_or("a child has no pid")?;
    Ok(Stamp { pid, at: Duration::from_nanos(at.parse()?), what })
}

/// Returns the time on the children's clock.
pub(crate) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Waits for a process that was told to end.
pub(crate) fn gone(mut child: Child) -> Result<(), Failure> {
    child.wait()?;
    Ok(())
}
