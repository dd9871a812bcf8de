//! IDM-1: the same call again.

use std::collections::BTreeSet;

use mpc_router_proto::v1::RouteMessageRequest;

use super::super::announcing::{event, has_published};
use super::super::prelude::*;
use super::borders::{keys_have_borders, long_keys_are_compared_whole};
use super::late::{after_its_time, long_after_it_was_routed};
use super::{repeats, sends};
use crate::ending::ENDING;
use crate::families::arrivals::{acknowledge, all_of, kept, stream_of, up_to, whole};
use crate::families::turns::Budget;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Calls with keys of their own between a call and its repetition: more than a cache of 1,000 holds.
const OTHER_KEYS: usize = 1_300;

/// Those that are made in any case, and that are repeated: the first ones.
const REPEATED: usize = 100;

pub(super) async fn the_same_call_is_one_message(trial: Trial) -> Verdict {
    let checked = tokio::join!(
        once_each(&trial),
        keys_have_owners(&trial),
        keys_have_borders(&trial),
        long_keys_are_compared_whole(&trial),
        rejected_calls_use_up_none(&trial),
        after_many_others(&trial),
        after_a_change_of_members(&trial),
        after_the_end(&trial),
        after_its_time(&trial),
        long_after_it_was_routed(&trial),
    );
    let (one, two, three, four, five, six, seven, eight, nine, ten) = checked;
    all_hold([one, two, three, four, five, six, seven, eight, nine, ten])
}

/// Demands that a poll of each party answers with exactly these.
async fn poll_exactly(
    parties: &[&Party],
    session: &Session,
    sent: &[&Sent],
    keeping: &Keeping,
) -> Verdict {
    for party in parties {
        let polled = party.polls(session).await?;
        kept([keeping], listing::exactly(party, &polled, sent.iter().copied()))?;
    }
    Ok(())
}

async fn once_each(trial: &Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol, &dave]).await?;
    let elsewhere = alice.on_a_connection_of_its_own();
    let keeping = trial.keeping();
    let mut feed = dave.subscribe(&session);
    let all = [&bob, &carol, &dave];
    let recipients: [&[&Party]; 3] = [&[&dave, &bob, &carol], &all, &[]];
    let mut sent = Vec::new();
    for (place, to) in recipients.into_iter().enumerate() {
        for length in [0, 1, 20 * 1024] {
            let key = format!("once-{place}-{length}");
            let request = alice.outgoing(&session, to, trial.payload(length));
            let streamed = trial.keeping_streamed();
            let first = sends(&alice, &request, &key).await?;
            let mut reordered = request.clone();
            reordered.to_parties.reverse();
            repeats(&alice, &request, &key, &first, &keeping, "at once").await?;
            let when = "with its recipients in another order";
            repeats(&elsewhere, &reordered, &key, &first, &keeping, when).await?;
            all_of(&mut feed, [&keeping, &streamed], &stream_of(&dave), [&first]).await?;
            acknowledge([&keeping, &streamed], &dave, [&first]).await?;
            sent.push((key, first));
        }
    }
    let firsts: Vec<_> = sent.iter().map(|(_, first)| first).collect();
    poll_exactly(&[&bob, &carol], &session, &firsts, &keeping).await?;

    // Whatever became of the deliveries in between.
    acknowledge([&keeping], &bob, firsts.iter().copied()).await?;
    for sent in &firsts {
        keeping.prepared(carol.acknowledge(sent.acknowledgement(&carol, false)).await)?;
    }
    for (key, first) in &sent {
        let when = "after its recipients acknowledged it";
        repeats(&alice, &first.request, key, first, &keeping, when).await?;
    }
    poll_exactly(&[&bob, &carol, &dave], &session, &[], &keeping).await?;
    let fence = alice.has_sent(&session, &[], "fence").await?;
    let came = up_to(&mut feed, &[&fence]).await?;
    kept([&keeping], whole(&stream_of(&dave), &came, [&fence]))?;
    feed.stays_quiet("a repeated call delivers nothing again").await
}

