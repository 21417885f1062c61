//! The cost of a guard while its bot runs: private memory and wakeups.

use crate::bench::{Bench, Failure, LONG};
use crate::peer;
use crate::stamps::{Stamp, gone};
use crate::table::count;
use std::process::{Child, Command};
use std::time::Duration;
use std::{fs, thread};

/// A guard with its child, and the number of wakeups at the start of the measurement.
struct Watched {
    name: &'static str,
    guard: Child,
    child: Stamp,
    switches: u64,
}

pub(crate) fn rows(bench: &mut Bench) -> Result<(), Failure> {
    let child = bench.child_for(LONG);
    let guards: [(&str, Command); 4] = [
        ("monopoll", peer::monopoll(&bench.fresh("lock")?, &["run", "--"], &child)),
        ("`flock`", peer::flock(&bench.fresh("lock")?, &["-n"], &child)),
        ("`tini`", peer::tini(&child)),
        (
            "Python guard",
            peer::guard(
                &bench.fresh("lock")?,
                &[child[0].clone(), child[1].clone(), (LONG + 1).to_string().into()],
            ),
        ),
    ];
    let mut watched = Vec::new();
    for (name, mut command) in guards {
        let guard = command.spawn()?;
        let child = bench.stamps.start()?;
        watched.push(Watched { name, guard, child, switches: 0 });
    }
    thread::sleep(Duration::from_secs(2));
    for it in &mut watched {
        it.switches = switches(it.guard.id())?;
    }
    thread::sleep(Duration::from_secs(10));
    let mut seen = Vec::new();
    for it in &watched {
        seen.push((it.name, private(it.guard.id())?, switches(it.guard.id())? - it.switches));
    }
    let (_, memory, wake_ups) = seen[0];
    for (name, theirs, _) in &seen[1..] {
        count(
            "resident guard: private memory",
            memory,
            "kB",
            (name, format!("{theirs} kB")),
            Some(3 * 1024),
        );
    }
    for (name, _, theirs) in &seen[1..] {
        count(
            "resident guard: wake-ups in 10 s",
            wake_ups,
            "",
            (name, theirs.to_string()),
            Some(0),
        );
    }
    for it in watched {
        bench.stamps.terminate(it.child)?;
        gone(it.guard)?;
    }
    Ok(())
}

/// Returns the private memory of a process in kilobytes.
fn private(pid: u32) -> Result<u64, Failure> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(number(&smaps, "Private_Clean:") + number(&smaps, "Private_Dirty:"))
}

/// Returns the voluntary context switches of all threads, which equal their wakeups.
pub(crate) fn switches(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        sum +=
            number(&fs::read_to_string(task?.path().join("status"))?, "voluntary_ctxt_switches:");
    }
    Ok(sum)
}

fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
