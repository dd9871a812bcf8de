//! What the model does as time passes.

use mpc_router_core::*;

use super::{Known, POLICY, World};

/// An answer that is waited for.
#[derive(Debug)]
pub(super) struct Timer {
    due: Millis,
    party: PartyId,
    stream: StreamId,
    message: usize,
}

impl World {
    pub(super) fn sent(&mut self, party: &PartyId) {
        let Some(reader) = self.readers.get_mut(party) else { return };
        self.session.handle_sent(self.now, reader.stream);
        if !reader.sent.is_empty() {
            self.last_due = self.last_due.max(Millis(self.now.0 + POLICY.ack_timeout));
        }
        let (due, stream) = (self.last_due, reader.stream);
        let begin = |message| Timer { due, party: party.clone(), stream, message };
        self.timers.extend(reader.sent.drain(..).map(begin));
    }

    pub(super) fn wait(&mut self, passed: i64) {
        self.now = Millis(self.now.0 + passed);
        while let Some(timer) = self.timers.pop_front_if(|timer| timer.due <= self.now) {
            let Timer { party, stream, message, .. } = timer;
            let reader = self.readers.get_mut(&party).filter(|reader| reader.stream == stream);
            let known = &mut self.messages[message];
            let state = known.states.get_mut(&party).unwrap();
            let Some(reader) = reader.filter(|_| !state.is_terminal()) else { continue };
            if known.retries.get(&party).copied().unwrap_or_default() < POLICY.max_retries {
                reader.again.push_back(message);
            } else {
                *state = DeliveryState::Failed;
                known.given_up.insert(party);
            }
        }
        for known in &mut self.messages {
            if self.now.since(known.created_at) >= POLICY.message_ttl {
                for (party, state) in known.states.iter_mut().filter(|it| !it.1.is_terminal()) {
                    *state = DeliveryState::Failed;
                    known.given_up.insert(party.clone());
                }
            }
        }
        self.session.handle_timeout(self.now);
        assert!(self.session.poll_timeout().is_none_or(|next| next > self.now), "done for now");
    }

    /// When something has to happen at the latest.
    pub(super) fn next_timeout(&self) -> Option<Millis> {
        let live = |timer: &&Timer| {
            self.readers.get(&timer.party).is_some_and(|reader| reader.stream == timer.stream)
                && !self.messages[timer.message].states[&timer.party].is_terminal()
        };
        let overdue = self.timers.iter().find(live).map(|timer| timer.due);
        let is_open = |known: &&Known| known.states.values().any(|state| !state.is_terminal());
        let oldest = self.messages.iter().find(is_open);
        let expires = oldest.map(|known| Millis(known.created_at.0 + POLICY.message_ttl));
        overdue.into_iter().chain(expires).min()
    }
}
