//! Every fault shows: a story of its family comes out otherwise than with the right specimen.
//!
//! That is less than what a check does, and asks less: it proves that what is planted takes effect
//! and can be seen from outside. The stories are also what shows that a run is the same every time.

mod acknowledging;
mod events;
mod identity;
mod listing;
mod load;
mod ordering;
mod parties;
mod restarts;
mod retries;
mod routing;
mod sessions;
mod streams;
mod volume;
mod waking;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use mpc_router_proto::v1::{GetMessageStatusResponse, MpcMessage, SessionEvent};
use tokio::time::timeout;
use tonic::Streaming;

use super::world::{BEGIN, QUIET, Rejected, Then, drain_for};
use crate::specimen::{Fault, Twist};

/// What was seen, line by line, with identifiers and times made comparable.
#[derive(Default)]
struct Story {
    lines: Vec<String>,
    ids: BTreeMap<String, usize>,
}

impl Story {
    fn tell(&mut self, what: &str, seen: impl Debug) {
        self.lines.push(format!("{what}: {seen:?}"));
    }

    /// The identifiers, numbered in the order seen.
    fn id(&mut self, id: &str) -> String {
        if id.is_empty() {
            return "no id".to_owned();
        }
        let next = self.ids.len() + 1;
        format!("#{}", self.ids.entry(id.to_owned()).or_insert(next))
    }

    fn routed(&mut self, what: &str, answer: &Result<String, Rejected>) -> String {
        match answer {
            Ok(id) => {
                let number = self.id(id);
                self.tell(what, number);
                id.clone()
            }
            Err(rejected) => {
                self.tell(what, rejected);
                String::new()
            }
        }
    }

    fn messages(&mut self, what: &str, messages: &[MpcMessage]) {
        for message in messages {
            let id = self.id(&message.message_id);
            self.lines.push(format!(
                "{what}: {id} {} {} broadcast {} round {} {:?} {} bytes {:?} at {}",
                message.session_id,
                message.from_party,
                message.is_broadcast,
                message.round_number,
                message.message_type,
                message.payload.len(),
                &message.payload[..message.payload.len().min(30)],
                at(message.created_at),
            ));
        }
        self.tell(what, messages.len());
    }

    fn polled(&mut self, what: &str, answer: &Result<Vec<MpcMessage>, Rejected>) {
        match answer {
            Ok(messages) => self.messages(what, messages),
            Err(rejected) => self.tell(what, rejected),
        }
    }

    async fn stream(&mut self, what: &str, stream: &mut Streaming<MpcMessage>) -> Vec<MpcMessage> {
        let (messages, then) = drain_for(stream, QUIET).await;
        self.messages(what, &messages);
        if then != Then::Open {
            self.tell(what, then);
        }
        messages
    }

    async fn events(&mut self, what: &str, stream: &mut Streaming<SessionEvent>) {
        let (events, then) = drain_for(stream, QUIET).await;
        for event in events {
            let given = ["given", "x"].contains(&event.event_id.as_str());
            let id = if given { event.event_id.clone() } else { self.id(&event.event_id) };
            let mut tokens: Vec<_> = event.join_tokens.iter().collect();
            tokens.sort();
            let line = format!(
                "{what}: {id} {:?} {:?} {}/{} {:?} {tokens:?} {:?} at {} until {}",
                event.event_type,
                event.session_id,
                event.threshold_t,
                event.threshold_n,
                event.selected_parties,
                event.message_hash,
                at(event.created_at),
                event.expires_at,
            );
            self.lines.push(line);
        }
        self.tell(what, then);
    }

    fn status(&mut self, what: &str, answer: &Result<GetMessageStatusResponse, Rejected>) {
        let status = match answer {
            Ok(status) => status,
            Err(rejected) => return self.tell(what, rejected),
        };
        let id = self.id(&status.message_id);
        self.lines
            .push(format!("{what}: {id} {:?} all {}", status.session_id, status.all_acknowledged));
        for entry in &status.deliveries {
            self.lines.push(format!(
                "{what}: {} {} delivered {} acknowledged {} retries {}",
                entry.party_id,
                entry.status,
                at(entry.delivered_at),
                at(entry.acknowledged_at),
                entry.retry_count,
            ));
        }
    }
}

/// A time since the world began, where it is one.
fn at(unix_ms: i64) -> String {
    if unix_ms == 0 { "never".to_owned() } else { format!("{:+}", unix_ms - BEGIN) }
}

type Telling = Pin<Box<dyn Future<Output = Story>>>;

/// The faults that show only after many messages, or with many parties.
const VOLUME: [Fault; 13] = [
    Fault::FanOutToFirst64Streams,
    Fault::DirectoryPageOf50,
    Fault::PendingCappedAt100,
    Fault::OfflineMailboxOf100,
    Fault::DropsAfterThe50th,
    Fault::MulticastBeyond50Lost,
    Fault::ReplayOf50,
    Fault::WindowOf100,
    Fault::PollPageOf100,
    Fault::HundredthAckLost,
    Fault::StatusBeyond50Cut,
    Fault::UnregisteredMailboxOf100,
    Fault::WildcardOfFewSessions,
];

/// The faults that show only after a thousand acknowledgements or sessions.
const THOUSANDS: [Fault; 2] = [Fault::EndedRowsTrimmedTo1000, Fault::SessionsInACache];

