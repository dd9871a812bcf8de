//! How records are written down. Fields may be added; numbers are never used again.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mpc_router_core::{
    Announcement, Channel, Content, DirectoryRecord, EventId, EventKind, IdempotencyKey, MessageId,
    Millis, Notification, PartyId, Record, Registration, Role, SessionId,
};
use prost::{Message, Oneof};

/// A row is not what was written, or of a version that this one does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not what a router wrote")]
pub(super) struct Malformed;

#[derive(Clone, PartialEq, Message)]
struct Row {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Routed(RoutedRow),
    #[prost(message, tag = "2")]
    Delivered(DeliveredRow),
    #[prost(message, tag = "3")]
    GivenUp(GivenUpRow),
    #[prost(message, tag = "4")]
    Acknowledged(AcknowledgedRow),
    #[prost(message, tag = "5")]
    Announced(AnnouncedRow),
}

#[derive(Clone, PartialEq, Message)]
struct RoutedRow {
    #[prost(bytes = "bytes", tag = "1")]
    message: Bytes,
    #[prost(string, tag = "2")]
    from: String,
    #[prost(string, repeated, tag = "3")]
    recipients: Vec<String>,
    #[prost(bool, tag = "4")]
    broadcast: bool,
    #[prost(sint64, tag = "5")]
    created_at: i64,
    #[prost(message, optional, tag = "6")]
    key: Option<KeyRow>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyRow {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "2")]
    fingerprint: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct DeliveredRow {
    #[prost(string, tag = "1")]
    recipient: String,
    /// The names, one after the other.
    #[prost(bytes = "bytes", tag = "2")]
    messages: Bytes,
    #[prost(message, repeated, tag = "3")]
    again: Vec<AgainRow>,
    #[prost(sint64, tag = "4")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct AgainRow {
    #[prost(bytes = "bytes", tag = "1")]
    message: Bytes,
    #[prost(uint32, tag = "2")]
    times: u32,
}

#[derive(Clone, PartialEq, Message)]
struct GivenUpRow {
    #[prost(message, repeated, tag = "1")]
    deliveries: Vec<DeliveryRow>,
    #[prost(sint64, tag = "2")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct DeliveryRow {
    #[prost(bytes = "bytes", tag = "1")]
    message: Bytes,
    #[prost(string, tag = "2")]
    party: String,
}

#[derive(Clone, PartialEq, Message)]
struct AcknowledgedRow {
    #[prost(bytes = "bytes", tag = "1")]
    message: Bytes,
    #[prost(string, tag = "2")]
    party: String,
    #[prost(bool, tag = "3")]
    success: bool,
    #[prost(sint64, tag = "4")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct AnnouncedRow {
    #[prost(string, tag = "1")]
    event: String,
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(string, repeated, tag = "3")]
    members: Vec<String>,
    #[prost(sint64, tag = "4")]
    expires_at: i64,
    #[prost(bytes = "bytes", tag = "5")]
    content: Bytes,
    #[prost(sint64, tag = "6")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct PartyRow {
    #[prost(string, tag = "1")]
    party: String,
    #[prost(string, tag = "2")]
    role: String,
    #[prost(message, optional, tag = "3")]
    notification: Option<NotificationRow>,
    #[prost(sint64, tag = "4")]
    registered_at: i64,
    #[prost(sint64, tag = "5")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct NotificationRow {
    #[prost(string, tag = "1")]
    email: String,
    #[prost(string, tag = "2")]
    phone: String,
    #[prost(string, tag = "3")]
    push_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct NoticeRow {
    #[prost(sint64, tag = "1")]
    raised_at: i64,
    /// The channels, in the contract's words.
    #[prost(string, repeated, tag = "2")]
    left: Vec<String>,
}

/// A session's record as it is written, without the content of a message, which stands by itself so
/// that it can go before the record does.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let kind = match record {
        Record::Routed { message, from, recipients, broadcast, created_at, content: _, key } => {
            Kind::Routed(RoutedRow {
                message: id(*message),
                from: from.to_string(),
                recipients: recipients.iter().map(ToString::to_string).collect(),
                broadcast: *broadcast,
                created_at: created_at.0,
                key: key.as_ref().map(|key| KeyRow {
                    name: key.name.to_string(),
                    fingerprint: Bytes::copy_from_slice(&key.fingerprint),
                }),
            })
        }
        Record::Delivered { recipient, messages, again, at } => Kind::Delivered(DeliveredRow {
            recipient: recipient.to_string(),
            messages: messages.iter().flat_map(|message| message.0.to_be_bytes()).collect(),
            again: again
                .iter()
                .map(|(message, times)| AgainRow { message: id(*message), times: *times })
                .collect(),
            at: at.0,
        }),
        Record::GivenUp { deliveries, at } => Kind::GivenUp(GivenUpRow {
            deliveries: deliveries
                .iter()
                .map(|(message, party)| DeliveryRow {
                    message: id(*message),
                    party: party.to_string(),
                })
                .collect(),
            at: at.0,
        }),
        Record::Acknowledged { message, party, success, at } => {
            Kind::Acknowledged(AcknowledgedRow {
                message: id(*message),
                party: party.to_string(),
                success: *success,
                at: at.0,
            })
        }
        Record::Announced { announcement, at } => Kind::Announced(AnnouncedRow {
            event: announcement.event.to_string(),
            kind: announcement.kind.to_string(),
            members: announcement.members.iter().map(ToString::to_string).collect(),
            expires_at: announcement.expires_at.0,
            content: announcement.content.as_bytes().clone(),
            at: at.0,
        }),
    };
    Row { kind: Some(kind) }.encode_to_vec()
}

