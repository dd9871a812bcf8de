//! What becomes of a message for a recipient.

use std::collections::btree_map::Entry;

use mpc_router_proto::v1::{GetMessageStatusResponse, MpcMessage};

use super::{Checks, Delivery, Standing, key_of};
use crate::world::host::Key;

/// How a message is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::world) enum Way {
    Stream,
    /// In the answer to this call.
    Poll(Key),
}

impl Checks {
    /// A party is given a message in the session that it asked for. `place` is the message's in its
    /// session's log, if it is safe.
    pub(in crate::world) fn handle_given(
        &mut self,
        to: &str,
        asked: &str,
        message: &MpcMessage,
        way: Way,
        place: Option<u64>,
    ) {
        let id = &message.message_id;
        let key = key_of(message);
        let Some(attempt) = self.attempts.get(&key) else {
            let what = format!("{to} was given {id}, whose bytes nobody sent (RTE-4)");
            return self.found("phantom", what);
        };
        let sent = &attempt.request;
        let mut labels = Vec::new();
        let mut label = |name: &str, was: &str, is: &str| {
            if was != is {
                labels.push(format!("{name} {is} for {was}"));
            }
        };
        label("session_id", &sent.session_id, &message.session_id);
        label("from_party", &sent.from_party, &message.from_party);
        label("message_type", &sent.message_type, &message.message_type);
        label("round", &sent.round_number.to_string(), &message.round_number.to_string());
        let broadcast = sent.to_parties.is_empty();
        label("is_broadcast", &broadcast.to_string(), &message.is_broadcast.to_string());
        let is_recipient = self.is_recipient(sent, to);
        if !labels.is_empty() {
            let labels = labels.join(", ");
            self.found("mislabelled", format!("{to} was given {id} with {labels} (RTE-4)"));
        }
        if !is_recipient {
            self.found("misrouted", format!("{to} was given {id}, which is not for it (RTE-1)"));
        }
        if message.session_id != asked {
            let session = &message.session_id;
            let what =
                format!("{to} was given {id} of {session} where it asked for {asked} (RTE-10)");
            self.found("misrouted", what);
        }
        self.name(&key, id);
        self.note_given(to, message, way, place);
    }

    fn note_given(&mut self, to: &str, message: &MpcMessage, way: Way, place: Option<u64>) {
        let id = &message.message_id;
        let Some(place) = place else {
            return self
                .found("durable", format!("{to} was given {id} before it was safe (DUR-2)"));
        };
        // What ends while a poll is under way may be in its answer yet.
        let ended_before = match way {
            Way::Stream => self.endings,
            Way::Poll(call) => self.polls.get(&call).copied().unwrap_or_default(),
        };
        let delivery = self.deliveries.entry((id.clone(), to.to_owned())).or_default();
        let first = !std::mem::replace(&mut delivery.given, true);
        delivery.streamed += u32::from(way == Way::Stream);
        let had_ended = delivery.ended <= ended_before;
        let (acknowledged, given_up) = (delivery.acknowledged, delivery.given_up);
        if acknowledged.is_some() && had_ended {
            let what =
                format!("{to} was given {id} after its acknowledgement was answered (SUB-4)");
            self.found("after-ack", what);
        } else if given_up.is_some() && had_ended {
            self.found(
                "after-ack",
                format!("{to} was given {id}, which had failed (RED-4, EXP-1)"),
            );
        }
        if !first {
            return;
        }
        let new = (place, message.created_at);
        let what = match self.newest.entry((message.session_id.clone(), to.to_owned())) {
            Entry::Vacant(entry) => {
                entry.insert(new);
                return;
            }
            Entry::Occupied(mut entry) => {
                let (before, at) = entry.insert(new);
                if place < before {
                    format!("{to} was given {id} after what was accepted later (ORD-1)")
                } else if message.created_at < at {
                    format!("{to} was given {id}, whose created_at goes back (ORD-7)")
                } else {
                    return;
                }
            }
        };
        self.found("order", what);
    }

    /// An acknowledgement is answered.
    pub(in crate::world) fn handle_acknowledged(&mut self, id: &str, party: &str, success: bool) {
        let delivery = self.deliveries.entry((id.to_owned(), party.to_owned())).or_default();
        if delivery.acknowledged.is_none() {
            self.endings += 1;
            delivery.ended = self.endings;
        }
        let before = *delivery.acknowledged.get_or_insert(success);
        if before != success {
            let what = format!("{party} acknowledged {id} both ways, and both were taken (ACK-4)");
            self.found("status", what);
        }
    }

    /// A delivery was given up by the router, at its time `now`.
    pub(in crate::world) fn handle_given_up(&mut self, id: &str, party: &str, now: i64) {
        let key = self.ids.get(id).and_then(|key| self.attempts.get(key));
        // What was accepted and never seen has no name here; it is as old as the router says.
        let old = key.is_none_or(|attempt| attempt.begun_at.saturating_add(self.ttl) <= now);
        let delivery = self.deliveries.entry((id.to_owned(), party.to_owned())).or_default();
        let tried = delivery.streamed > self.max_retries;
        delivery.given_up = Some(tried || old);
        self.endings += 1;
        delivery.ended = self.endings;
        if !tried && !old {
            let times = delivery.streamed;
            let what = format!("{id} for {party} was given up after {times} attempts (RED-4)");
            self.found("given-up", what);
        }
    }

    /// GetMessageStatus is answered, in this run of the router.
    pub(in crate::world) fn handle_status(&mut self, reply: &GetMessageStatusResponse, run: u64) {
        let id = &reply.message_id;
        for entry in &reply.deliveries {
            let standing = match entry.status.as_str() {
                "pending" => Standing::Pending,
                "delivered" => Standing::Delivered,
                "acknowledged" => Standing::Acknowledged,
                "failed" => Standing::Failed,
                other => {
                    self.found("status", format!("{id} is `{other}` (STS-5)"));
                    continue;
                }
            };
            let key = (id.clone(), entry.party_id.clone());
            let delivery = self.deliveries.entry(key).or_default();
            if let Some(what) = delivery.judge(standing, run) {
                self.found("status", format!("{id} for {} {what}", entry.party_id));
            }
        }
    }

    /// A message that was accepted is not known any more.
    pub(in crate::world) fn handle_unknown(&mut self, id: &str, why: &str) {
        self.found("lost", format!("{id} was accepted, and the router does not know it: {why}"));
    }
}

impl Delivery {
    /// What is wrong with how it stands now.
    fn judge(&mut self, standing: Standing, run: u64) -> Option<String> {
        let before = self.status.replace((standing, run));
        match (self.acknowledged, standing) {
            (Some(true), Standing::Acknowledged) | (Some(false), Standing::Failed) | (None, _) => {}
            (Some(_), _) => {
                return Some(format!("was acknowledged, and is {standing:?} (ACK-1, DUR-6)"));
            }
        }
        let (was, in_run) = before?;
        let back = match (was, standing) {
            // What was delivered may fall back over a restart (DUR-6).
            (Standing::Delivered, Standing::Pending) => in_run == run,
            (Standing::Acknowledged | Standing::Failed, _) => was != standing,
            (Standing::Pending | Standing::Delivered, _) => false,
        };
        back.then(|| format!("was {was:?}, and is {standing:?} (STS-5)"))
    }
}
