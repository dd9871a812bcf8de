//! EVT-7, EVT-8, EVT-10: what is refused.

use mpc_router_proto::v1::{PublishSessionEventRequest, SessionEvent};

use super::super::announcing::publishes_if_taken;
use super::super::prelude::*;
use super::series::{Series, publishes};
use crate::feed::Feed;
use crate::listening::{listening, listens};
use crate::party::Party;

/// Publishes events that must be rejected, each as an event of its own session, and then one that
/// must not be: that one comes, and none of the others.
async fn all_rejected(
    trial: &Trial,
    series: &Series,
    wrong: Vec<(SessionEvent, &str)>,
    subscribers: &mut [(&Party, Feed<SessionEvent>)],
) -> Verdict {
    let coordinator = trial.coordinator();
    for (event, what) in &wrong {
        let rejected = coordinator.publish(event.clone()).await.rejected(&[Code::InvalidArgument]);
        rejected.map_err(|stop| stop.told(what))?;
    }
    let fence = usize::MAX;
    let parties: Vec<_> = subscribers.iter().map(|(party, _)| *party).collect();
    publishes(trial, series.event(fence, "session_started", "fence", &parties)).await?;
    for (party, feed) in subscribers {
        if let Some(place) = series.up_to(feed, fence).await?.first() {
            let what = wrong.get(*place).map_or("", |(_, what)| what);
            let seen = format!("{} got an event that was rejected: {what}", party.id);
            return Err(Stop::broken(seen, "a rejected call has no effect"));
        }
    }
    Ok(())
}

pub(super) async fn incomplete_events_are_rejected(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "incomplete");
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let both = [&alice, &bob];
    let mut subscribers = [
        (&alice, listening(&trial, &alice, &[]).await?),
        (&bob, listening(&trial, &bob, &["session_started"]).await?),
    ];
    let nothing = PublishSessionEventRequest { event: None };
    trial.coordinator().publish_with(nothing).await.rejected(&[Code::InvalidArgument])?;

    let no_session = |event: SessionEvent| SessionEvent { session_id: String::new(), ..event };
    let no_type = |event: SessionEvent| SessionEvent { event_type: String::new(), ..event };
    let plain =
        |place: usize, selected: &[&Party]| series.event(place, "session_started", place, selected);
    let bare = |event: SessionEvent| SessionEvent { event_id: String::new(), ..event };
    let wrong = vec![
        (no_session(plain(0, &both)), "it has no session_id"),
        (no_type(plain(1, &both)), "it has no event_type"),
        (no_type(no_session(plain(2, &both))), "it has neither session_id nor event_type"),
        (no_session(bare(plain(3, &both))), "it has neither session_id nor event_id"),
        (no_type(bare(plain(4, &both))), "it has neither event_type nor event_id"),
        (SessionEvent::default(), "it has nothing at all"),
        (no_session(plain(6, &both[..1])), "it has no session_id"),
        (no_type(plain(7, &[])), "it has no event_type, and selects nobody"),
    ];
    all_rejected(&trial, &series, wrong, &mut subscribers).await?;

    // What was rejected uses up no event_id.
    for place in [0, 1, 2] {
        publishes(&trial, plain(place, &both)).await?;
    }
    for (_, feed) in &mut subscribers {
        let what = "events that were published rightly after they had been rejected";
        series.all_come(feed, [0, 1, 2], what).await?;
    }
    Ok(())
}

pub(super) async fn impossible_events_are_rejected(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "impossible");
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let three = [&alice, &bob, &carol];
    let mut subscribers = [
        (&alice, listening(&trial, &alice, &[]).await?),
        (&bob, listening(&trial, &bob, &[]).await?),
    ];
    let mut place = 0;
    let mut with = |event_type: &str, threshold_t: i32, threshold_n: i32, selected: &[&Party]| {
        place += 1;
        let event = series.event(place - 1, event_type, place, selected);
        SessionEvent { threshold_t, threshold_n, ..event }
    };
    // At the border is not over it; but whether a threshold of 0 makes sense is the target's affair.
    let mut taken = Vec::new();
    for (threshold_t, threshold_n, must) in
        [(3, 3, true), (0, 3, false), (0, 0, false), (1, 3, true)]
    {
        let event = with("session_started", threshold_t, threshold_n, &three);
        let published = if must {
            publishes(&trial, event).await.map(|_| true)
        } else {
            publishes_if_taken(&trial, event).await
        };
        taken.push(published?);
    }
    let taken: Vec<_> = (0..taken.len()).filter(|place| taken[*place]).collect();
    for (_, feed) in &mut subscribers {
        series.all_come(feed, taken.clone(), "events with possible thresholds").await?;
    }

    let series = Series::new(&trial, "rejected");
    let mut place = 0;
    let mut with = |event_type: &str, threshold_t: i32, threshold_n: i32, selected: &[&Party]| {
        place += 1;
        let event = series.event(place - 1, event_type, place, selected);
        SessionEvent { threshold_t, threshold_n, ..event }
    };
    let crowd: Vec<_> = (0..70).map(|it| trial.stranger(&format!("member-{it}"))).collect();
    let mut far_apart: Vec<_> = crowd.iter().chain(three).collect();
    far_apart.push(&crowd[3]);
    let wrong = vec![
        (with("session_created", 4, 3, &three), "threshold_t 4 is over threshold_n 3"),
        (with("session_started", 1, 0, &three), "threshold_t 1 is over threshold_n 0"),
        (with("session_created", i32::MAX, 3, &three), "threshold_t is far over threshold_n"),
        (with("session_started", -1, 3, &three), "threshold_t is negative"),
        (with("session_created", i32::MIN, 3, &three), "threshold_t is negative"),
        (with("session_created", -2, -1, &three), "both thresholds are negative"),
        (with("session_created", -1, -1, &three), "both thresholds are negative"),
        (with("session_started", 0, -1, &three), "threshold_n is negative"),
        (with("session_created", 1, 2, &[&alice, &alice]), "a party is selected twice"),
        (with("session_started", 1, 3, &[&bob, &alice, &bob]), "a party is selected twice"),
        (with("session_created", 2, 74, &far_apart), "one of 73 parties is selected twice"),
    ];
    all_rejected(&trial, &series, wrong, &mut subscribers).await
}

pub(super) async fn unknown_subscribers_are_rejected(trial: Trial) -> Verdict {
    let series = Series::new(&trial, "unknown");
    let known = trial.party("known").await?;
    let selected = trial.stranger("selected");
    publishes(&trial, series.event(0, "session_created", "s", &[&known, &selected])).await?;
    let mut unknown = vec![selected];
    for label in ["never", "know", "known2", "Known", "KNOWN", "known ", "%"] {
        unknown.push(trial.stranger(label));
    }
    for party in &unknown {
        for filter in [&[][..], &["session_started"]] {
            party.subscribe_events(filter).refused(&[Code::NotFound]).await?;
        }
    }
    let mut nameless = trial.stranger("nameless");
    nameless.id = String::new();
    for filter in [&[][..], &["session_started"]] {
        nameless.subscribe_events(filter).refused(&[Code::InvalidArgument]).await?;
    }

    // It was refused for what it was then.
    let late = &unknown[0];
    late.register("temporary").await.prepared()?;
    let mut feed = listens(&trial, late, &[]).await?;
    publishes(&trial, series.event(1, "session_started", "s", &[&known, late])).await?;
    series.all_come(&mut feed, [1], "events after it has registered").await
}
