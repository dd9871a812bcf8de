//! ORD-4, ORD-5: what several senders route.

use std::collections::BTreeMap;

use mpc_router_proto::v1::MpcMessage;

use crate::families::arrivals::{in_order, kept, stream_of, up_to, up_to_kept, whole};
use crate::families::turns::{Budget, one_by_one};
use crate::feed::Feed;
use crate::listing;
use crate::many::each;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// More than fits beside a small message in any common buffer. Bytes.
const LARGE: usize = 100 * 1024;

pub(super) async fn replies_come_after_what_they_reply_to(trial: Trial) -> Verdict {
    let (streaming, polling) = tokio::join!(a_talk(&trial), a_poller_replies(&trial));
    streaming.and(polling)
}

/// Three parties that talk by turns, each after it received what was said before: to everybody who
/// listens it is one sequence.
async fn a_talk(trial: &Trial) -> Verdict {
    let [alice, bob, dave] = trial.parties(["alice", "bob", "dave"]).await?;
    let [live, late, polling] = trial.parties(["live", "late", "polling"]).await?;
    let elsewhere = [&bob, &dave].map(Party::on_a_connection_of_its_own);
    let talkers = [&alice, &elsewhere[0], &elsewhere[1]];
    let listeners = [&live, &late, &polling];
    let session = trial.session("s", &[&alice, &bob, &dave, &live, &late, &polling]).await?;
    let keeping = trial.keeping();
    let mut ears = talkers.map(|party| party.subscribe(&session));
    let mut at_live = live.on_a_connection_of_its_own().subscribe(&session);

    let budget = Budget::rounds(trial, 6, 180);
    let mut sent: Vec<Sent> = Vec::new();
    while budget.allows(sent.len()) {
        let turn = sent.len();
        let (speaker, next) = (talkers[turn % 3], talkers[(turn + 1) % 3]);
        // A large message is what a small reply most likely overtakes.
        let size = if turn.is_multiple_of(9) { LARGE } else { turn % 4 * 50 };
        let to: &[&Party] = if turn % 5 < 2 { &[] } else { &[next, &live, &late, &polling] };
        let said = speaker.has_sent(&session, to, vec![0x5a; size]).await?;
        // It has been received before anybody goes on.
        hears(&mut ears[(turn + 1) % 3], &said).await?;
        sent.push(said);
    }
    let all: Vec<_> = sent.iter().collect();
    let last = [all[all.len() - 1]];
    let came = up_to(&mut at_live, &last).await?;
    kept([&keeping], in_order(&stream_of(listeners[0]), &came, &all))?;
    let polled = polling.polls(&session).await?;
    kept([&keeping], listing::exactly(&polling, &polled, &sent))?;
    kept([&keeping], in_order(&format!("a poll of {}", polling.id), &polled, &all))?;
    let mut at_late = late.subscribe(&session);
    let came = up_to_kept(&mut at_late, [&keeping], &last).await?;
    kept([&keeping], in_order(&stream_of(&late), &came, &all))
}

async fn hears(feed: &mut Feed<MpcMessage>, said: &Sent) -> Verdict {
    up_to(feed, &[said]).await.map(drop)
}

/// A reply to what a poll brought comes after it as well.
async fn a_poller_replies(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["poll-a", "poll-b", "poll-c"]).await?;
    let session = trial.session("poll", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let mut feed = carol.subscribe(&session);
    let budget = Budget::rounds(trial, 2, 30);
    let mut sent: Vec<Sent> = Vec::new();
    while budget.allows(sent.len() / 2) {
        let to: &[&Party] = if sent.len().is_multiple_of(4) { &[] } else { &[&bob, &carol] };
        let question = alice.has_sent(&session, to, "question").await?;
        polls_up(trial, &bob, &session, &question).await?;
        let answer = bob.has_sent(&session, &[&carol, &alice], "answer").await?;
        // Only so does the next question come after this answer for carol too.
        polls_up(trial, &alice, &session, &answer).await?;
        sent.extend([question, answer]);
    }
    let all: Vec<_> = sent.iter().collect();
    let came = up_to(&mut feed, &[all[all.len() - 1]]).await?;
    kept([&keeping], in_order(&stream_of(&carol), &came, &all))
}

