//! Calls that were accepted and should not have been, or refused without a reason.

use super::super::anomaly::Anomaly;
use super::super::history::{
    Asked, Call, End, Got, Message, Moment, NEVER, Opened, Party, Session, Unit,
};
use super::super::model::{Model, Truth};
use super::super::wrong::Wrong;
use super::Findings;

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    let mut registered = vec![NEVER; model.history.parties as usize];
    let mut may_be_registered = vec![NEVER; model.history.parties as usize];
    for call in &model.history.calls {
        if let Asked::Register(party, _) = call.asked
            && call.got != Got::Refused
        {
            let may = &mut may_be_registered[party.index()];
            *may = call.begun.min(*may);
            if let Got::Done(_) = call.got {
                let is = &mut registered[party.index()];
                *is = call.ended.min(*is);
            }
        }
    }
    for call in &model.history.calls {
        let known = |party: Party| {
            if registered[party.index()] < call.begun {
                Truth::Yes
            } else if may_be_registered[party.index()] <= call.ended {
                Truth::Perhaps
            } else {
                Truth::No
            }
        };
        let (right, party) = match &call.asked {
            Asked::Register(party, _) => (Truth::Yes, Some(*party)),
            Asked::Heartbeat(party) => (known(*party), Some(*party)),
            Asked::Poll(party, session, _) => {
                let right = match (known(*party), session) {
                    (Truth::Yes, Some(session)) => may_poll(model, call, *party, *session),
                    (right, _) => right,
                };
                (right, Some(*party))
            }
            Asked::Route(unit) => {
                let sender = model.history.units[unit.index()].sender;
                let fate = &model.fates[unit.index()];
                let are_members = may_send(model, call, *unit);
                let is_open = model.is_open(
                    model.history.units[unit.index()].session,
                    call.begun,
                    call.ended,
                );
                let right = match both(are_members, is_open) {
                    // Who tries again is told what came of it, though the session has ended (IDM-1).
                    _ if fate.accepted < call.begun => both(are_members, Truth::Yes),
                    right => right,
                };
                let right = match right {
                    Truth::No if fate.begun < call.begun || !model.rules.membership => {
                        Truth::Perhaps
                    }
                    right => right,
                };
                // An unregistered sender is unspecified.
                let right = match (known(sender), right) {
                    (Truth::Yes, right) => right,
                    (_, Truth::No) => Truth::No,
                    _ => Truth::Perhaps,
                };
                (right, Some(sender))
            }
            Asked::Acknowledge { party, session, message, success } => {
                acknowledged(model, found, call, (*party, *session, *message, *success));
                continue;
            }
            Asked::Wrong(what, party) => {
                let is_wrong = match what {
                    // Of a party that was not known it is the first one.
                    Wrong::RegisterOtherRole => known(*party) == Truth::Yes,
                    _ => model.rules.forbid(*what),
                };
                if let Got::Done(_) = call.got
                    && is_wrong
                {
                    let (anomaly, breaks) = (Anomaly::WrongAccepted, what.breaks());
                    found.add_as(anomaly, breaks, call.ended, *party, None, || what.to_string());
                }
                continue;
            }
            Asked::Publish(_) | Asked::Status(..) | Asked::List { .. } => continue,
        };
        judge(found, call, right, party);
    }
    for stream in &model.history.streams {
        let was_known = registered[stream.party.index()] < stream.begun;
        let may_read = stream.session.map_or(Truth::Yes, |session| {
            reads(model, session, stream.party, stream.begun, stream.over)
        });
        if was_known
            && may_read == Truth::Yes
            && matches!(stream.end, End::Refused | End::Theirs)
            && stream.session.is_none_or(|it| model.is_open(it, stream.begun, NEVER) == Truth::Yes)
            && (stream.end == End::Refused || model.has_brought_all(stream))
            && !may_be_superseded(&model.history.streams, stream)
            && !model.was_out(stream.begun, stream.sound.max(stream.begun))
        {
            found.add(
                Anomaly::StreamEnded,
                stream.sound.max(stream.begun),
                stream.party,
                None,
                || "its subscription ended, and not by the party".into(),
            );
        }
    }
}

/// Whether another subscription of the same party and session may be the newer one: what becomes of
/// the older is unspecified (SUB-5).
fn may_be_superseded(streams: &[Opened], stream: &Opened) -> bool {
    streams.iter().any(|other| {
        (other.party, other.session) == (stream.party, stream.session)
            && (other.begun > stream.begun
                || other.begun < stream.begun && other.alive >= stream.begun)
    })
}

