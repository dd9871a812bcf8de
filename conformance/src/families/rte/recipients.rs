//! RTE-1, RTE-2, RTE-3: who receives what.

use std::collections::BTreeSet;

use mpc_router_proto::v1::MpcMessage;

use super::copies::Listening;
use crate::families::alike::labels_that_end_differently;
use crate::families::arrivals::{Recipient, all_of, in_order, kept, stream_of, up_to};
use crate::families::stalling::sharing;
use crate::families::turns::Rounds;
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// More recipients than fit into one batch of any common size.
const CROWD: usize = 130;

/// Labels of parties that a careless comparison takes for one another: by prefix, by letter case,
/// by a pattern.
const LIKE_LABELS: [&str; 5] = ["party-1", "party-10", "PARTY-1", "party_1", "party-1-1"];

/// The same, with letters that a router may refuse in names.
const ODD_LABELS: [&str; 6] =
    ["party-1 ", "party-\u{e9}", "party-e\u{301}", "party-%", "party-*", "party-1,party-10"];

pub(super) async fn the_one_named_gets_it(trial: Trial) -> Verdict {
    like_names_are_different_names(&trial).await?;
    many_at_once_all_arrive(&trial).await
}

async fn like_names_are_different_names(trial: &Trial) -> Verdict {
    // The sender's own name is a prefix of all others.
    let sender = trial.party("party").await?;
    let outsider = trial.party("party-2").await?;
    let mut parties = Vec::new();
    for label in LIKE_LABELS {
        parties.push(trial.party(label).await?);
    }
    for label in ODD_LABELS {
        parties.extend(trial.party_if_taken(label).await?);
    }
    for label in labels_that_end_differently(trial) {
        parties.extend(party_if_routed_to(trial, &sender, &label).await?);
    }
    // Each name once with a stream and once without.
    for (number, label) in ["s", "t"].into_iter().enumerate() {
        let members: Vec<_> = parties.iter().chain([&sender]).collect();
        let session = trial.session(label, &members).await?;
        let streams = |place: usize| place % 2 == number;
        each_gets_its_own(&sender, &outsider, &parties, &session, trial.keeping(), streams).await?;
    }
    Ok(())
}

/// A registered party under a name that a target may refuse; none if it does, anywhere.
async fn party_if_routed_to(
    trial: &Trial,
    sender: &Party,
    label: &str,
) -> Result<Option<Party>, Stop> {
    let Some(party) = trial.party_if_taken(label).await? else { return Ok(None) };
    let session = format!("try-{}", trial.number());
    let Some(session) = trial.session_if_taken(&session, &[sender, &party]).await? else {
        return Ok(None);
    };
    match sender.has_sent(&session, &[&party], "is it taken").await {
        Err(Stop::NotChecked(_)) => Ok(None),
        sent => sent.map(|_| Some(party)),
    }
}

/// Routes two messages to each of the parties, of which some have a stream and the others poll.
async fn each_gets_its_own(
    sender: &Party,
    outsider: &Party,
    parties: &[Party],
    session: &Session,
    keeping: Keeping,
    streams: impl Fn(usize) -> bool,
) -> Verdict {
    let feeds = parties
        .iter()
        .enumerate()
        .map(|(place, party)| if streams(place) { Some(party.subscribe(session)) } else { None });
    let mut feeds: Vec<_> = feeds.collect();
    let (mut at_sender, mut at_outsider) = (sender.subscribe(session), outsider.subscribe(session));
    let one_each = || {
        each(parties, |party| {
            let (sender, session, party) = (sender.clone(), session.clone(), party.clone());
            async move { sender.sends(&session, &[&party], format!("for {}", party.id)).await }
        })
    };
    let (first, second) = (one_each().await?, one_each().await?);
    for ((place, party), sent) in parties.iter().enumerate().zip(first.iter().zip(&second)) {
        let expected = [sent.0, sent.1];
        match &mut feeds[place] {
            Some(feed) => in_order(&stream_of(party), &up_to(feed, &[sent.1]).await?, &expected)?,
            None => {
                let polled = party.polls(session).await?;
                kept([&keeping], listing::exactly(party, &polled, expected))?;
            }
        }
    }
    for (party, may_ask) in [(sender, true), (outsider, false)] {
        let answer = party.poll_after(session, 0).await;
        if may_ask || answer.was_accepted() == Some(true) {
            listing::exactly(party, &answer.accepted()?.messages, [])?;
        }
    }
    let nobody_else = "messages to one party reach that party, and nobody else";
    let last = feeds.iter_mut().flatten().next_back().expect("some have a stream");
    let quiet = tokio::join!(
        at_sender.stays_quiet(nobody_else),
        at_outsider.stays_quiet(nobody_else),
        last.stays_quiet(nobody_else),
    );
    quiet.0.and(quiet.1).and(quiet.2)
}

