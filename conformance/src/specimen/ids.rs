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
