//! EVT-13: events for those who subscribe later.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::SessionEvent;
use rand_core::RngCore as _;

use super::super::announcing::publishes_if_taken;
use super::super::prelude::*;
use super::content::{event_of, is_as_published};
use super::series::{Series, publishes};
use crate::ending::{ENDING, End};
use crate::feed::Feed;
use crate::many::each;
use crate::party::Party;

const CREATED: &str = "session_created";
const STARTED: &str = "session_started";

/// Events for one party that wait for it, of several sessions: more than a small buffer holds.
const MANY: usize = 150;

/// Places of a series from here on are for events that show when a stream is read to its end.
const FENCES: usize = 10_000;

pub(super) async fn late_subscribers_get_what_selected_them(trial: Trial) -> Verdict {
    let checked = tokio::join!(
        whom_events_select(&trial),
        types_filter(&trial),
        many_events(&trial),
        while_subscribing(&trial),
        sessions_that_last(&trial),
        as_published(&trial),
    );
    all_hold([checked.0, checked.1, checked.2, checked.3, checked.4, checked.5])
}

/// What a late stream must bring of a series, and what it may.
struct Due {
    series: Series,
    must: BTreeSet<usize>,
    /// Whether it is said that they come is open.
    may: BTreeSet<usize>,
}

impl Due {
    fn of(series: &Series, must: impl IntoIterator<Item = usize>) -> Self {
        Self { series: series.clone(), must: must.into_iter().collect(), may: BTreeSet::new() }
    }

    /// Demands that a stream that was just opened brings each of them once, those of one session
    /// in order, before what is published once it is known to be open.
    async fn comes(&self, trial: &Trial, party: &Party, feed: &mut Feed<SessionEvent>) -> Verdict {
        let series = &self.series;
        let what = format!("one of {} events that selected {} before", self.must.len(), party.id);
        let mut first = Some(series.next_event(feed, &what).await?);
        let fence = FENCES + trial.number() as usize;
        publishes(trial, series.event(fence, STARTED, format!("f{fence}"), &[party])).await?;
        let who = format!("an event stream that {} opened later", party.id);
        let (mut came, mut newest) = (Vec::new(), BTreeMap::new());
        loop {
            let event = match first.take() {
                Some(event) => event,
                None => series.next_event(feed, "the event published last").await?,
            };
            let place = series.place(&event)?;
            if place == fence {
                break;
            }
            // A stream that goes round in circles is another matter.
            let newest = newest.entry(event.session_id).or_insert(place);
            if place < *newest && !came.contains(&place) {
                let seen = format!("{who} brought event {newest} of a session, then event {place}");
                let accepted = "the events of a session in the order in which they were published";
                return Err(Stop::broken(seen, accepted));
            }
            *newest = place.max(*newest);
            came.push(place);
        }

        let mut known = BTreeSet::new();
        if let Some(twice) = came.iter().find(|place| !known.insert(**place)) {
            let seen = format!("{who} brought event {twice} twice");
            return Err(Stop::broken(seen, "each event once per stream"));
        }
        if let Some(missing) = self.must.difference(&known).next() {
            let seen = format!(
                "{who} brought {} of {} events that selected it, and not event {missing}, before one \
                 that was published when it was open",
                self.must.intersection(&known).count(),
                self.must.len()
            );
            return Err(Stop::broken(seen, "all of them, before later ones"));
        }
        let allowed = |place: &usize| {
            self.must.contains(place) || self.may.contains(place) || *place >= FENCES
        };
        if let Some(wrong) = known.into_iter().find(|place| !allowed(place)) {
            return Err(self.not_replayed(&who, wrong));
        }
        let late = |it: &SessionEvent| {
            series.has(it) && series.place(it).is_ok_and(|place| place < FENCES)
        };
        let accepted = "nothing of before, once a later event has come";
        feed.is_without(late, accepted).await
    }

    fn not_replayed(&self, who: &str, place: usize) -> Stop {
        let seen = format!("{who} brought event {place}, published before");
        let accepted = "events of before that select the party, of the types that it asked for";
        Stop::broken(seen, accepted)
    }

    async fn comes_to(&self, trial: &Trial, party: &Party, types: &[&str]) -> Verdict {
        self.comes(trial, party, &mut party.subscribe_events(types)).await
    }
}

