use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use mpc_router_core::{Announcement, Content, PartyId, PublishedEvent};
use prost::Message as _;

use super::v1;

/// An event as those get it whom it concerns: of the join tokens each gets its own alone, and all
/// of the rest. It is read once, and then shared by all who listen, now and later.
pub(crate) struct EventCopies {
    /// The event without join tokens, which is the same for all.
    common: Announcement,
    tokens: HashMap<String, String>,
    /// How many bytes the event has with all of them.
    bytes: usize,
}

/// Shows no token (SEC-7).
impl fmt::Debug for EventCopies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.common, f)
    }
}

impl AsRef<Announcement> for EventCopies {
    fn as_ref(&self) -> &Announcement {
        &self.common
    }
}

impl PublishedEvent for EventCopies {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl EventCopies {
    pub(crate) fn of(announcement: &Announcement) -> Self {
        let mut common = announcement.clone();
        let mut tokens = HashMap::new();
        // What cannot be read is handed out to nobody anyway: see `wire::event`.
        if let Ok(mut event) = v1::SessionEvent::decode(common.content.as_bytes().clone())
            && !event.join_tokens.is_empty()
        {
            tokens = std::mem::take(&mut event.join_tokens);
            common.content = Content::new(event.encode_to_vec().into());
        }
        Self { common, tokens, bytes: announcement.content.len() }
    }

    /// What a party gets. Those without a token share it.
    pub(crate) fn of_party(&self, party: &PartyId) -> Content {
        let common = &self.common.content;
        // SEC-5.
        let Some(token) = self.tokens.get(party.as_str()) else { return common.clone() };
        let own = v1::SessionEvent {
            join_tokens: HashMap::from([(party.to_string(), token.to_owned())]),
            ..Default::default()
        };
        // Two encodings one after the other are the encoding of what both say.
        let mut encoding = Vec::with_capacity(common.len() + own.encoded_len());
        encoding.extend_from_slice(common.as_bytes());
        own.encode(&mut encoding).expect("a vector grows");
        Content::new(Bytes::from(encoding))
    }
}

#[cfg(test)]
mod tests {
    use mpc_router_core::{EventId, EventKind, Millis};

    use super::*;

    fn announcement(event: &v1::SessionEvent) -> Announcement {
        Announcement {
            event: EventId::parse("e").unwrap(),
            kind: EventKind::parse("session_created").unwrap(),
            members: [].into(),
            expires_at: Millis(0),
            content: Content::new(event.encode_to_vec().into()),
        }
    }

    fn copy(copies: &EventCopies, party: &str) -> (Content, v1::SessionEvent) {
        let content = copies.of_party(&PartyId::parse(party).unwrap());
        let event = v1::SessionEvent::decode(content.as_bytes().clone()).unwrap();
        (content, event)
    }

    fn is_shared(one: &Content, other: &Content) -> bool {
        one.as_bytes().as_ptr() == other.as_bytes().as_ptr()
    }

    #[test]
    fn each_gets_the_event_with_its_own_token_alone() {
        let token = |party: &str, token: &str| (party.to_owned(), token.to_owned());
        let event = v1::SessionEvent {
            event_type: "session_created".into(),
            session_id: "s".into(),
            threshold_n: 3,
            selected_parties: vec!["alice".into(), "bob".into()],
            join_tokens: HashMap::from([token("alice", "a"), token("bob", ""), token("c", "c")]),
            message_hash: vec![0, 1].into(),
            expires_at: 7,
            ..Default::default()
        };
        let copies = EventCopies::of(&announcement(&event));
        for (party, own) in [("alice", "a"), ("bob", ""), ("c", "c")] {
            let join_tokens = HashMap::from([token(party, own)]);
            let (_, seen) = copy(&copies, party);
            assert_eq!(seen, v1::SessionEvent { join_tokens, ..event.clone() }, "SEC-5, EVT-3");
        }
        let (content, seen) = copy(&copies, "dora");
        assert_eq!(seen, v1::SessionEvent { join_tokens: HashMap::new(), ..event });
        assert!(is_shared(&content, &copy(&copies, "emil").0), "those without one share");
    }

    #[test]
    fn without_tokens_all_share_what_was_stored() {
        let announcement = announcement(&v1::SessionEvent::default());
        let stored = announcement.content.clone();
        assert!(is_shared(&copy(&EventCopies::of(&announcement), "alice").0, &stored));
    }
}
