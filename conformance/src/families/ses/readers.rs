//! SES-7: who may read.

use super::super::announcing::{event, has_published};
use super::super::arrivals::{all_of, kept, stream_of};
use super::super::prelude::*;
use super::forms::{Forms, forms};
use crate::listing;
use crate::party::Party;
use crate::trial::Session;

const USUAL: [Code; 2] = [Code::PermissionDenied, Code::NotFound];

pub(super) async fn strangers_cannot_read(trial: Trial) -> Verdict {
    if let Some(Forms { alice, member, outsider, session }) = forms(&trial).await? {
        alice.has_sent(&session, &[&member], "to a member").await?;
        is_refused(&outsider, &session).await?;
    }
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let mut outsiders = Vec::new();
    for name in ["stranger", "elsewhere", "bo", "bob1", "BOB", "alice2"] {
        outsiders.push(trial.party(name).await?);
    }
    for name in ["bob ", "%", "*"] {
        outsiders.extend(trial.party_if_taken(name).await?);
    }
    let members = [&alice, &bob];
    let session = trial.session("s", &members).await?;
    let ended = trial.session("ended", &members).await?;
    let empty = trial.session("empty", &members).await?;
    // One outsider is a member of a session that is called nearly like it.
    let other = trial.session("s2", &[&alice, &bob, &outsiders[1]]).await?;
    let keeping = trial.keeping();
    let mut sent = Vec::new();
    for session in [&session, &ended, &other] {
        sent.push(alice.has_sent(session, &[], "to all").await?);
        sent.push(alice.has_sent(session, &[&bob], "to one").await?);
    }
    has_published(&trial, event("session_completed", ended.id.clone(), &members)).await?;

    let never = Session { id: trial.name("never") };
    for outsider in &outsiders {
        for closed in [&session, &ended, &empty, &never] {
            is_refused(outsider, closed).await?;
        }
    }
    // A recipient named on the way does not make room for others.
    is_refused(&outsiders[0], &other).await?;
    let polled = outsiders[1].polls(&other).await?;
    kept([&keeping], listing::exactly(&outsiders[1], &polled, [&sent[4]]))?;

    // Who was refused reads once it is selected: what is routed from then on.
    let joins = &outsiders[0];
    has_published(&trial, event("session_started", session.id.clone(), &[&alice, &bob, joins]))
        .await?;
    let later = alice.has_sent(&session, &[], "to one more").await?;
    let polled = joins.polls(&session).await?;
    kept([&keeping], listing::exactly(joins, &polled, [&later]))?;
    let mut feed = joins.subscribe(&session);
    all_of(&mut feed, [&keeping], &stream_of(joins), [&later]).await?;
    is_refused(&outsiders[1], &session).await
}

async fn is_refused(party: &Party, session: &Session) -> Verdict {
    // Twice: having asked is no way in.
    for _ in 0..2 {
        party.poll_after(session, 0).await.rejected(&USUAL)?;
        party.subscribe(session).refused(&USUAL).await?;
    }
    Ok(())
}
