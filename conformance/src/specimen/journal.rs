//! What the specimen writes down of what it accepts, and how it comes back from that after a
//! restart: DUR.

use mpc_router_proto::v1::{MpcMessage, RegisterPartyRequest, RouteMessageRequest, SessionEvent};
use prost::Message as _;
use tokio::time::{Duration, Instant};

use super::Fault;
use super::disk::Pen;
use super::state::{Delivery, Message, Number, Phase, Published, State};

/// How far the clock of one fault goes back with a restart. Milliseconds.
const BACK_MS: i64 = 60_000;

/// So many identifiers one fault reserves at a time.
const BLOCK: u64 = 16;

/// So many records one fault has in a file.
const SEGMENT: usize = 1_000;

/// So many messages of a mailbox one fault loads, so many recipients of a message another one, and so
/// many sessions a third one.
const MAILBOX_PAGE: usize = 1_000;
const RECIPIENTS_PAGE: usize = 50;
const SESSIONS_PAGE: usize = 100;

/// One thing that happened, and when.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Entry {
    /// Nanoseconds since the specimen first began.
    #[prost(uint64, tag = "1")]
    pub(super) at: u64,
    #[prost(oneof = "Fact", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub(super) fact: Option<Fact>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Fact {
    /// The specimen began to serve.
    #[prost(bool, tag = "2")]
    Began(bool),
    #[prost(message, tag = "3")]
    Registered(RegisterPartyRequest),
    #[prost(message, tag = "4")]
    Accepted(Accepted),
    /// Only a fault writes recipients down later than their message.
    #[prost(message, tag = "5")]
    Addressed(Accepted),
    #[prost(message, tag = "6")]
    Keyed(Keyed),
    #[prost(message, tag = "7")]
    HandedOut(Change),
    #[prost(message, tag = "8")]
    Retried(Change),
    #[prost(message, tag = "9")]
    Ended(Change),
    #[prost(message, tag = "10")]
    Published(Box<Announced>),
}

/// A message, as its recipients get it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Accepted {
    #[prost(message, required, tag = "1")]
    pub(super) content: MpcMessage,
    #[prost(string, repeated, tag = "2")]
    pub(super) recipients: Vec<String>,
}

/// A key, and the call that it stands for.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Keyed {
    #[prost(message, required, tag = "1")]
    pub(super) request: RouteMessageRequest,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(string, tag = "3")]
    pub(super) message_id: String,
}

/// What became of a delivery.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Change {
    #[prost(string, tag = "1")]
    pub(super) message_id: String,
    #[prost(string, tag = "2")]
    pub(super) party: String,
    /// Of a hand-out: `delivered_at`. Of an end: `acknowledged_at`.
    #[prost(int64, tag = "3")]
    pub(super) time: i64,
    #[prost(uint32, tag = "4")]
    pub(super) retries: u32,
    #[prost(bool, tag = "5")]
    pub(super) acknowledged: bool,
    #[prost(bool, tag = "6")]
    pub(super) timed_out: bool,
}

/// An event as it came, as it was sent, and what its publisher was told.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Announced {
    #[prost(message, required, tag = "1")]
    pub(super) given: SessionEvent,
    #[prost(message, required, tag = "2")]
    pub(super) filled: SessionEvent,
    #[prost(int32, tag = "3")]
    pub(super) subscriber_count: i32,
}

impl State {
    /// Writes down what has happened. While it reads, it writes nothing.
    pub(super) fn note(&mut self, fact: Fact) {
        let Some(pen) = &self.pen else { return };
        let at = u64::try_from(self.clock.age().as_nanos()).unwrap_or(u64::MAX);
        pen.write(&Entry { at, fact: Some(fact) });
    }

    /// Writes down what became of a delivery.
    pub(super) fn note_change(&mut self, number: Number, party: &str, fact: fn(Change) -> Fact) {
        if self.pen.is_none() {
            return;
        }
        let message = &self.messages[number];
        let Some(delivery) = message.delivery(party) else { return };
        let acknowledged = delivery.phase == Phase::Acknowledged;
        let ended = acknowledged || delivery.phase == Phase::Failed;
        let change = Change {
            message_id: message.content.message_id.clone(),
            party: party.to_owned(),
            time: if ended { delivery.acknowledged_at } else { delivery.delivered_at },
            retries: delivery.retries,
            acknowledged,
            timed_out: delivery.timed_out,
        };
        self.note(fact(change));
    }

