//! SES-6: the members change.

use std::collections::BTreeSet;

use super::super::announcing::{event, has_published, publishes_if_taken};
use super::super::arrivals::{acknowledge, all_of, kept, stream_of};
use super::super::prelude::*;
use crate::keeping::Keeping;
use crate::listing;
use crate::party::{Party, Sent};
use crate::trial::Session;

pub(super) async fn a_later_selection_changes_the_members(trial: Trial) -> Verdict {
    let checked = tokio::join!(out_in_and_back(&trial), a_dozen_times(&trial), nobody(&trial));
    all_hold([checked.0, checked.1, checked.2])
}

async fn starts(trial: &Trial, session: &Session, members: &[&Party]) -> Verdict {
    has_published(trial, event("session_started", session.id.clone(), members)).await
}

/// Demands that a message went to exactly these.
async fn went_to(sent: &Sent, sender: &Party, parties: &[&Party], why: &str) -> Verdict {
    let status = sender.status(sent).await?;
    let got: BTreeSet<_> = status.deliveries.iter().map(|it| it.party_id.as_str()).collect();
    let expected: BTreeSet<_> = parties.iter().map(|it| it.id.as_str()).collect();
    if got == expected {
        return Ok(());
    }
    let words = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let seen = format!("{why}, a broadcast of {} went to {}", sender.id, words(got));
    Err(Stop::broken(seen, format!("to {}, who are the other members", words(expected))))
}

async fn is_shut_out(session: &Session, party: &Party, member: &Party, why: &str) -> Verdict {
    for to in [&[member][..], &[]] {
        let answer = party.route(party.outgoing(session, to, "to be rejected")).await;
        answer.rejected(&[Code::PermissionDenied]).map_err(|stop| stop.told(why))?;
    }
    let answer = member.route(member.outgoing(session, &[party], "to be rejected")).await;
    let usual = [Code::InvalidArgument, Code::NotFound];
    answer.rejected(&usual).map_err(|stop| stop.told(why))
}

async fn polls(party: &Party, session: &Session, sent: &[&Sent], keeping: &Keeping) -> Verdict {
    let polled = keeping.accepted(party.poll_after(session, 0).await)?.messages;
    let told = "the session's members have changed";
    let verdict = listing::exactly(party, &polled, sent.iter().copied());
    kept([keeping], verdict.map_err(|stop| stop.told(told)))
}

async fn out_in_and_back(trial: &Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let streamed = trial.keeping_streamed();
    let both = Keeping::of_both(&keeping, &streamed);
    let mut at_carol = carol.subscribe(&session);
    let first = alice.has_sent(&session, &[], "before, to all").await?;
    let second = carol.has_sent(&session, &[&bob], "before, to one").await?;
    let answer = bob.has_sent(&session, &[], "before, from one who leaves").await?;
    bob.polls(&session).await?;
    let third = alice.has_sent(&session, &[&bob], "before, not handed out").await?;

    starts(trial, &session, &[&alice, &carol, &dave]).await?;
    let why = "after a session_started without it";
    is_shut_out(&session, &bob, &alice, why).await?;
    let to_all = alice.sends(&session, &[], "to the new members").await?;
    went_to(&to_all, &alice, &[&carol, &dave], "after the members changed").await?;
    let from_new = dave.sends(&session, &[], "from a new member").await?;
    went_to(&from_new, &dave, &[&alice, &carol], "after the members changed").await?;
    let to_new = carol.sends(&session, &[&dave], "to a new member").await?;
    // Who is out keeps what it had, who is new has nothing of before.
    polls(&bob, &session, &[&first, &second, &third], &keeping).await?;
    polls(&dave, &session, &[&to_all, &to_new], &keeping).await?;
    let due = [&first, &answer, &to_all, &from_new];
    all_of(&mut at_carol, [&keeping, &streamed], &stream_of(&carol), due).await?;
    drop(at_carol);
    polls(&carol, &session, &due, &both).await?;
    let mut at_bob = bob.subscribe(&session);
    let its = [&first, &second, &third];
    all_of(&mut at_bob, [&keeping, &streamed], &stream_of(&bob), its).await?;
    acknowledge([&keeping, &streamed], &bob, [&first, &third]).await?;
    drop(at_bob);
    polls(&bob, &session, &[&second], &both).await?;
    went_to(&first, &alice, &[&bob, &carol], "after the members changed, and before that").await?;

    // And back again, with the other one out.
    starts(trial, &session, &[&bob, &carol, &alice]).await?;
    is_shut_out(&session, &dave, &alice, why).await?;
    let again = alice.sends(&session, &[], "to one who is back").await?;
    went_to(&again, &alice, &[&bob, &carol], "after the members changed back").await?;
    let from_back = bob.sends(&session, &[&alice], "from one who is back").await?;
    polls(&alice, &session, &[&answer, &from_new, &from_back], &keeping).await
}

/// Changes the members again and again; the same sender broadcasts every time.
async fn a_dozen_times(trial: &Trial) -> Verdict {
    let sender = trial.party("dozen-sender").await?;
    let parties = trial.parties(["dozen-1", "dozen-2", "dozen-3", "dozen-4", "dozen-5"]).await?;
    let members = |round: usize| -> Vec<&Party> {
        let is_in = |place: &usize| (round * 7 + 3) >> place & 1 == 1 || *place == round % 5;
        (0..parties.len()).filter(is_in).map(|place| &parties[place]).collect()
    };
    let all: Vec<_> = members(0).into_iter().chain([&sender]).collect();
    let session = trial.session("dozen", &all).await?;
    let keeping = trial.keeping();
    let mut sent: Vec<(usize, Sent)> = Vec::new();
    for round in 0..12 {
        if round > 0 {
            let all: Vec<_> = members(round).into_iter().chain([&sender]).collect();
            starts(trial, &session, &all).await?;
        }
        for _ in 0..2 {
            let broadcast = sender.sends(&session, &[], format!("round {round}")).await?;
            went_to(&broadcast, &sender, &members(round), "after the members changed").await?;
            sent.push((round, broadcast));
        }
    }
    for party in &parties {
        let was_in = |round: usize| members(round).iter().any(|it| it.id == party.id);
        let its = sent.iter().filter(|(round, _)| was_in(*round)).map(|(_, sent)| sent);
        polls(party, &session, &its.collect::<Vec<_>>(), &keeping).await?;
    }
    Ok(())
}

/// What selects nobody, or is no announcement, changes nothing.
async fn nobody(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["nobody-a", "nobody-b", "nobody-c"]).await?;
    let session = trial.session("nobody", &[&alice, &bob]).await?;
    for (event_type, selected) in [
        ("session_started", &[][..]),
        ("round_started", &[&alice, &carol]),
        ("session_started", &[]),
        ("key_ready", &[&carol]),
    ] {
        if !publishes_if_taken(trial, event(event_type, session.id.clone(), selected)).await? {
            continue;
        }
        let why = format!("after a {event_type} that selects {} parties", selected.len());
        let sent = alice.sends(&session, &[], "to the members").await;
        let sent = sent.map_err(|stop| stop.told(&why))?;
        went_to(&sent, &alice, &[&bob], &why).await?;
        bob.sends(&session, &[&alice], "back").await.map_err(|stop| stop.told(&why))?;
        is_shut_out(&session, &carol, &alice, &why).await?;
    }
    Ok(())
}
