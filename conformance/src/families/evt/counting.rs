//! EVT-5, EVT-11: for how many parties an event was.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use mpc_router_proto::v1::SessionEvent;
use tokio::time::{Duration, Instant};

use super::super::announcing::event;
use super::super::prelude::*;
use super::series::{Series, audience, publishes};
use crate::feed::Feed;
use crate::listening::{listening, listens};
use crate::pace::Wait;
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
        let announced = trial.session(event_type, &[&alice, &choosy]).await?;
        let published = event(event_type, announced.id, &[&alice, &choosy]);
        let count = usize::try_from(publishes(&trial, published).await?).unwrap_or_default();
        let words = format!("a {event_type} for two parties, one of which listens for some types");
        is_counted(count, expected, everybody, &words)?;
    }
    // Who listens besides is not known here.
    let for_all = count(&trial, &session, &[]).await?;
    is_counted(for_all, 4, true, "an event for all")?;

    let audience = audience(&trial, "many", &[], 60).await?;
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

/// The types of event that the streams of [`Ends`] are for, where events go to everybody, and one
/// that they are not for.
const OWN_TYPES: &[&str] = &[TYPE];
const OTHER_TYPE: &str = "session_created";

/// Counts that tell which streams have ended.
struct Ends<'a> {
    trial: &'a Trial,
    session: String,
    /// Events go to everybody, so that counts are also of the parties of others.
    everybody: bool,
}

impl Ends<'_> {
    /// What the streams ask for.
    fn types(&self) -> &'static [&'static str] {
        if self.everybody { OWN_TYPES } else { &[] }
    }

    async fn opens(&self, party: &Party) -> Result<Feed<SessionEvent>, Stop> {
        listens(self.trial, party, self.types()).await
    }

    /// How many of the streams are counted for an event that selects these parties.
    async fn count(&self, selected: &[&Party]) -> Result<usize, Stop> {
        let of = async |event_type| {
            let event = event(event_type, self.session.clone(), selected);
            let count = publishes(self.trial, event).await?;
            usize::try_from(count).map_err(|_| {
                Stop::broken(format!("subscriber_count is {count}"), "a number of parties")
            })
        };
        let count = of(TYPE).await?;
        if !self.everybody {
            return Ok(count);
        }
        // The others are those that an event of the other type reaches.
        Ok(count.saturating_sub(of(OTHER_TYPE).await?))
    }

    /// Publishes events that select these parties until the count is `expected`, or `of_all` where
    /// events go to everybody. Each must be accepted, whatever became of its subscribers.
    async fn comes_to(
        &self,
        selected: &[&Party],
        expected: usize,
        of_all: usize,
        why: &str,
    ) -> Verdict {
        let expected = if self.everybody { of_all } else { expected };
        let accepted = format!("soon a subscriber_count of {expected}: {why}");
        // A wrong count alone may be that of others; a rejected call is the target's.
        let of_others = AtomicBool::new(false);
        let (of_others, everybody) = (&of_others, self.everybody);
        let counted = self
            .trial
            .until(&accepted, || {
                let counting: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> =
                    Box::pin(self.count(selected));
                async move {
                    of_others.store(false, Ordering::Relaxed);
                    let count = counting.await?;
                    of_others.store(everybody, Ordering::Relaxed);
                    let parties = selected.len();
                    let seen = if self.everybody {
                        format!("of the streams opened here {count} are counted")
                    } else {
                        format!("an event for {parties} parties has subscriber_count {count}")
                    };
                    Ok(if count == expected { Ok(()) } else { Err(seen) })
                }
            })
            .await;
        match counted {
            Err(Stop::Broken(finding)) if of_others.load(Ordering::Relaxed) => {
                Err(Stop::Inconclusive(format!(
                    "{}, instead of {expected}; but events go to everybody here, and others who listen \
                 for this type only are counted with them",
                    finding.seen
                )))
            }
            counted => counted,
        }
    }
}

/// How much longer than before the ends of streams publishing may take.
const LONGER: Duration = Duration::from_secs(1);

/// Calls in a row that take longer, before this counts: a target may learn of an end by one of
/// them.
const IN_A_ROW: u32 = 3;

/// Demands that publishing does not wait for streams that have ended.
struct Unhurried {
    slowest: Duration,
    slow: u32,
    began: Option<Wait>,
}

impl Unhurried {
    /// Publishes one of the events that show how long it takes, before streams end.
    async fn before(&mut self, trial: &Trial, event: SessionEvent) -> Verdict {
        let began = Instant::now();
        publishes(trial, event).await?;
        self.slowest = self.slowest.max(began.elapsed());
        Ok(())
    }

