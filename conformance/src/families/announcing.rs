//! Session events that checks publish.

use mpc_router_proto::v1::SessionEvent;

use super::prelude::*;
use crate::party::Party;

/// An event with nothing but what every one must have, and who is selected.
pub(in crate::families) fn event(
    event_type: &str,
    session_id: String,
    selected: &[&Party],
) -> SessionEvent {
    // A threshold of 0 makes no sense, and may be refused.
    let threshold_n = i32::try_from(selected.len()).unwrap_or(i32::MAX).max(1);
    SessionEvent {
        event_type: event_type.into(),
        session_id,
        threshold_n,
        threshold_t: 1,
        selected_parties: selected.iter().map(|it| it.id.clone()).collect(),
        ..Default::default()
    }
}

/// Publishes an event that a check needs and is not about.
///
/// # Errors
/// Without it the requirement cannot be checked.
pub(super) async fn has_published(trial: &Trial, event: SessionEvent) -> Verdict {
    trial.coordinator().publish(event).await.prepared().map(drop)
}

/// Publishes what a target may refuse, and tells whether it was accepted.
pub(in crate::families) async fn publishes_if_taken(
    trial: &Trial,
    event: SessionEvent,
) -> Result<bool, Stop> {
    match trial.coordinator().publish(event).await.prepared() {
        Err(Stop::NotChecked(_)) => Ok(false),
        answer => answer.map(|_| true),
    }
}
