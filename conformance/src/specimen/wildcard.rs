//! All of a party's sessions at once: SUB-9.

use std::collections::BTreeSet;

use super::state::{Number, State, Subscription};
use super::{Fault, Variant};

/// So many sessions one fault looks into.
const FEW: usize = 100;

impl State {
    /// Whether an empty `session_id` means all of the party's sessions.
    pub(super) fn has_wildcard(&self) -> bool {
        !self.is(Variant::NoWildcard)
    }

    /// The sessions of which there may be something for `party`.
    pub(super) fn sessions_of(&self, party: &str) -> BTreeSet<String> {
        let of_party = self
            .sessions
            .iter()
            .filter(|(_, session)| session.has_member(party) || session.reached.contains(party));
        of_party.map(|(name, _)| name.clone()).collect()
    }

    /// What is outstanding for `party` in a session or, if that is empty, in all.
    pub(super) fn outstanding(&self, session_id: &str, party: &str) -> Vec<Number> {
        if !session_id.is_empty() {
            let (session_id, party) = self.mailbox_key(session_id, party);
            let mailbox = self.session(&session_id).and_then(|it| it.mailboxes.get(&*party));
            return mailbox.into_iter().flatten().copied().collect();
        }
        let most = if self.has(Fault::WildcardOfFewSessions) { FEW } else { usize::MAX };
        let mailboxes = self.sessions.values().filter_map(|it| it.mailboxes.get(party));
        let mut numbers: Vec<Number> =
            mailboxes.filter(|it| !it.is_empty()).take(most).flatten().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether a stream takes what is routed in a session.
    pub(super) fn takes(&self, stream: &Subscription, session_id: &str) -> bool {
        if !stream.session.is_empty() {
            let silenced = self.has(Fault::WildcardSilencesOthers)
                && self.subscriptions.iter().any(|other| {
                    other.party == stream.party && other.session.is_empty() && other.id > stream.id
                });
            return self.same_session(&stream.session, session_id) && !silenced;
        }
        // SUB-5: what the session's own stream gets comes here as well.
        let shared = self.has(Fault::WildcardLeavesToOthers)
            && self.subscriptions.iter().any(|other| {
                other.party == stream.party && self.same_session(&other.session, session_id)
            });
        let late = self.has(Fault::WildcardOfOpening)
            && !stream.sessions.contains(self.session_key(session_id));
        !shared && !late
    }
}
