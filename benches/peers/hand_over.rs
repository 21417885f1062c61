//! Hand-overs from an old bot to a new one.

use crate::bench::{Bench, Failure, LONG};
use crate::peer;
use crate::race::race;
use crate::stamps::{gone, now};
use crate::table::{Target, row};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

pub(crate) fn rows(bench: &mut Bench) -> Result<(), Failure> {
    let graceful = |lock: &Path, child: &[PathBuf]| {
        peer::monopoll(lock, &["--on-conflict", "graceful", "run", "--"], child)
    };
    let program = bench.floor.clone();
    let by_hand = |lock: &Path, child: &[PathBuf]| {
        let mut floor = peer::floor(&program, &["wait".as_ref(), lock.as_ref()]);
        floor.args(child);
        floor
    };
    let [waiter, flock, floor, taker, daemon, guard] = race(
        bench,
        bench.rounds,
        [
            ("monopoll", &|bench| {
                waits(bench, |lock, child| {
                    peer::monopoll(lock, &["--on-conflict", "wait", "run", "--"], child)
                })
            }),
            ("flock", &|bench| waits(bench, |lock, child| peer::flock(lock, &["-w", "60"], child))),
            ("floor", &|bench| waits(bench, by_hand)),
            ("monopoll", &|bench| takes_over(bench, graceful)),
            ("start-stop-daemon", &|bench| daemon_takes_over(bench).map(|(_, gap)| gap)),
            ("guard.py", &|bench| takes_over(bench, peer::guard)),
        ],
    )?;
    let what = "old one's exit → exec, taking over";
    let waiting = "old one's exit → exec, waiting";
    row(waiting, waiter, "`flock -w`", flock, Target::AtMost(1.5));
    row(waiting, waiter, "floor: `flock`, one look, a record", floor, Target::None);
    row("floor: `flock`, one look, a record", floor, "`flock -w`", flock, Target::AtMost(1.5));
    row(what, taker, "`flock -w`", flock, Target::AtMost(2.0));
    row(what, taker, "floor: `flock`, one look, a record", floor, Target::None);
    row(what, taker, "`start-stop-daemon`, stop + start", daemon, Target::Faster(8.0));
    row(what, taker, "Python guard", guard, Target::None);
    let [ours, of_child, daemon, guard] = race(
        bench,
        bench.rounds,
        [
            ("monopoll", &|bench| cold(bench, Launcher::Gone, graceful)),
            ("monopoll", &|bench| cold(bench, Launcher::Alive, graceful)),
            ("start-stop-daemon", &|bench| daemon_takes_over(bench).map(|(whole, _)| whole)),
            ("guard.py", &|bench| cold(bench, Launcher::Gone, peer::guard)),
        ],
    )?;
    let what = "cold takeover of an orphan: start → exec";
    row(what, ours, "`start-stop-daemon`, stop + start", daemon, Target::Faster(3.0));
    row(what, ours, "Python guard", guard, Target::Faster(15.0));
    // It looks again for a moment, because the launcher may start the old one again.
    let child = "cold takeover of a launcher's child: start → exec";
    row(child, of_child, "of an orphan", ours, Target::None);
    Ok(())
}

/// What started an old bot without a guard.
#[derive(Clone, Copy)]
enum Launcher {
    /// It has ended: the old bot is an orphan.
    Gone,
    /// It is this program.
    Alive,
}

/// Measures a new bot that waits until the old one ends by itself.
fn waits(
    bench: &mut Bench,
    start: impl Fn(&Path, &[PathBuf]) -> Command,
) -> Result<Duration, Failure> {
    let (lock, child) = (bench.fresh("lock")?, bench.child_for(LONG));
    let old = start(&lock, &child).spawn()?;
    let first = bench.stamps.start()?;
    let new = start(&lock, &child).spawn()?;
    // Long enough for the second start to begin waiting. If it is too short, the gap only grows.
    thread::sleep(Duration::from_millis(80));
    let end = bench.stamps.terminate(first)?;
    let second = bench.stamps.start()?;
    bench.stamps.terminate(second)?;
    gone(old)?;
    gone(new)?;
    Ok(second.at.saturating_sub(end.at))
}

/// Measures a new bot that ends an old one under a guard of the same kind.
fn takes_over(
    bench: &mut Bench,
    start: impl Fn(&Path, &[PathBuf]) -> Command,
) -> Result<Duration, Failure> {
    let (lock, child) = (bench.fresh("lock")?, bench.child_for(LONG));
    let old = start(&lock, &child).spawn()?;
    bench.stamps.start()?;
    let new = start(&lock, &child).spawn()?;
    let end = bench.stamps.end()?;
    let second = bench.stamps.start()?;
    bench.stamps.terminate(second)?;
    gone(old)?;
    gone(new)?;
    Ok(second.at.saturating_sub(end.at))
}

/// Measures a new bot that ends an old one without a guard. Both have run before.
fn cold(
    bench: &mut Bench,
    launcher: Launcher,
    start: impl Fn(&Path, &[PathBuf]) -> Command,
) -> Result<Duration, Failure> {
    let (lock, child) = (bench.fresh("lock")?, bench.child_for(LONG));
    start(&lock, &["true".into()]).status()?;
    let old = match launcher {
        Launcher::Gone => {
            peer::orphan(&child).status()?;
            None
        }
        Launcher::Alive => Some(peer::unguarded(&child).spawn()?),
    };
    bench.stamps.start()?;
    let began = now();
    let new = start(&lock, &child).spawn()?;
    bench.stamps.end()?;
    let second = bench.stamps.start()?;
    bench.stamps.terminate(second)?;
    old.map(gone).transpose()?;
    gone(new)?;
    Ok(second.at.saturating_sub(began))
}

/// Measures start-stop-daemon: the whole takeover, and the part after the old bot's exit.
fn daemon_takes_over(bench: &mut Bench) -> Result<(Duration, Duration), Failure> {
    let (pid_file, child) = (bench.fresh("pid")?, bench.child_for(LONG));
    peer::daemon_start(&pid_file, &child).status()?;
    bench.stamps.start()?;
    let began = now();
    peer::daemon_stop(&pid_file).status()?;
    let start = peer::daemon_start(&pid_file, &child).spawn()?;
    let end = bench.stamps.end()?;
    let second = bench.stamps.start()?;
    bench.stamps.terminate(second)?;
    gone(start)?;
    Ok((second.at.saturating_sub(began), second.at.saturating_sub(end.at)))
}
