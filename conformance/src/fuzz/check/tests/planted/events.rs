//! Counts, presence, acceptance and events.

use super::*;
use crate::fuzz::model::Truth;

/// The place of a listing.
fn listing_of(history: &History, random: &mut ChaCha20Rng) -> Option<usize> {
    let listed = calls(history, |it| matches!(it.got, Got::Done(Answer::Listed(_))));
    any(random, listed)
}

/// An entry of the directory, as it was told at some time.
fn entry<'h>(history: &'h mut History, random: &mut ChaCha20Rng) -> Option<&'h mut Entry> {
    let place = listing_of(history, random)?;
    match &mut history.calls[place].got {
        Got::Done(Answer::Listed(listing)) => any(random, &mut listing.entries),
        _ => None,
    }
}

/// Adds a party that registers and is away from then on, and a message for it. Returns the party, the
/// session, and when it was routed.
fn sleeper(history: &mut History) -> Option<(Party, Session, Moment)> {
    let (party, session) = (Party(PARTIES), Session(0));
    history.parties += 1;
    let call = |begun, asked, got| Call { begun, ended: begun + 1, asked, got };
    let registered = Got::Done(Answer::Registered(1));
    history.calls.insert(0, call(1, Asked::Register(party, 1), registered));
    let (unit, message) = (Unit(history.units.len() as u32), Message(history.messages));
    history.messages += 1;
    history.units.push(Routed { session, sender: Party(0), to: vec![party], bytes: 0 });
    let begun = history.calls.iter().map(|it| it.begun).find(|it| *it > 10_500)? + 1;
    let routed = Got::Done(Answer::Routed(message));
    history.calls.push(call(begun, Asked::Route(unit), routed));
    history.calls.sort_by_key(|it| it.begun);
    Some((party, session, begun))
}

/// A notification that may be right: of a message that was routed before.
fn woken(history: &History, random: &mut ChaCha20Rng) -> Option<Woken> {
    let routed = history.calls.iter().filter_map(|it| match (&it.asked, &it.got) {
        (Asked::Route(unit), Got::Done(_)) => {
            let routed = &history.units[unit.index()];
            Some((it.ended, routed.session, *routed.to.first()?))
        }
        _ => None,
    });
    let (at, session, party) = any(random, routed)?;
    let at = at + 1;
    Some(Woken { at, party, session: Some(session), way: 0, channel: Some(0), leaks: false })
}

