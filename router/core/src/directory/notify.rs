use std::collections::BTreeSet;
use std::fmt;

use super::notices::Task;
use super::{Channel, Directory, DirectoryRecord, Notification};
use crate::{Millis, PartyId, SessionId};

/// Tell a party that a session has something for it: one notification on one channel. `Debug` does not
/// show the address.
#[derive(Clone, PartialEq, Eq)]
pub struct Errand {
    /// Its own number.
    pub number: u64,
    /// The party.
    pub party: PartyId,
    /// The session.
    pub session: SessionId,
    /// How.
    pub channel: Channel,
    /// Where.
    pub address: String,
    /// When it was first due.
    pub raised_at: Millis,
    /// How often it was tried in vain.
    pub failures: u32,
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, party, session, channel, address: _, raised_at, failures } = self;
        f.debug_struct("Errand")
            .field("number", number)
            .field("party", party)
            .field("session", session)
            .field("channel", channel)
            .field("raised_at", raised_at)
            .field("failures", failures)
            .finish_non_exhaustive()
    }
}

/// Waking parties that are away. What is due is [taken](Directory::handle_take), tried, and answered
/// with [`handle_told`](Directory::handle_told) or [`handle_failed`](Directory::handle_failed). It is
/// over when its party comes back.
impl Directory {
    /// Begins to listen to parties: nobody counts as away who may merely not have been heard.
    pub fn handle_start(&mut self, now: Millis) {
        self.listens_since = self.tell(now);
        self.check();
    }

    /// A session has something new for a party that does not listen there. If the party is away, it is
    /// to be told on those of `channels` that it has: once for that session until it comes back, and
    /// of no more than `most` sessions (OFF-2).
    pub fn handle_unattended(
        &mut self,
        now: Millis,
        party: &PartyId,
        session: &SessionId,
        channels: &BTreeSet<Channel>,
        most: usize,
    ) {
        let now = now.max(self.latest);
        let Some(known) = self.parties.get(party) else { return };
        // OFF-3: neither who is online, nor who has no channel.
        if !self.is_silent(now, self.last_seen_at(known)) {
            return;
        }
        let Some(notification) = &known.notification else { return };
        let has_address = |channel: &Channel| notification.address(*channel).is_some();
        let left: BTreeSet<_> = channels.iter().copied().filter(has_address).collect();
        if left.is_empty()
            || self.notices.is_there(party, session)
            || self.notices.count(party) >= most
        {
            return;
        }
        let (party, session) = (party.clone(), session.clone());
        self.append(DirectoryRecord::Notice { party, session, raised_at: now, left });
        self.check();
    }

    /// A session has something unread for a party, of which the log did not tell that it was to be told:
    /// else as [`handle_unattended`](Self::handle_unattended), if nobody has heard of it since the start.
    pub fn handle_unread(
        &mut self,
        now: Millis,
        party: &PartyId,
        session: &SessionId,
        channels: &BTreeSet<Channel>,
        most: usize,
    ) {
        let known = self.parties.get(party);
        if known.is_some_and(|known| known.last_seen_at < self.listens_since) {
            self.handle_unattended(now, party, session, channels, most);
        }
    }

    /// When there is something to [take](Self::handle_take) on a channel.
    pub fn poll_due(&self, channel: Channel) -> Option<Millis> {
        self.notices.next(channel).map(|(at, _)| at)
    }

    /// Takes the next errand on one of `channels` that is due by now.
    pub fn handle_take(&mut self, now: Millis, channels: &BTreeSet<Channel>) -> Option<Errand> {
        loop {
            let (number, task) = self.notices.take(now, channels)?;
            let Task { party, session, channel, raised_at, failures, .. } = task;
            let notification = self.parties.get(&party).and_then(|it| it.notification.as_ref());
            let address = notification.and_then(|it| Notification::address(it, channel));
            if let Some(address) = address.map(str::to_owned) {
                return Some(Errand {
                    number,
                    party,
                    session,
                    channel,
                    address,
                    raised_at,
                    failures,
                });
            }
            // A log that lost something may tell of a channel that the party has not.
            self.handle_told(number);
        }
    }

    /// The errand of that number is done, or given up; one that is over is no matter.
    pub fn handle_told(&mut self, number: u64) {
        if let Some(record) = self.notices.done(number) {
            self.append(record);
        }
        self.check();
    }

    /// The errand of that number was tried in vain, and is to be tried again then; one that is over is
    /// no matter.
    pub fn handle_failed(&mut self, number: u64, retry_at: Millis) {
        self.notices.retry(number, retry_at);
        self.check();
    }
}
