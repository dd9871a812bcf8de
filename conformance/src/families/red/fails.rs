//! RED-4: after all attempts.

use tokio::time::Instant;

use super::super::prelude::*;
use super::copies::{Copies, Stream, can_see_the_end, not_before, settled};
use crate::families::noting::nothing_is_pending;
use crate::keeping::Keeping;
use crate::many::{statuses, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Messages on one stream, all of which fail.
const MANY: usize = 60;

pub(super) async fn deliveries_fail_after_all_attempts(trial: Trial) -> Verdict {
    can_see_the_end(&trial)?;
    let checked = tokio::join!(
        alone(&trial, Stream::OfItsSession),
        alone(&trial, Stream::OfAll),
        many(&trial),
        on_two_streams(&trial),
        only_its(&trial),
    );
    all_hold([checked.0, checked.1, checked.2, checked.3, checked.4])
}

fn state_of<'a>(
    status: &'a mpc_router_proto::v1::GetMessageStatusResponse,
    party: &Party,
) -> &'a str {
    let entry = status.deliveries.iter().find(|it| it.party_id == party.id);
    entry.map_or("nothing", |it| it.status.as_str())
}

/// Reads on until the deliveries have failed, which must not be before `earliest`.
async fn fail(
    trial: &Trial,
    copies: &mut Copies,
    party: &Party,
    sent: &[Sent],
    earliest: Instant,
    keeping: &Keeping,
) -> Verdict {
    let timers = trial.timers();
    let wait = trial.pace().wait();
    let deadline = wait.deadline() + timers.all_attempts();
    let words = format!(
        "max_retries is {} and ack_timeout {} ms",
        timers.max_retries, timers.ack_timeout_ms
    );
    loop {
        let statuses = statuses(party, sent).await?;
        let answered = Instant::now();
        let open = statuses.iter().position(|it| state_of(it, party) != "failed");
        let failed = statuses.iter().position(|it| state_of(it, party) == "failed");
        if let Some(place) = failed.filter(|_| answered < earliest) {
            let seen = format!(
                "{} is failed {} ms before all its attempts can have been over",
                sent[place].id,
                (earliest - answered).as_millis()
            );
            let accepted = format!("ack_timeout after the last redelivery, or later: {words}");
            // Where its time has come as well, it may have expired.
            keeping.lasts()?;
            return Err(Stop::broken(seen, accepted));
        }
        let Some(place) = open else { return Ok(()) };
        if answered > deadline {
            let seen = format!(
                "{} is {:?} after {:.1} s, and was sent {} times",
                sent[place].id,
                state_of(&statuses[place], party),
                wait.elapsed().as_secs_f64(),
                copies.times(&sent[place])
            );
            return Err(trial.missed(&wait, seen, format!("failed: {words}")).await);
        }
        copies.read_for(timers.ack_timeout() / 4).await;
    }
}

/// Demands that nothing of this is handed out any more.
async fn is_over(
    trial: &Trial,
    copies: &mut Copies,
    party: &Party,
    session: &Session,
    sent: &[Sent],
) -> Verdict {
    // What was on its way when it failed.
    copies.read_for(trial.pace().quiet()).await;
    let before: Vec<_> = sent.iter().map(|it| copies.times(it)).collect();
    copies.read_for(trial.timers().ack_timeout() * 3 / 2 + trial.pace().quiet()).await;
    let more = sent.iter().zip(before).find(|(sent, before)| copies.times(sent) > *before);
    if let Some((sent, _)) = more {
        let seen = format!("{} brought {} once more after it had failed", copies.who(), sent.id);
        return Err(Stop::broken(seen, "no copy of what has failed"));
    }
    let polled = party.polls(session).await?;
    let is_one = |id: &str| sent.iter().any(|it| it.id == id);
    if let Some(back) = polled.iter().find(|it| is_one(&it.message_id)) {
        let seen = format!("a poll answers with {}, which has failed", back.message_id);
        return Err(Stop::broken(seen, "only what is outstanding"));
    }
    nothing_is_pending(trial, party, "all that was routed to it has failed").await
}

/// Demands that this was sent exactly so often. What is too much is too much at any time; what is too
/// little may have expired.
fn came_times(
    copies: &Copies,
    sent: &Sent,
    expected: usize,
    keeping: &Keeping,
    told: &str,
) -> Verdict {
    let times = copies.times(sent);
    if times == expected {
        return Ok(());
    }
    let seen =
        format!("{} brought {} {times} times before it failed, {told}", copies.who(), sent.id);
    let accepted = format!("{expected} times: once, and max_retries times on time in all");
    let stop = Stop::broken(seen, accepted);
    if times > expected { Err(stop) } else { keeping.judged(Err(stop)) }
}

