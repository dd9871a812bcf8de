//! ACK-10: what an acknowledgement takes off the count of what is pending.

use mpc_router_proto::v1::AcknowledgeMessageRequest;

use super::super::prelude::*;
use super::{acknowledges, is_handed_out_all};
use crate::keeping::Keeping;
use crate::many::{each, volume};
use crate::party::{Party, Sent};

pub(super) async fn each_lowers_the_count_once(trial: Trial) -> Verdict {
    one_by_one(&trial).await?;
    hundreds_at_once(&trial).await
}

/// The party's own count of what is outstanding.
async fn pending_messages(party: &Party) -> Result<i32, Stop> {
    Ok(party.heartbeat().await.prepared()?.pending_messages)
}

/// Demands that the count has become this.
async fn count_must_be(party: &Party, expected: i32, why: &str, keeping: &Keeping) -> Verdict {
    let count = pending_messages(party).await?;
    if count == expected {
        return Ok(());
    }
    keeping.lasts()?;
    let seen = format!("pending_messages of {} is {count}: {why}", party.id);
    Err(Stop::broken(seen, expected.to_string()))
}

async fn one_by_one(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let members = [&alice, &bob, &carol];
    let session = trial.session("s", &members).await?;
    let other = trial.session("t", &members).await?;
    let keeping = trial.keeping();
    let requests = (0..7).map(|number| {
        let (session, to) =
            if number == 0 { (&other, &[][..]) } else { (&session, &[&bob, &carol][..]) };
        (&alice, alice.outgoing(session, to, "counted"))
    });
    let sent = volume(trial, requests).await?;
    let [elsewhere, first, second, third, fourth, fifth, ..] = sent.as_slice() else {
        return Err(Stop::Inconclusive("seven calls took too long".into()));
    };
    let carols = pending_messages(&carol).await?;
    let mut count = pending_messages(&bob).await?;
    for (sent, success, why) in [
        (first, true, "one that was not handed out is acknowledged"),
        (second, false, "one that was not handed out is refused"),
        (third, true, "one more is acknowledged"),
        (fourth, false, "one more is refused"),
        (elsewhere, true, "one of another session is acknowledged"),
    ] {
        if sent.id == third.id {
            is_handed_out_all(&bob, &session).await?;
        }
        acknowledges(&bob, [sent], success, &keeping).await?;
        count -= 1;
        count_must_be(&bob, count, why, &keeping).await?;
        all_at_once(&bob, [sent.acknowledgement(&bob, success)]).await?;
        count_must_be(&bob, count, &format!("{why}, twice"), &keeping).await?;
    }
    let rejected = [
        first.acknowledgement(&bob, false),
        fourth.acknowledgement(&bob, true),
        fifth.acknowledgement(&alice, true),
        Sent { id: trial.name("no-message"), ..fifth.clone() }.acknowledgement(&bob, true),
    ];
    all_at_once(&bob, rejected).await?;
    count_must_be(&bob, count, "acknowledgements that must be rejected", &keeping).await?;
    all_at_once(&bob, [fifth; 8].map(|it| it.acknowledgement(&bob, true))).await?;
    count_must_be(&bob, count - 1, "one is acknowledged 8 times at once", &keeping).await?;
    count_must_be(&carol, carols, "only others have acknowledged", &keeping).await
}

/// Makes these calls. Which of them are to be accepted is another requirement's subject.
async fn all_at_once(
    caller: &Party,
    requests: impl IntoIterator<Item = AcknowledgeMessageRequest>,
) -> Verdict {
    each(requests, |request| {
        let caller = caller.clone();
        async move {
            caller.acknowledge(request).await;
            Ok(())
        }
    })
    .await
    .map(drop)
}

async fn hundreds_at_once(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["many-alice", "many-bob"]).await?;
    let session = trial.session("many", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let requests = (0..400).map(|_| (&alice, alice.outgoing(&session, &[&bob], "counted")));
    let sent = volume(trial, requests).await?;
    let mut count = pending_messages(&bob).await?;
    for (place, part) in sent.chunks(130).enumerate() {
        if place == 1 {
            is_handed_out_all(&bob, &session).await?;
        }
        acknowledges(&bob, part, place != 2, &keeping).await?;
        let length = i32::try_from(part.len()).unwrap_or(i32::MAX);
        count -= length;
        let why = format!("{length} more acknowledged at once");
        count_must_be(&bob, count, &why, &keeping).await?;
    }
    Ok(())
}
