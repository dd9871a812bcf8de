//! One seed, and the named streams of randomness that come out of it.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};

/// Where all randomness of a ceremony comes from.
///
/// Each purpose has a stream of its own, so that a draw more for one purpose shifts no other. The
/// streams are ChaCha20 with 20 rounds: a seed means the same on every machine and in every version.
///
/// Whoever knows the seed knows every secret of the ceremony. That is what makes a failure
/// repeatable, and it is why simulated parties must never hold a key that is worth something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream for `purpose` of the `of`-th party (0 where there is only one), within `scope`
    /// (a session's name, or empty).
    pub fn stream(self, purpose: &str, of: u16, scope: &str) -> ChaCha20Rng {
        let mut hash = Sha256::new();
        hash.update(b"mpc-simulator stream 1");
        hash.update(self.0.to_be_bytes());
        hash.update(of.to_be_bytes());
        for label in [purpose, scope] {
            hash.update((label.len() as u64).to_be_bytes());
            hash.update(label);
        }
        ChaCha20Rng::from_seed(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use rand_core::RngCore as _;

    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_name_and_stay_what_they_were() {
        let draw = |seed, purpose, of, scope| Seed(seed).stream(purpose, of, scope).next_u64();
        let one = draw(1, "seal", 2, "s");
        assert_eq!(one, draw(1, "seal", 2, "s"));
        for other in [
            draw(2, "seal", 2, "s"),
            draw(1, "sea", 2, "ls"),
            draw(1, "seal", 3, "s"),
            draw(1, "seal", 2, "t"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(draw(0, "", 0, ""), PINNED, "old seeds must go on meaning what they meant");
    }

    const PINNED: u64 = 8_431_182_939_817_830_438;
}
