//! ACK-5 to ACK-7: acknowledgements of what is not the party's to acknowledge.

use mpc_router_proto::v1::AcknowledgeMessageRequest;

use super::super::noting::settles;
use super::super::prelude::*;
use super::{compare, states};
use crate::listing;
use crate::many::each;
use crate::party::{Party, Sent};

/// Codes beside the usual one where an attempt may also break another rule: the identifier may
/// have a shape that the target does not know, or may be another party's message.
const LENIENT: [Code; 3] = [Code::NotFound, Code::InvalidArgument, Code::PermissionDenied];

const NO_EFFECT: &str = "a rejected call has no effect";

/// An acknowledgement that must be rejected, and the codes that are usual for it.
type Attempt<'a> = (&'a Party, AcknowledgeMessageRequest, &'a [Code]);

/// Makes each attempt both ways, twice.
async fn all_rejected(attempts: &[Attempt<'_>]) -> Verdict {
    for _ in 0..2 {
        let both_ways = attempts.iter().flat_map(|attempt| [(attempt, true), (attempt, false)]);
        each(both_ways, |((caller, request, usual), success)| {
            let request = AcknowledgeMessageRequest { success, ..request.clone() };
            let (caller, usual) = ((*caller).clone(), usual.to_vec());
            let (party, session) = (request.party_id.clone(), request.session_id.clone());
            async move {
                let rejected = caller.acknowledge(request).await.rejected(&usual);
                rejected.map_err(|stop| stop.told(&format!("as {party:?}, of session {session:?}")))
            }
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn unknown_messages_are_rejected(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let sent = [
        alice.has_sent(&session, &[&bob], "one").await?,
        alice.has_sent(&session, &[], "two").await?,
    ];
    bob.polls(&session).await?;
    settles(&trial, &sent, &[&bob]).await?;
    let before = states(&bob, &sent).await?;

    let mut unknown = vec![
        (trial.name("no-such-message"), &[Code::NotFound][..]),
        (String::new(), &LENIENT),
        ("00000000-0000-7000-8000-000000000000".into(), &LENIENT),
        ("x".repeat(1_000), &LENIENT),
    ];
    for Sent { id, .. } in &sent {
        let shorter = id.char_indices().next_back().map_or("", |(end, _)| &id[..end]);
        for nearly in [format!("{id}0"), format!("x{id}"), shorter.to_owned()] {
            if !sent.iter().any(|it| it.id == nearly) {
                unknown.push((nearly, &LENIENT));
            }
        }
    }
    let attempts: Vec<Attempt<'_>> = unknown
        .into_iter()
        .map(|(id, usual)| {
            let unknown = Sent { id, ..sent[0].clone() };
            (&bob, unknown.acknowledgement(&bob, true), usual)
        })
        .collect();
    all_rejected(&attempts).await?;

    let polled = bob.polls(&session).await?;
    let after = states(&bob, &sent).await?;
    keeping.judged(listing::exactly(&bob, &polled, &sent))?;
    keeping.judged(compare(&sent, &after, &before, NO_EFFECT))
}

pub(super) async fn only_recipients_acknowledge(trial: Trial) -> Verdict {
    let [alice, bob, carol, dave, outsider] =
        trial.parties(["alice", "bob", "carol", "dave", "outsider"]).await?;
    let [bo, bobb, capital] = trial.parties(["bo", "bobb", "Bob"]).await?;
    let members = [&alice, &bob, &carol, &dave, &bo, &bobb, &capital];
    let session = trial.session("s", &members).await?;
    let keeping = trial.keeping();
    let sent = [
        alice.has_sent(&session, &[&bob], "to one").await?,
        alice.has_sent(&session, &[&bob, &carol], "to two").await?,
        alice.has_sent(&session, &[], "to all").await?,
    ];
    bob.polls(&session).await?;
    settles(&trial, &sent, &[&bob]).await?;
    let before = states(&alice, &sent).await?;

    let stranger = trial.stranger("stranger");
    let mut nameless = trial.stranger("nameless");
    nameless.id.clear();
    let usual = &[Code::PermissionDenied, Code::NotFound][..];
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    for sent in &sent {
        for party in [&alice, &outsider, &stranger] {
            attempts.push((party, sent.acknowledgement(party, true), usual));
        }
        attempts.push((&nameless, sent.acknowledgement(&nameless, true), &LENIENT));
    }
    for sent in &sent[..2] {
        for party in [&dave, &bo, &bobb, &capital] {
            attempts.push((party, sent.acknowledgement(party, true), usual));
        }
    }
    attempts.push((&carol, sent[0].acknowledgement(&carol, true), usual));
    all_rejected(&attempts).await?;

    let polled = bob.polls(&session).await?;
    let after = states(&alice, &sent).await?;
    keeping.judged(listing::exactly(&bob, &polled, &sent))?;
    keeping.judged(compare(&sent, &after, &before, NO_EFFECT))?;
    for (sent, (after, before)) in sent.iter().zip(after.iter().zip(&before)) {
        if let Some(added) = after.keys().find(|party| !before.contains_key(*party)) {
            let seen =
                format!("a rejected acknowledgement made {added} a recipient of {}", sent.id);
            return Err(Stop::broken(seen, NO_EFFECT));
        }
    }
    Ok(())
}

pub(super) async fn another_session_is_rejected(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let members = [&alice, &bob];
    let [session, other] =
        [trial.session("s", &members).await?, trial.session("t", &members).await?];
    let capital = trial.session("S", &members).await?;
    let keeping = trial.keeping();
    let sent = [
        alice.has_sent(&session, &[&bob], "of this session").await?,
        alice.has_sent(&session, &[], "of this session").await?,
    ];
    let sent_elsewhere = [alice.has_sent(&other, &[&bob], "of another").await?];
    bob.polls(&session).await?;
    settles(&trial, &sent, &[&bob]).await?;
    let before = states(&bob, &sent).await?;
    let before_elsewhere = states(&bob, &sent_elsewhere).await?;

    let usual = &[Code::NotFound][..];
    let wrong = [
        (other.id.clone(), usual),
        (capital.id, usual),
        (trial.name("unknown"), usual),
        (format!("{} ", session.id), usual),
        (format!("{}s", session.id), usual),
        (trial.name(""), usual),
        (String::new(), &LENIENT),
    ];
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    for sent in &sent {
        for (session_id, usual) in &wrong {
            let session_id = session_id.clone();
            let request =
                AcknowledgeMessageRequest { session_id, ..sent.acknowledgement(&bob, true) };
            attempts.push((&bob, request, usual));
        }
    }
    all_rejected(&attempts).await?;

    let polled = bob.polls(&session).await?;
    let after = states(&bob, &sent).await?;
    let after_elsewhere = states(&bob, &sent_elsewhere).await?;
    keeping.judged(listing::exactly(&bob, &polled, &sent))?;
    keeping.judged(compare(&sent, &after, &before, NO_EFFECT))?;
    keeping.judged(compare(&sent_elsewhere, &after_elsewhere, &before_elsewhere, NO_EFFECT))
}
