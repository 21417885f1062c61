//! Files of `/proc`, which contain names that any process chooses: any content has an answer, and
//! names change nothing but themselves.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use monopoll::internals::engine::managed_by::Container;
use monopoll::internals::scan::cgroup;
use monopoll::internals::scan::env_marker::EnvMarker;
use monopoll::internals::scan::linux::LockLine;
use monopoll::internals::scan::supervisors::{self, SupervisorEnv};
use monopoll::internals::sys::linux::proc_net_tcp::read_table;
use monopoll::internals::sys::linux::proc_stat::{ProcStat, ProcStatus, strings};
use monopoll::internals::sys::mounts;
use monopoll::internals::sys::peer_pattern::PeerPattern;

/// Takes the content of any file of `/proc`. Two files are separated by `\xff\n`.
pub(crate) fn check(content: &[u8]) {
    stat(content);
    status(content);
    list_of_strings(content);
    marker(content);
    let text = String::from_utf8_lossy(content);
    for line in text.lines() {
        lock(line);
    }
    connections(content);
    control_groups(&text);
    mount_points(&text);
}

fn stat(content: &[u8]) {
    let parsed = ProcStat::parse(content);
    let after_name = content.iter().rposition(|byte| *byte == b')').map(|at| &content[at..]);
    let Some(after_name) = after_name else {
        assert_eq!(parsed, None);
        return;
    };
    for name in ["bot", "a) R 1 (b", ") S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 7 \n"] {
        let renamed = [b"42 (", name.as_bytes(), after_name].concat();
        assert_eq!(ProcStat::parse(&renamed), parsed, "{name:?}");
    }
    if let Some(stat) = parsed {
        let fields = std::str::from_utf8(&after_name[1..]).unwrap().split_ascii_whitespace();
        let fields: Vec<&str> = fields.collect();
        assert_eq!(fields[1].trim_start_matches('+').parse(), Ok(stat.parent));
        assert_eq!(fields[19].trim_start_matches('+').parse(), Ok(stat.start));
    }
}

fn status(content: &[u8]) {
    let status = ProcStatus::parse(content);
    assert!(status.pid_namespaces.is_none_or(|count| count <= content.len()));
    assert!(status.innermost_pid.is_none() || status.pid_namespaces.is_some());
    // The kernel escapes a line break in the name, so that no name can add a line.
    let named = [b"Name:\tUid:\t0\t0 NSpid: 1 SigIgn: 0\n", content].concat();
    assert_eq!(ProcStatus::parse(&named), status);
}

fn list_of_strings(content: &[u8]) {
    let listed = strings(content);
    assert!(listed.len() <= content.len() + 1);
    if let Ok(text) = std::str::from_utf8(content) {
        let whole = text.strip_suffix('\0').unwrap_or(text);
        assert_eq!(listed.join("\0"), whole);
    }
    let environ = SupervisorEnv::new(content.split(|byte| *byte == 0));
    let cwd = || Some("/srv/bot".into());
    let _ = supervisors::supervisor(&listed, cwd, || environ);
    let _ = supervisors::adopts_orphans(&listed);
    let _ = supervisors::starts_programs_for_users(&listed);
}

fn marker(content: &[u8]) {
    if let Some(marker) = EnvMarker::parse(OsStr::from_bytes(content)) {
        assert_eq!(EnvMarker::parse(&marker.value()), Some(marker));
    }
}

fn lock(line: &str) {
    let Some(lock) = LockLine::parse(line) else { return };
    assert!(line.contains("FLOCK") && line.contains(&lock.ino.to_string()), "{line:?}");
}

fn connections(content: &[u8]) {
    let mut found = Vec::new();
    let every_peer = [PeerPattern { network: None, port: None }];
    let read = read_table(content, &every_peer, &mut found, &mut || false);
    let lines = content.split(|byte| *byte == b'\n').count();
    assert!(found.len() < lines.max(1) + content.len() / 512, "{found:?}");
    let mut none = Vec::new();
    let again = read_table(content, &[], &mut none, &mut || false);
    assert_eq!((read.is_ok(), none), (again.is_ok(), Vec::new()));
}

fn control_groups(text: &str) {
    let (theirs, own) = text.split_once("\u{fffd}\n").unwrap_or((text, ""));
    let containers = cgroup::containers(theirs);
    assert!(containers.iter().all(|it: &Container| !it.id.is_empty()), "{containers:?}");
    assert_eq!(cgroup::container(theirs, theirs), None);
    let container = cgroup::container(theirs, own);
    assert!(container.is_none_or(|it| containers.contains(&it)));
    let _ = cgroup::manager(theirs, own);
    let _ = cgroup::manager(theirs, theirs);
}

fn mount_points(text: &str) {
    for path in ["/run/lock/bot1.lock", "/proc", "/"] {
        if let Some(mount) = mounts::covering(text, Path::new(path)) {
            assert!(Path::new(path).starts_with(&mount.point), "{mount:?} covers {path}");
            let _ = mount.private();
        }
    }
    let _ = mounts::hidden_processes(text);
}
