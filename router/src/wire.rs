//! The wall between the wire and the core: the only module that names the types of both. Requests are
//! parsed here, once; what the core answers is put into the wire's words here, errors included.

mod copies;
mod named;
mod status;

use std::collections::BTreeSet;

use bytes::{BufMut, BytesMut};
pub(crate) use copies::EventCopies;
use mpc_router_core::{
    Acknowledge, Acknowledged, Announcement, Budget, Content, DeliveryStatus, EmptyId, EventId,
    EventKind, Filter, Header, IdempotencyKey, ListedParty, MessageId, MessageStatus, Millis,
    Notification, PartyId, Registered, Registration, Role, Route, Routed, SessionId, StatusError,
};
use mpc_router_proto::{Encoded, v1};
pub(crate) use named::Named;
use prost::Message as _;
use prost::encoding::encoded_len_varint;
use sha2::{Digest as _, Sha256};
pub(crate) use status::{Rejected, events_end, failing, full, stopping, stream_end};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

use crate::identity::Caller;
use crate::limits;

/// A message's content before the core has decided on its header. It has no `Debug`, which would
/// show the payload (SEC-7).
pub(crate) struct Draft(v1::MpcMessage);

impl Draft {
    /// The one encoding of a message, for all its recipients.
    pub(crate) fn encode(self, header: &Header) -> Content {
        let message = v1::MpcMessage {
            message_id: header.id.to_string(),
            is_broadcast: header.broadcast,
            created_at: header.created_at.0,
            ..self.0
        };
        Content::new(message.encode_to_vec().into())
    }

    /// How long the encoding is at most: the header is a boolean, a time and an identifier.
    fn size(&self) -> usize {
        const HEADER_BYTES: usize = 64;
        self.0.encoded_len() + HEADER_BYTES
    }
}

/// A message to route.
pub(crate) fn route(
    caller: &Caller,
    request: Request<v1::RouteMessageRequest>,
    id: MessageId,
    max_payload: usize,
) -> Result<(SessionId, Route, Draft), Status> {
    let key = request.metadata().get(IDEMPOTENCY_KEY).map(ToOwned::to_owned);
    let request = request.into_inner();
    let session = session(&request.session_id)?;
    let from = PartyId::parse(&request.from_party).map_err(|error| field("from_party", error))?;
    caller.is(&from).map_err(Rejected::status)?;
    let to = request.to_parties.iter().map(|party| PartyId::parse(party));
    let to = to.collect::<Result<_, _>>().map_err(|error| field("each of to_parties", error))?;
    // RTE-12.
    if request.round_number < 0 {
        return Err(Status::invalid_argument("round_number must not be negative"));
    }
    // RTE-9.
    if request.payload.len() > max_payload {
        return Err(Status::resource_exhausted(format!(
            "payload has {} bytes, and this router takes {max_payload} at most: split it, or ask \
             for a larger --max-payload",
            request.payload.len()
        )));
    }
    let names = request.session_id.len() + request.from_party.len() + request.message_type.len();
    not_over(limits::MESSAGE_NAMES_BYTES, "session_id, from_party and message_type", names)?;
    let key = key.map(|key| idempotency_key(&key, &request)).transpose()?;
    let draft = Draft(v1::MpcMessage {
        session_id: request.session_id,
        from_party: request.from_party,
        round_number: request.round_number,
        message_type: request.message_type,
        payload: request.payload,
        ..Default::default()
    });
    let size = draft.size();
    Ok((session, Route { id, from, to, size, key }, draft))
}

/// The metadata that makes it safe to try RouteMessage again (IDM).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A call's key, and what stands for all that the call asks for, the order of its recipients aside.
fn idempotency_key(
    key: &MetadataValue<Ascii>,
    request: &v1::RouteMessageRequest,
) -> Result<IdempotencyKey, Status> {
    let name = key.to_str().ok().filter(|key| !key.is_empty());
    let name = name.ok_or_else(|| {
        Status::invalid_argument(
            "idempotency-key must not be empty, and of visible ASCII characters",
        )
    })?;
    not_over(limits::IDEMPOTENCY_KEY_BYTES, IDEMPOTENCY_KEY, name.len())?;
    let recipients: BTreeSet<_> = request.to_parties.iter().collect();
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(request.message_type.as_bytes());
    add(&request.round_number.to_be_bytes());
    add(&request.payload);
    recipients.into_iter().for_each(|party| add(party.as_bytes()));
    Ok(IdempotencyKey { name: name.into(), fingerprint: hash.finalize().into() })
}

