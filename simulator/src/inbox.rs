//! What has come to a party in one session.

use std::collections::{BTreeMap, BTreeSet};

use crate::encoding::Digest;

/// Messages by type and sender. Since each session has an inbox of its own, the whole key is
/// (session, message type, sender): a sender uses a type once towards a recipient.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    entries: BTreeMap<(String, u16), Entry>,
}

#[derive(Debug)]
struct Entry {
    digest: Digest,
    /// The `message_id`s under which it came while it waits; more than one only if it was routed
    /// more than once.
    ids: BTreeSet<String>,
    state: State,
}

enum State {
    Waiting(Vec<u8>),
    Applied,
    Refused(String),
}

/// Shows no body.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting(body) => write!(f, "Waiting({} bytes)", body.len()),
            Self::Applied => f.write_str("Applied"),
            Self::Refused(why) => write!(f, "Refused({why})"),
        }
    }
}

/// How a message relates to what came before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Nothing came under its key.
    New,
    /// The same bytes came, and wait to be applied.
    Waits,
    /// The same bytes came, and were applied or refused.
    Settled(Result<(), String>),
    /// Other bytes came under its key.
    Contrary,
}

impl Inbox {
    /// How a message relates to what is here. If the same bytes wait already, they now have this
    /// `message_id` too.
    pub(crate) fn relate(
        &mut self,
        key: &(String, u16),
        digest: Digest,
        message_id: &str,
    ) -> Relation {
        match self.entries.get_mut(key) {
            None => Relation::New,
            Some(entry) if entry.digest != digest => Relation::Contrary,
            Some(entry) => match &entry.state {
                State::Waiting(_) => {
                    entry.ids.insert(message_id.into());
                    Relation::Waits
                }
                State::Applied => Relation::Settled(Ok(())),
                State::Refused(why) => Relation::Settled(Err(why.clone())),
            },
        }
    }

    /// Keeps a new message, opened.
    pub(crate) fn keep(
        &mut self,
        key: (String, u16),
        digest: Digest,
        message_id: &str,
        body: Vec<u8>,
    ) {
        let ids = [message_id.to_owned()].into();
        self.entries.insert(key, Entry { digest, ids, state: State::Waiting(body) });
    }

    /// The first waiting message that `wanted` wants.
    pub(crate) fn next(
        &self,
        wanted: impl Fn(&str, u16) -> bool,
    ) -> Option<((String, u16), Vec<u8>)> {
        self.entries.iter().find_map(|(key, entry)| match &entry.state {
            State::Waiting(body) if wanted(&key.0, key.1) => Some((key.clone(), body.clone())),
            _ => None,
        })
    }

    /// Settles a waiting message; gives its digest and the `message_id`s to acknowledge.
    pub(crate) fn settle(
        &mut self,
        key: &(String, u16),
        result: Result<(), String>,
    ) -> Option<(Digest, BTreeSet<String>)> {
        let entry = self.entries.get_mut(key)?;
        entry.state = match result {
            Ok(()) => State::Applied,
            Err(why) => State::Refused(why),
        };
        Some((entry.digest, std::mem::take(&mut entry.ids)))
    }

    /// Whether a usable message came under this key.
    pub(crate) fn has(&self, key: &(String, u16)) -> bool {
        self.entries.contains_key(key)
    }

    /// The keys of all that wait.
    pub(crate) fn waiting(&self) -> Vec<(String, u16)> {
        let waiting = |entry: &Entry| matches!(entry.state, State::Waiting(_));
        let waiting = self.entries.iter().filter(|(_, entry)| waiting(entry));
        waiting.map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_known_again_and_others_contradict() {
        let mut inbox = Inbox::default();
        let key = ("k".to_owned(), 2);
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        assert_eq!(inbox.relate(&key, one, "a"), Relation::New);
        inbox.keep(key.clone(), one, "a", vec![1]);
        assert_eq!(inbox.relate(&key, one, "b"), Relation::Waits);
        assert_eq!(inbox.relate(&key, two, "c"), Relation::Contrary);
        assert_eq!(inbox.relate(&("k".into(), 3), one, "d"), Relation::New);
        assert_eq!(inbox.next(|_, from| from == 3), None);
        assert_eq!(inbox.next(|_, from| from == 2), Some((key.clone(), vec![1])));
        assert_eq!(inbox.waiting(), std::slice::from_ref(&key));

        let ids = ["a".to_owned(), "b".to_owned()].into();
        assert_eq!(inbox.settle(&key, Ok(())), Some((one, ids)));
        assert_eq!(inbox.relate(&key, one, "e"), Relation::Settled(Ok(())));
        assert_eq!(inbox.relate(&key, two, "f"), Relation::Contrary);
        assert_eq!(inbox.next(|_, _| true), None);
        assert!(inbox.has(&key) && inbox.waiting().is_empty());
    }
}
