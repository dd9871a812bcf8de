//! Each anomaly, planted into right histories, is found under its own name.

mod delivery;
mod events;
mod order;
mod status;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use super::check;
use super::right::{PARTIES, RULES, right};
use crate::fuzz::anomaly::Anomaly;
use crate::fuzz::history::*;
use crate::fuzz::model::{Model, Rules};

/// Makes a right history wrong in one place; nothing if it has no such place.
type Plant = fn(&mut History, &mut ChaCha20Rng) -> Option<()>;

/// One of what there is, by chance.
fn any<T>(random: &mut ChaCha20Rng, all: impl IntoIterator<Item = T>) -> Option<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    (!all.is_empty()).then(|| all.swap_remove(random.next_u32() as usize % all.len()))
}

/// The places of polls that list at least so many messages.
fn polls(history: &History, least: usize) -> Vec<usize> {
    let lists = |call: &Call| match &call.got {
        Got::Done(Answer::Polled(listed)) => listed.len() >= least,
        _ => false,
    };
    (0..history.calls.len()).filter(|place| lists(&history.calls[*place])).collect()
}

fn listed(history: &mut History, place: usize) -> &mut Vec<Seen> {
    match &mut history.calls[place].got {
        Got::Done(Answer::Polled(listed)) => listed,
        _ => panic!("it was a poll"),
    }
}

/// The places of calls whose answer is of this kind.
fn calls(history: &History, is: impl Fn(&Call) -> bool) -> Vec<usize> {
    (0..history.calls.len()).filter(|place| is(&history.calls[*place])).collect()
}

fn routes(history: &History, is: impl Fn(&Routed) -> bool) -> Vec<usize> {
    calls(history, |call| match (&call.asked, &call.got) {
        (Asked::Route(unit), Got::Done(_)) => is(&history.units[unit.index()]),
        _ => false,
    })
}

/// A status with its first delivery in this state.
fn status(history: &History, random: &mut ChaCha20Rng, is: Phase) -> Option<(usize, Moment)> {
    let place = any(
        random,
        calls(history, |call| match &call.got {
            Got::Done(Answer::Status { deliveries, .. }) => {
                deliveries.first().is_some_and(|it| it.phase == is)
            }
            _ => false,
        }),
    )?;
    Some((place, history.calls[place].begun))
}

fn standing(history: &mut History, place: usize) -> &mut Standing {
    match &mut history.calls[place].got {
        Got::Done(Answer::Status { deliveries, all_acknowledged }) => {
            *all_acknowledged = false;
            &mut deliveries[0]
        }
        _ => panic!("it was a status"),
    }
}

/// The first delivery's party and message of a status.
fn whose(history: &History, place: usize) -> (Party, Message) {
    match (&history.calls[place].asked, &history.calls[place].got) {
        (Asked::Status(_, message), Got::Done(Answer::Status { deliveries, .. })) => {
            (deliveries[0].party, *message)
        }
        _ => panic!("it was a status"),
    }
}

/// A copy of one item, later on the same stream.
fn item_again(history: &mut History, place: usize, at: Moment) {
    let again = Item { at, ..history.items[place] };
    history.items.push(again);
    history.items.sort_by_key(|it| it.at);
}

/// Two items of one stream, session and sender, of which the second was sent after the first was
/// accepted, and nothing came twice.
fn pair(history: &History, random: &mut ChaCha20Rng) -> Option<(usize, usize)> {
    let model = Model::of(history, RULES);
    let mut pairs = Vec::new();
    for (first, one) in history.items.iter().enumerate() {
        for (second, two) in history.items.iter().enumerate().skip(first + 1) {
            let (Some(a), Some(b)) = (one.seen.unit, two.seen.unit) else { continue };
            let (ua, ub) = (&history.units[a.index()], &history.units[b.index()]);
            let again =
                |it: &Item| it.stream == one.stream && [one.seen, two.seen].contains(&it.seen);
            if one.stream == two.stream
                && (ua.session, ua.sender) == (ub.session, ub.sender)
                && model.fates[a.index()].accepted < model.fates[b.index()].begun
                && history.items.iter().filter(|it| again(it)).count() == 2
            {
                pairs.push((first, second));
            }
        }
    }
    any(random, pairs)
}

fn plants() -> impl Iterator<Item = &'static (Anomaly, Plant)> {
    [delivery::PLANTS, order::PLANTS, status::PLANTS, events::PLANTS].into_iter().flatten()
}

/// A poll of a party that lists this.
fn poll_of(history: &mut History, party: Party, session: Session, at: Moment, seen: Seen) {
    poll_at(history, party, session, (at, at + 2), seen);
}

fn poll_at(
    history: &mut History,
    party: Party,
    session: Session,
    (begun, ended): (Moment, Moment),
    seen: Seen,
) {
    history.calls.push(Call {
        begun,
        ended,
        asked: Asked::Poll(party, Some(session), 1),
        got: Got::Done(Answer::Polled(vec![seen])),
    });
    history.calls.sort_by_key(|it| it.begun);
}

#[test]
fn every_anomaly_is_found_under_its_name() {
    let mut hidden = Vec::new();
    for anomaly in Anomaly::ALL {
        let Some((_, plant)) = plants().find(|it| it.0 == *anomaly) else {
            hidden.push(format!("{anomaly}: nothing plants it"));
            continue;
        };
        let (mut planted, mut seed) = (0, 0);
        while planted < 20 && seed < 3_000 {
            let mut history = right(seed, 150);
            let mut random = ChaCha20Rng::seed_from_u64(seed);
            seed += 1;
            if plant(&mut history, &mut random).is_none() {
                continue;
            }
            planted += 1;
            // What only certificates forbid.
            let secure = matches!(anomaly, Anomaly::ChannelShown | Anomaly::TokensShown);
            let found = check(&history, Rules { secure, ..RULES });
            if !found.iter().any(|it| it.anomaly == *anomaly) {
                let others: Vec<_> = found.iter().map(|it| it.anomaly.name()).collect();
                hidden.push(format!("{anomaly}: seed {}: {others:?}", seed - 1));
            }
        }
        if planted < 20 {
            hidden.push(format!("{anomaly}: planted {planted} times only"));
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
}
