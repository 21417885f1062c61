//! Interleaves runs, so that a busy moment affects all candidates.

use crate::bench::{Bench, Failure};
use std::time::Duration;

/// A candidate: its name, and one run of it.
pub(crate) type Runner<'a> = (&'a str, &'a dyn Fn(&mut Bench) -> Result<Duration, Failure>);

/// Returns the medians in the order of the candidates. Each round starts with a different one.
pub(crate) fn race<const N: usize>(
    bench: &mut Bench,
    rounds: usize,
    runners: [Runner<'_>; N],
) -> Result<[Duration; N], Failure> {
    let mut times = [const { Vec::new() }; N];
    for round in 0..rounds {
        for place in 0..N {
            let at = (round + place) % N;
            let (name, run) = runners[at];
            times[at].push(run(bench).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    Ok(times.map(median))
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
