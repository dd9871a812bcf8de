//! What an operator is told of sessions, in numbers and in the log: what begins, ends and fails, and
//! nothing of each message.

use mpc_router_core::{Announcement, MessageId, Millis, PartyId, Record, Session, SessionId};

use super::Around;
use crate::metrics::Failure;

/// A record is decided.
pub(super) fn appended(id: &SessionId, session: &Session, record: &Record, around: &Around) {
    around.metrics.appended(record);
    match record {
        Record::GivenUp { deliveries, at } => given_up(id, session, deliveries, *at, around),
        Record::Acknowledged { message, party, success: false, .. } => {
            failed(id, *message, party, Failure::Refused);
            let (session, party) = (id.as_str(), party.as_str());
            tracing::info!(?session, ?party, "a message is refused by its recipient");
        }
        _ => {}
    }
}

fn given_up(
    id: &SessionId,
    session: &Session,
    deliveries: &[(MessageId, PartyId)],
    at: Millis,
    around: &Around,
) {
    let mut expired = 0;
    let mut parties = Parties::default();
    for (message, party) in deliveries {
        parties.add(party);
        let created_at = session.created_at(*message).unwrap_or(at);
        let is_expired = at >= created_at.after(around.policy.message_ttl);
        let why = if is_expired { Failure::Expired } else { Failure::GivenUp };
        around.metrics.gave_up(why);
        expired += usize::from(is_expired);
        failed(id, *message, party, why);
    }
    let (session, given_up) = (id.as_str(), deliveries.len() - expired);
    // Each ends a ceremony, most likely, and these are who did not do their part.
    tracing::warn!(?session, given_up, expired, parties = ?parties.0, "deliveries failed");
}

/// Some distinct parties: as many as a line of a log has room for.
#[derive(Default)]
struct Parties<'a>(Vec<&'a str>);

impl<'a> Parties<'a> {
    const MOST: usize = 8;

    fn add(&mut self, party: &'a PartyId) {
        let name = party.as_str();
        if self.0.len() < Self::MOST && !self.0.contains(&name) {
            self.0.push(name);
        }
    }
}

fn failed(id: &SessionId, message: MessageId, party: &PartyId, why: Failure) {
    let (session, party, why) = (id.as_str(), party.as_str(), why.name());
    tracing::debug!(?session, %message, ?party, why, "a delivery failed");
}

/// An event is committed.
pub(super) fn published(id: &SessionId, announcement: &Announcement, reached: usize) {
    let (session, event) = (id.as_str(), announcement.kind.as_str());
    let members = announcement.members.len();
    if announcement.kind.selects_members() {
        tracing::info!(?session, ?event, members, reached, "a session has these members");
    } else if announcement.kind.ends_the_session() {
        tracing::info!(?session, ?event, reached, "a session ends");
    } else {
        tracing::debug!(?session, ?event, reached, "a session has an event");
    }
}