/// What became of it.
pub(crate) fn routed(routed: Routed) -> v1::RouteMessageResponse {
    v1::RouteMessageResponse { success: true, message_id: routed.id.to_string() }
}

/// What message streams are made of: encoded once, when the message was accepted.
pub(crate) type MessageItem = Encoded<v1::MpcMessage>;

/// What event streams are made of.
pub(crate) type EventItem = v1::SessionEvent;

/// Whose messages of which session are wanted; None means all of the party's sessions (SUB-9).
pub(crate) fn reader(
    caller: &Caller,
    session_id: &str,
    party_id: &str,
) -> Result<(Option<SessionId>, PartyId), Status> {
    not_over(limits::MESSAGE_NAMES_BYTES, "session_id", session_id.len())?;
    Ok((SessionId::parse(session_id).ok(), party(caller, party_id)?))
}

/// Whose messages of which session are asked for, and since when.
pub(crate) fn fetch(
    caller: &Caller,
    request: &v1::GetPendingMessagesRequest,
) -> Result<(Option<SessionId>, PartyId, Millis), Status> {
    let (session, party) = reader(caller, &request.session_id, &request.party_id)?;
    Ok((session, party, Millis(request.after_timestamp)))
}

/// How much a poll's answer may hold (PND-4).
pub(crate) fn answer_budget() -> Budget {
    Budget::framed(limits::POLL_ANSWER_BYTES, answer_entry_len)
}

/// A poll's answer, put together of messages that are encoded already.
pub(crate) fn pending(contents: &[Content]) -> Encoded<v1::GetPendingMessagesResponse> {
    let bytes = contents.iter().map(|content| answer_entry_len(content.len())).sum();
    let mut answer = BytesMut::with_capacity(bytes);
    for content in contents {
        answer.put_u8(ANSWER_ENTRY);
        prost::encoding::encode_varint(content.len() as u64, &mut answer);
        answer.put_slice(content.as_bytes());
    }
    Encoded::from_bytes(answer.freeze())
}

/// The key of `GetPendingMessagesResponse.messages`: field 1, length-delimited.
const ANSWER_ENTRY: u8 = 1 << 3 | 2;

fn answer_entry_len(content: usize) -> usize {
    size_of_val(&ANSWER_ENTRY) + encoded_len_varint(content as u64) + content
}

/// How full the frame is that tonic packs a stream's next items into: it closes one that has reached
/// 32 KiB, or that nothing more is ready for.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    bytes: usize,
}

impl Frame {
    /// What still belongs into the frame.
    pub(crate) fn room(&self) -> Budget {
        Budget::framed(limits::FRAME_BYTES - self.bytes, frame_entry_len)
    }

    /// Counts an item in.
    pub(crate) fn add(&mut self, content: &Content) {
        self.bytes += frame_entry_len(content.len());
        if self.bytes >= limits::FRAME_BYTES {
            self.close();
        }
    }

    /// Whether nothing is in it yet.
    pub(crate) fn is_new(&self) -> bool {
        self.bytes == 0
    }

    /// Begins the next frame.
    pub(crate) fn close(&mut self) {
        self.bytes = 0;
    }
}

/// gRPC puts a flag and a length of four bytes before each message.
fn frame_entry_len(content: usize) -> usize {
    5 + content
}

/// A recipient's answer.
pub(crate) fn acknowledge(
    caller: &Caller,
    request: &v1::AcknowledgeMessageRequest,
) -> Result<(SessionId, Acknowledge), Status> {
    // ACK-5 to ACK-7: an empty name is one that nobody and nothing has.
    let session = named("session_id", SessionId::parse(&request.session_id))?;
    let party = named("party_id", PartyId::parse(&request.party_id))?;
    caller.is(&party).map_err(Rejected::status)?;
    let message = MessageId::parse(&request.message_id).map_err(Rejected::status)?;
    Ok((session, Acknowledge { message, party, success: request.success }))
}

/// What became of it.
pub(crate) fn acknowledged(acknowledged: Acknowledged) -> v1::AcknowledgeMessageResponse {
    let Acknowledged { state, again } = acknowledged;
    let message = if again { format!("{state} before") } else { state.to_string() };
    v1::AcknowledgeMessageResponse { success: true, message }
}

