//! RTE-15: requests with fields of a later version.

use std::marker::PhantomData;

use mpc_router_proto::Encoded;
use mpc_router_proto::v1::*;
use prost::Message;
use prost::encoding::{self, WireType, encode_key, encode_varint};
use tokio::time::Instant;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::answer::Answer;
use crate::brief::Brief;
use crate::families::arrivals::{in_order, kept, stream_of, up_to};
use crate::feed::{Carried, Feed};
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial, registration};

/// Where in a request the unknown fields stand.
#[derive(Clone, Copy, Debug)]
enum Place {
    Front,
    End,
    /// At the front, at the end, and between any two fields.
    Everywhere,
}

/// Further in the future than any clock is wrong. Milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

const PLACES: [Place; 3] = [Place::Front, Place::End, Place::Everywhere];

pub(super) async fn unknown_fields_are_as_good_as_absent(trial: Trial) -> Verdict {
    for place in PLACES {
        one_place(&trial, place).await?;
    }
    Ok(())
}

/// Every call once, each with a request that means something.
async fn one_place(trial: &Trial, place: Place) -> Verdict {
    let alice = trial.party(&format!("alice-{place:?}")).await?;
    let bob = trial.stranger(&format!("bob-{place:?}"));
    registers(trial, &bob, place).await?;
    let call: Call<_, HeartbeatResponse> = Call::new("Heartbeat");
    let request = HeartbeatRequest { party_id: bob.id.clone(), timestamp: trial.clock().now_ms() };
    let answer = call.make(&bob, &request, place).await;
    succeeded("Heartbeat", place, answer, |it| it.success)?;

    let session = Session { id: trial.name(&format!("s-{place:?}")) };
    let mut events = subscribes_to_events(trial, &alice, &bob, place).await?;
    publishes(trial, &alice, &bob, &session, place, &mut events).await?;

    let request =
        SubscribeMessagesRequest { session_id: session.id.clone(), party_id: bob.id.clone() };
    let mut messages: Feed<MpcMessage> =
        Call::new("SubscribeMessages").open(trial, &bob, &request, place);
    let to: [&[&Party]; 2] = [&[&bob], &[]];
    let keeping = trial.keeping_streamed();
    let mut sent = Vec::new();
    for to in to {
        sent.push(routes(&alice, &session, to, place).await?);
    }
    let came = up_to(&mut messages, &[&sent[1]]).await?;
    in_order(&stream_of(&bob), &came, &[&sent[0], &sent[1]])?;
    for (came, sent) in came.iter().zip(&sent) {
        let request = &sent.request;
        if (came.round_number, &came.message_type, &came.payload)
            != (request.round_number, &request.message_type, &request.payload)
        {
            let came = (came.round_number, &came.message_type, came.payload.len());
            let sent = (request.round_number, &request.message_type, request.payload.len());
            let words = |(round, kind, bytes): (i32, &String, usize)| {
                format!("round {round}, type {kind:?}, {bytes} bytes")
            };
            let other = if came == sent { ", but not the same" } else { "" };
            let seen = format!(
                "routed with unknown fields ({place:?}), it came with {}{other}",
                words(came)
            );
            return Err(Stop::broken(seen, format!("what was sent: {}", words(sent))));
        }
    }
    kept([&keeping], polls_and_acknowledges(trial, &bob, &session, &sent, place).await)
}

async fn registers(trial: &Trial, bob: &Party, place: Place) -> Verdict {
    let channel = NotificationChannel { email: "bob@example.org".into(), ..Default::default() };
    let plain = registration(&bob.id, "delegate");
    // The channel has unknown fields of its own.
    let mut bytes = stuffed(&plain, place);
    let nested = stuffed(&channel, place);
    encode_key(4, WireType::LengthDelimited, &mut bytes);
    encode_varint(nested.len() as u64, &mut bytes);
    bytes.extend(nested);
    let heard = trial.heard();
    let call: Call<RegisterPartyRequest, RegisterPartyResponse> = Call::new("RegisterParty");
    let answer = call.make_raw(bob, bytes, place).await;
    succeeded("RegisterParty", place, answer, |it| it.success)?;

    let call: Call<_, GetRegisteredPartiesResponse> = Call::new("GetRegisteredParties");
    let request = GetRegisteredPartiesRequest { role_filter: "delegate".into(), only_online: true };
    let parties = call.make(bob, &request, place).await.accepted()?.parties;
    let entry = parties.iter().find(|it| it.party_id == bob.id);
    let right =
        entry.is_some_and(|it| it.role == "delegate" && it.notification.as_ref() == Some(&channel));
    if !right || parties.iter().any(|it| it.role != "delegate") {
        heard.lasts()?;
        let seen = format!(
            "registered and asked for with unknown fields ({place:?}), {} is listed as {entry:?}, \
             and {} parties of other roles beside it",
            bob.id,
            parties.iter().filter(|it| it.role != "delegate").count()
        );
        return Err(Stop::broken(seen, "its role and channel, and delegates only"));
    }
    Ok(())
}

