//! ORD-1, ORD-2, ORD-3: what one sender routes one after another.

use crate::families::arrivals::{
    Recipient, acknowledge, in_order, in_turn, kept, stream_of, up_to, up_to_kept,
};
use crate::families::turns::{Rounds, one_by_one, one_by_one_over};
use crate::listing;
use crate::many::each;
use crate::outcome::Verdict;
use crate::party::{Party, Sent};
use crate::trial::Trial;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

pub(super) async fn each_senders_messages_come_in_turn(trial: Trial) -> Verdict {
    many_senders_at_once(&trial).await?;
    large_ones_are_not_overtaken(&trial).await
}

/// One sender that routes very much, and others beside it.
async fn many_senders_at_once(trial: &Trial) -> Verdict {
    let [bob, carol] = trial.parties(["bob", "carol"]).await?;
    let senders = each(0..8, |number| {
        let trial = trial.clone();
        async move { trial.party(&format!("sender{number}")).await }
    })
    .await?;
    let members: Vec<_> = senders.iter().chain([&bob, &carol]).collect();
    let session = trial.session("s", &members).await?;
    let elsewhere = carol.on_a_connection_of_its_own();
    let mut recipients = [&bob, &elsewhere].map(|party| Recipient::new(party, &session));
    // Some of the senders have two connections, and call over them by turns.
    let others = senders.iter().enumerate().map(|(number, sender)| match number % 3 {
        0 => sender.on_a_connection_of_its_own(),
        _ => sender.clone(),
    });
    let others: Vec<_> = others.collect();
    for turns in Rounds::new(trial, 1_200) {
        let keeping = trial.keeping();
        let sequences =
            each(senders.iter().zip(&others).enumerate(), |(number, (sender, other))| {
                let (trial, sender, session) = (trial.clone(), sender.clone(), session.clone());
                let other = other.clone();
                let (bob, carol, turns) = (bob.clone(), carol.clone(), turns.clone());
                async move {
                    let most = if number == 0 { turns.len() } else { turns.len().div_ceil(10) };
                    let over = [&sender, &other];
                    let mut sent = one_by_one_over(&trial, &over, most, |turn| {
                        let turn = turns.start + turn + number;
                        let to: &[&Party] = match turn % 4 {
                            0 => &[&carol, &bob],
                            1 => &[&carol],
                            _ => &[&bob],
                        };
                        let size = [0, 9, 300, 5_000][turn * 7 % 4];
                        sender.outgoing(&session, to, vec![0x5a; size])
                    })
                    .await?;
                    let fence = sender.has_sent(&session, &[&bob, &carol], "fence").await?;
                    sent.push(fence.clone());
                    Ok((sent, fence))
                }
            })
            .await?;
        let (sequences, fences): (Vec<_>, Vec<_>) = sequences.into_iter().unzip();
        let all: Vec<_> = sequences.into_iter().flatten().collect();
        for recipient in &mut recipients {
            recipient.gets_in_turn(&keeping, &all, &fences).await?;
        }
    }
    Ok(())
}

/// Small messages right behind large ones, which take another way through some routers.
async fn large_ones_are_not_overtaken(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["large-a", "large-b"]).await?;
    let session = trial.session("large", &[&alice, &bob]).await?;
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let mut feed = bob.subscribe(&session);
    let mut sent = Vec::new();
    for size in [MIB + 1, 64 * KIB + 1, 512 * KIB, 4 * KIB + 1, MIB + 1, 32 * KIB, MIB + 1] {
        let large = vec![0x5a; size.min(most)];
        sent.push(alice.has_sent(&session, &[&bob], large).await?);
        for payload in ["", "small", "small"] {
            sent.push(alice.has_sent(&session, &[&bob], payload).await?);
        }
    }
    let all: Vec<_> = sent.iter().collect();
    let came = up_to(&mut feed, &[all[all.len() - 1]]).await?;
    in_order(&stream_of(&bob), &came, &all)
}

pub(super) async fn broadcasts_and_unicasts_keep_their_turn(trial: Trial) -> Verdict {
    let [alice, bob, carol, dave, erin] =
        trial.parties(["alice", "bob", "carol", "dave", "erin"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol, &dave, &erin]).await?;
    let keeping = trial.keeping();
    let mut live = [bob.subscribe(&session), carol.subscribe(&session)];

    let everybody: [&Party; 4] = [&dave, &bob, &erin, &carol];
    let payload = |turn: usize| match turn % 40 {
        17 => vec![0x5a; 100 * KIB],
        _ => vec![0x5a; turn % 5 * 100],
    };
    let mut sent = one_by_one(&trial, &alice, 300, |turn| {
        let to: &[&Party] = match turn % 7 {
            0 | 2 | 5 => &[],
            1 => &everybody,
            3 => &[&bob, &erin],
            4 => &[&carol, &dave],
            _ => &[&bob, &carol],
        };
        alice.outgoing(&session, to, payload(turn))
    })
    .await?;
    for to in [&everybody[..], &[], &everybody] {
        sent.push(alice.has_sent(&session, to, "last").await?);
    }
    let its = |party: &Party| -> Vec<&Sent> {
        let names = |it: &&Sent| {
            it.request.to_parties.is_empty() || it.request.to_parties.contains(&party.id)
        };
        sent.iter().filter(names).collect()
    };
    // Live, by poll, and by replay on subscribing.
    for (party, feed) in [&bob, &carol].into_iter().zip(&mut live) {
        let came = up_to(feed, &[&sent[sent.len() - 1]]).await?;
        kept([&keeping], in_order(&stream_of(party), &came, &its(party)))?;
    }
    let polled = erin.polls(&session).await?;
    kept([&keeping], listing::in_turn(&erin, &polled, &its(&erin)))?;
    let mut replayed = dave.subscribe(&session);
    let came = up_to_kept(&mut replayed, [&keeping], &[&sent[sent.len() - 1]]).await?;
    kept([&keeping], in_order(&stream_of(&dave), &came, &its(&dave)))
}

