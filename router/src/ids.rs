use std::sync::atomic::{AtomicU64, Ordering};

use mpc_router_core::{EventId, MessageId};
use uuid::Uuid;

/// Gives out identifiers: UUIDs of version 8, random for each run of the router and counted within
/// it. So none is given twice, here or in another run (RTE-5), and giving one costs next to nothing.
#[derive(Debug)]
pub(crate) struct Ids {
    run: u128,
    count: AtomicU64,
}

const VERSION: u128 = 0x8 << 76;
const VERSION_MASK: u128 = 0xf << 76;
const VARIANT: u128 = 0b10 << 62;
const COUNT_MASK: u64 = (1 << 62) - 1;

impl Ids {
    pub(crate) fn new() -> Self {
        // The lower half of a UUID of version 7 is random, but for two bits.
        Self::of_run(Uuid::now_v7().as_u64_pair().1)
    }

    /// Those of a run that differs from others by this number.
    pub(crate) fn of_run(run: u64) -> Self {
        let run = u128::from(run) << 64;
        Self { run: run & !VERSION_MASK | VERSION | VARIANT, count: AtomicU64::new(1) }
    }

    pub(crate) fn message(&self) -> MessageId {
        MessageId(self.next())
    }

    pub(crate) fn event(&self) -> EventId {
        EventId::parse(&MessageId(self.next()).to_string()).expect("a UUID is not empty")
    }

    fn next(&self) -> u128 {
        self.run | u128::from(self.count.fetch_add(1, Ordering::Relaxed) & COUNT_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_uuids_that_differ() {
        let (ids, others) = (Ids::new(), Ids::new());
        let given = [ids.message(), ids.message(), others.message(), others.message()];
        for (index, id) in given.iter().enumerate() {
            assert!(!given[..index].contains(id));
            let uuid: Uuid = id.to_string().parse().unwrap();
            assert_eq!(uuid.get_version_num(), 8);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
        assert!(given[0] < given[1]);
    }
}
