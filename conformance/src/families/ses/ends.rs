//! SES-4, SES-5: after the end of a session.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::announcing::{event, has_published, publishes_if_taken};
use super::super::arrivals::{all_of, kept, stream_of};
use super::super::noting::settles;
use super::super::prelude::*;
use super::beside::among_many_others;
use super::expiry::{expired_sessions_are_closed, expiring};
use crate::ending::{ENDING, End};
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, statuses, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Calls that are made at once when a session has ended.
const AT_ONCE: usize = 40;

/// Between calls that find out when a session ends.
const BETWEEN_CALLS: Duration = Duration::from_millis(50);

pub(super) async fn nothing_is_routed_after_the_end(trial: Trial) -> Verdict {
    let ended = each(ENDING, |ends| {
        let trial = trial.clone();
        async move { ended_by(&trial, ends).await }
    });
    let checked =
        tokio::join!(ended, expired_sessions_are_closed(&trial), among_many_others(&trial));
    all_hold([checked.0.map(drop), checked.1, checked.2])
}

/// Demands that neither party can route in a session, to one or to all.
pub(super) async fn is_closed(session: &Session, [one, other]: [&Party; 2], told: &str) -> Verdict {
    for (party, to) in [(one, vec![other]), (one, vec![]), (other, vec![one]), (other, vec![])] {
        let answer = party.route(party.outgoing(session, &to, "to be rejected")).await;
        answer.rejected(&[Code::FailedPrecondition]).map_err(|stop| stop.told(told))?;
    }
    Ok(())
}

async fn ended_by(trial: &Trial, ends: &str) -> Verdict {
    let alice = trial.party(&format!("{ends}-a")).await?;
    let bob = trial.party(&format!("{ends}-b")).await?;
    let elsewhere = alice.on_a_connection_of_its_own();
    let both = [&alice, &bob];
    for (label, selected) in [("of-both", &both[..]), ("of-nobody", &[])] {
        let session = trial.session(&format!("{ends}-{label}"), &both).await?;
        // Called nearly like it, and announced again after the end of the other one.
        let alike = [
            trial.session(&format!("{ends}-{label}1"), &both).await?,
            trial.session(&format!("{ends}-{}", &label[..label.len() - 1]), &both).await?,
        ];
        let keeping = trial.keeping();
        let sent = alice.has_sent(&session, &[], "before the end").await?;
        has_published(trial, event(ends, session.id.clone(), selected)).await?;
        let told = format!("the session had ended by {ends}");
        each(0..AT_ONCE, |number| {
            let party = [&alice, &elsewhere, &bob][number % 3].clone();
            let other = if number % 3 == 2 { &alice } else { &bob };
            let to: &[&Party] = if number % 2 == 0 { &[] } else { &[other] };
            let request = party.outgoing(&session, to, "to be rejected");
            let told = told.clone();
            async move {
                let answer = party.route(request).await;
                answer.rejected(&[Code::FailedPrecondition]).map_err(|stop| stop.told(&told))
            }
        })
        .await?;
        // It is for good, whether the announcement is taken or refused.
        let again = format!("{told}, and was announced once more");
        for event_type in ["session_started", "session_created"] {
            publishes_if_taken(trial, event(event_type, session.id.clone(), &both)).await?;
            is_closed(&session, both, &again).await?;
        }
        let polled = bob.polls(&session).await?;
        kept([&keeping], listing::exactly(&bob, &polled, [&sent]))?;
        for session in &alike {
            alice.sends(session, &[], "in a session that goes on").await?;
        }
    }
    Ok(())
}

pub(super) async fn what_was_accepted_before_stays(trial: Trial) -> Verdict {
    // What a target may give up before a session's time is over cannot show what becomes of it then.
    let in_time = End::is_soon_for(&trial).then_some(None);
    let ended = each(ENDING.into_iter().map(Some).chain(in_time), |ends| {
        let trial = trial.clone();
        async move { stays(&trial, ends).await }
    });
    let (ended, racing) = tokio::join!(ended, accepted_while_it_ends(&trial));
    all_hold([ended.map(drop), racing])
}

/// Ends a session by an event or, with none, by its `expires_at`.
async fn stays(trial: &Trial, ends: Option<&str>) -> Verdict {
    let label = ends.unwrap_or("in-time");
    let alice = trial.party(&format!("{label}-a")).await?;
    let [bob, carol] =
        [trial.party(&format!("{label}-b")).await?, trial.party(&format!("{label}-c")).await?];
    let late = trial.stranger(&format!("{label}-late"));
    let members = [&alice, &bob, &carol, &late];
    let session = Session { id: trial.name(label) };
    let started = event("session_started", session.id.clone(), &members);
    let end = match ends {
        Some(_) => {
            has_published(trial, started).await?;
            None
        }
        None => Some(expiring(trial, started).await?),
    };

    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let count = if end.is_some() { 30 } else { 150 };
    let parties = [&alice, &bob, &carol, &late];
    let routed = routes(trial, &session, parties, [&keeping, &streamed], count).await;
    if routed.is_err() && end.is_some_and(|end| !end.is_to_come(trial)) {
        let why = "the session's time was over before everything was routed";
        return Err(Stop::Inconclusive(why.into()));
    }
    let mut sent = routed?;
    match (ends, end) {
        (Some(ends), _) => has_published(trial, event(ends, session.id.clone(), &[])).await?,
        (None, Some(end)) => sent.extend(until_refused(trial, &alice, &session, end).await?),
        (None, None) => {}
    }

    let of = |party: &Party| {
        let its = |it: &&Sent| {
            it.request.to_parties.is_empty() || it.request.to_parties.contains(&party.id)
        };
        sent.iter().filter(its).collect::<Vec<_>>()
    };
    late.register("persistent").await.prepared()?;
    let told = "after the end of its session";
    for party in [&bob, &carol, &late] {
        let polled = keeping.accepted(party.poll_after(&session, 0).await);
        let polled = polled.map_err(|stop| stop.told(told))?.messages;
        kept([&keeping], listing::exactly(party, &polled, of(party)))?;
    }
    settles(trial, of(&bob), &[&bob]).await?;
    let streamed = trial.keeping_streamed();
    for party in [&carol, &late] {
        let mut feed = party.subscribe(&session);
        let came = all_of(&mut feed, [&keeping, &streamed], &stream_of(party), of(party)).await;
        came.map_err(|stop| stop.told(told))?;
    }
    ended_as_asked(&bob, &of(&bob), &session, &keeping).await?;
    ended_as_asked(&late, &of(&late)[..10], &session, &Keeping::of_both(&keeping, &streamed)).await
}

