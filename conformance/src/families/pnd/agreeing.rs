//! PND-8: polls and a stream of the same party.

use mpc_router_proto::v1::MpcMessage;

use super::super::arrivals::up_to_kept;
use super::super::prelude::*;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::party::{Party, Sent};

pub(super) async fn polls_and_streams_agree(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;

    // What a stream brought, acknowledged and gone from polls: in groups small enough not to be
    // sent again in vain.
    let mut feed = bob.subscribe(&session);
    for group in [1, 2, 30, 30, 30, 30] {
        let keeping = trial.keeping_streamed();
        let requests = (0..group).map(|_| (&alice, alice.outgoing(&session, &[&bob], "streamed")));
        let sent = volume(&trial, requests).await?;
        feed.take(sent.len(), "the messages routed").await?;
        acknowledges(&bob, &sent, &keeping).await?;
        let polled = bob.polls(&session).await?;
        listing::exactly(&bob, &polled, [])
            .map_err(|stop| stop.told("a stream brought it, and it is acknowledged"))?;
    }
    drop(feed);

    // What a poll listed, acknowledged and gone from streams and polls.
    for group in [2, 6, 300] {
        let keeping = trial.keeping();
        let requests = (0..group).map(|_| (&alice, alice.outgoing(&session, &[&bob], "polled")));
        let sent = volume(&trial, requests).await?;
        let polled = bob.polls(&session).await?;
        keeping.judged(listing::exactly(&bob, &polled, &sent))?;
        let (acknowledged, left) = sent.split_at(sent.len() / 2);
        acknowledges(&bob, acknowledged, &keeping).await?;
        let polled = bob.polls(&session).await?;
        keeping.judged(listing::exactly(&bob, &polled, left))?;

        keeping.lasts()?;
        let keeping = trial.keeping_streamed();
        let mut feed = bob.subscribe(&session);
        let fence = alice.has_sent(&session, &[&bob], "fence").await?;
        let due: Vec<_> = left.iter().chain([&fence]).collect();
        let brought = up_to_kept(&mut feed, [&keeping], &due)
            .await
            .map_err(|stop| stop.told("polls list it, and it is not acknowledged"))?;
        if let Some(gone) = acknowledged.iter().find(|it| is_among(it, &brought)) {
            let seen =
                format!("{} was polled and acknowledged, and a later stream has it", gone.id);
            return Err(Stop::broken(seen, "only what is not acknowledged"));
        }
        // Acknowledged while a stream is open that has brought it as well.
        acknowledges(&bob, left, &keeping).await?;
        acknowledges(&bob, std::slice::from_ref(&fence), &keeping).await?;
        let polled = bob.polls(&session).await?;
        listing::exactly(&bob, &polled, [])
            .map_err(|stop| stop.told("polls and a stream brought it, and it is acknowledged"))?;
        drop(feed);
    }
    Ok(())
}

fn is_among(sent: &Sent, messages: &[MpcMessage]) -> bool {
    messages.iter().any(|it| it.message_id == sent.id)
}

async fn acknowledges(bob: &Party, sent: &[Sent], keeping: &Keeping) -> Verdict {
    each(sent, |sent| {
        let (bob, keeping, request) = (bob.clone(), *keeping, sent.acknowledgement(bob, true));
        async move { keeping.accepted(bob.acknowledge(request).await) }
    })
    .await
    .map(drop)
}
