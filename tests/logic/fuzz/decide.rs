//! Any policy and any snapshot have a plan that keeps the invariants of the engine.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::engine_invariants::hold;
use crate::fact_changes::{AGAINST, FACTS, FOR};
use crate::generators::{policies, snapshots};

/// The length of a seed.
const SEED_BYTES: usize = 32;

/// Takes the seed of a generated policy and snapshot, then changes of its facts: a process and a
/// change in two bytes each.
pub(crate) fn check(data: &[u8]) {
    let mut seed = [0; SEED_BYTES];
    let (start, changes) = data.split_at(data.len().min(SEED_BYTES));
    seed[..start.len()].copy_from_slice(start);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let generated = (policies(), snapshots()).new_tree(&mut runner).unwrap();
    let (policy, mut snapshot) = generated.current();
    hold(&policy, &snapshot);
    let all: Vec<_> = FACTS.iter().chain(&FOR).chain(&AGAINST).collect();
    for change in changes.chunks_exact(2).take(50) {
        let processes = snapshot.processes.len();
        let Some(at) = usize::from(change[0]).checked_rem(processes) else { return };
        let (_, change) = all[usize::from(change[1]) % all.len()];
        change(&mut snapshot.processes[at]);
        hold(&policy, &snapshot);
    }
}
