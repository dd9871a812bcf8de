//! FLW-5: calls whose deadline passes.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use tokio::time::{Instant, sleep_until};

use super::super::prelude::*;
use super::exchange::median;
use super::raw::{self, Raw};
use crate::many::{each, one_to_many};
use crate::party::Party;
use crate::trial::Session;

/// Recipients of a broadcast, and broadcasts.
const RECIPIENTS: usize = 24;
const BROADCASTS: usize = 90;

/// The deadlines that they have, in turn, where a broadcast takes no longer than [`QUICK`].
/// Microseconds. Where it takes longer they are as many times as long.
const DEADLINES: [u64; 9] = [100, 300, 500, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000];
const QUICK: Duration = Duration::from_millis(5);

/// Broadcasts by which it is found how long one takes, and the longest time that is believed.
const TIMED: usize = 5;
const SLOWEST: Duration = Duration::from_millis(500);

/// The deadline of a call whose request does not come. Milliseconds.
const HALF_DEADLINE: u32 = 300;

pub(super) async fn a_deadline_leaves_nothing_half_done(trial: Trial) -> Verdict {
    let (sender, recipients, session) = one_to_many(&trial, RECIPIENTS).await?;
    let (returns, whole) = tokio::join!(
        returns_by_then(&trial, &sender, &recipients[0], &session),
        all_or_none(&trial, &sender, &recipients, &session)
    );
    all_hold([whole, returns])
}

/// Broadcasts with deadlines about as long as they take: each reaches all or nobody.
async fn all_or_none(
    trial: &Trial,
    sender: &Party,
    recipients: &[Party],
    session: &Session,
) -> Verdict {
    let usual = usually_takes(trial, sender, recipients, session).await?;
    let scale = usual.as_secs_f64().max(QUICK.as_secs_f64()) / QUICK.as_secs_f64();
    let keeping = trial.keeping();
    let accepted = each(0..BROADCASTS, |number| {
        let request = sender.outgoing(session, &[], format!("broadcast {number}"));
        let deadline = DEADLINES[number % DEADLINES.len()];
        let deadline = Duration::from_micros(deadline).mul_f64(scale);
        let sender = sender.clone();
        async move {
            let answer = sender.route_within(request, deadline).await;
            Ok(answer.was_accepted() == Some(true))
        }
    })
    .await?;
    let wait = trial.pace().wait();
    loop {
        let polled = each(recipients, |party| {
            let (party, session) = (party.clone(), session.clone());
            async move { party.polls(&session).await }
        })
        .await?;
        let mut reached: BTreeMap<String, usize> = BTreeMap::new();
        for message in polled.iter().flatten() {
            *reached.entry(String::from_utf8_lossy(&message.payload).into_owned()).or_default() +=
                1;
        }
        let wrong = accepted.iter().enumerate().find_map(|(number, accepted)| {
            let count = reached.get(&format!("broadcast {number}")).copied().unwrap_or_default();
            let right = count == recipients.len() || (count == 0 && !accepted);
            let ended = if *accepted { "was accepted" } else { "came to its deadline" };
            (!right).then(|| format!("broadcast {number}, which {ended}, reached {count}"))
        });
        let Some(wrong) = wrong else { return Ok(()) };
        // One may still be under way.
        if wait.elapsed() > trial.pace().quiet() * 4 {
            keeping.lasts()?;
            let seen = format!("{wrong} of {} recipients", recipients.len());
            let accepted = "all of them, once each, or nobody if it was not accepted";
            return Err(trial.missed(&wait, seen, accepted).await);
        }
        trial.sleep(Duration::from_millis(20)).await;
    }
}

/// How long a broadcast takes without a deadline: half of them at most.
async fn usually_takes(
    trial: &Trial,
    sender: &Party,
    recipients: &[Party],
    session: &Session,
) -> Result<Duration, Stop> {
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let (keeping, began) = (trial.keeping_streamed(), Instant::now());
        let sent = sender.has_sent(session, &[], "in its own time").await?;
        times.push(began.elapsed());
        each(recipients, |party| {
            let (party, request) = (party.clone(), sent.acknowledgement(party, true));
            async move { keeping.prepared(party.acknowledge(request).await) }
        })
        .await?;
    }
    Ok(median(times).min(SLOWEST))
}

/// A call whose request does not come as a whole returns by its deadline, and does not happen then.
async fn returns_by_then(trial: &Trial, sender: &Party, to: &Party, session: &Session) -> Verdict {
    let request = sender.outgoing(session, &[to], "after its deadline").encode_to_vec();
    let framed = raw::claims(u32::try_from(request.len()).expect("it is short"), &request);
    let (half, rest) = framed.split_at(framed.len() / 2);
    let unreachable = || Stop::Inconclusive("the target takes no connection".into());
    let door = trial.door_of(&sender.id);
    let mut connection = Raw::connect(&door).await.ok_or_else(unreachable)?;
    let wait = trial.pace().wait();
    let call = raw::call(1, "RouteMessage", Some(HALF_DEADLINE));
    connection.send(&[raw::greeting(), call, raw::data(1, half)].concat()).await;
    let by = Instant::now() + Duration::from_millis(HALF_DEADLINE.into());
    if !connection.sees_the_end_of(1, by + trial.pace().patience() / 4).await {
        let seen = format!(
            "RouteMessage with a deadline of {HALF_DEADLINE} ms, of which half came, had no answer \
             for {:.1} s",
            wait.elapsed().as_secs_f64()
        );
        return Err(trial.missed(&wait, seen, "DEADLINE_EXCEEDED, or a reset, by then").await);
    }
    // It may have returned before: what comes in time may happen. For the target the time began
    // when it heard of the call.
    sleep_until(by + trial.pace().quiet()).await;
    connection.send(&raw::last_data(1, rest)).await;
    trial.sleep(trial.pace().quiet()).await;
    let polled = to.polls(session).await?;
    if polled.iter().any(|it| it.payload == "after its deadline") {
        let seen = "RouteMessage happened whose request was whole only after its deadline";
        return Err(Stop::broken(seen, "nothing: the call had returned"));
    }
    Ok(())
}
