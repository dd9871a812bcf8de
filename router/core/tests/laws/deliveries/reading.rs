//! What the model's parties read: on streams, and by polling.

use std::collections::VecDeque;

use mpc_router_core::*;

use super::{Known, POLICY, World};
use crate::steps::*;

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) stream: StreamId,
    /// The last message that it got.
    pub(super) last: Option<usize>,
    /// What it got and may not be on its way yet, with its retry count on this stream.
    pub(super) sent: Vec<(usize, u32)>,
    /// What it is to get again, with the count that this makes.
    pub(super) again: VecDeque<(usize, u32)>,
    /// What it got as often as may be, while the party's other stream goes on.
    pub(super) exhausted: Vec<usize>,
    pub(super) asleep: bool,
}

impl Reader {
    fn new(stream: StreamId) -> Self {
        Self {
            stream,
            last: None,
            sent: Vec::new(),
            again: VecDeque::new(),
            exhausted: Vec::new(),
            asleep: false,
        }
    }
}

impl World {
    pub(super) fn subscribe(&mut self, number: usize) {
        self.streams += 1;
        let stream = StreamId(self.streams);
        let subscribed = self.session.handle_subscribe(stream, party(number));
        assert_eq!(subscribed.is_ok(), self.admits(&party(number)), "SES-7");
        if subscribed.is_err() {
            return;
        }
        let seat = Seat { party: number, wildcard: false };
        if let Some(stream) = self.close(seat) {
            let effect = self.session.poll_effect();
            assert_eq!(effect, Some(Effect::Superseded { stream }), "SUB-5");
            self.assert_ended(stream);
        }
        self.readers.insert(seat, Reader::new(stream));
    }

    pub(super) fn attach(&mut self, number: usize) {
        self.streams += 1;
        let (stream, party) = (StreamId(self.streams), party(number));
        let attached = self.session.handle_attach(stream, &party);
        assert_eq!(attached, self.counted.contains(&party), "SUB-9");
        if !attached {
            return;
        }
        let seat = Seat { party: number, wildcard: true };
        let older = self.close(seat);
        if let Some(stream) = older {
            let effect = self.session.poll_effect();
            assert_eq!(effect, Some(Effect::Detached { stream }), "SUB-5");
            self.assert_ended(stream);
        }
        let mut reader = Reader::new(stream);
        reader.asleep = self.visible(&party).is_empty();
        let woken = self.session.poll_effect();
        assert_eq!(woken, (!reader.asleep).then_some(Effect::Wake { stream }), "SUB-1");
        self.readers.insert(seat, reader);
        for late in [Some(stream), older].into_iter().flatten() {
            assert!(!self.session.handle_attach(late, &party), "the newer one stays");
        }
    }

    /// The stream of that place is no more.
    pub(super) fn close(&mut self, seat: Seat) -> Option<StreamId> {
        let closed = self.readers.remove(&seat)?;
        let left = self.readers.get_mut(&seat.other()).map(|other| &mut other.exhausted);
        let left = left.map(std::mem::take).unwrap_or_default();
        self.begin(seat.other(), left.into_iter().map(|at| (at, POLICY.max_retries)).collect());
        Some(closed.stream)
    }

    fn assert_ended(&mut self, stream: StreamId) {
        let mut batch = Vec::new();
        let pulled = self.session.handle_pull(self.now, stream, Budget::bytes(1), &mut batch);
        assert_eq!((pulled, batch), (Err(StreamEnded), vec![]), "SUB-5");
    }

