//! The calls of programs: how each is asked, and how its answer is written down.

pub(super) mod wrong;

use mpc_router_proto::v1::*;

use super::history::{Answer, Asked, Got, Notice, Party, Session, Unit};
use super::program::{Act, Event, role_name};
use super::record::{self, Place, Recorder};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// This party.
    Party(u8),
    /// Whoever leads the sessions, who is no party.
    Coordinator,
}

/// A call that is not made yet.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) by: By,
    pub(super) asked: Asked,
    pub(super) request: Request,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Register(RegisterPartyRequest),
    Heartbeat(HeartbeatRequest),
    List(GetRegisteredPartiesRequest),
    Publish(PublishSessionEventRequest),
    /// With its `idempotency-key`, if it has one.
    Route(RouteMessageRequest, Option<String>),
    Poll(GetPendingMessagesRequest),
    Acknowledge(AcknowledgeMessageRequest),
    Status(GetMessageStatusRequest),
    /// To see whether it is refused.
    Subscribe(SubscribeMessagesRequest),
    /// To see whether it is refused.
    Listen(SubscribeSessionEventsRequest),
}

/// What comes back.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Register(RegisterPartyResponse),
    Heartbeat(HeartbeatResponse),
    List(GetRegisteredPartiesResponse),
    Publish(PublishSessionEventResponse),
    Route(RouteMessageResponse),
    Poll(GetPendingMessagesResponse),
    Acknowledge(AcknowledgeMessageResponse),
    Status(GetMessageStatusResponse),
    /// A subscription was not refused.
    Open,
}

/// To register a party.
pub(super) fn register(recorder: &Recorder, party: u8, channel: u8) -> Call {
    let party_id = recorder.names().party(party);
    let request = RegisterPartyRequest {
        party_role: role_name(party % 3).into(),
        version: "1".into(),
        notification: record::channel(&party_id, channel),
        party_id,
    };
    Call {
        by: By::Party(party),
        asked: Asked::Register(Party(u32::from(party)), channel),
        request: Request::Register(request),
    }
}

/// A party's sign of life, its clock showing this. Unix milliseconds.
pub(super) fn heartbeat(recorder: &Recorder, party: u8, timestamp: i64) -> Call {
    let party_id = recorder.names().party(party);
    Call {
        by: By::Party(party),
        asked: Asked::Heartbeat(Party(u32::from(party))),
        request: Request::Heartbeat(HeartbeatRequest { party_id, timestamp }),
    }
}

/// To ask who is there.
pub(super) fn list(only_online: bool, role: Option<u8>, by: Option<u8>) -> Call {
    let role_filter = role.map(|it| role_name(it).into()).unwrap_or_default();
    let request = GetRegisteredPartiesRequest { role_filter, only_online };
    Call {
        by: by.map_or(By::Coordinator, By::Party),
        asked: Asked::List { only_online, role, by: by.map(|it| Party(u32::from(it))) },
        request: Request::List(request),
    }
}

/// To publish an event.
pub(super) fn publish(
    recorder: &mut Recorder,
    notice: u32,
    session: u8,
    (event, expires_in): (Event, u32),
    selected: &[u8],
) -> Call {
    let event = Some(recorder.publish(notice, session, event, selected, expires_in));
    Call {
        by: By::Coordinator,
        asked: Asked::Publish(Notice(notice)),
        request: Request::Publish(PublishSessionEventRequest { event }),
    }
}

/// To route a unit, or to try again to. None if it is to be tried again and never was tried.
pub(super) fn route(recorder: &mut Recorder, act: &Act, unit: u32) -> Option<Call> {
    let request = recorder.route(act, unit);
    let key = recorder.key(unit);
    Some(Call {
        by: By::Party(recorder.sender_of(unit)?),
        asked: Asked::Route(Unit(unit)),
        request: Request::Route(request, key),
    })
}

/// To ask what waits for a party.
pub(super) fn poll(recorder: &Recorder, party: u8, session: Option<u8>, after: i64) -> Call {
    let names = recorder.names();
    let request = GetPendingMessagesRequest {
        session_id: session.map(|it| names.session(it)).unwrap_or_default(),
        party_id: names.party(party),
        after_timestamp: after,
    };
    let session = session.map(|it| Session(u32::from(it)));
    Call {
        by: By::Party(party),
        asked: Asked::Poll(Party(u32::from(party)), session, after),
        request: Request::Poll(request),
    }
}

