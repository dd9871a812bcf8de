//! What a subscriber makes sure of: a bench that measures a wrong thing is worthless. All of it
//! costs a few nanoseconds a message.
//!
//! Messages are numbered from 0. The publisher sends number `n` when it knows that `n - LANES` was
//! accepted, so that per lane their order is given (ORD-1); the last one it sends when all others
//! were accepted, so that it is a fence: whoever has got it has got all there is. Across lanes the
//! order is the server's to choose, and it has to be one for all subscribers (ORD-5).

use bytes::Bytes;

use crate::load::{LANES, Load};

/// Something did not arrive as it should have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A payload is not one that was sent.
    #[error("a payload arrived that nobody sent")]
    Garbled,
    /// A message arrived before an older one of its lane, which comes later or never.
    #[error("message {arrived} arrived where {expected} should have: lost or out of order")]
    Early {
        /// The message that should have come.
        expected: u64,
        /// The one that came.
        arrived: u64,
    },
    /// A message arrived after a newer one of its lane, or once more.
    #[error("message {arrived} arrived where {expected} should have: doubled or out of order")]
    Late {
        /// The message that should have come.
        expected: u64,
        /// The one that came.
        arrived: u64,
    },
    /// The last message arrived before some others had.
    #[error("the last message arrived after {received} others, of {of}")]
    Missing {
        /// How many messages arrived before it.
        received: u64,
        /// How many should have.
        of: u64,
    },
    /// Two subscribers got the messages in different orders.
    #[error("two subscribers got the same messages in different orders")]
    Disagreement,
}

/// What a payload of this round looks like: its number, a filling, and its number again.
#[derive(Debug, Clone)]
pub(crate) struct Payloads {
    filling: Bytes,
}

const STAMP_BYTES: usize = size_of::<u64>();
const _: () = assert!(2 * STAMP_BYTES == Load::MIN_PAYLOAD_BYTES);

impl Payloads {
    /// # Panics
    /// If there is no room for two numbers.
    pub(crate) fn new(load: &Load) -> Self {
        let filling = load.payload_bytes.checked_sub(Load::MIN_PAYLOAD_BYTES);
        let filling = filling.expect("a payload has at least `MIN_PAYLOAD_BYTES`");
        // Any bytes that are not all the same.
        Self { filling: (0..filling).map(|at| (at * 131 / 8) as u8).collect() }
    }

    pub(crate) fn payload(&self, number: u64) -> Bytes {
        let stamp = number.to_le_bytes();
        [&stamp[..], &self.filling, &stamp].concat().into()
    }

    /// The number of a payload. The filling is not compared.
    fn number(&self, payload: &[u8]) -> Result<u64, Fault> {
        let whole = payload.len() == self.filling.len() + 2 * STAMP_BYTES;
        match (payload.first_chunk(), payload.last_chunk()) {
            (Some(first), Some(last)) if whole && first == last => Ok(u64::from_le_bytes(*first)),
            _ => Err(Fault::Garbled),
        }
    }
}

/// What one subscriber has got so far.
#[derive(Debug)]
pub(crate) struct Tally {
    payloads: Payloads,
    /// By lane: the number of its next message.
    next: [u64; LANES],
    received: u64,
    last: u64,
    order: Order,
}

/// Stands for the order in which all messages arrived.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order(u64);

impl Tally {
    pub(crate) fn new(load: &Load, payloads: Payloads) -> Self {
        Self {
            payloads,
            next: std::array::from_fn(|lane| lane as u64),
            received: 0,
            last: load.messages as u64 - 1,
            order: Order::default(),
        }
    }

    /// Takes a message in. Gives the order back with the last one.
    pub(crate) fn take(&mut self, payload: &[u8]) -> Result<Option<Order>, Fault> {
        let arrived = self.payloads.number(payload)?;
        let next = &mut self.next[arrived as usize % LANES];
        let expected = *next;
        if arrived > expected || arrived > self.last {
            return Err(Fault::Early { expected, arrived });
        }
        if arrived < expected {
            return Err(Fault::Late { expected, arrived });
        }
        *next += LANES as u64;
        // An odd factor, so that no step forgets anything that was added before.
        self.order.0 = (self.order.0.rotate_left(5) ^ arrived).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if arrived == self.last {
            if self.received < self.last {
                return Err(Fault::Missing { received: self.received, of: self.last });
            }
            return Ok(Some(self.order));
        }
        self.received += 1;
        Ok(None)
    }
}

/// Makes sure that all subscribers got the messages in one order.
pub(crate) fn agree(orders: impl IntoIterator<Item = Order>) -> Result<(), Fault> {
    let mut orders = orders.into_iter();
    let Some(first) = orders.next() else { return Ok(()) };
    if orders.all(|order| order == first) { Ok(()) } else { Err(Fault::Disagreement) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Traffic;

    const LOAD: Load = Load {
        subscribers: 1,
        payload_bytes: 256,
        messages: 3 * LANES + 1,
        traffic: Traffic::FanOut,
    };

    fn tally(numbers: impl IntoIterator<Item = u64>) -> Result<Option<Order>, Fault> {
        let payloads = Payloads::new(&LOAD);
        let mut tally = Tally::new(&LOAD, payloads.clone());
        let taken = numbers.into_iter().map(|number| tally.take(&payloads.payload(number)));
        taken.collect::<Result<Vec<_>, _>>().map(|taken| taken.into_iter().flatten().next())
    }

    fn all() -> Vec<u64> {
        (0..LOAD.messages as u64).collect()
    }

    #[test]
    fn takes_all_messages_once_and_tells_orders_apart() {
        let straight = tally(all()).unwrap().expect("the last one ends it");
        assert_eq!(agree([straight, tally(all()).unwrap().unwrap()]), Ok(()));
        let mut swapped = all();
        swapped.swap(3, 4);
        let swapped =
            tally(swapped).unwrap().expect("another order across lanes is fine by itself");
        assert_eq!(agree([straight, swapped]), Err(Fault::Disagreement));
    }

    #[test]
    fn finds_what_is_lost_doubled_or_out_of_order() {
        let lanes = LANES as u64;
        let mut lost = all();
        lost.remove(5);
        assert_eq!(tally(lost), Err(Fault::Early { expected: 5, arrived: 5 + lanes }));
        let mut lost_at_the_end = all();
        lost_at_the_end.remove(3 * LANES - 1);
        assert_eq!(tally(lost_at_the_end), Err(Fault::Missing { received: 95, of: 96 }));
        let mut doubled = all();
        doubled.insert(7, 6);
        assert_eq!(tally(doubled), Err(Fault::Late { expected: 6 + lanes, arrived: 6 }));
        let mut swapped = all();
        swapped.swap(8, 8 + LANES);
        assert_eq!(tally(swapped), Err(Fault::Early { expected: 8, arrived: 8 + lanes }));
        let mut invented = all();
        invented.insert(90, 999);
        assert!(tally(invented).is_err());
    }

    #[test]
    fn finds_what_is_garbled() {
        let payloads = Payloads::new(&LOAD);
        let payload = payloads.payload(0);
        let mut tally = Tally::new(&LOAD, payloads);
        assert_eq!(tally.take(&payload[1..]), Err(Fault::Garbled));
        assert_eq!(tally.take(b""), Err(Fault::Garbled));
        let shifted = [&payload[8..], &[1; 8]].concat();
        assert_eq!(tally.take(&shifted), Err(Fault::Garbled));
        assert_eq!(tally.take(&payload), Ok(None));
    }
}
