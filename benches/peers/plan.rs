//! `plan` compared with `pgrep -f`: whole processes that scan all others.

use crate::bench::{Bench, Failure};
use crate::peer;
use crate::race::race;
use crate::table::{Target, row};
use std::time::{Duration, Instant};

pub(crate) fn rows(bench: &mut Bench, processes: usize) -> Result<(), Failure> {
    let lock = bench.fresh("bot.lock")?;
    // Not the program of the crowd, because a thousand copies of a bot are unrealistic.
    let command = bench.child_for(0);
    let [ours, pgrep, floor, all, two] = race(
        bench,
        bench.rounds,
        [
            ("monopoll", &|_| whole(peer::monopoll(&lock, &["plan", "--"], &command))),
            ("pgrep", &|_| whole(pgrep())),
            ("floor", &|bench| whole(peer::floor(&bench.floor, &["scan".as_ref()]))),
            ("floor", &|bench| whole(peer::floor(&bench.floor, &["scan-all".as_ref()]))),
            ("floor", &|bench| whole(peer::floor(&bench.floor, &["scan-two".as_ref()]))),
        ],
    )?;
    let target =
        if matches!(processes, 1_000 | 5_000) { Target::Faster(6.0) } else { Target::None };
    let what = format!("`plan`, {processes} processes");
    row(&what, ours, "`pgrep -f`", pgrep, target);
    row(&what, ours, "floor: a pass over the command lines", floor, Target::None);
    row(&what, ours, "floor: and the environments", all, Target::None);
    row(&what, ours, "floor: the same by two threads", two, Target::None);
    row(
        &format!("floor: and the environments, {processes} processes"),
        all,
        "`pgrep -f`",
        pgrep,
        target,
    );
    row(
        &format!("floor: the same by two threads, {processes} processes"),
        two,
        "`pgrep -f`",
        pgrep,
        target,
    );
    Ok(())
}

fn pgrep() -> std::process::Command {
    let mut pgrep = peer::quiet("pgrep");
    pgrep.args(["-f", "no such command line"]);
    pgrep
}

/// Measures a whole process, from its start to its end.
pub(crate) fn whole(mut command: std::process::Command) -> Result<Duration, Failure> {
    let began = Instant::now();
    command.status()?;
    Ok(began.elapsed())
}
