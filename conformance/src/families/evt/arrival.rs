//! EVT-1, EVT-2, EVT-6, EVT-9, EVT-12: who gets which events, in which order, how often.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::SessionEvent;
use rand_core::RngCore as _;

use super::super::announcing::event;
use super::super::prelude::*;
use super::lagging::beside_a_reader_that_stalls;
use super::series::{Series, audience, publishes};
use crate::feed::Feed;
use crate::listening::{listening, listens};
use crate::many::each;
use crate::party::Party;

const CREATED: &str = "session_created";
const STARTED: &str = "session_started";
const COMPLETED: &str = "session_completed";
const FAILED: &str = "session_failed";
const CANCELLED: &str = "session_cancelled";
const EXPIRED: &str = "session_expired";

/// The types that the contract names.
const TYPES: [&str; 6] = [CREATED, STARTED, COMPLETED, FAILED, CANCELLED, EXPIRED];

/// What subscribers ask for.
const FILTERS: [&[&str]; 13] = [
    &[],
    &[CREATED],
    &[STARTED],
    &[COMPLETED],
    &[FAILED, CANCELLED],
    &[EXPIRED, CREATED],
    &[STARTED, COMPLETED, FAILED],
    &[CANCELLED, STARTED, CREATED],
    &TYPES,
    &[STARTED, STARTED],
    &[STARTED, "session_c"],
    &[CREATED, "session_start", "session_completed2", "session_"],
    &[CREATED, "SESSION_STARTED", "started", "session_expired "],
];

/// From this one on, filters name what is no type, only nearly: a target may refuse them.
const NEARLY: usize = 10;

/// Connections on which events are published.
fn publishers(trial: &Trial) -> [Party; 2] {
    let coordinator = trial.coordinator();
    [coordinator.on_a_connection_of_its_own(), coordinator]
}

pub(super) async fn subscribers_get_what_concerns_them(trial: Trial) -> Verdict {
    let one_by_one = async {
        some_of_several(&trial).await?;
        bursts(&trial).await?;
        many_subscribers(&trial).await?;
        many_at_once(&trial).await?;
        a_second_stream(&trial).await
    };
    let checked = tokio::join!(one_by_one, beside_a_reader_that_stalls(&trial));
    all_hold([checked.0, checked.1])
}

async fn some_of_several(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "several");
    let parties = trial.parties(["alice", "bob", "bob2", "Bob"]).await?;
    let absent = trial.stranger("absent");
    let mut feeds = Vec::new();
    for party in &parties {
        feeds.push(listens(trial, party, &[]).await?);
    }
    let [alice, bob, bob2, capital] = &parties;
    let everybody = [alice, bob, bob2, capital];
    let selections: [&[&Party]; 10] = [
        &[alice],
        &[bob],
        &[bob2, &absent],
        &[capital, alice],
        &[],
        &[&absent, bob, capital],
        &everybody,
        &[&absent],
        &[],
        &everybody,
    ];
    let mut due = [(); 4].map(|()| BTreeSet::new());
    for (place, selected) in selections.into_iter().enumerate() {
        // A session ends at most once, and only after it was announced.
        let event_type = TYPES[place % 2];
        publishes(trial, series.event(place, event_type, place, selected)).await?;
        for (party, due) in everybody.iter().zip(&mut due) {
            if selected.is_empty() || selected.iter().any(|it| it.id == party.id) {
                due.insert(place);
            }
        }
    }
    for (place, event_type) in (10..).zip(&TYPES[2..]) {
        publishes(trial, series.event(place, event_type, place - 10, &everybody)).await?;
        for due in &mut due {
            due.insert(place);
        }
    }
    for (feed, due) in feeds.iter_mut().zip(due) {
        series.all_come(feed, due, "events that select its party or nobody").await?;
    }
    Ok(())
}