    /// Comes to stand where it stood when the last of these was written, and writes from now on.
    pub(super) fn come_back(&mut self, entries: Vec<Entry>, pen: Pen) {
        let latest_start =
            entries.iter().rposition(|it| matches!(it.fact, Some(Fact::Began(_)))).unwrap_or(0);
        let is_restart = !entries.is_empty();
        let newest_segment = entries.len().saturating_sub(1) / SEGMENT * SEGMENT;
        for (place, entry) in entries.into_iter().enumerate() {
            let Some(fact) = entry.fact else { continue };
            if self.has(Fault::NewestSegmentOnly) && place < newest_segment && is_message(&fact) {
                continue;
            }
            self.clock.stands_at(Some(Duration::from_nanos(entry.at)));
            self.recall(fact, place < latest_start);
        }
        self.clock.stands_at(None);
        self.recall_ids();
        self.loses_pages();
        self.restored = self.messages.len();
        let now = self.now_ms();
        for party in self.parties.values_mut() {
            // Nobody knows who was there meanwhile. HB-9: it does not go back.
            party.alive_at = Instant::now();
            party.last_seen_at = now;
        }
        if is_restart && self.has(Fault::HeartbeatTimeGoesBack) {
            self.beats_behind_ms = BACK_MS;
        }
        if is_restart && self.has(Fault::ClockGoesBack) {
            self.behind_ms = BACK_MS;
            self.sessions.values_mut().for_each(|session| session.created_at = 0);
        }
        self.pen = Some(pen);
        self.note(Fact::Began(true));
    }

    /// Takes one thing back; `old` is what happened before the latest start but this one.
    fn recall(&mut self, fact: Fact, old: bool) {
        match fact {
            Fact::Began(_) => {}
            Fact::Registered(request) => self.recall_party(request),
            Fact::Accepted(_) if old && self.has(Fault::SecondRestartForgets) => {}
            Fact::Accepted(accepted) => self.recall_message(accepted),
            Fact::Addressed(Accepted { content, recipients }) => {
                if let Some(&number) = self.numbers.get(&content.message_id) {
                    self.recall_recipients(number, recipients);
                }
            }
            Fact::Keyed(keyed) => self.recall_key(keyed),
            Fact::HandedOut(change) => self.recall_hand_out(&change),
            Fact::Retried(change) => {
                if let Some((_, delivery)) = self.of(&change) {
                    delivery.retries = change.retries;
                }
            }
            Fact::Ended(_) if old && self.has(Fault::AcksCompactedAway) => {}
            Fact::Ended(change) => self.recall_end(&change),
            Fact::Published(announced) => self.recall_event(*announced),
        }
    }

    /// DUR-3
    fn recall_party(&mut self, mut request: RegisterPartyRequest) {
        let known = self.party(&request.party_id).is_some();
        if self.has(Fault::ChannelsInMemory) {
            request.notification = None;
        }
        if known && self.has(Fault::FirstChannelComesBack) {
            return;
        }
        if self.has(Fault::RolesComeBackPersistent) {
            request.party_role = "persistent".to_owned();
        }
        // What was accepted then is accepted now.
        drop(self.register(request));
    }

    fn recall_message(&mut self, accepted: Accepted) {
        let Accepted { content, recipients } = accepted;
        let number = self.messages.len();
        drop(self.ids.next(&self.twist.clone()));
        let size = content.encoded_len();
        let session = self.session_mut(&content.session_id);
        session.accepted += 1;
        if content.created_at > session.created_at {
            session.created_at = content.created_at;
            session.created_bytes = 0;
        }
        session.created_bytes += size;
        let accepted = match self.has(Fault::TtlStartsAnew) {
            true => Instant::now(),
            false => self.clock.now(),
        };
        self.numbers.insert(content.message_id.clone(), number);
        let deliveries = Vec::new();
        self.messages.push(Message { content, accepted, connection: 0, deliveries });
        self.recall_recipients(number, recipients);
    }