pub(super) async fn replay_and_live_join_without_a_seam(trial: Trial) -> Verdict {
    // Messages outstanding on subscribing, and the bytes of each, or of the longest: up to more
    // than fits into one window of HTTP/2, or into a page that is read at a time.
    let backlogs = [
        (1, 10),
        (2, 60 * KIB),
        (49, 10),
        (51, 3_000),
        (120, 100),
        (300, 10),
        (16, MIB + 1),
        (20, 10),
        (101, 1_000),
        (7, 30 * KIB),
    ];
    each(backlogs.into_iter().enumerate(), |(number, (outstanding, size))| {
        let trial = trial.clone();
        async move { one_seam(&trial, &format!("seam{number}"), outstanding, size).await }
    })
    .await?;
    what_is_left_is_replayed_in_order(&trial).await
}

/// Subscribes in the middle of what two senders route without a pause.
async fn one_seam(trial: &Trial, label: &str, outstanding: usize, size: usize) -> Verdict {
    let [alice, bob, dave] = [
        trial.party(&format!("{label}-a")).await?,
        trial.party(&format!("{label}-b")).await?,
        trial.party(&format!("{label}-d")).await?,
    ];
    let session = trial.session(label, &[&alice, &bob, &dave]).await?;
    let keeping = trial.keeping();
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let route = |sender: &Party, most_messages: usize, size: usize| {
        let (trial, sender) = (trial.clone(), sender.clone());
        let (session, bob) = (session.clone(), bob.clone());
        async move {
            one_by_one(&trial, &sender, most_messages, |turn| {
                let to: &[&Party] = if turn % 5 == 3 { &[] } else { &[&bob] };
                // Small ones are between the longest.
                let size = if size > MIB && turn % 4 != 1 { 10 } else { size };
                sender.outgoing(&session, to, vec![0x5a; size.min(most)])
            })
            .await
        }
    };
    let mut sent = route(&alice, outstanding, size).await?;
    sent.extend(route(&dave, outstanding.div_ceil(10), 10).await?);
    let (mut feed, of_alice, of_dave) = tokio::join!(
        async {
            // In the middle of the first calls.
            tokio::task::yield_now().await;
            bob.subscribe(&session)
        },
        route(&alice, 25, 10),
        route(&dave, 25, 10),
    );
    let (of_alice, of_dave) = (of_alice?, of_dave?);
    let fences = [&of_alice, &of_dave].map(|it| &it[it.len() - 1]);
    let came = up_to(&mut feed, &fences).await?;
    let all: Vec<_> = sent.iter().chain(&of_alice).chain(&of_dave).collect();
    kept([&keeping], in_turn(&stream_of(&bob), &came, &all))
}

/// A later stream replays what is not acknowledged, whatever has become of the rest.
async fn what_is_left_is_replayed_in_order(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["left-a", "left-b"]).await?;
    let session = trial.session("left", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let sent = one_by_one(trial, &alice, 60, |turn| {
        let to: &[&Party] = if turn.is_multiple_of(4) { &[] } else { &[&bob] };
        alice.outgoing(&session, to, "message")
    })
    .await?;
    // Some of them are handed out and some of those acknowledged.
    bob.polls(&session).await?;
    let is_acknowledged = |place: usize| place % 3 == 1 || place == 0;
    let acknowledged = sent.iter().enumerate().filter(|(place, _)| is_acknowledged(*place));
    acknowledge([&keeping], &bob, acknowledged.map(|(_, sent)| sent)).await?;
    let mut left: Vec<_> = sent.into_iter().enumerate().collect();
    left.retain(|(place, _)| !is_acknowledged(*place));
    let mut left: Vec<_> = left.into_iter().map(|(_, sent)| sent).collect();
    let streamed = trial.keeping_streamed();
    for stream in ["first", "second"] {
        let mut feed = bob.subscribe(&session);
        for _ in 0..2 {
            left.push(alice.has_sent(&session, &[&bob], stream).await?);
        }
        let came = up_to(&mut feed, &[&left[left.len() - 1]]).await?;
        let verdict = in_order(&stream_of(&bob), &came, &left.iter().collect::<Vec<_>>());
        kept([&keeping, &streamed], verdict)?;
    }
    Ok(())
}