fn judge(found: &mut Findings, call: &Call, right: Truth, party: Option<Party>) {
    let (name, unit, promises, forbids) = match &call.asked {
        Asked::Register(..) => ("RegisterParty", None, "REG-4", "REG-2"),
        Asked::Heartbeat(_) => ("Heartbeat", None, "HB-1", "HB-2"),
        Asked::Route(unit) => ("RouteMessage", Some(*unit), "RTE-1", "SES-1"),
        Asked::Poll(..) => ("GetPendingMessages", None, "PND-1", "SES-7"),
        _ => ("the call", None, "RTE-1", "SES-1"),
    };
    match (&call.got, right) {
        (Got::Refused, Truth::Yes) => {
            let words = || format!("{name} was refused, and nothing speaks against it");
            let anomaly = Anomaly::RightfulRefused;
            found.add_as(anomaly, promises, call.ended, party, unit, words);
        }
        (Got::Done(_), Truth::No) => {
            let words = || format!("{name} was accepted, and had to be refused");
            found.add_as(Anomaly::WrongAccepted, forbids, call.ended, party, unit, words);
        }
        _ => {}
    }
}

/// A session that is over may be forgotten, but not what waits in it (SES-5).
fn may_poll(model: &Model<'_>, call: &Call, party: Party, session: Session) -> Truth {
    let right = may_read(model, call, party, session);
    let is_open = model.is_open(session, call.begun, call.ended) == Truth::Yes;
    if right != Truth::Yes || is_open || call.got != Got::Refused {
        return right;
    }
    let waits = model.deliveries.iter().any(|delivery| {
        let fate = &model.fates[delivery.unit.index()];
        delivery.party == party
            && model.history.units[delivery.unit.index()].session == session
            && delivery.certain
            && fate.effect() < call.begun
            && delivery.may_be_over().min(model.may_fail(delivery)) > call.ended
    });
    if waits { Truth::Yes } else { Truth::Perhaps }
}

fn may_read(model: &Model<'_>, call: &Call, party: Party, session: Session) -> Truth {
    match reads(model, session, party, call.begun, call.ended) {
        // Who had been a member may read what came to it then.
        Truth::No if model.is_member(session, party, 0, call.ended) != Truth::No => Truth::Perhaps,
        right => right,
    }
}

fn reads(model: &Model<'_>, session: Session, party: Party, from: Moment, to: Moment) -> Truth {
    match model.is_member(session, party, from, to.max(from)) {
        right if model.rules.membership => right,
        Truth::Yes => Truth::Yes,
        _ => Truth::Perhaps,
    }
}

/// Whether a unit's sender and recipients are members, and there is one.
fn may_send(model: &Model<'_>, call: &Call, unit: Unit) -> Truth {
    let routed = &model.history.units[unit.index()];
    let deliveries = model.deliveries_of(unit);
    // That these are refused, or accepted, is a SHOULD.
    if routed.to.contains(&routed.sender) || !deliveries.iter().any(|it| it.certain) {
        return Truth::Perhaps;
    }
    let all = std::iter::once(&routed.sender).chain(&routed.to);
    let all = all.map(|it| model.is_member(routed.session, *it, call.begun, call.ended));
    all.fold(Truth::Yes, both)
}

fn both(one: Truth, other: Truth) -> Truth {
    match (one, other) {
        (Truth::No, _) | (_, Truth::No) => Truth::No,
        (Truth::Yes, Truth::Yes) => Truth::Yes,
        _ => Truth::Perhaps,
    }
}

fn acknowledged(
    model: &Model<'_>,
    found: &mut Findings,
    call: &Call,
    (party, session, message, success): (Party, Session, Message, bool),
) {
    let unit = model.units.get(message.index()).copied().flatten();
    let unit = unit.filter(|it| model.history.units[it.index()].session == session);
    let delivery = unit.and_then(|it| model.delivery(it, party));
    let Some(delivery) = delivery else {
        if matches!(call.got, Got::Done(_)) {
            found.add(Anomaly::AcknowledgementTaken, call.ended, party, unit, || {
                "the party acknowledged what is not for it, and that was accepted".into()
            });
        }
        return;
    };
    let unit = delivery.unit;
    if delivery.is_good != NEVER && delivery.is_bad != NEVER && matches!(call.got, Got::Done(_)) {
        found.add(Anomaly::BothWays, call.ended, party, unit, || {
            "it was acknowledged both with success and without".into()
        });
    }
    let other_way = if success { delivery.may_be_bad } else { delivery.may_be_good };
    let is_there = model.fates[unit.index()].effect() < call.begun;
    let is_right = is_there
        && (delivery.certain || delivery.seen < call.begun)
        && other_way > call.ended
        && model.may_fail(delivery) > call.ended;
    if call.got == Got::Refused && is_right {
        found.add(Anomaly::AcknowledgementRefused, call.ended, party, unit, || {
            "it is there, and nothing speaks against the acknowledgement".into()
        });
    }
}