    fn recall_recipients(&mut self, number: Number, mut recipients: Vec<String>) {
        if self.has(Fault::RestoresFiftyRecipients) {
            recipients.truncate(RECIPIENTS_PAGE);
        }
        let session_id = self.messages[number].content.session_id.clone();
        let broadcast = self.messages[number].content.is_broadcast;
        let lost = self.has(Fault::MailboxesInMemory)
            || (broadcast && self.has(Fault::BroadcastsNotIndexed));
        for party in recipients {
            let session = self.session_mut(&session_id);
            session.reached.insert(party.clone());
            if !lost {
                session.mailboxes.entry(party.clone()).or_default().insert(number);
            }
            self.messages[number].deliveries.push(Delivery::to(party));
        }
    }

    /// DUR-1: all of it comes back. Only faults leave out what is beyond a page.
    fn loses_pages(&mut self) {
        let (first, hundred) =
            (self.has(Fault::RestoresFirst1000), self.has(Fault::RestoresHundredSessions));
        for (place, session) in self.sessions.values_mut().enumerate() {
            for mailbox in session.mailboxes.values_mut() {
                if first && let Some(&beyond) = mailbox.iter().nth(MAILBOX_PAGE) {
                    mailbox.split_off(&beyond);
                }
            }
            if hundred && place >= SESSIONS_PAGE {
                session.mailboxes.clear();
            }
        }
    }

    fn recall_hand_out(&mut self, change: &Change) {
        if let Some((_, delivery)) = self.of(change)
            && delivery.phase == Phase::Pending
        {
            delivery.phase = Phase::Delivered;
            delivery.delivered_at = change.time;
        }
    }

    /// DUR-6: what has ended has ended.
    fn recall_end(&mut self, change: &Change) {
        let lost = !change.acknowledged
            && (self.has(Fault::FailedComesBack)
                || (change.timed_out && self.has(Fault::TimedOutComesBack)));
        let listed = self.has(Fault::AcknowledgedListedAgain);
        let now = self.now_ms_after_restart();
        let moved = self.has(Fault::AcknowledgedAtRestart);
        let Some((number, delivery)) = self.of(change) else { return };
        if lost {
            return;
        }
        delivery.phase = if change.acknowledged { Phase::Acknowledged } else { Phase::Failed };
        delivery.acknowledged_at = match change.time {
            0 => 0,
            _ if moved => now,
            time => time,
        };
        delivery.timed_out = change.timed_out;
        if !listed {
            self.take_out(number, &change.party);
        }
    }

    fn now_ms_after_restart(&mut self) -> i64 {
        let stands_at = self.clock.stands_at(None);
        let now = self.now_ms();
        self.clock.stands_at(stands_at);
        now
    }

    fn recall_event(&mut self, announced: Announced) {
        let Announced { given, filled, subscriber_count } = announced;
        if given.event_id.is_empty() {
            drop(self.ids.next(&self.twist.clone()));
        } else {
            let published = Published { event: given.clone(), subscriber_count };
            self.published.insert(given.event_id.clone(), published);
        }
        let mut told = given;
        if self.has(Fault::MembersInMemory)
            || (self.has(Fault::FirstMembersComeBack)
                && self.session(&told.session_id).is_some_and(|session| session.announced))
        {
            told.selected_parties.clear();
        }
        if self.has(Fault::EndedSessionsReopen) && super::membership::ends(&told.event_type) {
            return;
        }
        self.note_event(&told);
        self.keep_event(&filled);
    }

    /// DUR-5: no identifier is given twice.
    fn recall_ids(&mut self) {
        let given = self.ids.given();
        let outstanding = |it: &&Message| it.deliveries.iter().any(Delivery::is_open);
        let known = if self.has(Fault::IdsStartAnew) {
            0
        } else if self.has(Fault::IdsCountTheOutstanding) {
            self.messages.iter().filter(outstanding).count() as u64
        } else if self.has(Fault::IdBlockGivenAgain) {
            given / BLOCK * BLOCK
        } else {
            return;
        };
        self.ids.begin_after(known, self.settings.seed, &self.twist.clone());
    }

    fn of(&mut self, change: &Change) -> Option<(Number, &mut Delivery)> {
        let number = *self.numbers.get(&change.message_id)?;
        Some((number, self.messages[number].delivery_mut(&change.party)?))
    }
}

fn is_message(fact: &Fact) -> bool {
    matches!(fact, Fact::Accepted(_) | Fact::Addressed(_))
}
