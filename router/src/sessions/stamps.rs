use std::sync::atomic::{AtomicU64, Ordering};

use mpc_router_core::Millis;

use crate::limits;

/// Gives messages the times at which they are accepted: one time for all sessions, so that a poll of
/// all of them can tell what is older than what (PND-3, SUB-9). The messages of one millisecond have
/// together no more bytes than each session lets its own have, or there is one large message alone, so
/// that they fit into an answer with room for one more (PND-4).
#[derive(Debug)]
pub(crate) struct Stamps {
    /// The newest millisecond, and how many bytes of messages it has.
    last: AtomicU64,
    millisecond_bytes: u64,
}

/// Enough bits to count a millisecond's bytes.
const COUNT_BITS: u32 = 21;
const _: () = assert!(limits::MILLISECOND_BYTES < 1 << COUNT_BITS);

impl Stamps {
    /// None where a millisecond has room for so little that the time would run ahead of the clock.
    pub(super) fn new(millisecond_bytes: usize) -> Option<Self> {
        (millisecond_bytes >= limits::SHARED_MILLISECOND_BYTES)
            .then(|| Self { last: AtomicU64::new(0), millisecond_bytes: millisecond_bytes as u64 })
    }

    /// When a message of at most `size` bytes is accepted, if that is now.
    pub(super) fn stamp(&self, now: Millis, size: usize) -> Millis {
        let size = self.millisecond_bytes.min(size as u64);
        self.advance(|last| {
            let (at, bytes) = (last >> COUNT_BITS, last & ((1 << COUNT_BITS) - 1));
            match unsigned(now) {
                now if now > at => now << COUNT_BITS | size,
                _ if bytes + size > self.millisecond_bytes => (at + 1) << COUNT_BITS | size,
                _ => at << COUNT_BITS | (bytes + size),
            }
        })
    }

    /// Learns of a message that was accepted at `at`, before this run of the router.
    pub(super) fn raise(&self, at: Millis) {
        self.advance(|last| last.max(unsigned(at) << COUNT_BITS | self.millisecond_bytes));
    }

    /// The newest time that was given; no later message gets an older one.
    pub(super) fn last(&self) -> Millis {
        millis(self.last.load(Ordering::SeqCst))
    }

    fn advance(&self, next: impl Fn(u64) -> u64) -> Millis {
        let mut last = self.last.load(Ordering::SeqCst);
        loop {
            let (seq, next) = (Ordering::SeqCst, next(last));
            match self.last.compare_exchange_weak(last, next, seq, seq) {
                Ok(_) => return millis(next),
                Err(newer) => last = newer,
            }
        }
    }
}

fn millis(state: u64) -> Millis {
    Millis((state >> COUNT_BITS) as i64)
}

fn unsigned(at: Millis) -> u64 {
    u64::try_from(at.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_millisecond_is_full_some_time() {
        let stamps = Stamps::new(limits::MILLISECOND_BYTES).unwrap();
        let stamp = |now, size| stamps.stamp(Millis(now), size).0;
        assert_eq!(stamp(5, 1_000_000), 5);
        assert_eq!(stamp(5, 48_576), 5);
        assert_eq!(stamp(5, 1), 6);
        assert_eq!(stamp(4, 3_000_000), 7, "it does not go back, and a large one is alone");
        assert_eq!(stamp(7, 1), 8);
        assert_eq!(stamp(1_000, 1), 1_000);
        stamps.raise(Millis(2_000));
        stamps.raise(Millis(1_500));
        assert_eq!(stamps.last(), Millis(2_000));
        assert_eq!(stamp(1_001, 1), 2_001, "a millisecond of an earlier run may be full");
    }

    #[test]
    fn whoever_asks() {
        let stamps = Stamps::new(limits::MILLISECOND_BYTES).unwrap();
        let sizes = [10, 700_000, 300_000, 2_000_000];
        let given: Vec<_> = std::thread::scope(|scope| {
            let asking = sizes.map(|size| {
                let stamps = &stamps;
                scope.spawn(move || [(); 1_000].map(|()| (stamps.stamp(Millis(9), size), size)))
            });
            asking.into_iter().flat_map(|asked| asked.join().unwrap()).collect()
        });
        let mut milliseconds: BTreeMap<Millis, Vec<usize>> = BTreeMap::new();
        for (at, size) in given {
            milliseconds.entry(at).or_default().push(size);
        }
        for (at, sizes) in milliseconds {
            let bytes: usize = sizes.iter().sum();
            assert!(bytes <= limits::MILLISECOND_BYTES || sizes.len() == 1, "{at}: {sizes:?}");
        }
    }

    #[test]
    fn time_does_not_run_ahead_where_milliseconds_are_small() {
        assert!(Stamps::new(limits::millisecond_bytes(4 << 20)).is_none());
    }
}
