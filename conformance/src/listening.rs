//! Event streams that are known to be open before a check begins.

use std::collections::BTreeSet;

use mpc_router_proto::v1::SessionEvent;
use tokio::time::{Duration, Instant};

use crate::ending::ENDING;
use crate::feed::{Ending, Feed};
use crate::outcome::Stop;
use crate::party::Party;
use crate::trial::Trial;

/// How long to wait for one event before the next is published.
const BETWEEN_PROBES: Duration = Duration::from_millis(40);

/// Opens an event stream, and publishes events of a session of its own until one arrives on it:
/// a target may send its response headers with the first event only.
///
/// # Errors
/// A finding if none arrives.
pub(crate) async fn listens(
    trial: &Trial,
    party: &Party,
    types: &[&str],
) -> Result<Feed<SessionEvent>, Stop> {
    let mut feed = party.subscribe_events(types);
    let event_type = types.first().copied().unwrap_or("session_started");
    let label = format!("probe-{}", trial.number());
    let ends = ENDING.contains(&event_type);
    let coordinator = trial.coordinator();
    let wait = trial.pace().wait();
    let mut published = 0;
    let mut sessions = BTreeSet::new();
    loop {
        // A session ends once, and after it was announced.
        let session_id = if ends {
            trial.session(&format!("{label}-{published}"), &[party]).await?.id
        } else {
            trial.name(&label)
        };
        sessions.insert(session_id.clone());
        let probe = SessionEvent {
            event_type: event_type.into(),
            session_id,
            selected_parties: vec![party.id.clone()],
            threshold_n: 1,
            threshold_t: 1,
            ..Default::default()
        };
        coordinator.publish(probe).await.prepared()?;
        published += 1;
        let next_probe = Instant::now() + BETWEEN_PROBES;
        while let Some(item) = feed.item_until(next_probe).await {
            if sessions.contains(&item.content.session_id) {
                return Ok(feed);
            }
        }
        let who = &party.id;
        if let Some(stop) = feed.overload() {
            return Err(stop);
        }
        match feed.ending() {
            Some(Ending::Lost(why)) => {
                return Err(Stop::Inconclusive(format!(
                    "an event stream of {who} was lost: {why}"
                )));
            }
            Some(ending) => {
                let seen = format!("an event stream of {who} {}", ending.words());
                return Err(Stop::broken(seen, "a stream that stays open"));
            }
            None if Instant::now() < wait.deadline() => {}
            None => {
                let seen = format!(
                    "none of {published} events of type {event_type} that select {who} arrived on \
                     its event stream"
                );
                return Err(trial.missed(&wait, seen, "those published after it opened").await);
            }
        }
    }
}

/// The same for a check that is not about whether events arrive.
///
/// # Errors
/// Without the stream the requirement cannot be checked.
pub(crate) async fn listening(
    trial: &Trial,
    party: &Party,
    types: &[&str],
) -> Result<Feed<SessionEvent>, Stop> {
    listens(trial, party, types).await.map_err(Stop::unprepared)
}