    /// Publishes an event when streams have ended.
    async fn after(&mut self, trial: &Trial, event: SessionEvent) -> Verdict {
        let (wait, began) = (trial.pace().wait(), Instant::now());
        publishes(trial, event).await?;
        let took = began.elapsed();
        if took <= self.slowest + LONGER {
            (self.slow, self.began) = (0, None);
            return Ok(());
        }
        self.slow += 1;
        let wait = self.began.get_or_insert(wait);
        if self.slow < IN_A_ROW {
            return Ok(());
        }
        let seen = format!(
            "since streams have ended, publishing takes {:.1} s, {IN_A_ROW} times in a row; before \
             it took {:.1} s at most",
            took.as_secs_f64(),
            self.slowest.as_secs_f64()
        );
        Err(trial.missed(wait, seen, "nobody waits for a stream that has ended").await)
    }
}

pub(super) async fn ended_streams_do_not_count(trial: Trial) -> Verdict {
    let everybody = goes_to_everybody(&trial).await?;
    let ends = Ends { trial: &trial, session: trial.name("s"), everybody };
    let [alice, bob, twice] = trial.parties(["alice", "bob", "twice"]).await?;
    let (cut_off, cut) = trial.party_cuttable("cut-off").await?;
    let four = [&alice, &bob, &twice, &cut_off];

    let cancelled = ends.opens(&alice).await?;
    let mut stays = ends.opens(&bob).await?;
    let older = ends.opens(&twice).await?;
    let mut newer = ends.opens(&twice).await?;
    let broken = ends.opens(&cut_off).await?;

    let series = Series::new(&trial, "series");
    let mut publishing = Unhurried { slowest: Duration::ZERO, slow: 0, began: None };
    for place in 0..10 {
        publishing.before(&trial, series.event(place, TYPE, place % 3, &four)).await?;
    }
    drop((cancelled, older));
    cut.throw();
    drop(broken);
    // Nothing that is published from now on fails, or is lost for those who stay.
    for place in 10..40 {
        publishing.after(&trial, series.event(place, TYPE, place % 3, &four)).await?;
    }
    for (feed, whose) in [(&mut stays, "while other streams end"), (&mut newer, NEWER)] {
        series.all_come(feed, 0..40, &format!("events published {whose}")).await?;
    }
    ends.comes_to(&[&alice], 0, 2, "its only stream was cancelled").await?;
    ends.comes_to(&[&cut_off], 0, 2, "its connection broke").await?;
    ends.comes_to(&four, 2, 2, "two of four parties still listen").await?;

    let again = ends.opens(&alice).await?;
    ends.comes_to(&[&alice], 1, 3, "it has opened a stream again").await?;
    drop((again, newer));
    ends.comes_to(&four, 1, 1, "one of four parties still listens").await?;
    drop(stays);
    churn(&ends).await?;
    half_of_many(&ends).await
}

const NEWER: &str = "after the older of a party's two streams was cancelled";

/// Streams that are opened and cancelled again and again, at whatever moment of their opening.
async fn churn(ends: &Ends<'_>) -> Verdict {
    let party = ends.trial.party("restless").await?;
    for number in 0..60 {
        let feed = party.subscribe_events(ends.types());
        if number % 3 > 0 {
            ends.count(&[&party]).await?;
        }
        drop(feed);
    }
    let mut last = ends.opens(&party).await?;
    ends.comes_to(&[&party], 1, 1, "only its last stream is open").await?;
    let series = Series::new(ends.trial, "restless");
    publishes(ends.trial, series.event(0, TYPE, "last", &[&party])).await?;
    series.all_come(&mut last, [0], "events after many cancelled streams").await?;
    drop(last);
    ends.comes_to(&[&party], 0, 0, "all its streams were cancelled").await
}

async fn half_of_many(ends: &Ends<'_>) -> Verdict {
    let mut audience = audience(ends.trial, "many", ends.types(), 48).await?;
    let parties: Vec<_> = audience.iter().map(|(party, _)| party.clone()).collect();
    let parties: Vec<_> = parties.iter().collect();
    ends.comes_to(&parties, 48, 48, "all of them listen").await?;
    let mut number = 0;
    audience.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    ends.comes_to(&parties, 24, 24, "half of their streams were cancelled").await?;
    drop(audience);
    ends.comes_to(&parties, 0, 0, "all of their streams were cancelled").await
}