/// Many events of one session within a moment, and events that are exactly alike.
async fn bursts(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "bursts");
    let [alice, bob] = trial.parties(["burst-alice", "burst-bob"]).await?;
    let both = [&alice, &bob];
    let mut feeds = [listens(trial, &alice, &[]).await?, listens(trial, &bob, &[]).await?];
    for place in 0..40 {
        let selected = if place % 10 == 9 { &both[..0] } else { &both };
        publishes(trial, series.event(place, STARTED, "one", selected)).await?;
    }
    for feed in &mut feeds {
        series.all_come(feed, 0..40, "events published one after another in one session").await?;
    }

    // Without an event_id they are different events, however much they are alike.
    let alike = event(STARTED, series.session("alike"), &both);
    for _ in 0..3 {
        publishes(trial, alike.clone()).await?;
    }
    for feed in &mut feeds {
        let mut known = BTreeSet::new();
        while known.len() < 3 {
            let what = format!("event {} of 3 alike, published without event_id", known.len() + 1);
            let wanted = |it: &SessionEvent| it.session_id == alike.session_id;
            let came = feed.next_wanted(wanted, &what).await?;
            // Where the target gives none, every arrival counts.
            let place = known.len().to_string();
            known.insert(if came.event_id.is_empty() { place } else { came.event_id });
        }
    }
    Ok(())
}

async fn many_subscribers(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "many");
    let audience = audience(trial, "many", &[], 60).await?;
    let selected: Vec<_> = audience.iter().map(|(party, _)| party.clone()).collect();
    let selected: Vec<_> = selected.iter().collect();
    publishes(trial, series.event(0, CREATED, "many", &selected)).await?;
    publishes(trial, series.event(1, STARTED, "many", &[])).await?;
    publishes(trial, series.event(2, STARTED, "many", &selected[20..])).await?;
    publishes(trial, series.event(3, COMPLETED, "many", &selected)).await?;
    each(audience.into_iter().enumerate(), |(number, (_, mut feed))| {
        let series = series.clone();
        let due = [0, 1, 2, 3].into_iter().filter(move |place| *place != 2 || number >= 20);
        async move { series.all_come(&mut feed, due, "events for 60 parties").await }
    })
    .await
    .map(drop)
}

/// Each event, and the numbers of those in an audience that are selected by it, at random.
fn random_selections(trial: &Trial, events: usize, audience: usize) -> Vec<Vec<usize>> {
    let mut random = trial.random("selections");
    let mut selections = Vec::new();
    for _ in 0..events {
        let chosen = random.next_u32();
        // Nobody selected would mean everybody.
        let always = random.next_u32() as usize % audience;
        selections
            .push((0..audience).filter(|bit| *bit == always || chosen >> bit & 1 == 1).collect());
    }
    selections
}

async fn many_at_once(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "at-once");
    let audience = audience(trial, "at-once", &[], 8).await?;
    let selections = random_selections(trial, 300, audience.len());
    let publishers = publishers(trial);
    each(selections.iter().enumerate(), |(place, selected)| {
        let selected: Vec<_> = selected.iter().map(|number| &audience[*number].0).collect();
        let event = series.event(place, TYPES[place % 2], place % 7, &selected);
        let publisher = publishers[place % 2].clone();
        async move { publisher.publish(event).await.accepted() }
    })
    .await?;
    each(audience.into_iter().enumerate(), |(number, (_, mut feed))| {
        let due: Vec<_> = selections
            .iter()
            .enumerate()
            .filter(|(_, selected)| selected.contains(&number))
            .map(|(place, _)| place)
            .collect();
        let series = series.clone();
        async move { series.all_come(&mut feed, due, "events published at the same time").await }
    })
    .await
    .map(drop)
}

/// What becomes of a party's first stream when it opens a second one is not said; but the second
/// one gets everything.
async fn a_second_stream(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "second");
    let [party, other] = trial.parties(["second-party", "second-other"]).await?;
    let _first = listens(trial, &party, &[]).await?;
    let _of_another = listens(trial, &other, &[]).await?;
    let mut second = listens(trial, &party, &[]).await?;
    for place in 0..30 {
        publishes(trial, series.event(place, STARTED, place % 3, &[&party, &other])).await?;
    }
    series.all_come(&mut second, 0..30, "events, on a party's second stream").await
}

/// What a subscriber asked for: nothing means all.
fn lets_through(filter: &[&str], event_type: &str) -> bool {
    filter.is_empty() || filter.contains(&event_type)
}

