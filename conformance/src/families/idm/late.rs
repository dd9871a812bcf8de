//! IDM-1: the same call again when time has passed.

use super::super::announcing::{event, publishes_if_taken};
use super::super::prelude::*;
use super::{repeats, sends};
use crate::ending::End;

/// A key lasts as long as its message's status, which begins with the end of its delivery.
pub(super) async fn long_after_it_was_routed(trial: &Trial) -> Verdict {
    let kept = trial.timers().message_ttl();
    if !trial.waits_for_ttl() {
        return Ok(());
    }
    let [alice, bob, carol] = trial.parties(["late-a", "late-b", "late-c"]).await?;
    let session = trial.session("late", &[&alice, &bob, &carol]).await?;
    let outstanding = trial.keeping();
    let mut calls = Vec::new();
    for (key, to) in [("used", &[&bob][..]), ("refused", &[&carol]), ("both", &[&bob, &carol])] {
        let request = alice.outgoing(&session, to, key);
        calls.push((key, sends(&alice, &request, key).await?));
    }
    trial.sleep(kept / 5 * 3).await;
    let ended = trial.keeping();
    for (_, sent) in &calls {
        for (party, success) in [(&bob, true), (&carol, false)] {
            if sent.request.to_parties.contains(&party.id) {
                let answer = party.acknowledge(sent.acknowledgement(party, success)).await;
                outstanding.prepared(answer)?;
            }
        }
    }
    trial.sleep(kept / 3 * 2).await;
    for (key, first) in &calls {
        let when = "longer than message_ttl after the first one, and not as long after it was \
                    acknowledged";
        repeats(&alice, &first.request, key, first, &ended, when).await?;
    }
    Ok(())
}

/// A session also ends by its `expires_at`.
pub(super) async fn after_its_time(trial: &Trial) -> Verdict {
    let tolerance = std::time::Duration::from_millis(trial.timers().clock_tolerance_ms);
    let can_wait = trial.can_wait_for("twice clock_tolerance", tolerance * 2).is_ok();
    if !trial.claims(Capability::Membership) || !can_wait || !End::is_soon_for(trial) {
        return Ok(());
    }
    let [alice, bob] = trial.parties(["in-time-a", "in-time-b"]).await?;
    let session = crate::trial::Session { id: trial.name("in-time") };
    let end = End::soon(trial);
    let mut started = event("session_started", session.id.clone(), &[&alice, &bob]);
    started.expires_at = end.unix_ms;
    if !publishes_if_taken(trial, started).await? {
        return Ok(());
    }
    // Nobody ends these.
    let keeping = trial.keeping_known();
    let mut calls = Vec::new();
    for (key, to) in [("one", &[&bob][..]), ("all", &[])] {
        let first = sends(&alice, &alice.outgoing(&session, to, key), key).await;
        if first.is_err() && !end.is_to_come(trial) {
            let why = "the session's time was over before anything was routed";
            return Err(Stop::Inconclusive(why.into()));
        }
        calls.push((key, first?));
    }
    end.passes(trial).await;
    for (key, first) in &calls {
        let when = "after the session's expires_at";
        repeats(&alice, &first.request, key, first, &keeping, when).await?;
    }
    Ok(())
}