/// Reads what [`encode`] wrote. `content` is a message's, empty if it is gone already.
pub(super) fn decode(row: &[u8], content: Content) -> Result<Record, Malformed> {
    let row = Row::decode(row).map_err(|_| Malformed)?;
    Ok(match row.kind.ok_or(Malformed)? {
        Kind::Routed(row) => Record::Routed {
            message: message(&row.message)?,
            from: party(&row.from)?,
            recipients: parties(&row.recipients)?,
            broadcast: row.broadcast,
            created_at: Millis(row.created_at),
            content,
            key: row.key.map(key).transpose()?,
        },
        Kind::Delivered(row) => {
            let (messages, []) = row.messages.as_chunks() else { return Err(Malformed) };
            let again = row.again.iter().map(|again| Ok((message(&again.message)?, again.times)));
            Record::Delivered {
                recipient: party(&row.recipient)?,
                messages: messages.iter().map(|id| MessageId(u128::from_be_bytes(*id))).collect(),
                again: again.collect::<Result<_, _>>()?,
                at: Millis(row.at),
            }
        }
        Kind::GivenUp(row) => {
            let deliveries =
                row.deliveries.iter().map(|it| Ok((message(&it.message)?, party(&it.party)?)));
            Record::GivenUp {
                deliveries: deliveries.collect::<Result<_, _>>()?,
                at: Millis(row.at),
            }
        }
        Kind::Acknowledged(row) => Record::Acknowledged {
            message: message(&row.message)?,
            party: party(&row.party)?,
            success: row.success,
            at: Millis(row.at),
        },
        Kind::Announced(row) => {
            let announcement = Announcement {
                event: EventId::parse(&row.event).map_err(|_| Malformed)?,
                kind: EventKind::parse(&row.kind).map_err(|_| Malformed)?,
                members: parties(&row.members)?,
                expires_at: Millis(row.expires_at),
                content: Content::new(row.content),
            };
            Record::Announced { announcement: Arc::new(announcement), at: Millis(row.at) }
        }
    })
}

/// A party as it is written.
pub(super) fn encode_party(
    registration: &Registration,
    registered_at: Millis,
    at: Millis,
) -> Vec<u8> {
    let Registration { party, role, notification } = registration;
    let row = PartyRow {
        party: party.to_string(),
        role: role.to_string(),
        notification: notification.as_ref().map(|channel| NotificationRow {
            email: channel.email.clone(),
            phone: channel.phone.clone(),
            push_token: channel.push_token.clone(),
        }),
        registered_at: registered_at.0,
        at: at.0,
    };
    row.encode_to_vec()
}

/// Reads what [`encode_party`] wrote.
pub(super) fn decode_party(row: &[u8]) -> Result<DirectoryRecord, Malformed> {
    let row = PartyRow::decode(row).map_err(|_| Malformed)?;
    let registration = Registration {
        party: party(&row.party)?,
        role: Role::parse(&row.role).map_err(|_| Malformed)?,
        notification: row.notification.map(|channel| Notification {
            email: channel.email,
            phone: channel.phone,
            push_token: channel.push_token,
        }),
    };
    let (registered_at, at) = (Millis(row.registered_at), Millis(row.at));
    Ok(DirectoryRecord::Registered { registration, registered_at, at })
}

/// What a party is told, as it is written.
pub(super) fn encode_notice(raised_at: Millis, left: &BTreeSet<Channel>) -> Vec<u8> {
    let left = left.iter().map(ToString::to_string).collect();
    NoticeRow { raised_at: raised_at.0, left }.encode_to_vec()
}

/// Reads what [`encode_notice`] wrote.
pub(super) fn decode_notice(
    party_id: &str,
    session_id: &str,
    row: &[u8],
) -> Result<DirectoryRecord, Malformed> {
    let NoticeRow { raised_at, left } = NoticeRow::decode(row).map_err(|_| Malformed)?;
    let channel = |word: &String| {
        let mut channels = Channel::ALL.into_iter();
        channels.find(|channel| channel.as_str() == word).ok_or(Malformed)
    };
    Ok(DirectoryRecord::Notice {
        party: party(party_id)?,
        session: SessionId::parse(session_id).map_err(|_| Malformed)?,
        raised_at: Millis(raised_at),
        left: left.iter().map(channel).collect::<Result<_, _>>()?,
    })
}

fn id(message: MessageId) -> Bytes {
    Bytes::copy_from_slice(&message.0.to_be_bytes())
}

fn message(id: &[u8]) -> Result<MessageId, Malformed> {
    let id = id.try_into().map_err(|_| Malformed)?;
    Ok(MessageId(u128::from_be_bytes(id)))
}

fn party(name: &str) -> Result<PartyId, Malformed> {
    PartyId::parse(name).map_err(|_| Malformed)
}

fn parties(names: &[String]) -> Result<Arc<[PartyId]>, Malformed> {
    names.iter().map(|name| party(name)).collect()
}

fn key(row: KeyRow) -> Result<IdempotencyKey, Malformed> {
    let fingerprint = (*row.fingerprint).try_into().map_err(|_| Malformed)?;
    Ok(IdempotencyKey { name: row.name.into(), fingerprint })
}
