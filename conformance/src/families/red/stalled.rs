//! RED-8: a reader that stalls.

use tokio::time::Instant;

use super::super::prelude::*;
use super::copies::{can_see_the_end, not_before};
use crate::families::arrivals::up_to_kept;
use crate::families::stalling::stalled;
use crate::many::{each, statuses, volume};
use crate::party::{Party, Sent};

const KIB: usize = 1024;

/// Messages that wait, of 32 KiB each: 4 MiB of them are more than buffers hold beside the window,
/// so that what comes behind them is held back.
const MESSAGES: usize = 160;
const HELD_BACK: usize = 32;

pub(super) async fn what_is_held_back_is_not_sent(trial: Trial) -> Verdict {
    can_see_the_end(&trial)?;
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let payload = trial.payload(most.min(32 * KIB));
    let outgoing = || (&alice, alice.outgoing(&session, &[&bob], payload.clone()));
    let mut sent = volume(&trial, (0..MESSAGES - HELD_BACK).map(|_| outgoing())).await?;
    // Routed when the others had been accepted, these come behind them.
    let held_back = volume(&trial, (0..HELD_BACK).map(|_| outgoing())).await?;
    if held_back.len() < HELD_BACK {
        return Err(Stop::Inconclusive("routing takes so long that no backlog builds up".into()));
    }

    let (mut feed, reads) = stalled(&trial, &bob, &session);
    let timers = trial.timers();
    trial.sleep(timers.all_attempts() + timers.ack_timeout() / 2).await;
    untouched(&bob, &held_back, "while its reader stalled", None).await.map_err(late(&keeping))?;

    let (streamed, resumed) = (trial.keeping_streamed(), Instant::now());
    let _ = reads.send(());
    let fences: Vec<_> = held_back.iter().collect();
    let came = up_to_kept(&mut feed, [&keeping, &streamed], &fences).await?;
    let none_yet = resumed + not_before(&trial);
    untouched(&bob, &held_back, "when its reader had stalled and read on", Some(none_yet))
        .await
        .map_err(late(&streamed))?;
    let accepted = each(&held_back, |sent| {
        let (bob, request) = (bob.clone(), sent.acknowledgement(&bob, true));
        async move { Ok(bob.acknowledge(request).await) }
    })
    .await?;
    for answer in accepted {
        let told =
            "the stream's reader had stalled, and the message was held back until it read on";
        streamed.accepted(answer).map_err(|stop| stop.told(told)).map_err(late(&keeping))?;
    }
    sent.retain(|sent| came.iter().all(|it| it.message_id != sent.id));
    match sent.first() {
        None => Ok(()),
        Some(lost) => {
            let seen = format!(
                "a reader that stalled and read on got everything but {} ({} of {})",
                lost.id,
                sent.len(),
                MESSAGES
            );
            keeping.judged(Err(Stop::broken(seen, "all that was outstanding when it stalled")))
        }
    }
}

/// A finding that came too late proves nothing.
fn late(keeping: &crate::keeping::Keeping) -> impl Fn(Stop) -> Stop + '_ {
    move |stop| keeping.judged(Err::<(), _>(stop.clone())).err().unwrap_or(stop)
}

/// Demands that these are outstanding, with no retry used up, as far as that was seen before the
/// time at which the first one may come.
async fn untouched(party: &Party, sent: &[Sent], when: &str, none_yet: Option<Instant>) -> Verdict {
    let statuses = statuses(party, sent).await?;
    let none = none_yet.is_none_or(|until| Instant::now() < until);
    for (sent, status) in sent.iter().zip(statuses) {
        let Some(entry) = status.deliveries.iter().find(|it| it.party_id == party.id) else {
            continue;
        };
        let outstanding = ["pending", "delivered"].contains(&entry.status.as_str());
        if !outstanding || (none && entry.retry_count != 0) {
            let seen = format!(
                "{}, which was held back, became {:?} with retry_count {} {when}",
                sent.id, entry.status, entry.retry_count
            );
            return Err(Stop::broken(seen, "outstanding, with retry_count 0: it was not sent yet"));
        }
    }
    Ok(())
}
