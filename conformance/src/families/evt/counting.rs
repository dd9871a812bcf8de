//! EVT-5, EVT-11: for how many parties an event was.

use std::future::Future;

use mpc_router_proto::v1::SessionEvent;

use super::super::prelude::*;
use super::series::{Series, audience, event, publishes};
use crate::feed::Feed;
use crate::listening::{listening, listens};
use crate::party::Party;
use crate::trial::Trial;

const TYPE: &str = "session_started";

/// Whether an event also goes to parties that it does not select. Then counts are of them too, and
/// of those of others who listen on the target.
async fn goes_to_everybody(trial: &Trial) -> Result<bool, Stop> {
    let series = Series::new(trial, "bystander");
    let [bystander, absent] = trial.parties(["bystander", "bystander-not-listening"]).await?;
    let mut feed = listening(trial, &bystander, &[]).await?;
    publishes(trial, series.event(0, TYPE, "not-for-it", &[&absent])).await?;
    publishes(trial, series.event(1, TYPE, "for-it", &[&bystander])).await?;
    Ok(!series.up_to(&mut feed, 1).await?.is_empty())
}

/// Publishes an event that selects these parties, and gives the count.
async fn count(trial: &Trial, session: &str, selected: &[&Party]) -> Result<usize, Stop> {
    let count = publishes(trial, event(TYPE, session.to_owned(), selected)).await?;
    usize::try_from(count)
        .map_err(|_| Stop::broken(format!("subscriber_count is {count}"), "a number of parties"))
}

pub(super) async fn the_count_is_of_parties(trial: Trial) -> Verdict {
    let everybody = goes_to_everybody(&trial).await?;
    let session = trial.name("s");
    let [alice, bob, carol, twice, choosy, deaf] =
        trial.parties(["alice", "bob", "carol", "twice", "choosy", "deaf"]).await?;
    let unknown = trial.stranger("unknown");
    let mut feeds = Vec::new();
    for party in [&alice, &bob, &carol, &twice] {
        feeds.push(listening(&trial, party, &[]).await?);
    }
    feeds.push(listening(&trial, &twice, &[]).await?);
    feeds.push(listening(&trial, &choosy, &["session_completed", "session_failed"]).await?);

    let cases: [(&[&Party], usize, &str); 12] = [
        (&[&alice], 1, "one party that listens"),
        (&[&alice, &bob, &carol], 3, "three parties that listen"),
        (&[&twice], 1, "one party with two streams"),
        (&[&bob, &twice], 2, "two parties, one of them with two streams"),
        (&[&deaf], 0, "a party without a stream"),
        (&[&unknown], 0, "a party that never registered"),
        (&[&deaf, &alice, &unknown], 1, "three parties, of which one listens"),
        (&[&choosy], 0, "a party that listens for other types"),
        (&[&carol, &choosy, &twice], 2, "three parties, one of which listens for other types"),
        (&[&alice], 1, "one party that listens"),
        (&[&deaf, &unknown], 0, "two parties without a stream"),
        (&[&alice, &bob, &carol, &twice, &choosy, &deaf, &unknown], 4, "seven parties"),
    ];
    for (selected, expected, words) in cases {
        let count = count(&trial, &session, selected).await?;
        is_counted(count, expected, everybody, &format!("an event for {words}"))?;
    }
    for (event_type, expected) in [("session_failed", 2), ("session_created", 1)] {
        let published = event(event_type, trial.name(event_type), &[&alice, &choosy]);
        let count = usize::try_from(publishes(&trial, published).await?).unwrap_or_default();
        let words = format!("a {event_type} for two parties, one of which listens for some types");
        is_counted(count, expected, everybody, &words)?;
    }
    // Who listens besides is not known here.
    let for_all = count(&trial, &session, &[]).await?;
    is_counted(for_all, 4, true, "an event for all")?;

    let audience = audience(&trial, "many", 60).await?;
    let many: Vec<_> = audience.iter().map(|(party, _)| party).collect();
    let selected: Vec<_> = many.iter().copied().chain([&deaf, &twice]).collect();
    for (selected, expected) in [(&selected[..], 61), (&many[5..57], 52), (&many[..1], 1)] {
        let count = count(&trial, &session, selected).await?;
        let words = format!("an event for {} of many parties", selected.len());
        is_counted(count, expected, everybody, &words)?;
    }
    drop(feeds);
    Ok(())
}

