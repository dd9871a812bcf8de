//! ACK-2: acknowledging again when time has passed.

use super::super::prelude::*;
use super::same_status;
use crate::many::statuses;

/// What became of a message is kept for a time that begins with the end of its delivery.
pub(super) async fn long_after_it_was_routed(trial: &Trial) -> Verdict {
    let kept = trial.timers().message_ttl();
    if !trial.waits_for_ttl() {
        return Ok(());
    }
    let [alice, bob, carol] = trial.parties(["late-a", "late-b", "late-c"]).await?;
    let session = trial.session("late", &[&alice, &bob, &carol]).await?;
    let outstanding = trial.keeping();
    let used = alice.has_sent(&session, &[&bob], "used").await?;
    let refused = alice.has_sent(&session, &[&carol], "not usable").await?;
    let both = alice.has_sent(&session, &[], "used by one").await?;
    trial.sleep(kept / 5 * 3).await;
    let ended = trial.keeping();
    let ends = [
        (&used, &bob, true),
        (&refused, &carol, false),
        (&both, &bob, true),
        (&both, &carol, false),
    ];
    for (sent, party, success) in ends {
        outstanding.prepared(party.acknowledge(sent.acknowledgement(party, success)).await)?;
    }
    let all = [&used, &refused, &both];
    let before = ended.judged(statuses(&alice, all).await)?;
    trial.sleep(kept / 3 * 2).await;
    let told = "routed longer than message_ttl ago, and ended not as long ago";
    let after = ended.judged(statuses(&alice, all).await).map_err(|stop| stop.told(told))?;
    for (before, after) in before.iter().zip(&after) {
        ended.judged(same_status(before, after))?;
    }
    for (sent, party, success) in ends {
        let again = party.acknowledge(sent.acknowledgement(party, success)).await;
        ended.accepted(again).map_err(|stop| stop.told(told))?;
    }
    Ok(())
}
