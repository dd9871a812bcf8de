//! Calls that must be rejected.

use bytes::Bytes;

use super::*;
use crate::fuzz::history::Moment;
use crate::fuzz::wrong::Wrong;

/// What a wrong call is about.
#[derive(Clone, Copy, Debug)]
pub(in crate::fuzz) struct Subject {
    pub(in crate::fuzz) party: u8,
    pub(in crate::fuzz) session: u8,
    pub(in crate::fuzz) unit: u32,
    /// What got its key before may be new to the target.
    pub(in crate::fuzz) keys_since: Moment,
    /// The longest payload that the target takes. Bytes.
    pub(in crate::fuzz) max_payload: usize,
}

/// A call with which this is wrong, and nothing else. None if what it is about does not exist.
pub(in crate::fuzz) fn call(
    recorder: &mut Recorder,
    what: Wrong,
    subject: &Subject,
) -> Option<Call> {
    let by = match what {
        Wrong::ListUnknownRole
        | Wrong::PublishNothing
        | Wrong::PublishWithoutSession
        | Wrong::PublishWithoutType
        | Wrong::PublishOverThreshold
        | Wrong::PublishNegativeThreshold
        | Wrong::PublishSelectedTwice => By::Coordinator,
        Wrong::AcknowledgeAsSender
        | Wrong::StatusWithoutSession
        | Wrong::KeyWithOtherPayload
        | Wrong::KeyWithOtherRound
        | Wrong::KeyWithOtherType
        | Wrong::KeyWithOtherRecipients => By::Party(recorder.sender_of(subject.unit)?),
        Wrong::RouteAsCoordinator
        | Wrong::SubscribeAsCoordinator
        | Wrong::PollAsCoordinator
        | Wrong::AcknowledgeAsCoordinator => By::Coordinator,
        _ if is_in_anothers_name(what) => By::Party(other(recorder, subject.party)?),
        _ => By::Party(subject.party),
    };
    let request = match what {
        Wrong::RegisterNobody
        | Wrong::RegisterWithoutRole
        | Wrong::RegisterUnknownRole
        | Wrong::RegisterRoleInCapitals
        | Wrong::RegisterKnownUnknownRole
        | Wrong::RegisterInAnothersName
        | Wrong::RegisterOtherRole => Request::Register(registration(recorder, what, subject)),
        Wrong::HeartbeatOfStranger => {
            let party_id = recorder.names().stranger();
            Request::Heartbeat(HeartbeatRequest { party_id, timestamp: 0 })
        }
        Wrong::HeartbeatInAnothersName => {
            let party_id = recorder.names().party(subject.party);
            Request::Heartbeat(HeartbeatRequest { party_id, timestamp: 0 })
        }
        Wrong::ListUnknownRole => {
            let role_filter = "observer".into();
            Request::List(GetRegisteredPartiesRequest { role_filter, only_online: false })
        }
        Wrong::RouteWithoutSession
        | Wrong::RouteWithoutSender
        | Wrong::RouteTooLarge
        | Wrong::RouteNegativeRound
        | Wrong::RouteToItself
        | Wrong::RouteAlsoToStranger
        | Wrong::RouteOfStranger
        | Wrong::RouteInAnothersName
        | Wrong::RouteAsCoordinator
        | Wrong::RouteUnannounced => Request::Route(message(recorder, what, subject), None),
        Wrong::KeyWithOtherPayload
        | Wrong::KeyWithOtherRound
        | Wrong::KeyWithOtherType
        | Wrong::KeyWithOtherRecipients => {
            let (mut request, key) = recorder.keyed(subject.unit, subject.keys_since)?;
            match what {
                Wrong::KeyWithOtherPayload => {
                    let mut payload = request.payload.to_vec();
                    *payload.last_mut()? ^= 1;
                    request.payload = payload.into();
                }
                Wrong::KeyWithOtherRound => request.round_number ^= 1,
                Wrong::KeyWithOtherType => request.message_type.push('x'),
                _ if request.to_parties.is_empty() => {
                    // To one, not to everybody.
                    let sender = &request.from_party;
                    let other = recorder.names().parties().iter().find(|it| *it != sender);
                    request.to_parties.extend(other.cloned());
                }
                _ => request.to_parties.clear(),
            }
            Request::Route(request, Some(key))
        }
        Wrong::SubscribeNobody
        | Wrong::SubscribeStranger
        | Wrong::SubscribeInAnothersName
        | Wrong::SubscribeToAllInAnothersName
        | Wrong::SubscribeAsCoordinator => {
            let (session_id, party_id) = reader(recorder, what, subject);
            Request::Subscribe(SubscribeMessagesRequest { session_id, party_id })
        }
        Wrong::PollNobody
        | Wrong::PollStranger
        | Wrong::PollInAnothersName
        | Wrong::PollAllInAnothersName
        | Wrong::PollAsCoordinator => {
            let (session_id, party_id) = reader(recorder, what, subject);
            let request = GetPendingMessagesRequest { session_id, party_id, after_timestamp: 0 };
            Request::Poll(request)
        }
        Wrong::ListenNobody | Wrong::ListenStranger | Wrong::ListenInAnothersName => {
            let (_, party_id) = reader(recorder, what, subject);
            Request::Listen(SubscribeSessionEventsRequest { party_id, event_types: Vec::new() })
        }
        Wrong::AcknowledgeUnknown
        | Wrong::RefuseUnknown
        | Wrong::AcknowledgeAsStranger
        | Wrong::AcknowledgeAsSender
        | Wrong::AcknowledgeInAnothersName
        | Wrong::AcknowledgeAsCoordinator
        | Wrong::AcknowledgeWithoutSession => {
            Request::Acknowledge(acknowledgement(recorder, what, subject)?)
        }
        Wrong::StatusUnknown => {
            let session_id = recorder.names().session(subject.session);
            let request = GetMessageStatusRequest { message_id: NO_MESSAGE.into(), session_id };
            Request::Status(request)
        }
        Wrong::StatusWithoutSession => {
            let (_, message_id) = recorder.id_of(subject.unit)?;
            Request::Status(GetMessageStatusRequest { message_id, session_id: String::new() })
        }
        Wrong::StatusAsOutsider => {
            let (_, message_id) = recorder.id_of(subject.unit)?;
            if !recorder.is_outsider(subject.unit, subject.party) {
                return None;
            }
            let session_id = recorder.names().session(recorder.session_of(subject.unit));
            Request::Status(GetMessageStatusRequest { message_id, session_id })
        }
        Wrong::PublishNothing => Request::Publish(PublishSessionEventRequest { event: None }),
        Wrong::PublishWithoutSession
        | Wrong::PublishWithoutType
        | Wrong::PublishOverThreshold
        | Wrong::PublishNegativeThreshold
        | Wrong::PublishAsParty
        | Wrong::PublishSelectedTwice => {
            let event = Some(event(recorder, what, subject));
            Request::Publish(PublishSessionEventRequest { event })
        }
    };
    let caller = match by {
        By::Party(party) => party,
        By::Coordinator => subject.party,
    };
    Some(Call { by, asked: Asked::Wrong(what, Party(u32::from(caller))), request })
}

