//! What the model's log commits, keeps and lets go.

use mpc_router_core::*;

use super::{POLICY, World};

impl World {
    pub(super) fn commit(&mut self, records: usize) {
        let committed = self.held.drain(..records).next_back();
        self.session.handle_committed(committed.unwrap());
    }

    pub(super) fn perform(&mut self) {
        let mut forgot = false;
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Append { position, record } => {
                    self.follower.handle_record(position, &record);
                    assert!(self.session.agrees_with(&self.follower), "a record tells everything");
                    self.log.insert(position, record.clone());
                    if let Record::Delivered { recipient, messages, .. } = record {
                        for message in messages {
                            let first = (recipient.clone(), message);
                            assert!(
                                self.recorded_as_delivered.insert(first),
                                "the first time only"
                            );
                        }
                    }
                    self.held.push_back(position);
                    if self.commits_at_once {
                        self.commit(1);
                    }
                }
                Effect::Wake { stream } => {
                    for reader in self.readers.values_mut() {
                        reader.asleep &= reader.stream != stream;
                    }
                }
                Effect::Unattended { party } => {
                    let mut readers =
                        self.readers.keys().map(|seat| crate::steps::party(seat.party));
                    assert!(readers.all(|reader| reader != party), "OFF-2: nobody reads");
                }
                Effect::Superseded { .. } => panic!("nobody subscribed"),
                Effect::Detached { stream } => assert!(self.detached.remove(&stream)),
                Effect::Publish { announcement, .. } => {
                    self.published += 1;
                    let expected = format!("e{}", self.published);
                    assert_eq!(announcement.event.as_str(), expected, "EVT-6");
                }
                Effect::Settled { party } => drop(self.counted.remove(&party)),
                Effect::Release { position } => self.release(position),
                Effect::Forget { through } => {
                    self.log.retain(|position, record| {
                        *position > through || matches!(record, Record::Announced { .. })
                    });
                    forgot = true;
                }
                Effect::Discard => {
                    self.log.clear();
                    forgot = true;
                }
                Effect::Outstanding { party } => {
                    assert!(self.counted.insert(party), "told once");
                }
            }
        }
        if forgot {
            self.follow_anew();
        }
    }

    /// The log lets the content of a message go.
    fn release(&mut self, at: Position) {
        if let Some(Record::Routed { content, message, .. }) = self.log.get_mut(&at) {
            let known = self.messages.iter().find(|known| known.id == *message).unwrap();
            assert!(!known.is_open(), "nobody needs it");
            assert!(!content.is_empty(), "told once");
            *content = Content::default();
        }
    }

    /// A session that is built from what the log keeps is the same one.
    fn follow_anew(&mut self) {
        let policy = Policy { membership: self.membership, ..POLICY };
        self.follower = Session::new(policy);
        for (position, record) in &self.log {
            self.follower.handle_record(*position, record);
        }
        assert!(self.session.agrees_with(&self.follower), "what is kept tells everything");
    }

    pub(super) fn commit_all(&mut self) {
        while !self.held.is_empty() {
            self.commit(self.held.len());
            self.perform();
        }
    }
}