    pub(super) fn pull(&mut self, seat: Seat, bytes: usize) {
        let Some(Reader { stream, last, again, .. }) = self.readers.get(&seat) else { return };
        let (stream, last, again) = (*stream, *last, again.clone());
        let party = party(seat.party);
        let mut batch = Vec::new();
        let budget = Budget::bytes(bytes);
        self.session.handle_pull(self.now, stream, budget, &mut batch).expect("it is open");
        let visible = self.visible(&party);
        let mut due = visible.clone();
        due.retain(|&at| last.is_none_or(|last| at > last));
        let new = due.len();
        due.extend(again.into_iter().map(|(at, _)| at).filter(|at| visible.contains(at)));
        let given: Vec<_> = batch.iter().map(|content| self.place(name(content))).collect();
        assert_eq!(
            given,
            due[..given.len()],
            "SUB-1, SUB-2, SUB-4, SUB-5, ORD-1 to ORD-5, ORD-8, RED-1"
        );
        let spent: usize = batch.iter().map(Content::len).sum();
        let before_last = spent - batch.last().map_or(0, Content::len);
        assert!(batch.is_empty() || before_last < bytes, "it stops at the budget");
        assert!(spent >= bytes || given.len() == due.len(), "it stops no earlier");
        let (first, copies) = given.split_at(new.min(given.len()));
        let reader = self.readers.get_mut(&seat).unwrap();
        reader.last = first.last().copied().or(last);
        reader.asleep = given.is_empty();
        for &at in first {
            let retries = self.messages[at].retries.get(&party).copied().unwrap_or_default();
            reader.sent.push((at, retries));
        }
        for &at in copies {
            let place = reader.again.iter().position(|(again, _)| *again == at).unwrap();
            let (_, retries) = reader.again.remove(place).unwrap();
            reader.sent.push((at, retries));
            let known = self.messages[at].retries.entry(party.clone()).or_default();
            *known = retries.max(*known);
        }
        reader.again.retain(|(at, _)| due[new..].contains(at));
        self.handed_out(&party, first);
    }

    pub(super) fn fetch(&mut self, party: &PartyId, after: Millis, bytes: usize) {
        let fetched = self.session.handle_fetch(self.now, party, after, Budget::bytes(bytes));
        assert_eq!(fetched.is_ok(), self.admits(party), "SES-7");
        let Ok(fetched) = fetched else { return };
        let given: Vec<_> = fetched.iter().map(|content| self.place(name(content))).collect();
        let visible = self.visible(party);
        assert!(given.is_sorted_by(|a, b| a < b), "PND-1, ORD-6: oldest first, each once");
        assert!(given.iter().all(|at| visible.contains(at)), "PND-1, SUB-4");
        let created_at = |at: &usize| self.messages[*at].created_at;
        assert!(given.iter().all(|at| created_at(at) >= after), "PND-2");
        if let (Some(first), Some(last)) = (given.first(), given.last()) {
            let between: Vec<_> =
                visible.iter().filter(|at| created_at(at) > after && *at <= last).collect();
            let newer: Vec<_> = given.iter().filter(|at| created_at(at) > after).collect();
            assert_eq!(newer, between, "PND-4: the oldest ones, {first} to {last}");
        }
        let size: usize = fetched.iter().map(Content::len).sum();
        let equally_old = given.iter().filter(|at| created_at(at) == after).count();
        // Promised is the limit to callers whose budget has room for a full millisecond and more.
        if bytes >= POLICY.millisecond_bytes + 150 {
            assert!(size <= bytes, "PND-4");
            let newer = visible.iter().any(|at| created_at(at) > after);
            assert!(given.len() > equally_old || !newer, "PND-4: it gets on");
        } else {
            assert!(size <= bytes || given.len() == 1, "PND-4");
        }
        self.handed_out(party, &given);
    }

    /// What is handed out is committed, and for the first time in the order of acceptance.
    fn handed_out(&mut self, party: &PartyId, given: &[usize]) {
        for &at in given {
            let message = &mut self.messages[at];
            assert!(message.recorded_at <= self.session.committed(), "seen before it was safe");
            assert_ne!(message.from, *party, "RTE-3: no echo");
            let state = message.states.get_mut(party).expect("RTE-1: a recipient");
            if *state == DeliveryState::Pending {
                *state = DeliveryState::Delivered;
                self.first_handed_out.entry(party.clone()).or_default().push(at);
            }
        }
    }

    /// Whether `party` may read: as a member, or as somebody who was sent something.
    pub(super) fn admits(&self, party: &PartyId) -> bool {
        let was_sent_something = self.recipients.contains(party);
        !self.membership || self.members.contains(party) || was_sent_something
    }

    /// Which messages may be handed to `party`.
    pub(super) fn visible(&self, party: &PartyId) -> Vec<usize> {
        let outstanding = |known: &Known| {
            known.recorded_at <= self.session.committed()
                && known.states.get(party).is_some_and(|state| !state.is_terminal())
        };
        (0..self.messages.len()).filter(|&at| outstanding(&self.messages[at])).collect()
    }
}