/// A key belongs to its sender and its session; and without one, equal calls are different.
async fn keys_have_owners(trial: &Trial) -> Verdict {
    let [alice, carol, bob] = trial.parties(["own-a", "own-c", "own-b"]).await?;
    let members = [&alice, &carol, &bob];
    let sessions =
        [trial.session("own-1", &members).await?, trial.session("own-2", &members).await?];
    let keeping = trial.keeping();
    let mut sent: Vec<(&Party, &str, Sent)> = Vec::new();
    for key in ["k", "K", "k1", "k10", "own-2"] {
        for session in &sessions {
            for party in [&alice, &carol] {
                let request = party.outgoing(session, &[&bob], "the same");
                sent.push((party, key, sends(party, &request, key).await?));
            }
        }
    }
    for session in &sessions {
        for _ in 0..2 {
            sent.push((&alice, "", alice.sends(session, &[&bob], "the same").await?));
        }
    }
    are_different(sent.iter().map(|(_, key, sent)| (*key, sent)))?;
    for (party, key, first) in sent.iter().filter(|(_, key, _)| !key.is_empty()) {
        let when = "after the key was used by another sender and in another session";
        repeats(party, &first.request, key, first, &keeping, when).await?;
    }
    for session in &sessions {
        let of_session = sent.iter().map(|(.., sent)| sent);
        let of_session = of_session.filter(|it| it.request.session_id == session.id);
        let polled = bob.polls(session).await?;
        let verdict = listing::exactly(&bob, &polled, of_session);
        let told = "each sender used the same keys, in two sessions";
        kept([&keeping], verdict.map_err(|stop| stop.told(told)))?;
    }
    Ok(())
}

/// Demands that these calls, each with its key, are as many messages.
pub(super) fn are_different<'a>(sent: impl IntoIterator<Item = (&'a str, &'a Sent)>) -> Verdict {
    let mut known = BTreeSet::new();
    for (key, sent) in sent {
        if !known.insert(&sent.id) {
            let seen = format!(
                "a call of {} with key {key:?} in {} was answered with the message_id {} of another \
                 one",
                sent.request.from_party, sent.request.session_id, sent.id
            );
            let accepted = "another message for each sender, session and key, and for none";
            return Err(Stop::broken(seen, accepted));
        }
    }
    Ok(())
}

async fn rejected_calls_use_up_none(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["rejected-a", "rejected-b"]).await?;
    let session = trial.session("rejected", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let good = alice.outgoing(&session, &[&bob], "good");
    let over = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let mut bad = vec![
        RouteMessageRequest { round_number: -1, ..good.clone() },
        RouteMessageRequest { to_parties: vec![alice.id.clone()], ..good.clone() },
        RouteMessageRequest { to_parties: vec![trial.name("nobody")], ..good.clone() },
        RouteMessageRequest {
            to_parties: vec![bob.id.clone(), trial.name("nobody")],
            ..good.clone()
        },
    ];
    if over <= 4 * 1024 * 1024 {
        bad.push(RouteMessageRequest { payload: vec![7; over + 1].into(), ..good.clone() });
    }
    let mut sent = Vec::new();
    for (place, bad) in bad.into_iter().enumerate() {
        let key = format!("rejected-{place}");
        let answer = alice.route_keyed(bad.clone(), &key).await;
        // What a target takes is its own affair.
        if answer.was_accepted() != Some(false) {
            let id = answer.accepted()?.message_id;
            if bad.to_parties.contains(&bob.id) {
                sent.push(Sent { id, request: bad });
            }
            continue;
        }
        let told = "the key was given before, with a call that was rejected";
        let first = sends(&alice, &good, &key).await.map_err(|stop| stop.told(told))?;
        repeats(&alice, &good, &key, &first, &keeping, "at once").await?;
        sent.push(first);
    }
    poll_exactly(&[&bob], &session, &sent.iter().collect::<Vec<_>>(), &keeping).await?;

    // The very same call is good once the session is there.
    let later = Session { id: trial.name("rejected-later") };
    let early = alice.outgoing(&later, &[&bob], "early");
    if alice.route_keyed(early.clone(), "early").await.was_accepted() == Some(false) {
        let keeping = trial.keeping();
        trial.session_named(later.id.clone(), &[&alice, &bob]).await?;
        let told = "it was rejected when the session had not been announced";
        let first = sends(&alice, &early, "early").await.map_err(|stop| stop.told(told))?;
        repeats(&alice, &early, "early", &first, &keeping, "at once").await?;
        poll_exactly(&[&bob], &later, &[&first], &keeping).await?;
    }
    Ok(())
}