async fn alone(trial: &Trial, stream: Stream) -> Verdict {
    if !stream.is_there(trial) {
        return Ok(());
    }
    let name = |label: &str| format!("{}-{label}", stream.label());
    let (alice, bob) = (trial.party(&name("a")).await?, trial.party(&name("b")).await?);
    let session = trial.session(&name("s"), &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let mut copies = Copies::of(trial, &bob, &stream.of(&session));
    let base = Instant::now();
    let sent = [alice.has_sent(&session, &[&bob], "never acknowledged").await?];
    let attempts = trial.timers().max_retries + 1;
    fail(trial, &mut copies, &bob, &sent, base + not_before(trial) * attempts, &keeping).await?;
    is_over(trial, &mut copies, &bob, &session, &sent).await?;
    let told = "on the one stream that there was";
    came_times(&copies, &sent[0], attempts as usize, &keeping, told)?;
    // The stream goes on, and the next one has nothing of it either.
    let next = alice.has_sent(&session, &[&bob], "the next one").await?;
    copies.each_comes(trial, [&next], 1).await?;
    drop(copies);
    let mut later = Copies::of(trial, &bob, &stream.of(&session));
    later.each_comes(trial, [&next], 1).await?;
    if later.times(&sent[0]) > 0 {
        let seen = format!("a later stream brought {}, which has failed", sent[0].id);
        return Err(Stop::broken(seen, "only what is outstanding"));
    }
    Ok(())
}

async fn many(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["volume-a", "volume-b"]).await?;
    let session = trial.session("volume", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let mut copies = Copies::of(trial, &bob, &session);
    let base = Instant::now();
    let requests = (0..MANY).map(|number| {
        let to: &[&Party] = if number % 3 == 0 { &[] } else { &[&bob] };
        (&alice, alice.outgoing(&session, to, format!("message {number}")))
    });
    let sent = volume(trial, requests).await?;
    let attempts = trial.timers().max_retries + 1;
    fail(trial, &mut copies, &bob, &sent, base + not_before(trial) * attempts, &keeping).await?;
    is_over(trial, &mut copies, &bob, &session, &sent).await?;
    let told = format!("with {} others on its stream", sent.len() - 1);
    let times = |sent| came_times(&copies, sent, attempts as usize, &keeping, &told);
    sent.iter().try_for_each(times)
}

/// There are so many attempts for a delivery, not for a stream.
async fn on_two_streams(trial: &Trial) -> Verdict {
    let max_retries = trial.timers().max_retries;
    if max_retries < 2 {
        return Ok(());
    }
    let [alice, bob] = trial.parties(["two-a", "two-b"]).await?;
    let session = trial.session("two", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let mut first = Copies::of(trial, &bob, &session);
    let sent = [alice.has_sent(&session, &[&bob], "on two streams").await?];
    first.each_comes(trial, &sent, 2).await?;
    drop(first);
    let counted = settled(trial, &bob, &sent[0]).await?;
    let left = max_retries.saturating_sub(u32::try_from(counted).unwrap_or(0));
    let mut second = Copies::of(trial, &bob, &session);
    let earliest = second.opened + not_before(trial) * (left + 1);
    fail(trial, &mut second, &bob, &sent, earliest, &keeping).await?;
    is_over(trial, &mut second, &bob, &session, &sent).await?;
    let told = format!("on a second stream, when retry_count was {counted} already");
    came_times(&second, &sent[0], left as usize + 1, &keeping, &told)
}

/// One recipient's delivery fails, and those of the others do not.
async fn only_its(trial: &Trial) -> Verdict {
    let [alice, bob, carol, dave, erin] =
        trial.parties(["only-a", "only-b", "only-c", "only-d", "only-e"]).await?;
    let session = trial.session("only", &[&alice, &bob, &carol, &dave, &erin]).await?;
    let keeping = trial.keeping();
    let mut copies = Copies::of(trial, &bob, &session);
    let base = Instant::now();
    let sent = [
        alice.has_sent(&session, &[], "to all").await?,
        alice.has_sent(&session, &[&erin, &dave, &bob, &carol], "to each").await?,
    ];
    for sent in &sent {
        keeping.prepared(carol.acknowledge(sent.acknowledgement(&carol, true)).await)?;
    }
    dave.polls(&session).await?;
    let attempts = trial.timers().max_retries + 1;
    fail(trial, &mut copies, &bob, &sent, base + not_before(trial) * attempts, &keeping).await?;
    for (sent, status) in sent.iter().zip(statuses(&alice, &sent).await?) {
        for (party, expected) in [
            (&carol, &["acknowledged"][..]),
            (&dave, &["delivered", "pending"]),
            (&erin, &["pending"]),
        ] {
            let state = state_of(&status, party);
            if !expected.contains(&state) {
                let seen = format!(
                    "{} failed for {}, and then it was {state:?} for {}",
                    sent.id, bob.id, party.id
                );
                let stop = Stop::broken(seen, format!("still {}", expected[0]));
                return keeping.judged(Err(stop));
            }
        }
    }
    Ok(())
}
