//! Chance, from the world's seed.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;

use crate::seed::Seed;

/// Dice for one concern: a draw more for one shifts no other.
#[derive(Debug)]
pub(super) struct Dice(ChaCha20Rng);

impl Dice {
    pub(super) fn new(seed: u64, concern: &str) -> Self {
        Self(Seed(seed).stream("world", 0, concern))
    }

    /// A number from 0 to one below `end`; 0 if that is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64().checked_rem(end).unwrap_or_default()
    }

    /// A number from the first to the second, both included.
    pub(super) fn between(&mut self, [low, high]: [u64; 2]) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True so many times of a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these; none if there is none.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}