async fn subscribes_to_events(
    trial: &Trial,
    alice: &Party,
    bob: &Party,
    place: Place,
) -> Result<Feed<SessionEvent>, Stop> {
    let request = SubscribeSessionEventsRequest {
        party_id: bob.id.clone(),
        event_types: vec!["session_created".into()],
    };
    let mut events: Feed<SessionEvent> =
        Call::new("SubscribeSessionEvents").open(trial, bob, &request, place);
    // The stream is known to the target once something comes on it.
    let probe = trial.name(&format!("probe-{place:?}"));
    let wait = trial.pace().wait();
    loop {
        trial.session_named(probe.clone(), &[alice, bob]).await?;
        let soon = Instant::now() + std::time::Duration::from_millis(50);
        while let Some(item) = events.item_until(soon).await {
            if item.content.session_id == probe {
                return Ok(events);
            }
        }
        if events.ending().is_some() || Instant::now() > wait.deadline() {
            let seen = match events.ending() {
                Some(ending) => ending.words(),
                None => "brought no event of those published".into(),
            };
            let seen = format!("an event subscription with unknown fields ({place:?}) {seen}");
            return Err(trial.missed(&wait, seen, "the events of its sessions").await);
        }
    }
}

async fn publishes(
    trial: &Trial,
    alice: &Party,
    bob: &Party,
    session: &Session,
    place: Place,
    events: &mut Feed<SessionEvent>,
) -> Verdict {
    let event = SessionEvent {
        event_type: "session_created".into(),
        session_id: session.id.clone(),
        threshold_n: 2,
        threshold_t: 1,
        selected_parties: vec![alice.id.clone(), bob.id.clone()],
        ..Default::default()
    };
    let filtered_out = SessionEvent { event_type: "session_started".into(), ..event.clone() };
    for event in [filtered_out, event] {
        // The event has unknown fields of its own.
        let nested = stuffed(&event, place);
        let mut bytes = Vec::new();
        if !matches!(place, Place::End) {
            unknown(&mut bytes);
        }
        encode_key(1, WireType::LengthDelimited, &mut bytes);
        encode_varint(nested.len() as u64, &mut bytes);
        bytes.extend(nested);
        if !matches!(place, Place::Front) {
            unknown(&mut bytes);
        }
        let call: Call<PublishSessionEventRequest, PublishSessionEventResponse> =
            Call::new("PublishSessionEvent");
        let answer = call.make_raw(&trial.coordinator(), bytes, place).await;
        succeeded("PublishSessionEvent", place, answer, |it| it.success)?;
    }
    loop {
        let came = events.next(&format!("the event of {}", session.id)).await?;
        if came.session_id != session.id {
            continue;
        }
        if came.event_type == "session_created" && came.threshold_n == 2 {
            return Ok(());
        }
        let seen = format!("with unknown fields ({place:?}), {came:?} came");
        return Err(Stop::broken(seen, "the event as published, of the type subscribed to"));
    }
}

async fn routes(
    alice: &Party,
    session: &Session,
    to: &[&Party],
    place: Place,
) -> Result<Sent, Stop> {
    let request = RouteMessageRequest {
        round_number: 7,
        ..alice.outgoing(session, to, format!("unknown fields: {place:?}"))
    };
    let call: Call<_, RouteMessageResponse> = Call::new("RouteMessage");
    let answer = call.make(alice, &request, place).await;
    let id = succeeded("RouteMessage", place, answer, |it| it.success)?.message_id;
    Ok(Sent { id, request })
}

async fn polls_and_acknowledges(
    trial: &Trial,
    bob: &Party,
    session: &Session,
    sent: &[Sent],
    place: Place,
) -> Verdict {
    let call: Call<_, GetPendingMessagesResponse> = Call::new("GetPendingMessages");
    let request = GetPendingMessagesRequest {
        session_id: session.id.clone(),
        party_id: bob.id.clone(),
        // Later than every message: whoever drops the field lists them.
        after_timestamp: trial.clock().now_ms() + DAY_MS,
    };
    let polled = call.make(bob, &request, place).await.accepted()?.messages;
    if let Some(message) = polled.first() {
        let seen = format!("a poll with unknown fields ({place:?}) lists {}", message.brief());
        return Err(Stop::broken(seen, "nothing: after_timestamp is a day in the future"));
    }
    for (sent, success) in sent.iter().zip([true, false]) {
        let call: Call<_, AcknowledgeMessageResponse> = Call::new("AcknowledgeMessage");
        let answer = call.make(bob, &sent.acknowledgement(bob, success), place).await;
        succeeded("AcknowledgeMessage", place, answer, |it| it.success)?;
        let call: Call<_, GetMessageStatusResponse> = Call::new("GetMessageStatus");
        let request =
            GetMessageStatusRequest { message_id: sent.id.clone(), session_id: session.id.clone() };
        let status = call.make(bob, &request, place).await.accepted()?;
        let entry = status.deliveries.iter().find(|it| it.party_id == bob.id);
        let expected = if success { "acknowledged" } else { "failed" };
        if status.message_id != sent.id || entry.is_none_or(|it| it.status != expected) {
            let seen = format!(
                "acknowledged and asked for with unknown fields ({place:?}), the status of {} is \
                 {}",
                sent.id,
                status.brief()
            );
            return Err(Stop::broken(seen, expected));
        }
    }
    Ok(())
}

