//! Parses `/proc/PID/stat`, `/proc/PID/status` and lists of strings.

use std::time::Duration;

use crate::sys::clock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    /// The state letter of proc(5).
    pub state: u8,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
    pub flags: u64,
    /// The start time in clock ticks since boot.
    pub start: u64,
}

impl ProcStat {
    /// `PF_KTHREAD` of linux/sched.h.
    const KERNEL_THREAD: u64 = 0x0020_0000;

    /// `PF_EXITING` of linux/sched.h.
    const EXITING: u64 = 0x4;

    /// Returns whether the process has ended and waits to be reaped.
    pub(crate) fn has_ended(self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Returns whether the first thread is ending or has ended.
    pub(crate) fn is_exiting(self) -> bool {
        self.flags & Self::EXITING != 0
    }

    pub(crate) fn is_kernel_thread(self) -> bool {
        self.flags & Self::KERNEL_THREAD != 0
    }

    /// Parses the fields after the last `)`, because a name may contain blanks and parentheses
    /// (proc(5)).
    pub fn parse(text: &[u8]) -> Option<ProcStat> {
        let after = text.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields = std::str::from_utf8(text.get(after..)?).ok()?.split_ascii_whitespace();
        // The first field here is field 3 of proc(5).
        Some(ProcStat {
            state: *fields.next()?.as_bytes().first()?,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
            flags: fields.nth(2)?.parse().ok()?,
            start: fields.nth(12)?.parse().ok()?,
        })
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcStatus {
    pub real_user: Option<u32>,
    /// The owner of `/proc/PID` is no substitute, because it is root for processes that must not be
    /// read.
    pub effective_user: Option<u32>,
    /// The number of PID namespaces in which the process has a pid, starting at this one.
    pub pid_namespaces: Option<usize>,
    pub innermost_pid: Option<u32>,
    pub ignored_signals: Option<u64>,
}

impl ProcStatus {
    pub fn parse(text: &[u8]) -> ProcStatus {
        let mut status = ProcStatus::default();
        for line in text.split(|byte| *byte == b'\n') {
            // Skip most lines quickly.
            if !matches!(line.first(), Some(b'U' | b'N' | b'S')) {
                continue;
            }
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Some((name, value)) = line.split_once(':') else { continue };
            let mut fields = value.split_whitespace();
            match name {
                "Uid" => {
                    let mut next = || fields.next()?.parse().ok();
                    (status.real_user, status.effective_user) = (next(), next());
                }
                "NSpid" => {
                    status.pid_namespaces = Some(fields.clone().count());
                    status.innermost_pid = fields.next_back().and_then(|pid| pid.parse().ok());
                }
                "SigIgn" => {
                    status.ignored_signals =
                        fields.next().and_then(|mask| u64::from_str_radix(mask, 16).ok());
                }
                _ => {}
            }
        }
        status
    }
}

/// Splits a NUL-separated file into strings. Invalid UTF-8 is replaced.
pub fn strings(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Splits a command line, without the empty strings that follow a title written over it.
pub fn arguments(cmdline: &[u8]) -> Vec<String> {
    let mut args = strings(cmdline);
    if args.len() > 2 && args.iter().skip(1).all(String::is_empty) {
        args.truncate(1);
    }
    args
}

/// Returns the current time in clock ticks since boot.
pub(crate) fn ticks_since_boot() -> u64 {
    let ticks = rustix::param::clock_ticks_per_second();
    u64::try_from(clock::since_boot().as_millis()).unwrap_or(u64::MAX).saturating_mul(ticks) / 1000
}

/// Returns the age of a process, from its start time in ticks since boot.
pub(crate) fn age(start: u64) -> Duration {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let started = Duration::from_millis(start.saturating_mul(1000) / ticks);
    clock::since_boot().saturating_sub(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_contain_parentheses_and_line_breaks() {
        let line = b"42 (a) R 1 (\n)) S 7 42 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let expected = ProcStat {
            state: b'S',
            parent: 7,
            group: 42,
            session: 40,
            flags: 4_194_560,
            start: 12345,
        };
        assert_eq!(ProcStat::parse(line), Some(expected));
    }

    #[test]
    fn a_status_has_users_namespaces_and_ignored_signals() {
        let text =
            "Name:\tbot\nUid:\t1000\t0\t0\t0\nNSpid:\t4711\t12\t1\nSigIgn:\t0000000000001000\n";
        let expected = ProcStatus {
            real_user: Some(1000),
            effective_user: Some(0),
            pid_namespaces: Some(3),
            innermost_pid: Some(1),
            ignored_signals: Some(0x1000),
        };
        assert_eq!(ProcStatus::parse(text.as_bytes()), expected);
        assert_eq!(ProcStatus::parse(b"garbage\nUid:\tx\n"), ProcStatus::default());
    }

    #[test]
    fn garbage_is_no_stat() {
        for garbage in [&b""[..], b")", b"1 (x) S", b"1 (x) S a b c d e f g", b"\xff) \xff"] {
            assert_eq!(ProcStat::parse(garbage), None);
        }
    }

    #[test]
    fn an_empty_argument_is_an_argument() {
        assert_eq!(strings(b"a\0\0b\0"), ["a", "", "b"]);
        assert!(strings(b"").is_empty());
    }
}