/// Which message's status is wanted.
pub(crate) fn status_of(
    request: &v1::GetMessageStatusRequest,
) -> Result<(SessionId, MessageId), Status> {
    // STS-7.
    let session = named("session_id", SessionId::parse(&request.session_id))?;
    let message = MessageId::parse(&request.message_id).map_err(Rejected::status)?;
    Ok((session, message))
}

/// How far a message has come; names are repeated as they were asked for (STS-9).
///
/// # Errors
/// If the caller may not know of it: the same as if there were no such message.
pub(crate) fn status(
    caller: &Caller,
    request: v1::GetMessageStatusRequest,
    status: MessageStatus,
) -> Result<v1::GetMessageStatusResponse, Status> {
    if !caller.may_see(&status) {
        return Err(StatusError::UnknownMessage.status());
    }
    let all_acknowledged = status.all_acknowledged();
    let delivery = |delivery: DeliveryStatus| v1::MessageDeliveryStatus {
        party_id: delivery.party.to_string(),
        status: delivery.state.to_string(),
        delivered_at: delivery.delivered_at.0,
        acknowledged_at: delivery.acknowledged_at.0,
        retry_count: count(delivery.retry_count as usize),
    };
    Ok(v1::GetMessageStatusResponse {
        message_id: request.message_id,
        session_id: request.session_id,
        deliveries: status.deliveries.into_iter().map(delivery).collect(),
        all_acknowledged,
    })
}

/// A party that makes itself known.
pub(crate) fn registration(
    caller: &Caller,
    request: v1::RegisterPartyRequest,
) -> Result<Registration, Status> {
    let party = party(caller, &request.party_id)?;
    let role = Role::parse(&request.party_role).map_err(|error| field("party_role", error))?;
    let channel = request.notification.as_ref().map_or(0, prost::Message::encoded_len);
    not_over(
        limits::REGISTRATION_BYTES,
        "party_id and notification",
        request.party_id.len() + channel,
    )?;
    let notification = request.notification.map(|channel| Notification {
        email: channel.email,
        phone: channel.phone,
        push_token: channel.push_token,
    });
    Ok(Registration { party, role, notification })
}

/// What became of it.
pub(crate) fn registered(registered: Registered) -> v1::RegisterPartyResponse {
    let message = if registered.again { "registered before" } else { "registered" };
    v1::RegisterPartyResponse {
        success: true,
        message: message.into(),
        registered_at: registered.registered_at.0,
    }
}

/// Whose heart beats.
pub(crate) fn alive(caller: &Caller, request: &v1::HeartbeatRequest) -> Result<PartyId, Status> {
    // HB-2. HB-8: the party's own clock is not even read.
    let party = named("party_id", PartyId::parse(&request.party_id))?;
    caller.is(&party).map_err(Rejected::status)?;
    Ok(party)
}

/// The router's time, and how much waits for a party.
pub(crate) fn heartbeat(at: Millis, outstanding: usize) -> v1::HeartbeatResponse {
    v1::HeartbeatResponse {
        success: true,
        server_timestamp: at.0,
        pending_messages: count(outstanding),
    }
}

/// Which parties to list.
pub(crate) fn filter(request: &v1::GetRegisteredPartiesRequest) -> Result<Filter, Status> {
    let role = match &*request.role_filter {
        "" => None,
        // DIR-5.
        role => Some(Role::parse(role).map_err(|error| field("role_filter", error))?),
    };
    Ok(Filter { role, only_online: request.only_online })
}

/// One party of the list.
pub(crate) fn listed(caller: &Caller, party: ListedParty<'_>) -> v1::RegisteredParty {
    let notification = party.notification.filter(|_| caller.may_wake(party.party));
    v1::RegisteredParty {
        party_id: party.party.to_string(),
        role: party.role.to_string(),
        online: party.online,
        registered_at: party.registered_at.0,
        last_seen_at: party.last_seen_at.0,
        notification: notification.map(|channel| v1::NotificationChannel {
            email: channel.email.clone(),
            phone: channel.phone.clone(),
            push_token: channel.push_token.clone(),
        }),
    }
}

