//! From the start of a guard to the exec of its child, without conflicts.

use crate::bench::{Bench, Failure};
use crate::peer;
use crate::plan::whole;
use crate::race::race;
use crate::stamps::{gone, now};
use crate::table::{Target, row};
use std::process::Command;
use std::time::Duration;

pub(crate) fn rows(bench: &mut Bench, processes: usize) -> Result<(), Failure> {
    let child = bench.child_for(0);
    let (lock, other, third) =
        (bench.fresh("bot.lock")?, bench.fresh("flock")?, bench.fresh("floor")?);
    let floor = |bench: &mut Bench, which: &str| {
        let mut floor = peer::floor(&bench.floor, &[which.as_ref(), third.as_ref()]);
        floor.args(&child);
        to_exec(bench, floor)
    };
    let [ours, flock, plain, looking] = race(
        bench,
        bench.rounds,
        [
            ("monopoll", &|bench| to_exec(bench, peer::monopoll(&lock, &["run", "--"], &child))),
            ("flock", &|bench| to_exec(bench, peer::flock(&other, &["-n"], &child))),
            ("floor", &|bench| floor(bench, "lock")),
            ("floor", &|bench| floor(bench, "start")),
        ],
    )?;
    let target = if processes == 100 { Target::AtMost(1.8) } else { Target::None };
    let what = format!("start → exec, {processes} processes");
    row(&what, ours, "`flock -n`", flock, target);
    row(&what, ours, "floor: lock, fork, exec", plain, Target::None);
    row(&what, ours, "floor: and two looks, a record", looking, Target::None);
    row(
        &format!("floor: and two looks, a record, {processes} processes"),
        looking,
        "`flock -n`",
        flock,
        target,
    );
    if processes == 100 { smaller_crowd(bench, ours) } else { Ok(()) }
}

fn smaller_crowd(bench: &mut Bench, ours: Duration) -> Result<(), Failure> {
    let child = bench.child_for(0);
    let (lock, other) = (bench.fresh("bot.lock")?, bench.fresh("flock")?);
    let (pid_file, python) = (bench.fresh("pid")?, bench.fresh("python")?);
    let yes = ["true".into()];
    let [run, flock, tini, daemon, guard] = race(
        bench,
        bench.rounds,
        [
            ("monopoll", &|_| whole(peer::monopoll(&lock, &["run", "--"], &yes))),
            ("flock", &|_| whole(peer::flock(&other, &["-n"], &yes))),
            ("tini", &|bench| to_exec(bench, peer::tini(&child))),
            ("start-stop-daemon", &|bench| to_exec(bench, peer::daemon_start(&pid_file, &child))),
            ("guard.py", &|bench| to_exec(bench, peer::guard(&python, &child))),
        ],
    )?;
    let what = "start → exec, 100 processes";
    row(what, ours, "`tini`", tini, Target::None);
    row(what, ours, "`start-stop-daemon --start`", daemon, Target::None);
    row(what, ours, "Python guard", guard, Target::None);
    row("whole `run -- true`, 100 processes", run, "`flock -n f true`", flock, Target::None);
    Ok(())
}

fn to_exec(bench: &mut Bench, mut command: Command) -> Result<Duration, Failure> {
    let began = now();
    let process = command.spawn()?;
    let start = bench.stamps.start()?;
    bench.stamps.end()?;
    gone(process)?;
    Ok(start.at.saturating_sub(began))
}
