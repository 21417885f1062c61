//! The files next to a lock as written by monopoll 0.1.0 at commit 830382a, byte for byte. They are
//! the protocol between two versions, so nothing here comes from `src/`.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The content of the lock file.
pub const LOCK: &str = "locked by monopoll while a bot runs; see `monopoll status`\n";

/// A process, identified uniquely within this boot.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pub pid: u32,
    pub start: u64,
}

impl Process {
    pub fn of(pid: u32) -> Process {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        Process { pid, start: fields.split_whitespace().nth(19).unwrap().parse().unwrap() }
    }

    fn text(self) -> String {
        format!(r#"{{"pid":{},"start":{}}}"#, self.pid, self.start)
    }
}

/// A guard that runs its child.
#[derive(Debug, Clone)]
pub struct Guard<'a> {
    pub instance: &'a str,
    pub process: Process,
    pub child: Process,
    pub ticket: u64,
    pub lock: &'a Path,
    pub command: &'a str,
    /// Seconds since 1970.
    pub since: u64,
}

impl Guard<'_> {
    /// Returns `x.lock.record`.
    pub fn record(&self) -> String {
        let lock = File::open(self.lock).unwrap().metadata().unwrap();
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
        format!(
            concat!(
                r#"{{"version":1,"instance":"{}","state":"running","ticket":{},"boot":"{}","#,
                r#""pid_namespace":{},"process":{},"locks":[{{"dev":{},"ino":{}}}],"host":"{}","#,
                r#""user":"{}","command":"{}","since":{},"profile":null,"child":{},"#,
                r#""monopoll":"0.1.0"}}"#
            ),
            self.instance,
            self.ticket,
            boot(),
            pid_namespace(),
            self.process.text(),
            lock.dev(),
            lock.ino(),
            kernel("hostname"),
            user,
            self.command,
            self.since,
            self.child.text(),
        )
    }

    /// Returns a line of `x.lock.history`.
    pub fn started(&self, since_boot_ms: u64, took_ms: u64) -> String {
        format!(
            "{}\"event\":\"start\",\"command\":\"{}\",\"child_pid\":{},\"took_ms\":{took_ms}}}\n",
            self.event(since_boot_ms),
            self.command,
            self.child.pid
        )
    }

    /// Returns a line of `x.lock.history`.
    pub fn stopped(&self, since_boot_ms: u64, why: &str, asked_by: Option<u32>) -> String {
        let asked_by = asked_by.map_or("null".to_owned(), |pid| pid.to_string());
        format!(
            "{}\"event\":\"stop\",\"why\":\"{why}\",\"asked_by\":{asked_by}}}\n",
            self.event(since_boot_ms)
        )
    }

    fn event(&self, since_boot_ms: u64) -> String {
        format!(
            r#"{{"boot":"{}","since_boot_ms":{since_boot_ms},"at":{},"ticket":{},"pid":{},"#,
            boot(),
            self.since,
            self.ticket,
            self.process.pid
        )
    }

    /// Returns `$MONOPOLL_HELD` in the guard's tree.
    pub fn held(&self) -> String {
        held(self.instance, self.ticket, self.process, self.lock)
    }
}

/// Returns `$MONOPOLL_HELD`.
pub fn held(instance: &str, ticket: u64, guard: Process, lock: &Path) -> String {
    format!("{instance}:{ticket}:{}:{}:{}", guard.pid, guard.start, lock.display())
}

/// Returns `x.lock.counter`.
pub fn counter(ticket: u64) -> String {
    format!("{ticket:020}\n")
}

/// Returns `x.lock.request`.
pub fn request(id: &str, to: u64, from_pid: u32, force: bool, purpose: &str) -> String {
    format!(
        concat!(
            r#"{{"id":"{}","to":{},"from_pid":{},"force":{},"signal":"SIGTERM","#,
            r#""graceful":"30s","kill":"5s","escalate":true,"for":"{}"}}"#
        ),
        id, to, from_pid, force, purpose
    )
}

/// Returns `x.lock.answer`.
pub fn answer(id: &str) -> String {
    format!(r#"{{"id":"{id}"}}"#)
}

fn boot() -> String {
    kernel("random/boot_id")
}

fn kernel(name: &str) -> String {
    fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap().trim_end().to_owned()
}

fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").unwrap().ino()
}