pub(super) async fn types_filter_exactly(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "types");
    let mut subscribers = Vec::new();
    for (number, filter) in FILTERS.into_iter().enumerate() {
        let party = trial.party(&format!("party-{number}")).await?;
        match listens(&trial, &party, filter).await {
            Ok(feed) => subscribers.push((party, filter, feed)),
            Err(Stop::Broken(_)) if number >= NEARLY => {}
            Err(stop) => return Err(stop),
        }
    }
    let parties: Vec<_> = subscribers.iter().map(|(party, ..)| party.clone()).collect();
    let parties: Vec<_> = parties.iter().collect();

    let mut published = Vec::new();
    for session in 0..12 {
        for event_type in [CREATED, STARTED, TYPES[2 + session % 4]] {
            let place = published.len();
            published.push(event_type);
            publishes(&trial, series.event(place, event_type, session, &parties)).await?;
        }
    }
    each(subscribers, |(party, filter, mut feed)| {
        let (series, published) = (series.clone(), published.clone());
        async move {
            let asked_for =
                |place: &usize| published.get(*place).is_some_and(|it| lets_through(filter, it));
            let mut missing: BTreeSet<_> = (0..published.len()).filter(asked_for).collect();
            while let Some(first) = missing.first() {
                let what =
                    format!("event {first} ({}), asked for by {filter:?}", published[*first]);
                let place = series.next(&mut feed, &what).await?;
                if !asked_for(&place) {
                    return Err(not_asked_for(&party, filter, published[place]));
                }
                missing.remove(&place);
            }
            let unwanted =
                |it: &SessionEvent| series.has(it) && !lets_through(filter, &it.event_type);
            feed.is_without(unwanted, &format!("events of {filter:?} only")).await
        }
    })
    .await
    .map(drop)
}

fn not_asked_for(party: &Party, filter: &[&str], event_type: &str) -> Stop {
    let seen = format!("{} subscribed to {filter:?}, and got a {event_type}", party.id);
    Stop::broken(seen, "events of exactly these types")
}

/// Demands that these events come, in this order; copies are passed over, and so is what should
/// not have come at all.
async fn in_order(series: &Series, feed: &mut Feed<SessionEvent>, due: &[usize]) -> Verdict {
    let mut came: BTreeSet<usize> = BTreeSet::new();
    for place in due {
        loop {
            let next = series.next(feed, &format!("event {place} of those published")).await?;
            if next == *place {
                came.insert(next);
                break;
            }
            if !came.contains(&next) && due.contains(&next) {
                let seen = format!("event {next} came where event {place} was due");
                return Err(Stop::broken(seen, "the order in which they were published"));
            }
        }
    }
    Ok(())
}

pub(super) async fn events_arrive_in_order(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "order");
    let parties = trial.parties(["all", "started", "two", "all-again", "now-and-then"]).await?;
    let filters: [&[&str]; 5] = [&[], &[STARTED], &[CREATED, STARTED], &[], &[]];
    let mut subscribers = Vec::new();
    for (party, filter) in parties.iter().zip(filters) {
        subscribers.push((filter, listening(&trial, party, filter).await?, Vec::new()));
    }
    let publishers = publishers(&trial);
    for place in 0..250 {
        // In one session first, then in several.
        let label = if place < 130 { 0 } else { place % 5 };
        let event_type = TYPES[usize::from(place % 3 > 0)];
        let now_and_then = place % 7 == 0;
        let mut selected: Vec<_> = parties.iter().collect();
        if !now_and_then {
            selected.pop();
        }
        let mut event = series.event(place, event_type, label, &selected);
        if place % 5 == 2 {
            event.selected_parties.rotate_left(1);
            let token = |it: &String| (it.clone(), format!("token of {it}").repeat(place));
            event.join_tokens = event.selected_parties.iter().map(token).collect();
        }
        if place % 4 == 1 {
            event.expires_at = trial.clock().now_ms() + 3_600_000;
        }
        // Usually the next one is published on the same connection.
        let publisher = &publishers[place / 3 % 2];
        publisher.publish(event).await.accepted()?;
        for (number, (filter, _, due)) in subscribers.iter_mut().enumerate() {
            if lets_through(filter, event_type) && (number < 4 || now_and_then) {
                due.push(place);
            }
        }
    }
    each(subscribers, |(_, mut feed, due)| {
        let series = series.clone();
        async move { in_order(&series, &mut feed, &due).await }
    })
    .await
    .map(drop)
}

