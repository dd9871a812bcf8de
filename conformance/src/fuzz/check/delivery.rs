//! What came, and whether it should have; what did not come, and should.

use super::super::anomaly::Anomaly;
use super::super::history::{Answer, Asked, Got, NEVER, Unit};
use super::super::model::{Copy, Model, Way};
use super::Findings;

/// An answer with more payload than this may be full: it is at most 4 MiB long, or one message (PND-4).
const ANSWER_BYTES: u64 = 3 * 1024 * 1024;

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    for (place, fate) in model.fates.iter().enumerate() {
        if let Some((at, message)) = fate.renamed {
            let unit = Unit(place as u32);
            found.add(Anomaly::TwoNames, at, model.history.units[place].sender, unit, || {
                format!(
                    "its sender, trying again, was told another message_id (message {})",
                    message.0
                )
            });
        }
    }
    let mut last_listed = vec![usize::MAX; model.units.len()];
    // Of each stream and session: the latest begin of a unit that came on it.
    let sessions = model.history.sessions as usize;
    let mut fences = vec![0; model.history.streams.len() * sessions];
    for copy in &model.copies {
        if let Way::Poll(call) = copy.way {
            let last = &mut last_listed[copy.seen.message.index()];
            if *last == call {
                found.add(Anomaly::ListedTwice, copy.at, copy.party, copy.seen.unit, || {
                    "one answer to a poll lists it twice".into()
                });
            }
            *last = call;
        }
        let Some(unit) = copy.seen.unit else {
            found.add(Anomaly::Phantom, copy.at, copy.party, None, || {
                "its payload is nothing that was sent".into()
            });
            continue;
        };
        one(model, found, copy, unit);
        if let Way::Stream(stream) = copy.way {
            let session = model.history.units[unit.index()].session;
            let fence = &mut fences[stream.index() * sessions + session.index()];
            let over = model.delivery(unit, copy.party).map_or(NEVER, |it| it.is_over());
            if over < *fence && over > copy.opened {
                found.add(Anomaly::LateCopy, copy.at, copy.party, unit, || {
                    format!("it was ended at {over}, and came behind what was routed at {fence}")
                });
            }
            *fence = model.fates[unit.index()].begun.max(*fence);
        }
    }
    missing(model, found);
}

/// What is wrong with one copy of a unit.
fn one(model: &Model<'_>, found: &mut Findings, copy: &Copy, unit: Unit) {
    let (fate, routed) = (&model.fates[unit.index()], &model.history.units[unit.index()]);
    let mut add = |anomaly, words: &dyn Fn() -> String| {
        found.add(anomaly, copy.at, copy.party, unit, words);
    };
    if fate.begun == NEVER {
        add(Anomaly::Phantom, &|| "nobody routed it".into());
        return;
    }
    if fate.begun > copy.at {
        add(Anomaly::BeforeRouted, &|| format!("its routing began at {} only", fate.begun));
    }
    if fate.refused {
        add(Anomaly::RefusedYetDelivered, &|| "its routing was rejected".into());
    }
    if !copy.seen.whole {
        add(Anomaly::Altered, &|| "it is not as it was sent".into());
    }
    if model.units[copy.seen.message.index()] != Some(unit) {
        add(Anomaly::SharedName, &|| "its message_id is that of another message".into());
    } else if fate.message != Some(copy.seen.message) {
        add(Anomaly::TwoNames, &|| "its message_id is not the one of its other copies".into());
    }
    let way = match copy.way {
        Way::Stream(stream) => model.history.streams[stream.index()].session,
        Way::Poll(call) => match model.history.calls[call].asked {
            Asked::Poll(_, session, _) => session,
            _ => None,
        },
    };
    if copy.seen.session != routed.session || way.is_some_and(|it| it != routed.session) {
        add(Anomaly::Leaked, &|| "it is of another session".into());
    }
    let Some(delivery) = model.delivery(unit, copy.party) else {
        match copy.party == routed.sender {
            true => add(Anomaly::Echoed, &|| "the party has sent it itself".into()),
            false => add(Anomaly::Misdelivered, &|| "it is not for this party".into()),
        }
        return;
    };
    if delivery.is_over() < copy.opened {
        add(Anomaly::Resurrected, &|| {
            format!("it was ended at {}, and this way to it opened later", delivery.is_over())
        });
    }
    let overdue = fate.effect().saturating_add((model.rules.message_ttl / 2).saturating_mul(3));
    if model.rules.expires && overdue.saturating_add(model.rules.slack) < copy.opened {
        add(Anomaly::Overdue, &|| "it must have expired before this way to it opened".into());
    }
}

/// Polls that lack what was outstanding all the time.
fn missing(model: &Model<'_>, found: &mut Findings) {
    let sessions = model.history.sessions as usize;
    let of = |party: usize, session: usize| party * sessions + session;
    // Of each party and session, the deliveries that polls must list, by their effect; those that
    // are over leave.
    let mut due: Vec<Vec<usize>> = vec![Vec::new(); model.history.parties as usize * sessions];
    let mut coming: Vec<usize> = (0..model.deliveries.len())
        .filter(|place| {
            let delivery = &model.deliveries[*place];
            delivery.certain && model.fates[delivery.unit.index()].exists()
        })
        .collect();
    let effect = |place: usize| model.is_due(&model.deliveries[place]);
    coming.sort_by_key(|place| effect(*place));
    let mut coming = coming.into_iter().peekable();

    let mut listed_in = vec![usize::MAX; model.deliveries.len()];
    for (number, call) in model.history.calls.iter().enumerate() {
        let (Asked::Poll(party, session, after), Got::Done(Answer::Polled(listed))) =
            (&call.asked, &call.got)
        else {
            continue;
        };
        while let Some(place) = coming.next_if(|it| effect(*it) < call.begun) {
            let delivery = &model.deliveries[place];
            let session = model.history.units[delivery.unit.index()].session;
            due[of(delivery.party.index(), session.index())].push(place);
        }
        let mut bytes = 0;
        for seen in listed {
            let Some(unit) = seen.unit else { continue };
            bytes += u64::from(model.history.units[unit.index()].bytes);
            if let Some(place) = model.place_of(unit, *party) {
                listed_in[place] = number;
            }
        }
        let range = match session {
            Some(session) => session.index()..session.index() + 1,
            None => 0..sessions,
        };
        // Behind one that does not fit nothing smaller may be there.
        let is_full = bytes > 0
            && range.clone().any(|session| {
                due[of(party.index(), session)].iter().any(|place| {
                    let unit = model.deliveries[*place].unit;
                    let own = u64::from(model.history.units[unit.index()].bytes);
                    listed_in[*place] != number && bytes + own > ANSWER_BYTES
                })
            });
        for session in range {
            let due = &mut due[of(party.index(), session)];
            due.retain(|place| model.deliveries[*place].may_be_over() > call.begun);
            for place in due.iter().filter(|place| listed_in[**place] != number) {
                let delivery = &model.deliveries[*place];
                let ends = delivery.may_be_over().min(model.may_fail(delivery));
                if ends <= call.ended || *after > 0 || is_full {
                    continue;
                }
                let never = delivery.seen == NEVER && call.begun >= model.history.drain;
                let anomaly = if never { Anomaly::Lost } else { Anomaly::MissingFromPoll };
                found.add(anomaly, call.ended, *party, delivery.unit, || {
                    format!("it is there since {}, and a poll lacks it", effect(*place))
                });
            }
        }
    }
}