/// Thousands of messages with many calls at once: each reaches its recipient, and no other.
async fn many_at_once_all_arrive(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["many-a", "many-b", "many-c"]).await?;
    let session = trial.session("many", &[&alice, &bob, &carol]).await?;
    let mut recipients = [&bob, &carol].map(|party| Recipient::new(party, &session));
    for turns in Rounds::new(trial, 5_200) {
        let keeping = trial.keeping();
        let requests = turns.map(|turn| {
            let to = if turn % 500 == 250 { &carol } else { &bob };
            (&alice, alice.outgoing(&session, &[to], turn.to_le_bytes().to_vec()))
        });
        let sent = volume(trial, requests).await?;
        let fences = [
            alice.sends(&session, &[&bob], "fence").await?,
            alice.sends(&session, &[&carol], "fence").await?,
        ];
        for recipient in &mut recipients {
            recipient.gets(&keeping, &sent, &fences).await?;
        }
    }
    Ok(())
}

pub(super) async fn all_named_get_it_once(trial: Trial) -> Verdict {
    those_named_and_nobody_else(&trial).await?;
    let [alice, bob, carol, dave] = trial.parties(["once-a", "once-b", "once-c", "once-d"]).await?;
    let session = trial.session("once", &[&alice, &bob, &carol, &dave]).await?;
    for recipient in [&bob, &carol, &dave] {
        let mut listening = Listening::new(&trial, &alice, recipient, &session).await?;
        listening.gets_once(&[&bob, &carol, &dave]).await?;
    }
    all_of_a_crowd(&trial).await
}

async fn those_named_and_nobody_else(trial: &Trial) -> Verdict {
    let [alice, bob, carol, dave, erin] =
        trial.parties(["alice", "bob", "carol", "dave", "erin"]).await?;
    let parties = [&bob, &carol, &dave, &erin];
    let session = trial.session("s", &[&alice, &bob, &carol, &dave, &erin]).await?;
    let mut recipients = parties.map(|party| Recipient::new(party, &session));
    let mut at_alice = Recipient::new(&alice, &session);
    let named: [&[&Party]; 6] = [
        &[&bob, &carol],
        &[&dave, &bob],
        &[&erin, &dave, &carol],
        &[&carol, &bob, &dave, &erin],
        &[&dave, &erin],
        &[&bob, &dave],
    ];
    // Very many, for a recipient that is left out now and then, or gets something twice.
    let ack_timeout = trial.timers().ack_timeout();
    for (round, turns) in Rounds::new(trial, 900).enumerate() {
        let keeping = trial.keeping();
        let requests = turns.map(|turn| {
            let to = named[turn % named.len()];
            (&alice, alice.outgoing(&session, to, format!("message {turn}")))
        });
        let sent = volume(trial, requests).await?;
        let fences = [alice.sends(&session, &parties, "fence").await?];
        for recipient in &mut recipients {
            recipient.gets(&keeping, &sent, &fences).await?;
            // In the first round a stream may be opened while messages are routed already.
            if round > 0 {
                recipient.has_no_early_copies(&sent, ack_timeout)?;
            }
        }
    }
    at_alice.stays_quiet("messages to several parties reach these, and not their sender").await
}

async fn all_of_a_crowd(trial: &Trial) -> Verdict {
    let sender = trial.party("crowd").await?;
    let crowd = crowd(trial, CROWD).await?;
    let members: Vec<_> = crowd.iter().chain([&sender]).collect();
    let session = trial.session("crowd", &members).await?;
    let keeping = [&trial.keeping(), &trial.keeping_streamed()];
    let first = sender.sends(&session, &crowd.iter().collect::<Vec<_>>(), "first").await?;
    let mut streams = streams_of(trial, &crowd, &session, keeping, &first).await?;
    let every_other: Vec<_> = crowd.iter().step_by(2).collect();
    let backwards: Vec<_> = crowd.iter().rev().collect();
    let sent = [
        sender.sends(&session, &every_other, "to every other one").await?,
        sender.sends(&session, &backwards, "to all of them").await?,
        sender.sends(&session, &backwards[..51], "to the last 51").await?,
    ];
    for (party, feed) in &mut streams {
        let its = sent.iter().filter(|it| it.request.to_parties.contains(&party.id));
        all_of(feed, keeping, &stream_of(party), its).await?;
    }
    drop(streams);
    let sent: Vec<_> = [first].into_iter().chain(sent).collect();
    crowd_polls_exactly(&crowd, &session, &sent, &Keeping::of_both(keeping[0], keeping[1])).await
}

