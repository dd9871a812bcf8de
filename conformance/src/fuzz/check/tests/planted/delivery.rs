//! What came, or did not.

use super::*;

pub(super) const PLANTS: &[(Anomaly, Plant)] = &[
    (Anomaly::Lost, |history, random| {
        let model = Model::of(history, RULES);
        let is_lost = |it: &crate::fuzz::model::Delivery| {
            it.certain && it.seen >= history.drain && it.seen != NEVER && it.may_be_over() == NEVER
        };
        let delivery = *any(random, model.deliveries.iter().filter(|it| is_lost(it)))?;
        for place in polls(history, 1) {
            if history.calls[place].begun >= history.drain {
                let Asked::Poll(party, ..) = history.calls[place].asked else { continue };
                if party == delivery.party {
                    listed(history, place).retain(|it| it.unit != Some(delivery.unit));
                }
            }
        }
        Some(())
    }),
    (Anomaly::MissingFromPoll, |history, random| {
        let model = Model::of(history, RULES);
        let mut places = Vec::new();
        for place in polls(history, 1) {
            let call = &history.calls[place];
            let (Asked::Poll(party, ..), Got::Done(Answer::Polled(listed))) =
                (&call.asked, &call.got)
            else {
                continue;
            };
            for seen in listed {
                let unit = seen.unit.expect("it has one");
                let delivery = model.delivery(unit, *party).expect("it is right");
                let is_there = model.fates[unit.index()].accepted < call.begun;
                let is_due = delivery.may_be_over() > call.ended && delivery.seen < call.ended;
                if delivery.certain && is_there && is_due {
                    places.push((place, unit));
                }
            }
        }
        let (place, unit) = any(random, places)?;
        listed(history, place).retain(|it| it.unit != Some(unit));
        Some(())
    }),
    (Anomaly::Phantom, |history, random| {
        let place = any(random, polls(history, 1))?;
        let listed = listed(history, place);
        let phantom = Seen { unit: None, ..listed[0] };
        listed.insert(0, phantom);
        Some(())
    }),
    (Anomaly::RefusedYetDelivered, |history, random| {
        let seen: Vec<_> = Model::of(history, RULES)
            .fates
            .iter()
            .filter(|it| it.seen != NEVER && it.accepted != NEVER)
            .map(|it| it.message)
            .collect();
        let place = any(
            random,
            calls(history, |call| match &call.got {
                Got::Done(Answer::Routed(message)) => seen.contains(&Some(*message)),
                _ => false,
            }),
        )?;
        history.calls[place].got = Got::Refused;
        Some(())
    }),
    (Anomaly::Altered, |history, random| {
        let place = any(random, 0..history.items.len())?;
        history.items[place].seen.whole = false;
        Some(())
    }),
    (Anomaly::ListedTwice, |history, random| {
        let place = any(random, polls(history, 1))?;
        let listed = listed(history, place);
        let again = listed[0];
        listed.insert(0, again);
        Some(())
    }),
    (Anomaly::TwoNames, |history, random| {
        let place = any(random, polls(history, 1))?;
        let message = Message(history.messages);
        let unit = listed(history, place)[0].unit;
        let model = Model::of(history, RULES);
        let known = model.fates[unit?.index()].accepted;
        (known < NEVER).then_some(())?;
        history.messages += 1;
        // Nobody else has it.
        history.calls[place].got = match &history.calls[place].got {
            Got::Done(Answer::Polled(listed)) => {
                let mut listed = listed.clone();
                listed[0].message = message;
                Got::Done(Answer::Polled(listed))
            }
            _ => return None,
        };
        let all = history.items.iter().filter(|it| it.seen.unit == unit).count();
        // The name is that of this unit then, and of no other one.
        (all > 0 || known < history.calls[place].ended).then_some(())
    }),
    (Anomaly::SharedName, |history, random| {
        let place = any(random, polls(history, 2))?;
        let listed = listed(history, place);
        listed[1].message = listed[0].message;
        Some(())
    }),
    (Anomaly::Misdelivered, |history, random| {
        let route = any(random, routes(history, |it| it.to.len() == 1))?;
        let Asked::Route(unit) = history.calls[route].asked else { return None };
        let routed = history.units[unit.index()].clone();
        let item = any(random, history.items.iter().filter(|it| it.seen.unit == Some(unit)))?;
        let (at, seen) = (item.at, item.seen);
        let other =
            (0..PARTIES).map(Party).find(|it| *it != routed.sender && *it != routed.to[0])?;
        poll_of(history, other, routed.session, at, seen);
        Some(())
    }),
    (Anomaly::Echoed, |history, random| {
        let item = *any(random, history.items.iter())?;
        let routed = history.units[item.seen.unit?.index()].clone();
        poll_of(history, routed.sender, routed.session, item.at, item.seen);
        Some(())
    }),
    (Anomaly::Leaked, |history, random| {
        let place = any(random, 0..history.items.len())?;
        let seen = &mut history.items[place].seen;
        seen.session = Session(1 - seen.session.0);
        Some(())
    }),
    (Anomaly::BeforeRouted, |history, random| {
        let item = *any(random, history.items.iter())?;
        let unit = item.seen.unit?;
        let call = history.calls.iter_mut().find(|it| it.asked == Asked::Route(unit))?;
        (call.begun, call.ended) = (item.at + 1, item.at + 9);
        history.calls.sort_by_key(|it| it.begun);
        Some(())
    }),
    (Anomaly::Overdue, |history, random| {
        let place = any(random, polls(history, 1))?;
        let seen = listed(history, place)[0];
        let Asked::Poll(party, ..) = history.calls[place].asked else { return None };
        let late = history.drain + 2 * RULES.message_ttl;
        poll_of(history, party, seen.session, late, seen);
        Some(())
    }),
];
