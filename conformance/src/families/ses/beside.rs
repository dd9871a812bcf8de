//! SES-4: sessions among many others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::super::announcing::{event, has_published, publishes_if_taken};
use super::super::arrivals::kept;
use super::super::prelude::*;
use super::ends::is_closed;
use crate::listing;
use crate::many::each;

/// More sessions than a small cache holds.
const MANY: usize = 1_200;

/// For how long more are announced.
const ANNOUNCING: Duration = Duration::from_millis(1_500);

/// One that has ended stays closed, and one that goes on does, however many begin meanwhile.
pub(super) async fn among_many_others(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["among-a", "among-b"]).await?;
    let both = [&alice, &bob];
    let goes_on = trial.session("among-goes-on", &both).await?;
    let ended = trial.session("among-ended", &both).await?;
    let keeping = trial.keeping();
    let before = alice.has_sent(&goes_on, &[], "before all others").await?;
    has_published(trial, event("session_completed", ended.id.clone(), &both)).await?;

    let (ends, full) = (Instant::now() + ANNOUNCING, Arc::new(AtomicBool::new(false)));
    let announced = each(0..MANY, |number| {
        let (full, coordinator) = (full.clone(), trial.coordinator());
        let event = event("session_created", trial.name(&format!("among-{number}")), &both);
        async move {
            if full.load(Ordering::Relaxed) || Instant::now() > ends {
                return Ok(false);
            }
            // How many it takes is the target's own affair.
            let taken = coordinator.publish(event).await.was_accepted();
            full.fetch_or(taken == Some(false), Ordering::Relaxed);
            Ok(taken == Some(true))
        }
    })
    .await?;
    let others = announced.into_iter().filter(|taken| *taken).count();

    let told = format!("the session had ended, and {others} others had begun since");
    publishes_if_taken(trial, event("session_started", ended.id.clone(), &both)).await?;
    is_closed(&ended, both, &told).await?;
    let told = format!("{others} sessions had begun since this one did");
    let after = alice.sends(&goes_on, &[], "after all others").await;
    let after = after.map_err(|stop| stop.told(&told))?;
    let polled = bob.polls(&goes_on).await.map_err(|stop| stop.told(&told))?;
    let verdict = listing::exactly(&bob, &polled, [&before, &after]);
    kept([&keeping], verdict.map_err(|stop| stop.told(&told)))
}
