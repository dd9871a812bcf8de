//! RED-2: nothing comes again before its time.
//!
//! A message was sent on a stream no earlier than it was routed, and no earlier than the stream was
//! asked for: what comes again less than `ack_timeout` after the later of the two came too early,
//! however slow this side is.

use tokio::time::Instant;

use super::super::prelude::*;
use super::copies::{Copies, Stream, can_see};
use crate::many::volume;
use crate::party::{Party, Sent};
use crate::trial::Session;

pub(super) async fn no_copy_comes_too_early(trial: Trial) -> Verdict {
    can_see(&trial, 1)?;
    let checked = tokio::join!(
        live_and_replayed(&trial),
        on_a_second_stream(&trial),
        staggered(&trial),
        disturbed(&trial),
        in_two_sessions(&trial),
        of_all_sessions(&trial),
    );
    all_hold([checked.0, checked.1, checked.2, checked.3, checked.4, checked.5])
}

/// Routes a message, and tells the moment before.
async fn sends(sender: &Party, session: &Session, to: &[&Party]) -> Result<(Instant, Sent), Stop> {
    let before = Instant::now();
    Ok((before, sender.has_sent(session, to, "not acknowledged").await?))
}

/// Demands that these come again, and each in its time.
async fn come_in_time(
    trial: &Trial,
    copies: &mut Copies,
    sent: &[(Instant, Sent)],
    told: &str,
) -> Verdict {
    let again = trial.timers().max_retries.min(2) + 1;
    copies.each_comes(trial, sent.iter().map(|(_, sent)| sent), again as usize).await?;
    for (base, sent) in sent {
        let base = copies.opened.max(*base);
        copies.came_in_time(trial, sent, base).map_err(|stop| stop.told(told))?;
    }
    Ok(())
}

async fn live_and_replayed(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let mut at_bob = Copies::of(trial, &bob, &session);
    let mut sent = vec![sends(&alice, &session, &[]).await?];
    sent.push(sends(&alice, &session, &[&carol, &bob]).await?);
    let live = come_in_time(trial, &mut at_bob, &sent, "live messages");
    // The other one comes when they have waited for longer than `ack_timeout`.
    let replayed = async {
        trial.sleep(trial.timers().ack_timeout() * 3 / 2).await;
        let mut at_carol = Copies::of(trial, &carol, &session);
        let told = "messages that had waited for their recipient";
        come_in_time(trial, &mut at_carol, &sent, told).await
    };
    let both = tokio::join!(live, replayed);
    all_hold([both.0, both.1])
}

/// A stream that follows another one begins anew.
async fn on_a_second_stream(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["second-a", "second-b"]).await?;
    let session = trial.session("second", &[&alice, &bob]).await?;
    let mut first = Copies::of(trial, &bob, &session);
    let sent = vec![sends(&alice, &session, &[&bob]).await?, sends(&alice, &session, &[]).await?];
    first.each_comes(trial, sent.iter().map(|(_, sent)| sent), 1).await?;
    // When most of the time of the first one is over.
    first.read_for(trial.timers().ack_timeout() * 3 / 4).await;
    drop(first);
    let mut second = Copies::of(trial, &bob, &session);
    come_in_time(trial, &mut second, &sent, "on a second stream").await
}

/// Each message has its own time, also when others are due.
async fn staggered(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["staggered-a", "staggered-b"]).await?;
    let session = trial.session("staggered", &[&alice, &bob]).await?;
    let mut copies = Copies::of(trial, &bob, &session);
    let mut sent = Vec::new();
    for number in 0..5 {
        let to: &[&Party] = if number % 2 == 0 { &[&bob] } else { &[] };
        sent.push(sends(&alice, &session, to).await?);
        copies.read_for(trial.timers().ack_timeout() * 3 / 10).await;
    }
    come_in_time(trial, &mut copies, &sent, "messages routed at different times").await
}

/// Whatever else the party and its session do.
async fn disturbed(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["disturbed-a", "disturbed-b", "disturbed-c"]).await?;
    let session = trial.session("disturbed", &[&alice, &bob, &carol]).await?;
    let mut copies = Copies::of(trial, &bob, &session);
    let mut sent = vec![sends(&alice, &session, &[&bob]).await?];
    sent.push(sends(&alice, &session, &[]).await?);
    let pause = trial.timers().ack_timeout() / 12;
    for number in 0..8 {
        match number {
            0 | 4 => drop(bob.polls(&session).await?),
            1 => drop(bob.heartbeat().await.prepared()?),
            2 => drop(bob.register("persistent").await.prepared()?),
            3 => drop(carol.subscribe(&session)),
            5 => drop(carol.polls(&session).await?),
            _ => {}
        }
        let keeping = trial.keeping_streamed();
        let other = alice.has_sent(&session, &[&bob, &carol], "ended at once").await?;
        copies.each_comes(trial, [&other], 1).await?;
        let end = other.acknowledgement(&bob, number % 2 == 0);
        keeping.prepared(bob.acknowledge(end).await)?;
        alice.status(&sent[0].1).await?;
        copies.read_for(pause).await;
    }
    let requests = (0..20).map(|_| (&alice, alice.outgoing(&session, &[&bob], "many at once")));
    let before = Instant::now();
    let burst = volume(trial, requests).await?;
    sent.extend(burst.into_iter().map(|sent| (before, sent)));
    let told = "while the party polled, beat, registered and acknowledged, and others were routed";
    come_in_time(trial, &mut copies, &sent, told).await
}

async fn in_two_sessions(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["two-a", "two-b"]).await?;
    let one = trial.session("two-1", &[&alice, &bob]).await?;
    let two = trial.session("two-2", &[&alice, &bob]).await?;
    let (mut at_one, mut at_two) = (Copies::of(trial, &bob, &one), Copies::of(trial, &bob, &two));
    let of_one = [sends(&alice, &one, &[&bob]).await?];
    at_one.read_for(trial.timers().ack_timeout() / 2).await;
    let of_two = [sends(&alice, &two, &[&bob]).await?];
    let told = "one of two sessions with a stream each";
    let both = tokio::join!(
        come_in_time(trial, &mut at_one, &of_one, told),
        come_in_time(trial, &mut at_two, &of_two, told)
    );
    all_hold([both.0, both.1])
}

async fn of_all_sessions(trial: &Trial) -> Verdict {
    if !trial.claims(Capability::Wildcard) {
        return Ok(());
    }
    let [alice, bob] = trial.parties(["all-a", "all-b"]).await?;
    let session = trial.session("all", &[&alice, &bob]).await?;
    let mut copies = Copies::of(trial, &bob, &Stream::OfAll.of(&session));
    let sent = [sends(&alice, &session, &[&bob]).await?, sends(&alice, &session, &[]).await?];
    come_in_time(trial, &mut copies, &sent, "on a stream of all sessions").await
}