async fn whom_events_select(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "whom");
    let [alice, bob, alike] = trial.parties(["alice", "bob", "alice2"]).await?;
    let late = trial.stranger("late");
    // Two streams are open all the time: what they get must not be what others miss.
    let _open = [alice.subscribe_events(&[]), bob.subscribe_events(&[])];
    let selections: [(&str, &str, &[&Party]); 9] = [
        (CREATED, "1", &[&alice, &bob, &late]),
        (STARTED, "1", &[&bob, &late]),
        (CREATED, "10", &[&bob, &alice, &alike, &late]),
        (STARTED, "10", &[]),
        ("round_started", "10", &[&alice, &late]),
        (CREATED, "2", &[&alike]),
        (STARTED, "2", &[&late, &alice]),
        (STARTED, "2", &[&alice]),
        ("round_started", "1", &[&alice, &bob, &late]),
    ];
    let mut taken = Vec::new();
    for (place, (event_type, label, selected)) in selections.into_iter().enumerate() {
        let event = series.event(place, event_type, label, selected);
        if [CREATED, STARTED].contains(&event_type) {
            publishes(trial, event).await?;
        } else if !publishes_if_taken(trial, event).await? {
            continue;
        }
        taken.push(place);
    }
    late.register("persistent").await.prepared()?;
    for party in [&alice, &bob, &late, &alike] {
        let (mut must, mut may) = (Vec::new(), BTreeSet::new());
        for place in &taken {
            let selected = selections[*place].2;
            if selected.iter().any(|it| it.id == party.id) {
                must.push(*place);
            } else if !selected.is_empty() {
                // That others do not get it is a SHOULD of its own.
                may.insert(*place);
            }
        }
        let due = Due { may, ..Due::of(&series, must) };
        // Each stream of a party gets them, open at once or one after the other.
        let mut first = party.subscribe_events(&[]);
        due.comes(trial, party, &mut first).await?;
        due.comes_to(trial, party, &[]).await?;
        drop(first);
        due.comes_to(trial, party, &[]).await?;
    }

    // The end of one session is none of another one that is called nearly like it.
    for (number, ends) in ENDING.into_iter().enumerate() {
        let label = format!("end{number}");
        publishes(trial, series.event(100 + number, CREATED, &label, &[&bob])).await?;
        publishes(trial, series.event(200 + number, CREATED, format!("{label}0"), &[&bob])).await?;
        publishes(trial, series.event(300 + number, ends, &label, &[&bob])).await?;
    }
    let mut due = Due::of(
        &series,
        (200..204).chain(
            taken
                .iter()
                .copied()
                .filter(|place| selections[*place].2.iter().any(|it| it.id == bob.id)),
        ),
    );
    due.may = (0..10).chain(100..104).chain(300..304).collect();
    due.comes_to(trial, &bob, &[]).await
}

async fn types_filter(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "types");
    let [alice, bob] = trial.parties(["types-alice", "types-bob"]).await?;
    let both = [&alice, &bob];
    let types = [CREATED, STARTED, STARTED, CREATED, STARTED];
    for (place, event_type) in types.into_iter().enumerate() {
        publishes(trial, series.event(place, event_type, place % 2, &both)).await?;
    }
    for filter in [&[STARTED][..], &["session_completed", STARTED], &[STARTED, CREATED]] {
        let asked_for = (0..types.len()).filter(|place| filter.contains(&types[*place]));
        Due::of(&series, asked_for).comes_to(trial, &alice, filter).await?;
    }
    // Nothing of these types has been published: nothing comes, until something is.
    let mut feed = bob.subscribe_events(&["session_failed", "session_star"]);
    let accepted = "events of the types that it asked for";
    feed.is_without(|it| series.has(it), accepted).await
}

async fn many_events(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "many");
    let [alice, bob] = trial.parties(["many-alice", "many-bob"]).await?;
    let mut random = trial.random("many");
    let mut due = [BTreeSet::new(), BTreeSet::new()];
    for place in 0..MANY {
        let whom = random.next_u32() % 4;
        let selected: &[&Party] = match whom {
            0 => &[&bob],
            1 => &[&alice],
            _ => &[&alice, &bob],
        };
        let session = place % 12;
        let event_type = if place < 12 { CREATED } else { STARTED };
        publishes(trial, series.event(place, event_type, session, selected)).await?;
        for (party, due) in [&alice, &bob].into_iter().zip(&mut due) {
            if selected.iter().any(|it| it.id == party.id) {
                due.insert(place);
            }
        }
    }
    let [of_alice, of_bob] =
        due.map(|must| Due { may: (0..MANY).collect(), ..Due::of(&series, must) });
    let all = tokio::join!(
        of_alice.comes_to(trial, &alice, &[]),
        of_bob.comes_to(trial, &bob, &[]),
        of_bob.comes_to(trial, &bob, &[]),
    );
    all_hold([all.0, all.1, all.2])
}

