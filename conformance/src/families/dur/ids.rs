//! DUR-5: identifiers, before and after restarts.

use std::collections::BTreeMap;

use crate::families::prelude::*;
use crate::families::restarting::{Down, reconnect, restart};
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Messages between two restarts.
const MESSAGES: [usize; 5] = [40, 7, 60, 1, 40];

pub(super) async fn no_identifier_is_given_twice(trial: Trial) -> Verdict {
    let power = trial.power()?;
    let [mut alice, mut bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let downs = [Down::Stopped, Down::Killed, Down::Killed, Down::Stopped];
    for (round, count) in MESSAGES.into_iter().enumerate() {
        let keeping = trial.keeping();
        let sent = route(&alice, &bob, &session, count, round).await?;
        for sent in &sent {
            if let Some(before) = known.insert(sent.id.clone(), round) {
                let when = match round - before {
                    0 => "between the same two restarts".into(),
                    restarts => format!("{restarts} restarts before"),
                };
                let seen = format!("message_id {} was given twice, the first time {when}", sent.id);
                return Err(Stop::broken(seen, "another one for each message"));
            }
        }
        // What nobody waits for any more counts as well.
        let ended = if round % 2 == 0 { sent.len() } else { sent.len() / 2 };
        each(sent.into_iter().take(ended), |sent| {
            let bob = bob.clone();
            let request = sent.acknowledgement(&bob, true);
            async move { keeping.prepared(bob.acknowledge(request).await) }
        })
        .await?;
        let Some(down) = downs.get(round) else { break };
        restart(&trial, &power, *down).await?;
        reconnect([&mut alice, &mut bob]);
    }
    Ok(())
}

/// Routes at once, and then one after another.
async fn route(
    from: &Party,
    to: &Party,
    session: &Session,
    count: usize,
    round: usize,
) -> Result<Vec<Sent>, Stop> {
    // The same contents again and again.
    let outgoing = |number: usize| from.outgoing(session, &[to], format!("message {}", number % 3));
    let mut sent = each(0..count / 2, |number| {
        let (from, request) = (from.clone(), outgoing(number));
        async move { from.has_sent_this(request).await }
    })
    .await?;
    for number in 0..count.div_ceil(2) {
        sent.push(from.has_sent_this(outgoing(number + round)).await?);
    }
    Ok(sent)
}