/// A `message_id` that no router gives.
const NO_MESSAGE: &str = "00000000-0000-4000-8000-00000000dead";

fn is_in_anothers_name(what: Wrong) -> bool {
    matches!(
        what,
        Wrong::RouteInAnothersName
            | Wrong::SubscribeInAnothersName
            | Wrong::SubscribeToAllInAnothersName
            | Wrong::PollInAnothersName
            | Wrong::PollAllInAnothersName
            | Wrong::AcknowledgeInAnothersName
            | Wrong::HeartbeatInAnothersName
            | Wrong::RegisterInAnothersName
            | Wrong::ListenInAnothersName
    )
}

/// Another party, if there is one.
fn other(recorder: &Recorder, party: u8) -> Option<u8> {
    let parties = recorder.names().parties().len() as u8;
    (parties > 1).then(|| (party + 1) % parties)
}

/// The names in a request to read something.
fn reader(recorder: &Recorder, what: Wrong, subject: &Subject) -> (String, String) {
    let names = recorder.names();
    let session_id = match what {
        Wrong::SubscribeToAllInAnothersName | Wrong::PollAllInAnothersName => String::new(),
        _ => names.session(subject.session),
    };
    let party_id = match what {
        Wrong::SubscribeNobody | Wrong::PollNobody | Wrong::ListenNobody => String::new(),
        Wrong::SubscribeStranger | Wrong::PollStranger | Wrong::ListenStranger => names.stranger(),
        _ => names.party(subject.party),
    };
    (session_id, party_id)
}