/// To acknowledge a unit, as one of this session or of its own. None if nobody can name it.
pub(super) fn acknowledge(
    recorder: &mut Recorder,
    party: u8,
    unit: u32,
    session: Option<u8>,
    success: bool,
) -> Option<Call> {
    let (message, id) = recorder.id_of(unit)?;
    let own = recorder.session_of(unit);
    let session = session.unwrap_or(own);
    if session == own {
        recorder.acknowledges(party, unit);
    }
    let request = AcknowledgeMessageRequest {
        message_id: id,
        party_id: recorder.names().party(party),
        session_id: recorder.names().session(session),
        success,
        error_message: String::new(),
    };
    let by = By::Party(party);
    let (party, session) = (Party(u32::from(party)), Session(u32::from(session)));
    let asked = Asked::Acknowledge { party, session, message, success };
    Some(Call { by, asked, request: Request::Acknowledge(request) })
}

/// To ask for a unit's status, as its sender, as one of this session or of its own. None if nobody can
/// name it.
pub(super) fn status(recorder: &mut Recorder, unit: u32, session: Option<u8>) -> Option<Call> {
    let (message, message_id) = recorder.id_of(unit)?;
    let sender = recorder.sender_of(unit)?;
    let session = session.unwrap_or_else(|| recorder.session_of(unit));
    let session_id = recorder.names().session(session);
    Some(Call {
        by: By::Party(sender),
        asked: Asked::Status(Session(u32::from(session)), message),
        request: Request::Status(GetMessageStatusRequest { message_id, session_id }),
    })
}

/// What the answer to a call says.
pub(super) fn read(recorder: &mut Recorder, call: Place, sent: &Sent, reply: &Reply) -> Got {
    let done = |success: bool, answer: Answer| match success {
        true => Got::Done(answer),
        false => Got::Refused,
    };
    if let Asked::Wrong(..) = recorder.asked(call) {
        return done(reply.is_success(), Answer::Accepted);
    }
    match reply {
        Reply::Open => Got::Done(Answer::Accepted),
        Reply::Register(it) => done(it.success, Answer::Registered(it.registered_at)),
        Reply::Acknowledge(it) => done(it.success, Answer::Accepted),
        Reply::Heartbeat(it) => {
            let (server_ms, pending) = (it.server_timestamp, i64::from(it.pending_messages));
            done(it.success, Answer::Heartbeat { server_ms, pending })
        }
        Reply::List(it) => Got::Done(Answer::Listed(recorder.listed(it))),
        Reply::Publish(it) => done(it.success, Answer::Published(i64::from(it.subscriber_count))),
        Reply::Route(it) => match *recorder.asked(call) {
            Asked::Route(unit) if it.success => {
                Got::Done(Answer::Routed(recorder.routed(unit.0, &it.message_id)))
            }
            _ => Got::Refused,
        },
        Reply::Poll(it) => match *recorder.asked(call) {
            Asked::Poll(party, ..) => {
                Got::Done(Answer::Polled(recorder.polled(party.0 as u8, &it.messages)))
            }
            _ => Got::Unknown,
        },
        Reply::Status(it) => {
            let is_it = sent.as_ref().is_some_and(|(message, session)| {
                (&it.message_id, &it.session_id) == (message, session)
            });
            let answer = recorder.status(it).filter(|_| is_it);
            Got::Done(answer.unwrap_or(Answer::Nonsense))
        }
    }
}

/// What an answer has to repeat: a status, its `message_id` and `session_id`.
pub(super) type Sent = Option<(String, String)>;

impl Reply {
    /// Whether it says that the call was accepted.
    fn is_success(&self) -> bool {
        match self {
            Self::Register(it) => it.success,
            Self::Heartbeat(it) => it.success,
            Self::Publish(it) => it.success,
            Self::Route(it) => it.success,
            Self::Acknowledge(it) => it.success,
            Self::List(_) | Self::Poll(_) | Self::Status(_) | Self::Open => true,
        }
    }
}

impl Request {
    /// What its answer has to repeat.
    pub(super) fn repeated(&self) -> Sent {
        match self {
            Self::Status(it) => Some((it.message_id.clone(), it.session_id.clone())),
            _ => None,
        }
    }
}