/// The faults that show only when much has been published and nobody has read it.
const UNREAD: [Fault; 3] =
    [Fault::EventRingOf256, Fault::EventStreamDriesUpAfter500, Fault::PublishWaitsForReader];

/// The faults that show only when a stream has run for long.
const ENDURANCE: [Fault; 5] = [
    Fault::SwapsOnceIn100,
    Fault::DoublesOnceIn100,
    Fault::ReplayPagesSwapped,
    Fault::StreamDriesUpAfter500,
    Fault::KeysTrimmedTo1000,
];

/// The faults of restarts that show only after many messages, or with many sessions or recipients.
const BULK: [Fault; 4] = [
    Fault::RestoresFirst1000,
    Fault::NewestSegmentOnly,
    Fault::RestoresFiftyRecipients,
    Fault::RestoresHundredSessions,
];

/// The faults of keys that show only after a restart.
const KEYS_OF_BEFORE: [Fault; 2] = [Fault::KeysInMemory, Fault::KillLosesLatestKey];

/// In whose story a fault shows: its family's, or one of its own.
fn chapter(fault: Fault) -> &'static str {
    if ENDURANCE.contains(&fault) {
        return "endurance";
    }
    if VOLUME.contains(&fault) {
        "volume"
    } else if THOUSANDS.contains(&fault) {
        "thousands"
    } else if UNREAD.contains(&fault) {
        "unread"
    } else if BULK.contains(&fault) {
        "bulk"
    } else if KEYS_OF_BEFORE.contains(&fault) {
        "DUR"
    } else {
        fault.kills().split('-').next().unwrap_or_default()
    }
}

fn story_of(chapter: &str, twist: Twist) -> Telling {
    match chapter {
        "REG" => Box::pin(parties::registration(twist)),
        "DIR" => Box::pin(parties::directory(twist)),
        "HB" => Box::pin(parties::heartbeats(twist)),
        "RTE" => Box::pin(routing::routing(twist)),
        "ORD" => Box::pin(ordering::ordering(twist)),
        "SUB" => Box::pin(streams::subscriptions(twist)),
        "RED" => Box::pin(streams::redelivery(twist)),
        "EXP" => Box::pin(streams::expiry(twist)),
        "PND" => Box::pin(listing::polling(twist)),
        "STS" => Box::pin(listing::status(twist)),
        "ACK" => Box::pin(acknowledging::acknowledging(twist)),
        "EVT" => Box::pin(events::events(twist)),
        "SES" => Box::pin(sessions::sessions(twist)),
        "IDM" => Box::pin(retries::retries(twist)),
        "OFF" => Box::pin(waking::waking(twist)),
        "FLW" => Box::pin(load::load(twist)),
        "DUR" => Box::pin(restarts::restarts(twist)),
        "SEC" => Box::pin(identity::identity(twist)),
        "bulk" => Box::pin(restarts::in_bulk(twist)),
        "volume" => Box::pin(volume::volume(twist)),
        "endurance" => Box::pin(volume::endurance(twist)),
        "thousands" => Box::pin(volume::thousands(twist)),
        "unread" => Box::pin(events::unread(twist)),
        _ => panic!("no story of {chapter}"),
    }
}

/// Tells a story. It must come to its end: a fault that hangs is worth nothing.
async fn tell(chapter: &str, twist: Twist) -> Vec<String> {
    let story = timeout(Duration::from_secs(600), story_of(chapter, twist.clone())).await;
    story.unwrap_or_else(|_| panic!("{chapter} hangs with {twist:?}")).lines
}

/// Tells a story twice without and once with each of its faults.
async fn every_fault_shows(of: &str) {
    let right = tell(of, Twist::none()).await;
    assert_eq!(right, tell(of, Twist::none()).await, "not the same every time");
    let mut hidden = Vec::new();
    for fault in Fault::ALL {
        if chapter(*fault) == of && tell(of, Twist::from(*fault)).await == right {
            hidden.push(fault.name());
        }
    }
    assert!(hidden.is_empty(), "not seen in\n{}\n{hidden:?}", right.join("\n"));
}

macro_rules! chapters {
    ($($test:ident $chapter:literal)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $test() {
            every_fault_shows($chapter).await;
        })*

        #[test]
        fn no_fault_is_left_out() {
            let told = [$($chapter),*];
            for fault in Fault::ALL {
                assert!(told.contains(&chapter(*fault)), "{fault}");
            }
        }
    };
}

chapters! {
    faults_of_registration_show "REG"
    faults_of_the_directory_show "DIR"
    faults_of_heartbeats_show "HB"
    faults_of_routing_show "RTE"
    faults_of_ordering_show "ORD"
    faults_of_subscriptions_show "SUB"
    faults_of_redelivery_show "RED"
    faults_of_expiry_show "EXP"
    faults_of_polling_show "PND"
    faults_of_acknowledging_show "ACK"
    faults_of_status_show "STS"
    faults_of_events_show "EVT"
    faults_of_sessions_show "SES"
    faults_of_retries_show "IDM"
    faults_of_waking_show "OFF"
    faults_of_load_show "FLW"
    faults_of_restarts_show "DUR"
    faults_of_identity_show "SEC"
    faults_of_volume_show "volume"
    faults_of_bulk_show "bulk"
    faults_of_endurance_show "endurance"
    faults_of_thousands_show "thousands"
    faults_of_the_unread_show "unread"
}
