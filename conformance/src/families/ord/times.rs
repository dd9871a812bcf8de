//! ORD-6, ORD-7: the order and `created_at`.

use std::time::Duration;

use mpc_router_proto::v1::MpcMessage;

use crate::families::arrivals::{acknowledge, in_turn, kept, stream_of, up_to, up_to_kept};
use crate::families::turns::{Budget, one_by_one};
use crate::keeping::Keeping;
use crate::listing;
use crate::many::each;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// Longer than one step of any clock that is not very coarse.
const STEP: Duration = Duration::from_millis(15);

pub(super) async fn polls_are_ordered_by_age(trial: Trial) -> Verdict {
    spread_over_time(&trial).await?;
    within_a_few_milliseconds(&trial).await
}

/// Senders by turns, so that sorting by anything else than time shows.
async fn spread_over_time(trial: &Trial) -> Verdict {
    let [bob, zoe] = trial.parties(["bob", "zoe"]).await?;
    // Neither by name nor by when they registered.
    let senders = trial.parties(["m", "z", "a"]).await?;
    let members: Vec<_> = senders.iter().chain([&bob, &zoe]).collect();
    let session = trial.session("s", &members).await?;
    let keeping = trial.keeping();
    let mut sent = Vec::new();
    for turn in 0..7 {
        let round = each(senders.iter().enumerate(), |(number, sender)| {
            let (sender, session) = (sender.clone(), session.clone());
            let to = if (turn + number).is_multiple_of(3) {
                vec![]
            } else {
                vec![bob.clone(), zoe.clone()]
            };
            async move {
                let to: Vec<_> = to.iter().collect();
                let mut request = sender.outgoing(&session, &to, vec![0x5a; (7 - turn) * 100]);
                request.round_number = i32::try_from(10 - turn).expect("a small number");
                let first = sender.has_sent_this(request.clone()).await?;
                Ok([first, sender.has_sent_this(request).await?])
            }
        })
        .await?;
        sent.extend(round.into_iter().flatten());
        trial.sleep(STEP).await;
    }
    let all: Vec<_> = sent.iter().collect();
    poll_in_order(&bob, &session, &all, &keeping).await?;

    // Some delivered, some acknowledged, some new: the order is the same.
    let acknowledged = all.iter().enumerate().filter(|(place, _)| place % 3 == 0);
    acknowledge([&keeping], &bob, acknowledged.map(|(_, sent)| *sent)).await?;
    let newest = senders[1].has_sent(&session, &[&bob], "newest").await?;
    let left = all.iter().enumerate().filter(|(place, _)| place % 3 != 0).map(|(_, it)| *it);
    let left: Vec<_> = left.chain([&newest]).collect();
    poll_in_order(&bob, &session, &left, &keeping).await
}

/// Many messages with equal `created_at`: then each sender's order is what counts.
async fn within_a_few_milliseconds(trial: &Trial) -> Verdict {
    let (senders, bob, session) = a_busy_session(trial, "ties").await?;
    let keeping = trial.keeping();
    let sequences = all_send(trial, &senders, &session, &[&bob], 150).await?;
    let all: Vec<_> = sequences.iter().flatten().collect();
    poll_in_order(&bob, &session, &all, &keeping).await
}

async fn poll_in_order(
    party: &Party,
    session: &Session,
    turns: &[&Sent],
    keeping: &Keeping,
) -> Verdict {
    let polled = party.polls(session).await?;
    kept([keeping], listing::in_turn(party, &polled, turns))
}

pub(super) async fn created_at_agrees_with_the_order(trial: Trial) -> Verdict {
    one_after_another(&trial).await?;
    all_at_once(&trial).await
}

/// Two senders by turns: whatever clocks the target has, they are one.
async fn one_after_another(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let mut feed = bob.subscribe(&session);
    let mut sent = Vec::new();
    let budget = Budget::rounds(trial, 8, 24);
    while budget.allows(sent.len()) {
        let turn = sent.len();
        let sender = if turn.is_multiple_of(3) { &carol } else { &alice };
        let to: &[&Party] = if turn.is_multiple_of(2) { &[] } else { &[&bob] };
        sent.push(sender.has_sent(&session, to, "tick").await?);
        if turn % 8 == 7 {
            trial.sleep(STEP).await;
        }
    }
    let all: Vec<_> = sent.iter().collect();
    let came = up_to(&mut feed, &all).await?;
    kept([&keeping], in_turn(&stream_of(&bob), &came, &all))?;
    never_goes_back(&stream_of(&bob), &came)
}

/// Many senders at once, read live by two and by a later subscriber.
async fn all_at_once(trial: &Trial) -> Verdict {
    let (senders, bob, session) = a_busy_session(trial, "busy").await?;
    let keeping = trial.keeping();
    let mut live = bob.subscribe(&session);
    let late = &senders[0];
    // More than a page of a common size.
    let sequences = all_send(trial, &senders[1..], &session, &[&bob, late], 110).await?;
    let fences: Vec<_> = sequences.iter().filter_map(|it| it.last()).collect();
    let all: Vec<_> = sequences.iter().flatten().collect();
    let came = up_to(&mut live, &fences).await?;
    kept([&keeping], in_turn(&stream_of(&bob), &came, &all))?;
    never_goes_back(&stream_of(&bob), &came)?;
    let came = up_to_kept(&mut late.subscribe(&session), [&keeping], &fences).await?;
    kept([&keeping], in_turn(&stream_of(late), &came, &all))?;
    never_goes_back(&stream_of(late), &came)
}

fn never_goes_back(who: &str, came: &[MpcMessage]) -> Verdict {
    match came.windows(2).find(|pair| pair[0].created_at > pair[1].created_at) {
        None => Ok(()),
        Some(pair) => {
            let seen = format!(
                "{who} brought {} (created_at {}) and then {} (created_at {})",
                pair[0].message_id, pair[0].created_at, pair[1].message_id, pair[1].created_at
            );
            Err(Stop::broken(seen, "first deliveries that never go back in created_at"))
        }
    }
}

/// Six senders and a recipient.
async fn a_busy_session(trial: &Trial, label: &str) -> Result<(Vec<Party>, Party, Session), Stop> {
    let senders = each(0..6, |number| {
        let (trial, name) = (trial.clone(), format!("{label}{number}"));
        async move { trial.party(&name).await }
    })
    .await?;
    let bob = trial.party(&format!("{label}-bob")).await?;
    let members: Vec<_> = senders.iter().chain([&bob]).collect();
    let session = trial.session(label, &members).await?;
    Ok((senders, bob, session))
}

/// Each sender routes one message after another, all senders at the same time, in payloads of all
/// sizes.
async fn all_send(
    trial: &Trial,
    senders: &[Party],
    session: &Session,
    to: &[&Party],
    most: usize,
) -> Result<Vec<Vec<Sent>>, Stop> {
    each(senders.iter().enumerate(), |(number, sender)| {
        let (trial, sender, session) = (trial.clone(), sender.clone(), session.clone());
        let to: Vec<_> = to.iter().map(|party| (*party).clone()).collect();
        async move {
            let to: Vec<_> = to.iter().collect();
            one_by_one(&trial, &sender, most, |turn| {
                let size = (turn * 11 + number * 5) % 13;
                sender.outgoing(&session, &to, vec![0x5a; size + size / 12 * 2_000])
            })
            .await
        }
    })
    .await
}
