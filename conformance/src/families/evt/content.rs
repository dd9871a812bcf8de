//! EVT-3, EVT-4: what an event says when it arrives.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::SessionEvent;

use super::super::announcing::{event, publishes_if_taken};
use super::super::prelude::*;
use super::series::{Series, publishes};
use crate::feed::Feed;
use crate::listening::listening;
use crate::many::each;
use crate::party::Party;

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The next event of a session; sessions of their own tell events apart whatever else arrives.
pub(super) async fn event_of(
    feed: &mut Feed<SessionEvent>,
    session: &str,
) -> Result<SessionEvent, Stop> {
    feed.next_wanted(|it| it.session_id == session, &format!("the event of {session}")).await
}

/// Demands that a copy says what was published, as far as its subscriber may know it.
pub(super) fn is_as_published(
    published: &SessionEvent,
    copy: &SessionEvent,
    subscriber: &Party,
) -> Verdict {
    let differs = |field: &str, is: String, was: String| {
        let seen = format!("{field} of an event for {} arrived as {is}", subscriber.id);
        Err(Stop::broken(seen, format!("as published: {was}")))
    };
    if copy.event_type != published.event_type {
        return differs("event_type", copy.event_type.clone(), published.event_type.clone());
    }
    let thresholds = |it: &SessionEvent| format!("{} of {}", it.threshold_t, it.threshold_n);
    if thresholds(copy) != thresholds(published) {
        return differs("threshold_t and threshold_n", thresholds(copy), thresholds(published));
    }
    if copy.selected_parties != published.selected_parties {
        let first = copy.selected_parties.iter().zip(&published.selected_parties);
        let first = first.map(|(is, was)| is == was).take_while(|same| *same).count();
        let words = |it: &SessionEvent| {
            let name = it.selected_parties.get(first).map_or("none", String::as_str);
            format!("{} names, of which number {first} is {name}", it.selected_parties.len())
        };
        return differs("selected_parties", words(copy), words(published));
    }
    if copy.message_hash != published.message_hash {
        let words = |it: &SessionEvent| format!("{} bytes", it.message_hash.len());
        let was = format!("{}, with other content if not of another length", words(published));
        return differs("message_hash", words(copy), was);
    }
    if copy.expires_at != published.expires_at {
        return differs(
            "expires_at",
            copy.expires_at.to_string(),
            published.expires_at.to_string(),
        );
    }
    // Tokens of other parties may be held back, but not be altered or invented. None is shown.
    let own = published.join_tokens.get(&subscriber.id);
    if own.is_some() && copy.join_tokens.get(&subscriber.id) != own {
        let seen = format!("its own entry of join_tokens did not reach {}", subscriber.id);
        return Err(Stop::broken(seen, "the token published for it"));
    }
    match copy.join_tokens.iter().find(|(id, token)| published.join_tokens.get(*id) != Some(token))
    {
        None => Ok(()),
        Some((id, _)) => {
            let seen = format!("{} got an entry of join_tokens for {id:?}", subscriber.id);
            Err(Stop::broken(seen, "entries as published"))
        }
    }
}

pub(super) async fn all_fields_arrive(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "fields");
    let parties = trial.parties(["zoe", "alice", "Bob", "alice2"]).await?;
    let mut feeds = Vec::new();
    for party in &parties {
        feeds.push(listening(&trial, party, &[]).await?);
    }
    let [zoe, alice, bob, alice2] = &parties;
    let four = [zoe, alice, bob, alice2];
    let crowd: Vec<_> = (0..296).rev().map(|it| trial.stranger(&format!("member-{it}"))).collect();
    let mut many: Vec<_> = crowd.iter().collect();
    for (place, party) in [(0, alice), (100, bob), (200, zoe), (299, alice2)] {
        many.insert(place, party);
    }
    let in_an_hour = trial.clock().now_ms() + HOUR_MS;
    let plain = |label: &str, selected: &[&Party]| {
        event("session_started", series.session(label), selected)
    };
    let tokens = |selected: &[&Party], token: &dyn Fn(usize) -> String| {
        selected.iter().enumerate().map(|(it, party)| (party.id.clone(), token(it))).collect()
    };
    let text = |number: usize| format!("token {number}: \"\\ \u{e9}\u{65e5}\u{1f511}\n");
    let mut events = vec![
        SessionEvent {
            message_hash: trial.payload(32),
            threshold_t: 3,
            expires_at: in_an_hour,
            join_tokens: tokens(&four, &|number| format!("token-{number}")),
            ..plain("usual", &four)
        },
        // Thresholds that equal each other, and nothing else.
        SessionEvent { threshold_t: 4, ..plain("bare", &four) },
        // All tokens are the same, or long, or no plain words.
        SessionEvent { join_tokens: tokens(&four, &|_| "same".into()), ..plain("same", &four) },
        SessionEvent { join_tokens: tokens(&four, &text), ..plain("text", &four) },
        SessionEvent {
            join_tokens: tokens(&four, &|number| format!("{number}").repeat(8 * 1024)),
            ..plain("long", &four)
        },
        // Tokens for some only.
        SessionEvent {
            join_tokens: tokens(&[alice, zoe], &|number| format!("t{number}")),
            ..plain("some", &[alice2, zoe, alice, bob])
        },
        SessionEvent {
            threshold_t: 257,
            expires_at: i64::from(i32::MAX) * 1_000_000 + 7,
            message_hash: vec![0; 32].into(),
            join_tokens: tokens(&many, &|number| format!("token-{number}")),
            ..plain("many", &many)
        },
        // An event for everybody.
        SessionEvent {
            threshold_n: 5,
            threshold_t: 2,
            message_hash: trial.payload(20),
            expires_at: in_an_hour + 1,
            ..plain("all", &[])
        },
    ];
    for length in [1, 2, 64, 255, 256, 257, 4_096, 65_536] {
        let message_hash = trial.payload(length);
        events.push(SessionEvent { message_hash, ..plain(&format!("hash-{length}"), &four) });
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    events.push(SessionEvent { message_hash: every_byte.into(), ..plain("bytes", &four) });

    // A target may refuse a token for a party that is not selected.
    let odd = SessionEvent {
        join_tokens: tokens(&[alice, zoe, &crowd[0]], &|number| format!("u{number}")),
        ..plain("odd", &[alice2, zoe, alice, bob])
    };
    for published in &events {
        publishes(&trial, published.clone()).await?;
    }
    if publishes_if_taken(&trial, odd.clone()).await? {
        events.push(odd);
    }
    for (party, feed) in parties.iter().zip(&mut feeds) {
        for published in &events {
            let copy = event_of(feed, &published.session_id).await?;
            is_as_published(published, &copy, party)?;
        }
    }
    Ok(())
}