pub(super) const PLANTS: &[(Anomaly, Plant)] = &[
    (Anomaly::PendingCount, |history, random| {
        let heartbeat = |call: &Call| matches!(call.got, Got::Done(Answer::Heartbeat { .. }));
        let place = any(random, calls(history, heartbeat))?;
        let by = if random.next_u32() % 2 == 0 { 40 } else { -40 };
        if let Got::Done(Answer::Heartbeat { pending, .. }) = &mut history.calls[place].got {
            *pending += by;
        }
        Some(())
    }),
    (Anomaly::ServerTimeGoesBack, |history, _| {
        let heartbeat = |call: &&mut Call| matches!(call.got, Got::Done(Answer::Heartbeat { .. }));
        let last = history.calls.iter_mut().rfind(heartbeat)?;
        if let Got::Done(Answer::Heartbeat { server_ms, .. }) = &mut last.got {
            *server_ms = 1;
        }
        Some(())
    }),
    (Anomaly::LastSeenGoesBack, |history, _| {
        let listed = |call: &&mut Call| matches!(call.got, Got::Done(Answer::Listed(_)));
        let mut all = history.calls.iter_mut().filter(listed);
        all.next()?;
        if let Got::Done(Answer::Listed(listing)) = &mut all.next_back()?.got {
            listing.entries[0].last_seen_at = 1;
        }
        Some(())
    }),
    (Anomaly::NotListed, |history, random| {
        let place =
            any(random, calls(history, |it| matches!(it.got, Got::Done(Answer::Listed(_)))))?;
        if let Got::Done(Answer::Listed(listing)) = &mut history.calls[place].got {
            listing.entries.pop();
            (listing.all, listing.total) = (listing.all - 1, listing.total - 1);
        }
        Some(())
    }),
    (Anomaly::ListedWrongly, |history, random| {
        let place =
            any(random, calls(history, |it| matches!(it.got, Got::Done(Answer::Listed(_)))))?;
        if let Got::Done(Answer::Listed(listing)) = &mut history.calls[place].got {
            let again = listing.entries[0];
            listing.entries.push(again);
            (listing.all, listing.total) = (listing.all + 1, listing.total + 1);
        }
        Some(())
    }),
    (Anomaly::LastSeenBehind, |history, random| {
        let place = listing_of(history, random)?;
        let begun = history.calls[place].begun;
        let beat = history.calls.iter().filter(|it| it.ended < begun);
        let beat = beat.filter_map(|it| match (&it.asked, &it.got) {
            (Asked::Heartbeat(party), Got::Done(Answer::Heartbeat { server_ms, .. })) => {
                Some((*party, *server_ms))
            }
            _ => None,
        });
        let (party, beat) = any(random, beat)?;
        // Nobody had told of the party before.
        for call in &mut history.calls[..place] {
            if let Got::Done(Answer::Listed(listing)) = &mut call.got {
                listing.entries.iter_mut().for_each(|it| it.last_seen_at = 0);
            }
        }
        for call in &mut history.calls[place..] {
            if let Got::Done(Answer::Listed(listing)) = &mut call.got {
                let own = listing.entries.iter_mut().filter(|it| it.party == party);
                own.for_each(|it| it.last_seen_at = beat - 1);
            }
        }
        Some(())
    }),
    (Anomaly::WrongTime, |history, _| {
        history.date = Some(1_767_225_600_000);
        Some(())
    }),
    (Anomaly::RegisteredAtMoves, |history, random| {
        entry(history, random)?.registered_at += 1;
        Some(())
    }),
    (Anomaly::WrongRole, |history, random| {
        entry(history, random)?.role = None;
        Some(())
    }),
    (Anomaly::WrongChannel, |history, random| {
        entry(history, random)?.channel = Some(1);
        Some(())
    }),
    (Anomaly::ChannelShown, |history, random| {
        entry(history, random)?.channel = Some(1);
        for call in &mut history.calls {
            if let Asked::List { by, .. } = &mut call.asked {
                *by = Some(Party(PARTIES));
            }
        }
        history.parties += 1;
        Some(())
    }),
    (Anomaly::TokensShown, |history, random| {
        let place = any(random, 0..history.heard.len())?;
        history.heard[place].has_others_tokens = true;
        Some(())
    }),
    (Anomaly::NotificationLeaks, |history, random| {
        let woken = woken(history, random)?;
        history.woken = Some(vec![Woken { leaks: true, ..woken }]);
        Some(())
    }),
    (Anomaly::NotifiedElsewhere, |history, random| {
        let woken = woken(history, random)?;
        history.woken = Some(vec![Woken { channel: None, ..woken }]);
        Some(())
    }),
    (Anomaly::NotifiedAgain, |history, _| {
        let (party, session, routed) = sleeper(history)?;
        let told = |by| Woken {
            at: routed + by,
            party,
            session: Some(session),
            way: 0,
            channel: Some(1),
            leaks: false,
        };
        history.woken = Some(vec![told(2), told(500)]);
        Some(())
    }),
    (Anomaly::NotifiedOnline, |history, random| {
        let woken = woken(history, random)?;
        // What nobody answered may have been routed at any time.
        let lost = |it: &Call| (it.begun <= woken.at).then_some(it.got == Got::Unknown);
        (!history.calls.iter().filter_map(lost).any(|it| it)).then_some(())?;
        // It was heard of before anything was routed to it, and again and again.
        for begun in (10_000..=woken.at).step_by(RULES.heartbeat_timeout as usize / 2) {
            let got = Got::Done(Answer::Heartbeat { server_ms: 0, pending: 0 });
            let asked = Asked::Heartbeat(woken.party);
            history.calls.push(Call { begun: begun - 1_000, ended: begun - 999, asked, got });
        }
        history.calls.sort_by_key(|it| it.begun);
        history.woken = Some(vec![woken]);
        Some(())
    }),
    (Anomaly::NotNotified, |history, _| {
        sleeper(history)?;
        history.woken = Some(Vec::new());
        Some(())
    }),
    (Anomaly::TotalCount, |history, random| {
        let place = listing_of(history, random)?;
        if let Got::Done(Answer::Listed(listing)) = &mut history.calls[place].got {
            listing.total += 1;
        }
        Some(())
    }),
    (Anomaly::OfflineTooSoon, |history, _| {
        // Of the first listing, everybody was heard of a moment before.
        let listed = |call: &&mut Call| matches!(call.got, Got::Done(Answer::Listed(_)));
        let first = history.calls.iter_mut().find(listed)?;
        (first.ended < 12_000).then_some(())?;
        if let Got::Done(Answer::Listed(listing)) = &mut first.got {
            listing.entries[0].online = false;
        }
        Some(())
    }),
    (Anomaly::OnlineTooLong, |history, _| {
        let party = Party(PARTIES);
        history.parties += 1;
        let call = |begun, asked, got| Call { begun, ended: begun + 1, asked, got };
        let registered = Got::Done(Answer::Registered(1));
        history.calls.push(call(1, Asked::Register(party, 0), registered));
        for call in &mut history.calls {
            if let Got::Done(Answer::Listed(listing)) = &mut call.got {
                listing.entries.push(Entry {
                    party,
                    online: true,
                    last_seen_at: 0,
                    registered_at: 1,
                    role: Some(party.role()),
                    channel: Some(0),
                });
                (listing.all, listing.total) = (listing.all + 1, listing.total + 1);
            }
        }
        history.calls.sort_by_key(|it| it.begun);
        let listed = |it: &Call| matches!(it.got, Got::Done(Answer::Listed(_)));
        history.calls.iter().find(|it| listed(it) && it.begun > 10_000)?;
        Some(())
    }),
    (Anomaly::RightfulRefused, |history, random| {
        let place = any(random, calls(history, |it| matches!(it.asked, Asked::Heartbeat(_))))?;
        history.calls[place].got = Got::Refused;
        Some(())
    }),
    (Anomaly::WrongAccepted, |history, _| {
        let party = Party(PARTIES);
        history.parties += 1;
        let (begun, ended) = (20_000, 20_001);
        let got = Got::Done(Answer::Heartbeat { server_ms: 100_000, pending: 0 });
        history.calls.push(Call { begun, ended, asked: Asked::Heartbeat(party), got });
        history.calls.sort_by_key(|it| it.begun);
        Some(())
    }),
    (Anomaly::StreamEnded, |history, random| {
        let model = Model::of(history, RULES);
        let is_right = |it: &Opened| {
            it.session.is_none_or(|session| {
                let truth = model.is_member(session, it.party, it.begun, it.over);
                let is_open = model.is_open(session, it.begun, NEVER);
                (truth, is_open) == (Truth::Yes, Truth::Yes)
            })
        };
        // What becomes of an older one is unspecified.
        let is_newest = |it: &Opened| {
            let mut same = history.streams.iter().filter(|other| {
                (other.party, other.session) == (it.party, it.session) && *other != it
            });
            same.all(|other| other.alive < it.begun)
        };
        let may_end = |it: &Opened| is_right(it) && is_newest(it) && model.has_brought_all(it);
        let places = (0..history.streams.len()).filter(|it| may_end(&history.streams[*it]));
        let place = any(random, places)?;
        history.streams[place].end = End::Theirs;
        Some(())
    }),
    (Anomaly::StreamSilent, |history, random| {
        let place = any(random, 0..history.items.len())?;
        let item = history.items[place];
        let stream = &history.streams[item.stream.index()];
        let alone = history.streams.iter().filter(|it| it.party == stream.party).count() == 1;
        let model = Model::of(history, RULES);
        let delivery = *model.delivery(item.seen.unit?, stream.party)?;
        let is_due = delivery.certain
            && item.at + 2 * RULES.slack < stream.sound.min(delivery.may_be_over());
        (alone && is_due).then_some(())?;
        history.items.retain(|it| (it.stream, it.seen) != (item.stream, item.seen));
        // That it is there was seen elsewhere: the answer of its routing.
        let fate = Model::of(history, RULES).fates[item.seen.unit?.index()];
        (fate.effect() <= item.at).then_some(())
    }),
    (Anomaly::EventLost, |history, random| {
        let place = any(random, 0..history.heard.len())?;
        let heard = history.heard.remove(place);
        let listener = &history.listeners[heard.listener.index()];
        let publish = history
            .calls
            .iter()
            .find(|it| it.asked == Asked::Publish(heard.notice.expect("right")))?;
        let is_sure = publish.begun > listener.alive && matches!(publish.got, Got::Done(_));
        is_sure.then_some(())
    }),
    (Anomaly::EventTwice, |history, random| {
        let place = any(random, 0..history.heard.len())?;
        let again = history.heard[place];
        history.heard.push(again);
        Some(())
    }),
    (Anomaly::EventPhantom, |history, random| {
        let place = any(random, 0..history.heard.len())?;
        history.heard[place].notice = None;
        Some(())
    }),
    (Anomaly::EventAltered, |history, random| {
        let place = any(random, 0..history.heard.len())?;
        history.heard[place].whole = false;
        Some(())
    }),
    (Anomaly::EventOrder, |history, _| {
        let heard = |it: &Heard, listener: u32| it.listener == Listener(listener);
        for listener in 0..history.listeners.len() as u32 {
            let own: Vec<_> = (0..history.heard.len())
                .filter(|it| heard(&history.heard[*it], listener))
                .collect();
            if let [.., first, second] = own[..] {
                let sure = |notice: Option<Notice>| {
                    let asked = Asked::Publish(notice.expect("right"));
                    let call = history.calls.iter().find(|it| it.asked == asked);
                    call.is_some_and(|it| {
                        let alive = history.listeners[listener as usize].alive;
                        matches!(it.got, Got::Done(_)) && it.begun > alive
                    })
                };
                let (a, b) = (history.heard[first].notice, history.heard[second].notice);
                if sure(a) && sure(b) {
                    history.heard[first].at = history.heard[second].at;
                    (history.heard[first].notice, history.heard[second].notice) = (b, a);
                    return Some(());
                }
            }
        }
        None
    }),
    (Anomaly::EventUnasked, |history, random| {
        let heard = any(random, history.heard.clone())?;
        history.listeners[heard.listener.index()].only = 2;
        Some(())
    }),
    (Anomaly::EventReplayed, |history, random| {
        let place = any(random, 0..history.listeners.len())?;
        let (begun, alive) = (history.listeners[place].begun, history.listeners[place].alive);
        let old = history.calls.iter().filter_map(|it| match (&it.asked, &it.got) {
            (Asked::Publish(notice), Got::Done(_)) if it.ended + RULES.slack < begun => {
                history.notices[notice.index()].selected.is_empty().then_some(*notice)
            }
            _ => None,
        });
        let notice = Some(any(random, old)?);
        let listener = Listener(place as u32);
        history.heard.push(Heard {
            listener,
            at: alive,
            notice,
            whole: true,
            has_others_tokens: false,
        });
        Some(())
    }),
    (Anomaly::EventToOthers, |history, random| {
        let place = any(random, 0..history.heard.len())?;
        let heard = history.heard[place];
        let party = history.listeners[heard.listener.index()].party;
        let notice = &mut history.notices[heard.notice?.index()];
        (notice.kind != Kind::Begins).then_some(())?;
        notice.selected = (0..PARTIES).map(Party).filter(|it| *it != party).collect();
        Some(())
    }),
    (Anomaly::SubscriberCount, |history, random| {
        let published = |it: &Call| matches!(it.got, Got::Done(Answer::Published(_)));
        let place = any(random, calls(history, published))?;
        history.calls[place].got = Got::Done(Answer::Published(i64::from(PARTIES) + 1));
        Some(())
    }),
];