/// Streams of a crowd, on a few connections, each of which has brought the `first` message. Those
/// that the target refuses for lack of resources are left out.
async fn streams_of<'a>(
    trial: &Trial,
    crowd: &'a [Party],
    session: &Session,
    keeping: [&Keeping; 2],
    first: &Sent,
) -> Result<Vec<(&'a Party, Feed<MpcMessage>)>, Stop> {
    let mut streams = Vec::new();
    for some in crowd.chunks(CROWD.div_ceil(5)) {
        let shared = trial.door().connect();
        let on_it = |party| (party, sharing(party, &shared).subscribe(session));
        streams.extend(some.iter().map(on_it));
    }
    let mut open = Vec::new();
    for (party, mut feed) in streams {
        match all_of(&mut feed, keeping, &stream_of(party), [first]).await {
            Err(Stop::Inconclusive(_)) if feed.overload().is_some() => {}
            came => {
                came?;
                open.push((party, feed));
            }
        }
    }
    Ok(open)
}

/// Parties that register at the same time.
async fn crowd(trial: &Trial, size: usize) -> Result<Vec<Party>, Stop> {
    each(0..size, |number| {
        let trial = trial.clone();
        async move { trial.party(&format!("crowd{number}")).await }
    })
    .await
}

/// Demands that each of the crowd polls exactly what was routed to it.
async fn crowd_polls_exactly(
    crowd: &[Party],
    session: &Session,
    sent: &[Sent],
    keeping: &Keeping,
) -> Verdict {
    let polls = each(crowd, |party| {
        let (party, session) = (party.clone(), session.clone());
        async move { party.polls(&session).await }
    })
    .await?;
    for (party, polled) in crowd.iter().zip(&polls) {
        let is_its = |it: &&Sent| {
            let to = &it.request.to_parties;
            to.is_empty() || to.contains(&party.id)
        };
        kept([keeping], listing::exactly(party, polled, sent.iter().filter(is_its)))?;
    }
    Ok(())
}

pub(super) async fn everybody_but_the_sender_gets_it(trial: Trial) -> Verdict {
    let (offline, rest) = tokio::join!(offline_members_get_broadcasts(&trial), async {
        broadcasts_and_others_are_told_apart(&trial).await?;
        sessions_of_two(&trial).await?;
        members_of_another_session_get_nothing(&trial).await?;
        a_crowd_gets_broadcasts(&trial).await
    });
    rest.and(offline)
}

async fn broadcasts_and_others_are_told_apart(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let late = trial.stranger("late");
    let session = trial.session("s", &[&alice, &bob, &carol, &late]).await?;
    let keeping = trial.keeping();
    let (mut at_bob, mut at_alice) = (bob.subscribe(&session), alice.subscribe(&session));
    let to: [&[&Party]; 6] =
        [&[], &[&bob], &[&bob, &carol], &[], &[&late, &carol, &bob], &[&bob, &carol]];
    let mut sent = Vec::new();
    for to in to {
        sent.push(alice.sends(&session, to, "of some kind").await?);
    }
    let all: Vec<_> = sent.iter().collect();
    let came = up_to(&mut at_bob, &[all[5]]).await?;
    in_order(&stream_of(&bob), &came, &all)?;
    marked_as_routed(&stream_of(&bob), &came, &sent)?;

    late.register("temporary").await.prepared()?;
    for (party, its) in [(&carol, vec![0, 2, 3, 4, 5]), (&late, vec![0, 3, 4])] {
        let its: Vec<_> = its.into_iter().map(|place| sent[place].clone()).collect();
        let polled = polls_exactly(party, &session, &its, &keeping).await?;
        marked_as_routed(&format!("a poll of {}", party.id), &polled, &its)?;
    }
    // The fence is another one's: nothing else orders what must not come.
    let streamed = trial.keeping_streamed();
    let from_bob = bob.sends(&session, &[], "to all").await?;
    let came = up_to(&mut at_alice, &[&from_bob]).await?;
    in_order(&stream_of(&alice), &came, &[&from_bob])?;
    polls_exactly(&alice, &session, &[from_bob], &streamed).await?;
    at_alice.stays_quiet("a broadcast does not come back to its sender").await
}

