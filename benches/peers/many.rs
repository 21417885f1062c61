//! Many at once: simultaneous starts of which one wins, and waiters that take turns.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Failure, LONG};
use crate::peer;
use crate::race::race;
use crate::resident::switches;
use crate::stamps::{gone, now};
use crate::table::{Target, count, row};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// The numbers of processes and of runs. With more processes, a run depends less on chance but
/// takes longer.
const NUMBERS: [(u32, usize); 3] = [(10, 7), (100, 3), (300, 1)];

pub(crate) fn rows(bench: &mut Bench) -> Result<(), Failure> {
    let mut each = Vec::new();
    for (n, rounds) in NUMBERS {
        let [ours, flock] = race(
            bench,
            rounds,
            [
                ("monopoll", &|bench| starts(bench, n, ours)),
                ("flock", &|bench| starts(bench, n, theirs)),
            ],
        )?;
        row(
            &format!("{n} starts at once, until one is left"),
            ours,
            "`flock -n`",
            flock,
            Target::None,
        );
        each.push(ours / n);
    }
    growth("starts at once", &each, Target::AtMost(1.5));
    each.clear();
    for (n, rounds) in NUMBERS {
        let [ours, flock] = race(
            bench,
            rounds,
            [("monopoll", &|bench| waiters(bench, n)), ("flock", &|bench| flocks(bench, n))],
        )?;
        row(
            &format!("{n} waiters, until each had its turn"),
            ours,
            "`flock -w`",
            flock,
            Target::None,
        );
        each.push(ours / n);
    }
    // Each turn also scans all processes, including the waiters, so it takes longer with more of
    // them.
    growth("waiters", &each, Target::None);
    woken(bench)
}

/// Compares the cost per process for the largest and the smallest number.
fn growth(what: &str, each: &[Duration], target: Target) {
    if let [few, .., many] = each {
        row(&format!("{what}: for each of 300"), *many, "for each of 10", *few, target);
    }
}

fn ours(lock: &Path, bench: &Bench) -> Command {
    peer::monopoll(lock, &["--on-conflict", "refuse", "run", "--"], &bench.child_for(LONG))
}

fn theirs(lock: &Path, bench: &Bench) -> Command {
    peer::flock(lock, &["-n"], &bench.child_for(LONG))
}

/// Measures from the first of n starts until one runs its child and all others have ended.
fn starts(
    bench: &mut Bench,
    n: u32,
    start: impl Fn(&Path, &Bench) -> Command,
) -> Result<Duration, Failure> {
    let lock = bench.fresh("lock")?;
    let began = now();
    let all: Vec<Child> = (0..n).map(|_| start(&lock, bench).spawn()).collect::<Result<_, _>>()?;
    until_left(&all, 1)?;
    let settled = now();
    let winner = bench.stamps.start()?;
    bench.stamps.terminate(winner)?;
    all.into_iter().try_for_each(gone)?;
    Ok(settled.max(winner.at).saturating_sub(began))
}

/// Sleeps until at most this many are alive.
fn until_left(all: &[Child], left: usize) -> Result<(), Failure> {
    let open = |child: &Child| pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let mut living = all.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    while living.len() > left {
        let mut polled: Vec<PollFd<'_>> =
            living.iter().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)).collect();
        poll(&mut polled, None)?;
        let mut ended =
            polled.iter().map(|it| !it.revents().is_empty()).collect::<Vec<_>>().into_iter();
        living.retain(|_| !ended.next().unwrap_or_default());
    }
    Ok(())
}

/// Measures from the holder's end until each of n waiters has had its turn.
fn waiters(bench: &mut Bench, n: u32) -> Result<Duration, Failure> {
    let lock = bench.fresh("lock")?;
    let holder = ours(&lock, bench).spawn()?;
    let first = bench.stamps.start()?;
    let started = (0..n).map(|_| waiter(bench, &lock, 0)).collect::<Result<Vec<_>, _>>()?;
    let all = started.into_iter().map(settled).collect::<Result<Vec<_>, _>>()?;
    for_turns(bench, first, all, holder)
}