pub(super) async fn what_is_empty_is_filled(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "filled");
    let parties = trial.parties(["alice", "bob"]).await?;
    let both: Vec<_> = parties.iter().collect();
    let mut feeds = Vec::new();
    for party in &parties {
        feeds.push(listening(&trial, party, &[]).await?);
    }
    let now = trial.clock().now_ms();
    let own = |label: &str| trial.name(label);
    let given = [
        (own("id"), 0),
        (own("id and time"), now),
        (String::new(), now - 30 * 24 * HOUR_MS),
        (String::new(), 1_600_000_000_123),
        (String::new(), 1),
        (own("0190a6c2-7d1e-7c3a-9f00-000000000000"), now + 2 * HOUR_MS),
        (own(&"x".repeat(200)), 0),
        (own("UPPER \u{e9}/%20?"), now - 1),
        (String::new(), 0),
        (String::new(), 0),
    ];
    let mut published: Vec<_> = given
        .into_iter()
        .enumerate()
        .map(|(label, (event_id, created_at))| {
            let event = event("session_started", series.session(label), &both);
            SessionEvent { event_id, created_at, ..event }
        })
        .collect();
    let before = trial.clock().now_ms();
    for event in &published {
        publishes(&trial, event.clone()).await?;
    }
    let many: Vec<_> = (0..150)
        .map(|number| event("session_started", series.session(100 + number), &both))
        .collect();
    each(&many, |event| {
        let (coordinator, event) = (trial.coordinator(), event.clone());
        async move { coordinator.publish(event).await.accepted() }
    })
    .await?;
    published.extend(many);
    let after = trial.clock().now_ms();

    // The clock may be off, and a time zone is much more than that.
    let tolerance = trial.timers().clock_tolerance_ms.cast_signed() + MINUTE_MS;
    let mut copies = Vec::new();
    for feed in &mut feeds {
        let mut by_session = BTreeMap::new();
        while by_session.len() < published.len() {
            let what = format!("event {} of {}", by_session.len() + 1, published.len());
            let copy = feed.next_wanted(|it| series.has(it), &what).await?;
            by_session.insert(copy.session_id.clone(), copy);
        }
        copies.push(by_session);
    }
    let mut ids: BTreeSet<_> =
        published.iter().map(|it| it.event_id.clone()).filter(|it| !it.is_empty()).collect();
    for event in &published {
        let [first, second] = [&copies[0], &copies[1]].map(|it| it.get(&event.session_id));
        let (Some(first), Some(second)) = (first, second) else {
            let why = "events arrive under another session_id than the one published";
            return Err(Stop::NotChecked(why.into()));
        };
        for copy in [first, second] {
            let kept = event.event_id.is_empty() || copy.event_id == event.event_id;
            if !kept || copy.event_id.is_empty() {
                let seen = format!("event_id {:?} arrived as {:?}", event.event_id, copy.event_id);
                return Err(Stop::broken(seen, "the one given, or a new one if it was empty"));
            }
            let now = before - tolerance..=after + tolerance;
            let fits = match event.created_at {
                0 => now.contains(&copy.created_at),
                given => copy.created_at == given,
            };
            if !fits {
                let seen =
                    format!("created_at {} arrived as {}", event.created_at, copy.created_at);
                let accepted = format!("the one given, or for 0 the time, about {after}");
                return Err(Stop::broken(seen, accepted));
            }
        }
        if (&first.event_id, first.created_at) != (&second.event_id, second.created_at) {
            let seen = format!(
                "one event arrived as {:?} created at {} and as {:?} created at {}",
                first.event_id, first.created_at, second.event_id, second.created_at
            );
            return Err(Stop::broken(seen, "the same at every subscriber"));
        }
        if event.event_id.is_empty() && !ids.insert(first.event_id.clone()) {
            let seen = format!("an empty event_id was filled with {:?} twice", first.event_id);
            return Err(Stop::broken(seen, "a new one for each event"));
        }
    }
    Ok(())
}
