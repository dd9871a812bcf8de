//! In which order it came, how often, and what was acknowledged.

use super::*;

pub(super) const PLANTS: &[(Anomaly, Plant)] = &[
    (Anomaly::SenderOrder, |history, random| {
        let (first, second) = pair(history, random)?;
        let (a, b) = (history.items[first].seen, history.items[second].seen);
        (history.items[first].seen, history.items[second].seen) = (b, a);
        // Else it would have been there before it was routed.
        let at = history.items[second].at;
        let stream = history.items[first].stream;
        for item in &mut history.items[first..second] {
            if item.stream == stream {
                item.at = at;
            }
        }
        history.items.sort_by_key(|it| it.at);
        Some(())
    }),
    (Anomaly::CausalOrder, |history, random| {
        // The sender of the second had seen the first, as a poll of it shows.
        let (first, second) = pair(history, random)?;
        let (a, b) = (history.items[first].seen, history.items[second].seen);
        let routed = history.units[a.unit?.index()].clone();
        let stream = history.items[first].stream;
        let reader = history.streams[stream.index()].party;
        let other = (0..PARTIES).map(Party).find(|it| *it != routed.sender && *it != reader)?;
        let is_all = routed.to.is_empty() || routed.to.contains(&other);
        is_all.then_some(())?;
        history.units[b.unit?.index()].sender = other;
        history.units[b.unit?.index()].to = vec![reader];
        let begun = Model::of(history, RULES).fates[b.unit?.index()].begun;
        let accepted = Model::of(history, RULES).fates[a.unit?.index()].accepted;
        (accepted + 4 < begun).then_some(())?;
        poll_at(history, other, routed.session, (accepted + 1, begun - 1), a);
        (history.items[first].seen, history.items[second].seen) = (b, a);
        let at = history.items[second].at;
        for item in &mut history.items[first..second] {
            if item.stream == stream {
                item.at = at;
            }
        }
        history.items.sort_by_key(|it| it.at);
        Some(())
    }),
    (Anomaly::TotalOrder, |history, _| {
        // Two of different senders, at once, to two recipients.
        let [a, b] = [0, 1].map(|number| Unit(history.units.len() as u32 + number));
        let at = history.drain - 1_000;
        let [x, y] = [0, 1].map(|number| Message(history.messages + number));
        history.messages += 2;
        let session = Session(0);
        for (unit, message, sender) in [(a, x, 0), (b, y, 1)] {
            let to = vec![Party(2), Party(3)];
            history.units.push(Routed { session, sender: Party(sender), to, bytes: 0 });
            history.calls.push(Call {
                begun: at,
                ended: at + 100,
                asked: Asked::Route(unit),
                got: Got::Done(Answer::Routed(message)),
            });
        }
        history.items.retain(|_| false);
        history.streams.retain(|_| false);
        for (number, party) in [2, 3].into_iter().enumerate() {
            history.streams.push(Opened {
                party: Party(party),
                session: Some(session),
                begun: at - 10,
                alive: at - 9,
                sound: at + 200,
                over: at + 200,
                end: End::Ours,
            });
            let mut both = [(a, x), (b, y)];
            if number == 1 {
                both.reverse();
            }
            for (unit, message) in both {
                let created_at = (at / 100) as i64;
                let seen = Seen { message, session, unit: Some(unit), whole: true, created_at };
                let stream = Stream(number as u32);
                history.items.push(Item { stream, at: at + 120, seen });
            }
        }
        history.calls.sort_by_key(|it| it.begun);
        Some(())
    }),
    (Anomaly::PollOrder, |history, random| {
        let place = any(random, polls(history, 2))?;
        let listed = listed(history, place);
        (listed[0].session == listed[1].session).then_some(())?;
        listed[1].created_at = listed[0].created_at - 1;
        Some(())
    }),
    (Anomaly::TimeGoesBack, |history, random| {
        let (first, second) = pair(history, random)?;
        let model = Model::of(history, RULES);
        let stream = &history.streams[history.items[first].stream.index()];
        let party = stream.party;
        // On the older of two subscriptions nothing has an order.
        let is_newest = history.streams.iter().all(|it| {
            (it.party, it.session) != (party, stream.session)
                || it == stream
                || it.alive < stream.begun
                || it.begun > history.items[second].at
        });
        is_newest.then_some(())?;
        for place in [first, second] {
            let item = &history.items[place];
            let seen = model.delivery(item.seen.unit?, party)?.seen;
            (seen == item.at).then_some(())?;
        }
        history.items[second].seen.created_at = history.items[first].seen.created_at - 1;
        Some(())
    }),
    (Anomaly::Resurrected, |history, random| {
        let model = Model::of(history, RULES);
        let over = |it: &&crate::fuzz::model::Delivery| it.is_over() < history.drain - 50;
        let delivery = *any(random, model.deliveries.iter().filter(over))?;
        let message = model.fates[delivery.unit.index()].message?;
        let session = history.units[delivery.unit.index()].session;
        let created_at = 0;
        let seen = Seen { message, session, unit: Some(delivery.unit), whole: true, created_at };
        poll_at(
            history,
            delivery.party,
            session,
            (delivery.is_over() + 1, delivery.is_over() + 9),
            seen,
        );
        Some(())
    }),
    (Anomaly::LateCopy, |history, random| {
        let model = Model::of(history, RULES);
        let mut places = Vec::new();
        for (place, item) in history.items.iter().enumerate() {
            let stream = &history.streams[item.stream.index()];
            let unit = item.seen.unit?;
            let Some(delivery) = model.delivery(unit, stream.party) else { continue };
            let over = delivery.is_over();
            let later = history.items.iter().filter(|it| it.stream == item.stream);
            let fence = later.filter(|it| {
                let session = history.units[it.seen.unit.expect("right").index()].session;
                let begun = model.fates[it.seen.unit.expect("right").index()].begun;
                session == item.seen.session && begun > over
            });
            if let Some(fence) = fence.map(|it| it.at).min()
                && over > stream.begun
            {
                places.push((place, fence + 1));
            }
        }
        let (place, at) = any(random, places)?;
        item_again(history, place, at);
        Some(())
    }),
    (Anomaly::AcknowledgementRefused, |history, random| {
        let place = any(
            random,
            calls(history, |call| {
                matches!(call.asked, Asked::Acknowledge { .. }) && matches!(call.got, Got::Done(_))
            }),
        )?;
        let asked = history.calls[place].asked.clone();
        let Asked::Acknowledge { party, message, .. } = asked else { return None };
        let contrary = |call: &Call| match call.asked {
            Asked::Acknowledge { party: other, message: that, .. } => {
                (other, that) == (party, message) && call.asked != asked
            }
            _ => false,
        };
        (!history.calls.iter().any(contrary)).then_some(())?;
        let model = Model::of(history, RULES);
        let unit = model.units[message.index()]?;
        let (fate, delivery) = (&model.fates[unit.index()], model.delivery(unit, party)?);
        let call = &history.calls[place];
        let is_right =
            fate.effect() < call.begun && (delivery.certain || delivery.seen < call.begun);
        is_right.then_some(())?;
        history.calls[place].got = Got::Refused;
        Some(())
    }),
    (Anomaly::AcknowledgementTaken, |history, random| {
        let place = any(
            random,
            calls(history, |call| {
                matches!(call.asked, Asked::Acknowledge { .. }) && matches!(call.got, Got::Done(_))
            }),
        )?;
        if let Asked::Acknowledge { session, .. } = &mut history.calls[place].asked {
            *session = Session(1 - session.0);
        }
        Some(())
    }),
    (Anomaly::BothWays, |history, random| {
        let place = any(
            random,
            calls(history, |call| {
                matches!(call.asked, Asked::Acknowledge { .. }) && call.got == Got::Refused
            }),
        )?;
        let asked = history.calls[place].asked.clone();
        let Asked::Acknowledge { party, message, success, .. } = asked else { return None };
        let first = |call: &&Call| match call.asked {
            Asked::Acknowledge { party: other, message: that, success: way, .. } => {
                (other, that, way) == (party, message, !success) && matches!(call.got, Got::Done(_))
            }
            _ => false,
        };
        history.calls.iter().find(first)?;
        history.calls[place].got = Got::Done(Answer::Accepted);
        Some(())
    }),
    (Anomaly::TooSoon, |history, random| {
        let place = any(random, 0..history.items.len())?;
        let item = history.items[place];
        let unit = item.seen.unit?;
        let begun = Model::of(history, RULES).fates[unit.index()].begun;
        let from = begun.max(history.streams[item.stream.index()].begun);
        (item.at + 5 < from + 600).then_some(())?;
        let until = crate::fuzz::check::order::superseded(&history.streams);
        (item.at + 5 < until[item.stream.index()]).then_some(())?;
        item_again(history, place, item.at + 5);
        Some(())
    }),
    (Anomaly::TooManyCopies, |history, random| {
        let place = any(random, 0..history.items.len())?;
        let item = history.items[place];
        let party = history.streams[item.stream.index()].party;
        let others = history.streams.iter().filter(|it| it.party == party);
        (others.count() == 1).then_some(())?;
        for number in 1..=u64::from(RULES.max_retries) + 1 {
            let at = item.at + number * 700;
            history.items.push(Item { at, ..item });
        }
        history.items.sort_by_key(|it| it.at);
        Some(())
    }),
    (Anomaly::NotRepeated, |history, random| {
        let place = any(random, 0..history.items.len())?;
        let item = history.items[place];
        let own = |it: &Item| (it.stream, it.seen) == (item.stream, item.seen);
        let copies = history.items.iter().filter(|it| own(it)).count();
        let party = history.streams[item.stream.index()].party;
        let alone = history.streams.iter().filter(|it| it.party == party).count() == 1;
        (copies > 2 && alone).then_some(())?;
        let first = history.items.iter().position(own)?;
        let mut number = 0;
        history.items.retain(|it| {
            number += 1;
            number == first + 1 || !own(it)
        });
        Some(())
    }),
];
