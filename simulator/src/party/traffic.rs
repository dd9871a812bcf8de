//! Messages out and in: made once, routed until they are taken; seen, and acknowledged.

use std::collections::BTreeSet;

use mpc_router_proto::v1::{AcknowledgeMessageRequest, GetPendingMessagesRequest, MpcMessage};

use super::{Party, Purpose};
use crate::action::{Call, Millis};
use crate::encoding::{Digest, hex};
use crate::record::{Deed, Made, Saw};
use crate::seal::canary;
use crate::seat::Sending;

impl Party {
    /// Takes a message that came by the stream or poll of the session `asked`, opened or sent at
    /// the moment `since`.
    pub(super) fn take(&mut self, message: &MpcMessage, asked: &str, since: u64, now: Millis) {
        self.moment += 1;
        let acknowledged = self.acknowledged.get(&message.message_id);
        self.record(
            now,
            Deed::Saw(Saw {
                message_id: message.message_id.clone(),
                session: message.session_id.clone(),
                asked: asked.into(),
                from: message.from_party.clone(),
                kind: message.message_type.clone(),
                round: message.round_number,
                broadcast: message.is_broadcast,
                digest: Digest::of(&message.payload),
                canary: canary(&message.payload),
                after_acknowledgement: acknowledged.is_some_and(|taken| *taken <= since),
            }),
        );
        if message.session_id != asked {
            // RTE-10: what belongs to another session is not for this one's protocol.
            let why = format!("it belongs to {}, and came in {asked}", message.session_id);
            return self.acknowledge(&message.message_id, asked, Err(why), now);
        }
        // Streams and polls are of sessions that the party has joined.
        if let Some(attendance) = self.sessions.get_mut(asked) {
            attendance.seat.handle_message(message, &mut self.sealer, &self.roster);
        }
    }

    pub(super) fn handle_polled(
        &mut self,
        messages: Vec<MpcMessage>,
        session: &str,
        sent: u64,
        now: Millis,
    ) {
        let mut listed = BTreeSet::new();
        let mut newest = 0;
        for message in messages {
            newest = newest.max(message.created_at);
            if !listed.insert(message.message_id.clone()) {
                self.record(now, Deed::ListedTwice(message.message_id.clone()));
            }
            self.take(&message, session, sent, now);
        }
        if let Some(attendance) = self.sessions.get_mut(session) {
            // PND-3: the largest `created_at` seen.
            attendance.polled_to = attendance.polled_to.max(newest);
        }
    }

    pub(super) fn poll_messages(&mut self, session: &str, now: Millis) {
        let Some(attendance) = self.sessions.get_mut(session) else { return };
        attendance.poll_at = Some(now + self.habits.poll_every);
        let request = GetPendingMessagesRequest {
            session_id: session.into(),
            party_id: self.me.id.clone(),
            after_timestamp: attendance.polled_to,
        };
        let under_way =
            |purpose: &Purpose| matches!(purpose, Purpose::Poll { session: s, .. } if s == session);
        if !self.calls.any(under_way) {
            self.moment += 1;
            let purpose = Purpose::Poll { session: session.into(), sent: self.moment };
            self.calls.start(Call::Poll(request), purpose, false, now);
        }
    }

    pub(super) fn send(&mut self, session: &str, sending: Sending, now: Millis) {
        let Sending { request, recipients, digest } = sending;
        self.record(
            now,
            Deed::Made(Made {
                session: session.into(),
                kind: request.message_type.clone(),
                round: request.round_number,
                broadcast: request.to_parties.is_empty(),
                recipients,
                digest,
                canary: canary(&request.payload).unwrap_or_default(),
                bytes: request.payload.len(),
            }),
        );
        let kind = request.message_type.clone();
        let purpose = Purpose::Route { session: session.into(), kind, digest };
        self.calls.start(Call::Route(request, hex(&digest.0)), purpose, true, now);
    }

    pub(super) fn acknowledge(
        &mut self,
        message_id: &str,
        session: &str,
        result: Result<(), String>,
        now: Millis,
    ) {
        if let Err(why) = &result {
            self.record(now, Deed::Refused(message_id.into(), why.clone()));
        }
        let good = result.is_ok();
        let same = |purpose: &Purpose| matches!(purpose, Purpose::Acknowledge { message_id: id, .. } if id == message_id);
        if self.calls.any(same) {
            return;
        }
        let request = AcknowledgeMessageRequest {
            message_id: message_id.into(),
            party_id: self.me.id.clone(),
            session_id: session.into(),
            success: good,
            error_message: result.err().unwrap_or_default(),
        };
        let purpose = Purpose::Acknowledge { message_id: message_id.into(), good };
        self.calls.start(Call::Acknowledge(request), purpose, true, now);
    }

    /// What was not accepted yet is not wanted any more.
    pub(super) fn drop_routes(&mut self, session: &str) {
        self.calls
            .forget(|purpose| matches!(purpose, Purpose::Route { session: s, .. } if s == session));
    }
}