/// Routes what is handed out on a stream, by a poll, and never.
async fn routes(
    trial: &Trial,
    session: &Session,
    [alice, bob, carol, late]: [&Party; 4],
    keeping: [&Keeping; 2],
    count: usize,
) -> Result<Vec<Sent>, Stop> {
    let mut sent = vec![alice.has_sent(session, &[bob, late], "streamed").await?];
    let mut feed = bob.subscribe(session);
    all_of(&mut feed, keeping, &stream_of(bob), &sent).await?;
    drop(feed);
    sent.push(alice.has_sent(session, &[bob, late], "polled").await?);
    bob.polls(session).await?;
    let requests = (0..count).map(|number| {
        let to: &[&Party] = if number % 10 == 0 { &[] } else { &[bob, carol, late] };
        (alice, alice.outgoing(session, to, format!("message {number}")))
    });
    sent.extend(volume(trial, requests).await?);
    Ok(sent)
}

/// Routes until the session's time is over by the target's clock, and gives what was accepted.
async fn until_refused(
    trial: &Trial,
    party: &Party,
    session: &Session,
    end: End,
) -> Result<Vec<Sent>, Stop> {
    let mut accepted = Vec::new();
    loop {
        let over = end.has_passed(trial);
        let request = party.outgoing(session, &[], "while its time runs out");
        let answer = party.route(request.clone()).await;
        if answer.was_accepted() == Some(false) {
            return Ok(accepted);
        }
        accepted.push(Sent { id: answer.accepted()?.message_id, request });
        if over {
            let why = "the session goes on after its expires_at, which SES-4 is about";
            return Err(Stop::NotChecked(why.into()));
        }
        trial.sleep(BETWEEN_CALLS).await;
    }
}

/// Acknowledges the odd ones and refuses the even ones, and demands that it counts.
async fn ended_as_asked(
    party: &Party,
    sent: &[&Sent],
    session: &Session,
    keeping: &Keeping,
) -> Verdict {
    let ended = each(sent.iter().enumerate(), |(number, sent)| {
        let (party, sent) = (party.clone(), (*sent).clone());
        async move {
            let request = sent.acknowledgement(&party, number % 2 == 1);
            Ok(party.acknowledge(request).await)
        }
    })
    .await?;
    for answer in ended {
        let told = "its session had ended, and the message had been accepted before";
        keeping.accepted(answer).map_err(|stop| stop.told(told))?;
    }
    let is = statuses(party, sent.iter().copied()).await?;
    for (number, (sent, status)) in sent.iter().zip(is).enumerate() {
        let expected = if number % 2 == 1 { "acknowledged" } else { "failed" };
        let entry = status.deliveries.iter().find(|it| it.party_id == party.id);
        let state = entry.map_or("nothing", |it| it.status.as_str());
        if state != expected {
            let seen = format!("the status of {} for {} is {state:?}", sent.id, party.id);
            let stop = Stop::broken(seen, format!("{expected}: it was ended so after the session"));
            return keeping.judged(Err(stop));
        }
    }
    let polled = party.polls(session).await?;
    let ids: BTreeSet<_> = sent.iter().map(|it| it.id.as_str()).collect();
    match polled.iter().find(|it| ids.contains(it.message_id.as_str())) {
        None => Ok(()),
        Some(back) => {
            let seen = format!("a poll of {} answers with {}", party.id, back.message_id);
            Err(Stop::broken(seen, "not with what it has acknowledged"))
        }
    }
}

/// Routes while the session ends: what was accepted is there, and nothing else.
async fn accepted_while_it_ends(trial: &Trial) -> Verdict {
    for round in 0..6 {
        let alice = trial.party(&format!("race{round}-a")).await?;
        let bob = trial.party(&format!("race{round}-b")).await?;
        let session = trial.session(&format!("race{round}"), &[&alice, &bob]).await?;
        let keeping = trial.keeping();
        let routed = each(0..48, |number| {
            let alice = alice.clone();
            let to: &[&Party] = if number % 3 == 0 { &[] } else { &[&bob] };
            let request = alice.outgoing(&session, to, format!("message {number}"));
            async move {
                let answer = alice.route(request.clone()).await;
                if answer.was_accepted() == Some(false) {
                    return Ok(None);
                }
                Ok(Some(Sent { id: answer.accepted()?.message_id, request }))
            }
        });
        let ends = event(ENDING[round % 4], session.id.clone(), &[&alice, &bob]);
        let (routed, ended) = tokio::join!(routed, has_published(trial, ends));
        ended?;
        let sent: Vec<_> = routed?.into_iter().flatten().collect();
        let polled = bob.polls(&session).await?;
        let told = "its session ended while these were routed";
        let verdict = listing::exactly(&bob, &polled, &sent).map_err(|stop| stop.told(told));
        kept([&keeping], verdict)?;
    }
    Ok(())
}
