//! How the coordinator lets the parties know where a session stands.

use mpc_router_proto::v1::PublishSessionEventRequest;

use super::session::Stage;
use super::{ANNOUNCE_EVERY_MS, COMPLETED, Coordinator, FAILED, Purpose};
use crate::action::{Action, Call, Millis};
use crate::roster::Receives;

impl Coordinator {
    /// Says where a session stands: to all through the router, and to visitors otherwise.
    pub(super) fn announce(&mut self, name: &str, now: Millis) {
        let Some(session) = self.sessions.get_mut(name) else { return };
        let (kind, end) = match session.stage {
            Stage::Created => ("session_created", false),
            Stage::Started => ("session_started", false),
            Stage::Ended(true, _) | Stage::Done(true) => (COMPLETED, true),
            Stage::Ended(false, _) | Stage::Done(false) => (FAILED, true),
        };
        let [often, seldom] = ANNOUNCE_EVERY_MS;
        session.announce_at = Some(now + ((now - session.since) / 10).clamp(often, seldom));
        let again = session.unheard;
        self.events += 1;
        let event_id = format!("{name}-event-{}", self.events);
        let event = session.event(kind, event_id, &self.roster, self.threshold, &self.key);
        for number in &session.agenda.members {
            let Some(member) = self.roster.get(*number) else { continue };
            // Who streams hears of the end by its stream, or else later.
            let wanted = match end {
                true => again || member.receives == Receives::Poll,
                false => !member.is_resident(),
            };
            if wanted && !session.closed.contains(number) {
                self.actions.push_back(Action::Bring(*number, event.clone()));
            }
        }
        if end && again {
            return;
        }
        // One announcement of a kind is enough, however long the router takes.
        session.unpublished.retain(|before| before.event_type != event.event_type);
        session.unpublished.push_back(event);
        self.publish(name, now);
    }

    /// Publishes a session's next event, once the one before was answered (EVT-6).
    pub(super) fn publish(&mut self, name: &str, now: Millis) {
        if self.is_publishing(name) {
            return;
        }
        let Some(session) = self.sessions.get_mut(name) else { return };
        let Some(event) = session.unpublished.pop_front() else { return };
        let end = matches!(event.event_type.as_str(), COMPLETED | FAILED);
        let request = PublishSessionEventRequest { event: Some(event) };
        let purpose = Purpose::Publish { session: name.into(), end };
        self.calls.start(Call::Publish(request), purpose, true, now);
    }

    pub(super) fn is_publishing(&self, name: &str) -> bool {
        self.calls.any(|p| matches!(p, Purpose::Publish { session, .. } if session == name))
    }
}
