//! Chance.

use rand_core::RngCore;

use super::Kind;

/// Where chance comes from.
pub(super) struct Dice<'r, R>(pub(super) &'r mut R);

impl<R: RngCore> Dice<'_, R> {
    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        // The bias is less than one in a million for the small limits here.
        ((u64::from(self.0.next_u32()) * u64::from(limit)) >> 32) as u32
    }

    pub(super) fn percent(&mut self, percent: u32) -> bool {
        percent > 0 && self.below(100) < percent
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }

    /// One or two of them.
    pub(super) fn two_of<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let mut some = vec![self.one_of(all)];
        if self.percent(50) {
            some.push(self.one_of(all));
        }
        some
    }

    pub(super) fn weighted(&mut self, all: &[(Kind, u32)]) -> Kind {
        let total = all.iter().map(|it| it.1).sum();
        let mut left = self.below(total);
        for (kind, weight) in all {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        Kind::Route
    }

    /// Takes one out.
    pub(super) fn take(&mut self, all: &mut Vec<u32>) -> Option<u32> {
        let place = match all.len() {
            0 => return None,
            many => self.below(many as u32) as usize,
        };
        Some(all.swap_remove(place))
    }

    /// At least one of the parties.
    pub(super) fn some_of(&mut self, parties: u8) -> Vec<u8> {
        let mut some: Vec<u8> = (0..parties).filter(|_| self.below(2) == 0).collect();
        if some.is_empty() {
            some.push(self.below(u32::from(parties)) as u8);
        }
        some
    }
}