async fn polls_up(trial: &Trial, party: &Party, session: &Session, said: &Sent) -> Verdict {
    trial
        .until("a poll lists what was routed", || async {
            let polled = party.polls(session).await?;
            let seen = format!("polls of {} do not list {}", party.id, said.id);
            let listed = polled.iter().any(|it| it.message_id == said.id);
            Ok(if listed { Ok(()) } else { Err(seen) })
        })
        .await
}

pub(super) async fn everybody_sees_the_same_order(trial: Trial) -> Verdict {
    let senders = each(0..6, |number| {
        let trial = trial.clone();
        async move { trial.party(&format!("sender{number}")).await }
    })
    .await?;
    let [one, two, three] = trial.parties(["one", "two", "three"]).await?;
    let [late, polling] = trial.parties(["late", "polling"]).await?;
    let listeners = [&one, &two, &three, &late, &polling];
    let members: Vec<_> = senders.iter().chain(listeners).collect();
    let session = trial.session("s", &members).await?;
    let keeping = trial.keeping();
    let elsewhere = [one.clone(), two.on_a_connection_of_its_own(), three.clone()];
    let mut live = elsewhere.each_ref().map(|party| party.subscribe(&session));

    let sequences = each(senders.iter().enumerate(), |(number, sender)| {
        let (trial, sender, session) = (trial.clone(), sender.clone(), session.clone());
        let named = listeners.map(Clone::clone);
        async move {
            let mut sent = one_by_one(&trial, &sender, 50, |turn| {
                let named = named.each_ref();
                let to: &[&Party] = if turn.is_multiple_of(3) { &[] } else { &named };
                sender.outgoing(&session, to, vec![0x5a; (turn * 5 + number) % 7 * 40])
            })
            .await?;
            sent.push(sender.has_sent(&session, &named.each_ref(), "fence").await?);
            Ok(sent)
        }
    })
    .await?;
    let fences: Vec<_> = sequences.iter().filter_map(|it| it.last()).collect();
    // Broadcasts reach the other senders as well; they are not asked.
    let sent: Vec<_> = sequences.iter().flatten().collect();
    let mut orders = Vec::new();
    for (party, feed) in elsewhere.iter().zip(&mut live) {
        orders.push((stream_of(party), up_to(feed, &fences).await?));
    }
    orders.push((format!("a poll of {}", polling.id), polling.polls(&session).await?));
    let came = up_to_kept(&mut late.subscribe(&session), [&keeping], &fences).await?;
    orders.push((stream_of(&late), came));
    for (who, came) in &orders {
        kept([&keeping], whole(who, came, sent.iter().copied()))?;
    }
    let (first, others) = orders.split_first().expect("there are listeners");
    others.iter().try_for_each(|other| agrees(first, other))
}

/// Demands that two recipients got what both got in the same order.
fn agrees(one: &(String, Vec<MpcMessage>), other: &(String, Vec<MpcMessage>)) -> Verdict {
    let places: BTreeMap<&str, usize> =
        one.1.iter().enumerate().map(|(place, it)| (it.message_id.as_str(), place)).collect();
    let both = other.1.iter().filter_map(|it| Some((it, *places.get(it.message_id.as_str())?)));
    let mut before: Option<(&MpcMessage, usize)> = None;
    for (message, place) in both {
        if let Some((earlier, earlier_place)) = before
            && earlier_place > place
        {
            let seen = format!(
                "{} brought {} (of {}) before {} (of {}), and {} brought them the other way round",
                other.0,
                earlier.message_id,
                earlier.from_party,
                message.message_id,
                message.from_party,
                one.0
            );
            return Err(Stop::broken(seen, "one order for all recipients"));
        }
        before = Some((message, place));
    }
    Ok(())
}