/// The list.
pub(crate) fn parties(parties: Vec<v1::RegisteredParty>) -> v1::GetRegisteredPartiesResponse {
    v1::GetRegisteredPartiesResponse { total_count: count(parties.len()), parties }
}

/// Who wants to hear of which events.
pub(crate) fn listener(
    caller: &Caller,
    request: &v1::SubscribeSessionEventsRequest,
) -> Result<(PartyId, Vec<EventKind>), Status> {
    // Kept as long as the stream is open.
    let bytes = request.event_types.iter().map(|kind| kind.len() + size_of::<EventKind>()).sum();
    not_over(limits::EVENT_NAMES_BYTES, "event_types", bytes)?;
    let kinds = request.event_types.iter().map(|kind| EventKind::parse(kind));
    let kinds = kinds.collect::<Result<_, _>>();
    Ok((
        party(caller, &request.party_id)?,
        kinds.map_err(|error| field("each of event_types", error))?,
    ))
}

/// An event to publish. What it leaves open is filled in (EVT-4).
pub(crate) fn announcement(
    caller: &Caller,
    request: v1::PublishSessionEventRequest,
    now: Millis,
    name: impl FnOnce() -> EventId,
) -> Result<(SessionId, Announcement), Status> {
    caller.coordinates().map_err(Rejected::status)?;
    let Some(mut event) = request.event else {
        return Err(Status::invalid_argument("event must not be absent"));
    };
    let session = session(&event.session_id)?;
    let kind = EventKind::parse(&event.event_type).map_err(|error| field("event_type", error))?;
    let names = event.session_id.len() + event.event_id.len() + event.event_type.len();
    not_over(limits::EVENT_NAMES_BYTES, "session_id, event_id and event_type", names)?;
    let members = event.selected_parties.iter().map(|party| PartyId::parse(party));
    let members = members.collect::<Result<Vec<_>, _>>();
    let members = members.map_err(|error| field("each of selected_parties", error))?;
    // EVT-8.
    if event.threshold_t < 0 || event.threshold_n < 0 {
        return Err(Status::invalid_argument("threshold_t and threshold_n must not be negative"));
    }
    if event.threshold_t > event.threshold_n {
        return Err(Status::invalid_argument("threshold_t must not be over threshold_n"));
    }
    if members.iter().collect::<BTreeSet<_>>().len() < members.len() {
        return Err(Status::invalid_argument("selected_parties must name no party twice"));
    }
    let id = EventId::parse(&event.event_id).unwrap_or_else(|_| name());
    event.event_id = id.to_string();
    if event.created_at == 0 {
        event.created_at = now.0;
    }
    let announcement = Announcement {
        event: id,
        kind,
        members: members.into(),
        expires_at: Millis(event.expires_at),
        content: Content::new(event.encode_to_vec().into()),
    };
    Ok((session, announcement))
}

/// How many parties an event reached.
pub(crate) fn published(reached: usize) -> v1::PublishSessionEventResponse {
    v1::PublishSessionEventResponse { success: true, subscriber_count: count(reached) }
}

/// A message as it is sent.
pub(crate) fn message(content: Content) -> MessageItem {
    Encoded::from_bytes(content.into_bytes())
}

/// An event as it is sent.
pub(crate) fn event(content: &Content) -> Result<EventItem, Status> {
    v1::SessionEvent::decode(content.as_bytes().clone())
        .map_err(|_| Status::internal("the router stored an event that it cannot read"))
}

fn session(session_id: &str) -> Result<SessionId, Status> {
    SessionId::parse(session_id).map_err(|error| field("session_id", error))
}

/// The party that a call names, which has to be the caller.
fn party(caller: &Caller, party_id: &str) -> Result<PartyId, Status> {
    let party = PartyId::parse(party_id).map_err(|error| field("party_id", error))?;
    caller.is(&party).map_err(Rejected::status)?;
    Ok(party)
}

/// What is named by somebody who asks for what exists.
fn named<T>(field: &str, parsed: Result<T, EmptyId>) -> Result<T, Status> {
    parsed.map_err(|error| Status::not_found(format!("{field} {error}")))
}

/// Demands that these fields together do not have more bytes than that.
fn not_over(limit: usize, fields: &str, bytes: usize) -> Result<(), Status> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Status::resource_exhausted(format!(
        "{fields} have {bytes} bytes, and may have {limit} at most"
    )))
}

fn field(name: &str, error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("{name} {error}"))
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