fn registration(recorder: &Recorder, what: Wrong, subject: &Subject) -> RegisterPartyRequest {
    let names = recorder.names();
    let party_id = match what {
        Wrong::RegisterNobody => String::new(),
        Wrong::RegisterKnownUnknownRole
        | Wrong::RegisterOtherRole
        | Wrong::RegisterInAnothersName => names.party(subject.party),
        _ => names.stranger(),
    };
    let party_role = match what {
        Wrong::RegisterNobody => "persistent",
        Wrong::RegisterWithoutRole => "",
        Wrong::RegisterRoleInCapitals => "PERSISTENT",
        Wrong::RegisterOtherRole => role_name((subject.party + 1) % 3),
        Wrong::RegisterInAnothersName => role_name(subject.party % 3),
        _ => "observer",
    };
    let notification = Some(NotificationChannel {
        email: "wrong@example.org".into(),
        ..NotificationChannel::default()
    });
    RegisterPartyRequest {
        party_id,
        party_role: party_role.into(),
        version: "1".into(),
        notification,
    }
}

fn message(recorder: &Recorder, what: Wrong, subject: &Subject) -> RouteMessageRequest {
    let names = recorder.names();
    let (sender, session) = (names.party(subject.party), names.session(subject.session));
    // To everybody, where it is not about whom it goes to.
    let to_parties = match what {
        Wrong::RouteToItself => vec![sender.clone()],
        Wrong::RouteAlsoToStranger => {
            let others = names.parties().iter().filter(|it| **it != sender).cloned();
            others.take(1).chain([names.stranger()]).collect()
        }
        _ => Vec::new(),
    };
    let mut payload = names.wrong_mark().into_bytes();
    if what == Wrong::RouteTooLarge {
        payload.resize(subject.max_payload + 1, 7);
    }
    RouteMessageRequest {
        session_id: match what {
            Wrong::RouteWithoutSession => String::new(),
            Wrong::RouteUnannounced => names.unannounced(),
            _ => session,
        },
        from_party: match what {
            Wrong::RouteWithoutSender => String::new(),
            Wrong::RouteOfStranger => names.stranger(),
            _ => sender,
        },
        to_parties,
        round_number: if what == Wrong::RouteNegativeRound { -1 } else { 1 },
        message_type: "wrong".into(),
        payload: Bytes::from(payload),
    }
}

fn acknowledgement(
    recorder: &mut Recorder,
    what: Wrong,
    subject: &Subject,
) -> Option<AcknowledgeMessageRequest> {
    let unit = subject.unit;
    let is_unknown = matches!(what, Wrong::AcknowledgeUnknown | Wrong::RefuseUnknown);
    let (message_id, session) = match is_unknown {
        true => (NO_MESSAGE.into(), subject.session),
        false => (recorder.id_of(unit)?.1, recorder.session_of(unit)),
    };
    let party_id = match what {
        Wrong::AcknowledgeAsStranger => recorder.names().stranger(),
        Wrong::AcknowledgeAsSender => recorder.names().party(recorder.sender_of(unit)?),
        _ => recorder.names().party(subject.party),
    };
    let session_id = match what {
        Wrong::AcknowledgeWithoutSession => String::new(),
        _ => recorder.names().session(session),
    };
    Some(AcknowledgeMessageRequest {
        message_id,
        party_id,
        session_id,
        success: what != Wrong::RefuseUnknown,
        error_message: String::new(),
    })
}

fn event(recorder: &Recorder, what: Wrong, subject: &Subject) -> SessionEvent {
    let names = recorder.names();
    let selected: Vec<_> = match what {
        Wrong::PublishSelectedTwice => {
            [names.party(subject.party), names.party(subject.party)].into()
        }
        _ => Vec::new(),
    };
    SessionEvent {
        event_id: format!("{}-event", names.stranger()),
        event_type: if what == Wrong::PublishWithoutType { "" } else { "party_joined" }.into(),
        session_id: match what {
            Wrong::PublishWithoutSession => String::new(),
            _ => names.session(subject.session),
        },
        threshold_n: if what == Wrong::PublishOverThreshold { 2 } else { 0 },
        threshold_t: match what {
            Wrong::PublishOverThreshold => 3,
            Wrong::PublishNegativeThreshold => -1,
            _ => 0,
        },
        selected_parties: selected,
        ..SessionEvent::default()
    }
}
