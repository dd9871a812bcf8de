//! Events that a check can tell apart, whoever else publishes on the same target.

use std::collections::BTreeSet;

use mpc_router_proto::v1::SessionEvent;

use super::super::announcing::event;
use super::super::prelude::*;
use crate::feed::Feed;
use crate::listening::listens;
use crate::many::each;
use crate::party::Party;

/// Connections over which many subscribers are spread: servers limit the streams on each.
const CONNECTIONS: usize = 4;

/// Events that a check can tell apart: by their `event_id` or, where that is not kept, by their
/// `message_hash`. Clones are the same series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    name: String,
}

impl Series {
    pub(super) fn new(trial: &Trial, label: &str) -> Self {
        Self { name: trial.name(label) }
    }

    /// The name of a session of this series.
    pub(super) fn session(&self, label: impl std::fmt::Display) -> String {
        format!("{}-s{label}", self.name)
    }

    /// The event at a place of the series, of a session that `label` names.
    pub(super) fn event(
        &self,
        place: usize,
        event_type: &str,
        label: impl std::fmt::Display,
        selected: &[&Party],
    ) -> SessionEvent {
        SessionEvent {
            event_id: self.mark(place),
            message_hash: self.mark(place).into_bytes().into(),
            ..event(event_type, self.session(label), selected)
        }
    }

    fn mark(&self, place: usize) -> String {
        format!("{}-e{place}", self.name)
    }

    /// Whether an event is of this series.
    pub(super) fn has(&self, event: &SessionEvent) -> bool {
        event.session_id.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with("-s"))
            || self.marked(event).is_some()
    }

    fn marked(&self, event: &SessionEvent) -> Option<usize> {
        let hash = std::str::from_utf8(&event.message_hash).unwrap_or_default();
        [event.event_id.as_str(), hash]
            .into_iter()
            .find_map(|mark| mark.strip_prefix(&self.name)?.strip_prefix("-e")?.parse().ok())
    }

    /// The place of an event of this series.
    pub(super) fn place(&self, event: &SessionEvent) -> Result<usize, Stop> {
        self.marked(event).ok_or_else(|| {
            Stop::NotChecked(
                "events cannot be told apart: neither event_id nor message_hash arrives as \
                 published"
                    .into(),
            )
        })
    }

    /// The place of the next event of this series on a feed. It must come.
    pub(super) async fn next(
        &self,
        feed: &mut Feed<SessionEvent>,
        what: &str,
    ) -> Result<usize, Stop> {
        self.place(&self.next_event(feed, what).await?)
    }

    /// The next event of this series on a feed. It must come.
    pub(super) async fn next_event(
        &self,
        feed: &mut Feed<SessionEvent>,
        what: &str,
    ) -> Result<SessionEvent, Stop> {
        feed.next_wanted(|it| self.has(it), what).await
    }

    /// Demands that a feed brings the events at all these places, in whatever order.
    pub(super) async fn all_come(
        &self,
        feed: &mut Feed<SessionEvent>,
        places: impl IntoIterator<Item = usize>,
        what: &str,
    ) -> Verdict {
        let mut missing: BTreeSet<_> = places.into_iter().collect();
        let all = missing.len();
        while let Some(first) = missing.first() {
            let what =
                format!("event {first}, one of {} of {all} {what} still to come", missing.len());
            missing.remove(&self.next(feed, &what).await?);
        }
        Ok(())
    }

    /// The places of the events that a feed brings before the one at `fence` does, which must come.
    pub(super) async fn up_to(
        &self,
        feed: &mut Feed<SessionEvent>,
        fence: usize,
    ) -> Result<Vec<usize>, Stop> {
        let mut places = Vec::new();
        loop {
            match self.next(feed, "the event published last").await? {
                place if place == fence => return Ok(places),
                place => places.push(place),
            }
        }
    }
}

/// Publishes what must be accepted, and gives the `subscriber_count`.
pub(super) async fn publishes(trial: &Trial, event: SessionEvent) -> Result<i32, Stop> {
    Ok(trial.coordinator().publish(event).await.accepted()?.subscriber_count)
}

/// Registered parties that listen to the types given, none meaning all, and their streams.
pub(super) async fn audience(
    trial: &Trial,
    label: &str,
    types: &'static [&'static str],
    count: usize,
) -> Result<Vec<(Party, Feed<SessionEvent>)>, Stop> {
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| trial.coordinator().on_a_connection_of_its_own().channel())
        .collect();
    each(0..count, |number| {
        let trial = trial.clone();
        let connection = &connections[number % CONNECTIONS];
        let party = trial.stranger_on(&format!("{label}-{number}"), connection);
        async move {
            party.register("persistent").await.prepared()?;
            let feed = listens(&trial, &party, types).await?;
            Ok((party, feed))
        }
    })
    .await
}