/// Events are published while the stream opens: each comes once, by the one way or the other.
async fn while_subscribing(trial: &Trial) -> Verdict {
    each(0..12, |lane| {
        let trial = trial.clone();
        async move {
            for round in 0..5 {
                one_race(&trial, lane, round).await?;
            }
            Ok(())
        }
    })
    .await
    .map(drop)
}

async fn one_race(trial: &Trial, lane: usize, round: usize) -> Verdict {
    let label = format!("race{lane}r{round}");
    let series = Series::new(trial, &label);
    let party = trial.party(&label).await?;
    let coordinator = trial.coordinator().on_a_connection_of_its_own();
    let publish = async |places: std::ops::Range<usize>| {
        for place in places {
            let event = series.event(place, STARTED, place % 2, &[&party]);
            coordinator.publish(event).await.accepted()?;
        }
        Ok::<_, Stop>(())
    };
    publish(0..2).await?;
    let (published, mut feed) = tokio::join!(publish(2..10), async {
        for _ in 0..(lane * 5 + round) % 40 {
            tokio::task::yield_now().await;
        }
        party.subscribe_events(&[])
    });
    published?;
    Due::of(&series, 0..10).comes(trial, &party, &mut feed).await
}

/// A session lasts until the newest of its times, and then its events are still told.
async fn sessions_that_last(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "lasts");
    let party = trial.party("lasts").await?;
    let later = trial.clock().now_ms() + 60 * 60 * 1000;
    let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
    let mut ends = Vec::new();
    for session in 0..4 {
        let soon = End::soon(trial);
        let times: [&[i64]; 4] =
            [&[soon.unix_ms, later], &[later, 0], &[0], &[soon.unix_ms, 0, later, 0]];
        let mut places = Vec::new();
        for (number, expires_at) in times[session].iter().enumerate() {
            let place = session * 10 + number;
            let event_type = if number == 0 { CREATED } else { STARTED };
            let event = series.event(place, event_type, session, &[&party]);
            publishes(trial, SessionEvent { expires_at: *expires_at, ..event }).await?;
            places.push(place);
        }
        // Where that took so long that the first time may have passed, the session may have ended.
        let lasts = soon.is_to_come(trial) || !times[session].contains(&soon.unix_ms);
        if lasts {
            must.extend(places)
        } else {
            may.extend(places)
        }
        ends.push(soon);
    }
    let due = Due { may, ..Due::of(&series, must) };
    due.comes_to(trial, &party, &[]).await?;
    let tolerance = std::time::Duration::from_millis(trial.timers().clock_tolerance_ms);
    if trial.can_wait_for("twice clock_tolerance", tolerance * 2).is_ok() {
        for soon in ends {
            soon.passes(trial).await;
        }
        due.comes_to(trial, &party, &[]).await?;
    }
    Ok(())
}

async fn as_published(trial: &Trial) -> Verdict {
    let series = Series::new(trial, "fields");
    let [alice, bob] = trial.parties(["fields-alice", "fields-bob"]).await?;
    let both = [&bob, &alice];
    let token = |it: &&Party| (it.id.clone(), format!("token of {}", it.id));
    let published = SessionEvent {
        threshold_t: 2,
        expires_at: trial.clock().now_ms() + 60 * 60 * 1000,
        created_at: trial.clock().now_ms() - 1,
        message_hash: trial.payload(300),
        join_tokens: both.iter().map(token).collect(),
        ..series.event(0, CREATED, "s", &both)
    };
    publishes(trial, published.clone()).await?;
    for party in both {
        let mut feed = party.subscribe_events(&[CREATED]);
        let copy = event_of(&mut feed, &published.session_id).await?;
        is_as_published(&published, &copy, party)?;
        for (field, is, was) in [
            ("event_id", &copy.event_id, &published.event_id),
            ("created_at", &copy.created_at.to_string(), &published.created_at.to_string()),
        ] {
            if is != was {
                let seen = format!("{field} of a replayed event is {is}");
                return Err(Stop::broken(seen, format!("as published: {was}")));
            }
        }
    }
    Ok(())
}
