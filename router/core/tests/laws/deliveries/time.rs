//! What the model does as time passes.

use std::collections::BTreeSet;

use mpc_router_core::*;

use super::{Known, POLICY, World};
use crate::steps::*;

/// An answer that is waited for.
#[derive(Debug)]
pub(super) struct Timer {
    due: Millis,
    seat: Seat,
    stream: StreamId,
    message: usize,
    retries: u32,
}

impl World {
    pub(super) fn sent(&mut self, seat: Seat) {
        let Some(reader) = self.readers.get_mut(&seat) else { return };
        self.session.handle_sent(self.now, reader.stream);
        let sent = std::mem::take(&mut reader.sent);
        if !sent.is_empty() {
            self.last_due = self.last_due.max(Millis(self.now.0 + POLICY.ack_timeout));
        }
        self.begin(seat, sent);
    }

    /// Lets what was sent, with its retry counts, wait for its answers as long as what was sent last.
    pub(super) fn begin(&mut self, seat: Seat, sent: Vec<(usize, u32)>) {
        let Some(stream) = self.readers.get(&seat).map(|reader| reader.stream) else { return };
        let due = self.last_due;
        let begin = |(message, retries)| Timer { due, seat, stream, message, retries };
        self.timers.extend(sent.into_iter().map(begin));
    }

    pub(super) fn wait(&mut self, passed: i64) {
        self.now = Millis(self.now.0 + passed);
        let mut gave_up = false;
        while let Some(timer) = self.timers.pop_front_if(|timer| timer.due <= self.now) {
            let Timer { seat, stream, message, retries, .. } = timer;
            let party = party(seat.party);
            let state = self.messages[message].states[&party];
            let goes_on = self.other_goes_on(seat, message);
            let reader = self.readers.get_mut(&seat).filter(|reader| reader.stream == stream);
            let Some(reader) = reader.filter(|_| !state.is_terminal()) else { continue };
            if retries < POLICY.max_retries {
                reader.again.push_back((message, retries + 1));
            } else if goes_on {
                reader.exhausted.push(message);
            } else {
                let known = &mut self.messages[message];
                known.states.insert(party.clone(), DeliveryState::Failed);
                known.closed_at = known.closed_at.max(self.now);
                known.given_up.insert(party);
                gave_up = true;
            }
        }
        for known in &mut self.messages {
            if self.now.since(known.created_at) >= POLICY.message_ttl {
                for (party, state) in known.states.iter_mut().filter(|it| !it.1.is_terminal()) {
                    *state = DeliveryState::Failed;
                    known.closed_at = known.closed_at.max(self.now);
                    known.given_up.insert(party.clone());
                    gave_up = true;
                }
            }
        }
        self.session.handle_timeout(self.now);
        // What was given up just now has to be safe first.
        if self.held.is_empty() && !gave_up {
            self.forget();
        }
        if self.session.poll_renumbered() {
            self.forget_parties();
        }
        assert!(self.session.poll_timeout().is_none_or(|next| next > self.now), "done for now");
    }

    /// Forgets what is over for long, and the session if nothing else is left of it.
    fn forget(&mut self) {
        for known in self.messages.iter_mut().filter(|known| !known.forgotten) {
            if known.is_open() || self.now.since(known.closed_at) < POLICY.message_ttl {
                break;
            }
            known.forgotten = true;
        }
        let is_blank = self.events.is_empty() && self.routed_since_discarded == 0;
        if is_blank
            || self.messages.iter().any(|known| !known.forgotten)
            || self.readers.keys().any(|seat| !seat.wildcard)
        {
            return;
        }
        let ended = self.ended_at.map(|at| Millis(at.max(self.touched_at).0 + POLICY.message_ttl));
        let idle = if self.events.is_empty() { 0 } else { POLICY.idle_ttl };
        let idle = Millis(self.touched_at.0 + idle);
        if self.now < ended.unwrap_or(idle) {
            return;
        }
        self.discarded_events += self.events.len();
        self.events.clear();
        self.recipients.clear();
        self.routed_since_discarded = 0;
        self.members.clear();
        self.ended_at = None;
        self.touched_at = Millis(0);
        self.timers.clear();
        self.last_due = Millis(0);
        self.counted.clear();
        // Whoever reads all sessions keeps none.
        let detached = std::mem::take(&mut self.readers).into_values();
        self.detached.extend(detached.map(|reader| reader.stream));
    }

    /// Forgets the parties for which no message is kept.
    fn forget_parties(&mut self) {
        let kept = self.messages.iter().filter(|known| !known.forgotten);
        let kept: BTreeSet<_> = kept.flat_map(|known| known.states.keys().cloned()).collect();
        let before = self.recipients.len();
        self.recipients.retain(|party| kept.contains(party));
        assert!(self.recipients.len() < before, "not for nothing");
        for number in (0..PARTIES).filter(|number| !kept.contains(&party(*number))) {
            let stream = self.close(Seat { party: number, wildcard: true });
            self.detached.extend(stream);
        }
    }

    /// Whether the party's other stream got the message, and has not sent it as often as may be.
    fn other_goes_on(&self, seat: Seat, message: usize) -> bool {
        let Some(other) = self.readers.get(&seat.other()) else { return false };
        let waits = |timer: &Timer| timer.stream == other.stream && timer.message == message;
        let mut held = other.sent.iter().chain(&other.again);
        held.any(|(at, _)| *at == message) || self.timers.iter().any(waits)
    }

    /// When something has to happen at the latest.
    pub(super) fn next_timeout(&self) -> Option<Millis> {
        let live = |timer: &&Timer| {
            self.readers.get(&timer.seat).is_some_and(|reader| reader.stream == timer.stream)
                && !self.messages[timer.message].states[&party(timer.seat.party)].is_terminal()
        };
        let overdue = self.timers.iter().find(live).map(|timer| timer.due);
        let is_open = |known: &&Known| known.states.values().any(|state| !state.is_terminal());
        let oldest = self.messages.iter().find(is_open);
        let expires = oldest.map(|known| Millis(known.created_at.0 + POLICY.message_ttl));
        overdue.into_iter().chain(expires).min()
    }
}
