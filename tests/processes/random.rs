//! Random choices that a seed repeats.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A xorshift generator: the same seed gives the same choices.
pub(crate) struct Random(u64);

impl Random {
    /// Neighbouring seeds give different choices. The state is never 0.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}

/// Returns a number from the environment.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Returns the seed that this variable sets, or a new one, and prints it.
#[expect(clippy::disallowed_macros, reason = "a failure names its seed")]
pub(crate) fn seed(name: &str) -> u64 {
    let seed = setting(name).unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 1);
    eprintln!("{name}={seed}");
    seed
}