fn flocks(bench: &mut Bench, n: u32) -> Result<Duration, Failure> {
    let lock = bench.fresh("lock")?;
    let holder = theirs(&lock, bench).spawn()?;
    let first = bench.stamps.start()?;
    let all = (0..n)
        .map(|_| peer::flock(&lock, &["-w", "60"], &bench.child_for(0)).spawn())
        .collect::<Result<Vec<_>, _>>()?;
    thread::sleep(Duration::from_millis(100 + 3 * u64::from(n)));
    for_turns(bench, first, all, holder)
}

fn for_turns(
    bench: &mut Bench,
    first: crate::stamps::Stamp,
    all: Vec<Child>,
    holder: Child,
) -> Result<Duration, Failure> {
    let end = bench.stamps.terminate(first)?;
    let mut last = end.at;
    for _ in &all {
        last = bench.stamps.start()?.at;
        bench.stamps.end()?;
    }
    all.into_iter().try_for_each(gone)?;
    gone(holder)?;
    Ok(last.saturating_sub(end.at))
}

/// Starts a waiter.
fn waiter(bench: &Bench, lock: &Path, milliseconds: u32) -> Result<Child, Failure> {
    let mut command = peer::monopoll(
        lock,
        &["--on-conflict", "wait", "--set", "timeouts.wait=forever", "run", "--"],
        &bench.child_for(milliseconds),
    );
    Ok(command.stderr(Stdio::piped()).spawn()?)
}

/// Waits until a start has begun to wait.
fn settled(mut child: Child) -> Result<Child, Failure> {
    let mut line = String::new();
    let mut told = BufReader::new(child.stderr.take().ok_or("nothing is told")?);
    while !line.contains("waiting for") {
        line.clear();
        if told.read_line(&mut line)? == 0 {
            return Err("a waiter does not wait".into());
        }
    }
    child.stderr = Some(told.into_inner());
    Ok(child)
}

/// Counts how often a waiter wakes up while others begin to wait, and how many wake up when one of
/// them gets its turn.
fn woken(bench: &mut Bench) -> Result<(), Failure> {
    let lock = bench.fresh("lock")?;
    let holder = ours(&lock, bench).spawn()?;
    let held = bench.stamps.start()?;
    let mut all = vec![settled(waiter(bench, &lock, LONG)?)?];
    thread::sleep(QUIET);
    let before = switches(all[0].id())?;
    for _ in 1..100 {
        all.push(settled(waiter(bench, &lock, LONG)?)?);
    }
    let by_arrivals = switches(all[0].id())? - before;
    thread::sleep(QUIET);
    let before = all.iter().map(|waiter| switches(waiter.id())).collect::<Result<Vec<_>, _>>()?;
    bench.stamps.terminate(held)?;
    bench.stamps.start()?;
    thread::sleep(QUIET);
    let after = all.iter().map(|waiter| switches(waiter.id())).collect::<Result<Vec<_>, _>>()?;
    let woken = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    // The waiters give up, and the one that has its turn is ended by its guard.
    for waiter in &all {
        kill_process(Pid::from_child(waiter), Signal::TERM)?;
    }
    until_left(&all, 0)?;
    bench.stamps.end()?;
    all.into_iter().try_for_each(gone)?;
    gone(holder)?;
    let nobody = || ("", String::new());
    count(
        "100 waiters: wake-ups of the first while the others come",
        by_arrivals,
        "",
        nobody(),
        Some(5),
    );
    count(
        "100 waiters: how many wake up when one of them gets its turn",
        u64::try_from(woken)?,
        "",
        nobody(),
        Some(2),
    );
    Ok(())
}

/// Long enough for all processes to go back to sleep.
const QUIET: Duration = Duration::from_millis(500);
