//! Identifiers for messages and events.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use super::{Twist, Variant};

/// Gives identifiers that differ from each other and, by the seed, from those of other specimens.
#[derive(Debug)]
pub(super) struct Ids {
    given: u64,
    random: ChaCha8Rng,
}

impl Ids {
    pub(super) fn from_seed(seed: u64) -> Self {
        Self { given: 0, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// How many were given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Begins again behind the first `count` of this seed: only faults do.
    pub(super) fn begin_after(&mut self, count: u64, seed: u64, twist: &Twist) {
        *self = Self::from_seed(seed);
        (0..count).for_each(|_| drop(self.next(twist)));
    }

    /// The next one. Ids have no order: the random half stands first.
    pub(super) fn next(&mut self, twist: &Twist) -> String {
        self.given += 1;
        let random = self.random.next_u64();
        if twist.is(Variant::NumericIds) {
            return self.given.to_string();
        }
        if twist.is(Variant::OddIds) {
            return format!("été / {random:x} #{} ?", self.given);
        }
        let id = format!("{random:016x}-{:x}", self.given);
        if twist.is(Variant::LongIds) { format!("{id:-<200}") } else { id }
    }
}