/// The answer of a call that must be accepted in spite of its unknown fields.
fn succeeded<T>(
    method: &str,
    place: Place,
    answer: Answer<T>,
    success: impl Fn(&T) -> bool,
) -> Result<T, Stop> {
    let answer = answer.accepted()?;
    if success(&answer) {
        return Ok(answer);
    }
    let seen = format!("{method} with unknown fields ({place:?}) has success = false");
    Err(Stop::broken(seen, "what it would be without them"))
}

/// A call of the service by its name, with a request that is encoded by hand.
struct Call<Q, A> {
    method: &'static str,
    types: PhantomData<fn(Q) -> A>,
}

impl<Q, A> Call<Q, A>
where
    Q: Message + Send + 'static,
    A: Message + Default + Send + 'static,
{
    fn new(method: &'static str) -> Self {
        Self { method, types: PhantomData }
    }

    fn path(&self) -> PathAndQuery {
        let path = format!("/mpc.router.v1.MessageRouter/{}", self.method);
        path.parse().expect("a method's name is a path")
    }

    async fn make(&self, party: &Party, request: &Q, place: Place) -> Answer<A>
    where
        A: Brief,
    {
        self.make_raw(party, stuffed(request, place), place).await
    }

    async fn make_raw(&self, party: &Party, bytes: Vec<u8>, place: Place) -> Answer<A>
    where
        A: Brief,
    {
        let channel = party.channel();
        let path = self.path();
        let call = async move {
            let mut client = tonic::client::Grpc::new(channel);
            ready(&mut client).await?;
            let request = Request::new(Encoded::<Q>::from_bytes(bytes.into()));
            client.unary(request, path, ProstCodec::<Encoded<Q>, A>::default()).await
        };
        party.call(format!("{} with unknown fields ({place:?})", self.method), call).await
    }

    fn open(&self, trial: &Trial, party: &Party, request: &Q, place: Place) -> Feed<A>
    where
        A: Carried,
    {
        let (channel, path) = (party.channel(), self.path());
        let request = Encoded::<Q>::from_bytes(stuffed(request, place).into());
        let opening = async move {
            let mut client = tonic::client::Grpc::new(channel);
            ready(&mut client).await?;
            let codec = ProstCodec::<Encoded<Q>, A>::default();
            let opened: Result<Response<Streaming<A>>, Status> =
                client.server_streaming(Request::new(request), path, codec).await;
            opened
        };
        let call = format!("{} with unknown fields ({place:?})", self.method);
        Feed::open(trial.clone(), party.id.clone(), call, opening)
    }
}

async fn ready(client: &mut tonic::client::Grpc<tonic::transport::Channel>) -> Result<(), Status> {
    client.ready().await.map_err(|error| Status::from_error(error.into()))
}

/// The encoding of `message`, with unknown fields.
fn stuffed(message: &impl Message, place: Place) -> Vec<u8> {
    let known = message.encode_to_vec();
    let mut bytes = Vec::new();
    if !matches!(place, Place::End) {
        unknown(&mut bytes);
    }
    let mut rest = known.as_slice();
    while !rest.is_empty() {
        let before = rest;
        let (tag, wire_type) = encoding::decode_key(&mut rest).expect("it was just encoded");
        encoding::skip_field(wire_type, tag, &mut rest, encoding::DecodeContext::default())
            .expect("it was just encoded");
        bytes.extend_from_slice(&before[..before.len() - rest.len()]);
        if matches!(place, Place::Everywhere) {
            unknown(&mut bytes);
        }
    }
    if !matches!(place, Place::Front) {
        unknown(&mut bytes);
    }
    bytes
}

/// Fields of every kind that a later version may add, one of them twice and one with the highest
/// number there is.
fn unknown(bytes: &mut Vec<u8>) {
    encoding::uint64::encode(100, &u64::MAX, bytes);
    encoding::fixed64::encode(101, &0x0102_0304_0506_0708, bytes);
    encoding::string::encode(102, &"later".into(), bytes);
    encoding::fixed32::encode(103, &7, bytes);
    encoding::string::encode(102, &String::new(), bytes);
    encoding::bool::encode((1 << 29) - 1, &true, bytes);
}