async fn after_many_others(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["many-a", "many-b"]).await?;
    let session = trial.session("many", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let call = |number: usize| (format!("many-{number}"), format!("message {}", number / 3));
    let budget = Budget::rounds(trial, 1, OTHER_KEYS / REPEATED);
    let mut sent = Vec::new();
    let mut is_full = false;
    while !is_full && budget.allows(sent.len() / REPEATED) {
        let first = sent.len();
        let answers = each(first..first + REPEATED, |number| {
            let (alice, (key, payload)) = (alice.clone(), call(number));
            let request = alice.outgoing(&session, &[&bob], payload);
            async move {
                let answer = alice.route_keyed(request.clone(), &key).await;
                // It is the target's right (FLW-3), and what it has is what it has to know.
                if first > 0 && answer.overload().is_some() {
                    return Ok(None);
                }
                Ok(Some(Sent { id: answer.accepted()?.message_id, request }))
            }
        });
        for answer in answers.await? {
            match answer {
                Some(answer) => sent.push(answer),
                None => is_full = true,
            }
        }
    }
    let others = sent.len();
    each(sent.iter().take(REPEATED).enumerate(), |(number, first)| {
        let (alice, first, (key, _)) = (alice.clone(), first.clone(), call(number));
        async move {
            let when = format!("after {others} other keys");
            repeats(&alice, &first.request, &key, &first, &keeping, &when).await
        }
    })
    .await?;
    poll_exactly(&[&bob], &session, &sent.iter().collect::<Vec<_>>(), &keeping).await
}

/// A broadcast is one message, whoever is a member when it is repeated.
async fn after_a_change_of_members(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["change-a", "change-b", "change-c"]).await?;
    let session = trial.session("change", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let request = alice.outgoing(&session, &[], "to all");
    let first = sends(&alice, &request, "to all").await?;
    for members in [&[&alice, &bob, &carol][..], &[&alice, &carol]] {
        has_published(trial, event("session_started", session.id.clone(), members)).await?;
        let when = "after the members had changed";
        repeats(&alice, &request, "to all", &first, &keeping, when).await?;
    }
    poll_exactly(&[&bob], &session, &[&first], &keeping).await?;
    poll_exactly(&[&carol], &session, &[], &keeping).await?;
    let status = alice.status(&first).await?;
    let parties: Vec<_> = status.deliveries.iter().map(|it| it.party_id.as_str()).collect();
    if parties != [bob.id.as_str()] {
        let seen = format!("after a repeated broadcast its status lists {}", parties.join(", "));
        let stop = Stop::broken(seen, format!("{}, the member when it was first sent", bob.id));
        return keeping.judged(Err(stop));
    }
    Ok(())
}

async fn after_the_end(trial: &Trial) -> Verdict {
    for ends in ENDING {
        let name = |party: &str| format!("{ends}-{party}");
        let (alice, bob) = (trial.party(&name("a")).await?, trial.party(&name("b")).await?);
        let session = trial.session(&name("s"), &[&alice, &bob]).await?;
        let keeping = trial.keeping();
        let to_one = alice.outgoing(&session, &[&bob], "to one");
        let to_all = alice.outgoing(&session, &[], "to all");
        let sent = [sends(&alice, &to_one, "one").await?, sends(&alice, &to_all, "all").await?];
        has_published(trial, event(ends, session.id.clone(), &[&alice, &bob])).await?;
        for (key, first) in ["one", "all"].into_iter().zip(&sent) {
            let when = format!("after the session had ended by {ends}");
            repeats(&alice, &first.request, key, first, &keeping, &when).await?;
        }
        poll_exactly(&[&bob], &session, &[&sent[0], &sent[1]], &keeping).await?;
    }
    Ok(())
}