fn is_counted(count: usize, expected: usize, or_more: bool, what: &str) -> Verdict {
    if count == expected || (or_more && count > expected) {
        return Ok(());
    }
    let seen = format!("{what} has subscriber_count {count}");
    Err(Stop::broken(seen, format!("{expected}, the number of distinct parties that got it")))
}

/// Publishes events that select these parties until the count is as expected. Each must be
/// accepted, whatever became of its subscribers.
async fn comes_to(
    trial: &Trial,
    session: &str,
    selected: &[&Party],
    expected: usize,
    why: &str,
) -> Verdict {
    let accepted = format!("soon a subscriber_count of {expected}: {why}");
    trial
        .until(&accepted, || {
            let counting: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> =
                Box::pin(count(trial, session, selected));
            async move {
                let count = counting.await?;
                let seen =
                    format!("an event for {} parties has subscriber_count {count}", selected.len());
                Ok(if count == expected { Ok(()) } else { Err(seen) })
            }
        })
        .await
}

pub(super) async fn ended_streams_do_not_count(trial: Trial) -> Verdict {
    let everybody = goes_to_everybody(&trial).await?;
    let [alice, bob, twice] = trial.parties(["alice", "bob", "twice"]).await?;
    let (cut_off, cut) = trial.party_cuttable("cut-off").await?;
    let four = [&alice, &bob, &twice, &cut_off];

    let cancelled = listens(&trial, &alice, &[]).await?;
    let mut stays = listens(&trial, &bob, &[]).await?;
    let older = listens(&trial, &twice, &[]).await?;
    let mut newer = listens(&trial, &twice, &[]).await?;
    let broken = listens(&trial, &cut_off, &[]).await?;

    let (series, session) = (Series::new(&trial, "series"), trial.name("s"));
    drop((cancelled, older));
    cut.throw();
    drop(broken);
    // Nothing that is published from now on fails, or is lost for those who stay.
    for place in 0..30 {
        publishes(&trial, series.event(place, TYPE, place % 3, &four)).await?;
    }
    for (feed, whose) in [(&mut stays, "while other streams end"), (&mut newer, NEWER)] {
        series.all_come(feed, 0..30, &format!("events published {whose}")).await?;
    }
    if everybody {
        // Then the counts are of parties of others too, and tell nothing here.
        return Ok(());
    }
    comes_to(&trial, &session, &[&alice], 0, "its only stream was cancelled").await?;
    comes_to(&trial, &session, &[&cut_off], 0, "its connection broke").await?;
    comes_to(&trial, &session, &four, 2, "two of four parties still listen").await?;

    let again = listens(&trial, &alice, &[]).await?;
    comes_to(&trial, &session, &[&alice], 1, "it has opened a stream again").await?;
    drop((again, newer));
    comes_to(&trial, &session, &four, 1, "one of four parties still listens").await?;
    churn(&trial, &session).await?;
    half_of_many(&trial, &session).await
}

const NEWER: &str = "after the older of a party's two streams was cancelled";

/// Streams that are opened and cancelled again and again, at whatever moment of their opening.
async fn churn(trial: &Trial, session: &str) -> Verdict {
    let party = trial.party("restless").await?;
    for number in 0..60 {
        let feed = party.subscribe_events(&[]);
        if number % 3 > 0 {
            count(trial, session, &[&party]).await?;
        }
        drop(feed);
    }
    let mut last: Feed<SessionEvent> = listens(trial, &party, &[]).await?;
    comes_to(trial, session, &[&party], 1, "only its last stream is open").await?;
    let series = Series::new(trial, "restless");
    publishes(trial, series.event(0, TYPE, "last", &[&party])).await?;
    series.all_come(&mut last, [0], "events after many cancelled streams").await?;
    drop(last);
    comes_to(trial, session, &[&party], 0, "all its streams were cancelled").await
}

async fn half_of_many(trial: &Trial, session: &str) -> Verdict {
    let mut audience = audience(trial, "many", 48).await?;
    let parties: Vec<_> = audience.iter().map(|(party, _)| party.clone()).collect();
    let parties: Vec<_> = parties.iter().collect();
    comes_to(trial, session, &parties, 48, "all of them listen").await?;
    let mut number = 0;
    audience.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    comes_to(trial, session, &parties, 24, "half of their streams were cancelled").await?;
    drop(audience);
    comes_to(trial, session, &parties, 0, "all of their streams were cancelled").await
}