async fn sessions_of_two(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["two-a", "two-b"]).await?;
    let session = trial.session("two", &[&bob, &alice]).await?;
    let keeping = trial.keeping();
    let sent = [
        alice.sends(&session, &[&bob], "to one").await?,
        alice.sends(&session, &[], "to all").await?,
        alice.sends(&session, &[&bob], "to one").await?,
    ];
    let polled = polls_exactly(&bob, &session, &sent, &keeping).await?;
    marked_as_routed(&format!("a poll of {}", bob.id), &polled, &sent)?;
    let mut at_bob = bob.subscribe(&session);
    let fence = alice.sends(&session, &[], "to all").await?;
    let due = sent.iter().chain([&fence]);
    let came = all_of(&mut at_bob, [&keeping], &stream_of(&bob), due).await?;
    marked_as_routed(&stream_of(&bob), &came, &sent)
}

async fn members_of_another_session_get_nothing(trial: &Trial) -> Verdict {
    let [alice, bob, carol, dave] =
        trial.parties(["apart-a", "apart-b", "apart-c", "apart-d"]).await?;
    let session = trial.session("apart", &[&alice, &bob]).await?;
    let other = trial.session("apart-2", &[&alice, &carol, &dave]).await?;
    let keeping = trial.keeping();
    let mut at_carol = carol.subscribe(&other);
    let here = alice.sends(&session, &[], "here").await?;
    let there = alice.sends(&other, &[], "there").await?;
    let came = up_to(&mut at_carol, &[&there]).await?;
    in_order(&stream_of(&carol), &came, &[&there])?;
    polls_exactly(&bob, &session, &[here], &keeping).await?;
    polls_exactly(&dave, &other, &[there], &keeping).await?;
    // Whether they may ask at all is another matter.
    for (party, session) in [(&carol, &session), (&dave, &session), (&bob, &other)] {
        if party.poll_after(session, 0).await.was_accepted() == Some(true) {
            polls_exactly(party, session, &[], &keeping).await?;
        }
    }
    Ok(())
}

/// A broadcast reaches members that went offline, where this run can wait for that.
async fn offline_members_get_broadcasts(trial: &Trial) -> Verdict {
    let silence = trial.timers().heartbeat_timeout() * 5 / 4;
    if trial.can_wait_for("heartbeat_timeout", silence).is_err() {
        return Ok(());
    }
    let silent = trial.party("silent").await?;
    trial.sleep(silence).await;
    let alice = trial.party("awake").await?;
    let session = trial.session("silent", &[&silent, &alice]).await?;
    let keeping = trial.keeping();
    let sent = alice.sends(&session, &[], "to who is away").await?;
    polls_exactly(&silent, &session, &[sent], &keeping).await.map(drop)
}

async fn a_crowd_gets_broadcasts(trial: &Trial) -> Verdict {
    let sender = trial.party("loud").await?;
    let crowd = crowd(trial, CROWD).await?;
    // The sender stands in the middle.
    let mut members: Vec<_> = crowd.iter().collect();
    members.insert(CROWD / 2, &sender);
    let session = trial.session("loud", &members).await?;
    let keeping = trial.keeping();
    let sent = [
        sender.sends(&session, &[], "one").await?,
        crowd[CROWD - 1].sends(&session, &[&crowd[0]], "two").await?,
        sender.sends(&session, &[], "three").await?,
    ];
    polls_exactly(&sender, &session, &[], &keeping).await?;
    crowd_polls_exactly(&crowd, &session, &sent, &keeping).await
}

/// Demands that `is_broadcast` is true on what was routed to nobody by name, and false on the rest.
fn marked_as_routed(who: &str, came: &[MpcMessage], sent: &[Sent]) -> Verdict {
    for sent in sent {
        let to = &sent.request.to_parties;
        let wrong = |it: &&MpcMessage| {
            it.message_id == sent.id && it.is_broadcast != sent.request.to_parties.is_empty()
        };
        if let Some(message) = came.iter().find(wrong) {
            let seen = format!(
                "{who} brought {} with is_broadcast = {}, which was routed to {} parties by name",
                sent.id,
                message.is_broadcast,
                to.iter().collect::<BTreeSet<_>>().len()
            );
            return Err(Stop::broken(seen, "true if it names no recipient, false if it does"));
        }
    }
    Ok(())
}

/// Demands that a party's poll lists exactly these messages.
async fn polls_exactly(
    party: &Party,
    session: &Session,
    sent: &[Sent],
    keeping: &Keeping,
) -> Result<Vec<MpcMessage>, Stop> {
    let polled = party.polls(session).await?;
    kept([keeping], listing::exactly(party, &polled, sent))?;
    Ok(polled)
}
