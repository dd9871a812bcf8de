//! The life of a delivery: handed out, ended, expired.

use mpc_router_proto::v1::MpcMessage;
use tokio::time::{Duration, Instant};
use tonic::Status;

use super::journal::Fact;
use super::state::{Number, Phase, State};
use super::{Fault, Variant};

/// How long the slower of two lanes takes, where a twist has two.
pub(super) const LAG: Duration = Duration::from_millis(5);

/// How late a hand-out may show in the status.
const NOTED_LATE: Duration = Duration::from_millis(30);

/// What a stream does next.
#[derive(Debug)]
pub(super) enum Next<T> {
    Item(T),
    /// Nothing until it is woken, or until then.
    Wait {
        until: Option<Instant>,
    },
    /// It ends: with a status, or as if all had been read.
    End(Option<Status>),
}

/// By which way a message is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Stream,
    Poll,
}

impl State {
    /// Whether the delivery waits for its party, handed out or not.
    pub(super) fn is_outstanding(&self, number: Number, party: &str) -> bool {
        let session = &self.messages[number].content.session_id;
        let (session, party) = self.mailbox_key(session, party);
        self.session(&session)
            .and_then(|session| session.mailboxes.get(&*party))
            .is_some_and(|mailbox| mailbox.contains(&number))
    }

    /// Takes the delivery out of its party's mailbox.
    pub(super) fn take_out(&mut self, number: Number, party: &str) {
        let session = self.messages[number].content.session_id.clone();
        let (of, to) = self.mailbox_key(&session, party);
        if let Some(mailbox) = self.session_mut(&of).mailboxes.get_mut(&*to) {
            mailbox.remove(&number);
        }
    }

    /// Hands the message out to the party: STS-3.
    pub(super) fn hand_out(&mut self, number: Number, party: &str, way: Way) -> MpcMessage {
        let now = self.now_ms();
        let twist = self.twist.clone();
        let message = &mut self.messages[number];
        let mut content = message.content.clone();
        // RTE-4: what is handed out again is what was sent as well.
        if twist.has(Fault::PayloadFreedOnceHandedOut)
            && message.deliveries.iter().all(|delivery| delivery.phase != Phase::Pending)
        {
            content.payload.clear();
        }
        let Some(delivery) = message.delivery_mut(party) else { return content };

        match way {
            Way::Stream => delivery.streamed = true,
            Way::Poll => delivery.polls += 1,
        }
        // EXP-1: its time runs from its acceptance.
        if way == Way::Poll && twist.has(Fault::PollRenewsTtl) {
            message.accepted = Instant::now();
        }
        let Some(delivery) = message.delivery_mut(party) else { return content };
        let silent = match way {
            Way::Stream => twist.has(Fault::StreamedStaysPending),
            Way::Poll => twist.has(Fault::PollLeavesPending),
        };
        let fresh = delivery.phase == Phase::Pending && !silent;
        if fresh {
            // PND-5, STS-2, STS-3
            delivery.phase = Phase::Delivered;
            delivery.noted_at =
                twist.is(Variant::NotesHandOutsLate).then(|| Instant::now() + NOTED_LATE);
            if delivery.delivered_at == 0 {
                delivery.delivered_at = now;
            }
            // RED-3: the first delivery is no retry.
            if way == Way::Stream && twist.has(Fault::RetryCountFromOne) {
                delivery.retries = 1;
            }
        } else if way == Way::Poll && twist.has(Fault::PollCountsAsRetry) {
            // PND-6: polling uses up no retries.
            delivery.retries += 1;
        }
        // STS-8: the first delivery's time stays.
        if (way == Way::Poll && twist.has(Fault::PollMovesDeliveredAt))
            || (way == Way::Stream && twist.has(Fault::SendingMovesDeliveredAt))
        {
            delivery.delivered_at = now;
        }
        let polled_out =
            twist.has(Fault::PolledTooOftenFails) && delivery.polls > self.settings.max_retries;

        // SUB-3, PND-5: handed out is not ended.
        if fresh && !self.is(Variant::ForgetsHandOuts) {
            self.note_change(number, party, Fact::HandedOut);
        }
        let taken = match way {
            Way::Stream => twist.has(Fault::StreamedIsDone),
            Way::Poll => twist.has(Fault::PollTakesAway),
        };
        if polled_out {
            self.end(number, party, Phase::Failed);
        } else if taken {
            self.take_out(number, party);
        }
        content
    }