pub(super) async fn the_same_again_is_not_delivered(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "again");
    let parties = trial.parties(["alice", "bob"]).await?;
    let both: Vec<_> = parties.iter().collect();
    let mut feeds = Vec::new();
    for party in &parties {
        feeds.push(listening(&trial, party, &[]).await?);
    }
    let [elsewhere, coordinator] = publishers(&trial);
    let filled = SessionEvent {
        created_at: trial.clock().now_ms(),
        join_tokens: parties.iter().map(|it| (it.id.clone(), "token".into())).collect(),
        ..series.event(0, CREATED, "first", &both)
    };
    let plain = series.event(1, STARTED, "first", &both);
    let for_all = series.event(2, STARTED, "second", &[]);
    let known = [filled, plain, for_all];
    for (place, event) in known.iter().enumerate() {
        publishes(&trial, event.clone()).await?;
        // Whether the same again is accepted does not matter, so long as nothing comes of it.
        for again in known[..=place].iter().rev() {
            drop(coordinator.publish(again.clone()).await);
        }
    }
    for place in 3..103 {
        publishes(&trial, series.event(place, STARTED, place % 5, &both)).await?;
    }
    for publisher in [&coordinator, &elsewhere] {
        for event in &known {
            drop(publisher.publish(event.clone()).await);
        }
    }
    each((0..60).map(|number| 103 + number / 6), |place| {
        let event = series.event(place, STARTED, "at-once", &both);
        let publisher = if place % 2 == 0 { coordinator.clone() } else { elsewhere.clone() };
        async move {
            publisher.publish(event).await;
            Ok(())
        }
    })
    .await?;
    let fence = 113;
    publishes(&trial, series.event(fence, STARTED, "fence", &both)).await?;

    let accepted = "each event once, however often it is published";
    for feed in &mut feeds {
        let mut times = BTreeMap::new();
        for place in series.up_to(feed, fence).await? {
            *times.entry(place).or_insert(0) += 1;
        }
        if let Some((place, times)) = times.into_iter().find(|(_, times)| *times > 1) {
            let seen = format!("event {place} came {times} times after it was published again");
            return Err(Stop::broken(seen, accepted));
        }
        feed.is_without(|it| series.has(it), accepted).await?;
    }
    Ok(())
}

pub(super) async fn only_the_selected_get_it(trial: Trial) -> Verdict {
    look_alikes(&trial).await?;
    let series = Series::new(&trial, "random");
    let audience = audience(&trial, "random", &[], 10).await?;
    let mut selections = random_selections(&trial, 120, audience.len());
    // The last one is for everybody, so that nobody waits for nothing.
    selections.push((0..audience.len()).collect());
    let fence = selections.len() - 1;
    for (place, selected) in selections.iter().enumerate() {
        let selected: Vec<_> = selected.iter().map(|number| &audience[*number].0).collect();
        publishes(&trial, series.event(place, TYPES[place % 2], place % 7, &selected)).await?;
    }
    each(audience.into_iter().enumerate(), |(number, (party, mut feed))| {
        let (series, selections) = (series.clone(), selections.clone());
        async move {
            for place in series.up_to(&mut feed, fence).await? {
                if !selections[place].contains(&number) {
                    return Err(not_selected(&party, place));
                }
            }
            feed.is_without(|it| series.has(it), "events that select its party").await
        }
    })
    .await
    .map(drop)
}

async fn look_alikes(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "alike");
    let parties = trial.parties(["party", "party1", "party10", "Party", "part"]).await?;
    let all: Vec<_> = parties.iter().collect();
    let mut feeds = Vec::new();
    for party in &parties {
        feeds.push(listening(trial, party, &[]).await?);
    }
    // Whoever was selected before, or is a member still, gets nothing by that.
    publishes(trial, series.event(0, CREATED, "s", &all)).await?;
    for (number, party) in all.iter().enumerate() {
        publishes(trial, series.event(1 + number, STARTED, "s", &[party])).await?;
    }
    publishes(trial, series.event(10, COMPLETED, "s", &all[..2])).await?;
    publishes(trial, series.event(11, CREATED, "fence", &all)).await?;
    for (number, (party, feed)) in parties.iter().zip(&mut feeds).enumerate() {
        for place in series.up_to(feed, 11).await? {
            if place != 0 && place != 1 + number && (place != 10 || number >= 2) {
                return Err(not_selected(party, place));
            }
        }
    }
    Ok(())
}

fn not_selected(party: &Party, place: usize) -> Stop {
    let seen = format!("{} got event {place}, which selects only other parties", party.id);
    Stop::broken(seen, "events that select it, or nobody")
}
