//! ACK-2: what ended long before much else did.

use super::super::prelude::*;
use super::same_status;
use crate::many::{each, statuses, volume_that_fits};
use crate::party::{Party, Sent};

/// What is acknowledged once more.
const FIRST: usize = 50;

/// And how much else ends before: more than a small store of what is over holds.
const OTHERS: usize = 1_050;

/// Neither the status nor what another acknowledgement is answered with depends on how many others
/// there were since.
pub(super) async fn after_many_others(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["old-a", "old-b"]).await?;
    let session = trial.session("old", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let requests = |count: usize| {
        let request = alice.outgoing(&session, &[&bob], "ends");
        std::iter::repeat_n((&alice, request), count)
    };
    let first = volume_that_fits(trial, requests(FIRST)).await?;
    let acknowledge = async |sent: &[Sent]| {
        each(sent, |sent| {
            let (bob, request): (Party, _) = (bob.clone(), sent.acknowledgement(&bob, true));
            async move { keeping.accepted(bob.acknowledge(request).await) }
        })
        .await
    };
    acknowledge(&first).await?;
    let before = keeping.judged(statuses(&alice, &first).await)?;
    let others = volume_that_fits(trial, requests(OTHERS)).await?;
    acknowledge(&others).await?;
    let told = format!("{} others had been acknowledged since", others.len());
    acknowledge(&first).await.map_err(|stop| stop.told(&told))?;
    let after = keeping.judged(statuses(&alice, &first).await).map_err(|stop| stop.told(&told))?;
    before.iter().zip(&after).try_for_each(|(before, after)| same_status(before, after))
}