    /// Ends the delivery. ACK-4: a terminal state stays.
    pub(super) fn end(&mut self, number: Number, party: &str, phase: Phase) {
        let now = self.now_ms();
        let failures_have_times = self.is(Variant::FailedHasEndTime);
        if let Some(delivery) = self.messages[number].delivery_mut(party)
            && matches!(delivery.phase, Phase::Pending | Phase::Delivered)
        {
            delivery.phase = phase;
            delivery.timed_out = phase == Phase::Failed;
            if phase == Phase::Acknowledged || failures_have_times {
                delivery.acknowledged_at = now;
            }
            self.note_change(number, party, Fact::Ended);
        }
        self.take_out(number, party);
    }

    /// RED-5: what was handed out to a party that is away waits for it. Only a fault acts on it.
    pub(super) fn reap(&mut self) {
        if !self.has(Fault::FailsWhileAway) {
            return;
        }
        let all_attempts = self.settings.ack_timeout * (self.settings.max_retries + 1);
        for number in 0..self.messages.len() {
            if self.messages[number].accepted.elapsed() < all_attempts {
                break;
            }
            let parties: Vec<String> = self.messages[number]
                .deliveries
                .iter()
                .filter(|delivery| delivery.phase == Phase::Delivered)
                .map(|delivery| delivery.party.clone())
                .collect();
            for party in parties {
                if !self.subscriptions.iter().any(|stream| stream.party == party) {
                    self.end(number, &party, Phase::Failed);
                }
            }
        }
    }

    /// EXP-1: what has been outstanding for `message_ttl` fails. EXP-2: nothing does before.
    pub(super) fn expire(&mut self) {
        if self.has(Fault::NeverExpires) || self.is(Variant::NoExpiry) {
            return;
        }
        if self.has(Fault::ExpiresFromSessionStart) {
            return self.expire_with_sessions();
        }
        let mut time_to_live = self.settings.message_ttl;
        if self.is(Variant::SweptExpiry) {
            time_to_live += time_to_live / 8;
        }
        if self.has(Fault::ExpiresInHalfTheTime) {
            time_to_live /= 2;
        }
        if self.has(Fault::ExpiresEarlyForOffline) {
            self.expire_for_offline();
        }
        while let Some(message) = self.messages.get(self.expired)
            && message.accepted.elapsed() >= time_to_live
        {
            self.expired += 1;
            self.expire_message(self.expired - 1, |_, _| true);
        }
    }

    /// EXP-2: a message's time does not depend on its session's. Only a fault counts from there.
    fn expire_with_sessions(&mut self) {
        for number in 0..self.messages.len() {
            let session = self.session(&self.messages[number].content.session_id);
            let begun = session.and_then(|session| session.begun);
            if begun.is_some_and(|begun| begun.elapsed() >= self.settings.message_ttl) {
                self.expire_message(number, |_, _| true);
            }
        }
    }

    fn expire_for_offline(&mut self) {
        for number in self.expired..self.messages.len() {
            if self.messages[number].accepted.elapsed() < self.settings.message_ttl / 2 {
                return;
            }
            self.expire_message(number, |state, party| {
                state.party(party).is_some_and(|party| !state.is_online(party))
            });
        }
    }

    /// Fails what is outstanding of the message, for the parties that are meant.
    fn expire_message(&mut self, number: Number, meant: fn(&Self, &str) -> bool) {
        let unread_only = self.has(Fault::ExpiresUnreadOnly);
        let parties: Vec<String> = self.messages[number]
            .deliveries
            .iter()
            .filter(|delivery| !unread_only || delivery.phase == Phase::Pending)
            .filter(|delivery| self.is_outstanding(number, &delivery.party))
            .filter(|delivery| meant(self, &delivery.party))
            .map(|delivery| delivery.party.clone())
            .collect();
        for party in parties {
            let with_it = self.expires_with(number, &party);
            // HB-4: what has expired is not outstanding.
            if self.has(Fault::ExpiryLowersNothing) {
                self.miscount(&party, 1);
            }
            self.end(number, &party, Phase::Failed);
            if self.has(Fault::ExpiredStaysInMailbox) {
                self.put_into_mailbox(number, &party);
            }
            for number in with_it {
                self.end(number, &party, Phase::Failed);
            }
        }
    }

    /// What else a fault expires with a delivery: all of its mailbox.
    fn expires_with(&self, number: Number, party: &str) -> Vec<Number> {
        let session_id = &self.messages[number].content.session_id;
        match self.has(Fault::ExpiresWholeMailbox) {
            true => self.outstanding(session_id, party),
            false => Vec::new(),
        }
    }
}
