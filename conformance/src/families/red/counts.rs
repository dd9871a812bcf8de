//! RED-3, RED-5: what counts as a retry, and what does not.

use std::time::Duration;

use tokio::time::Instant;

use super::super::prelude::*;
use super::copies::{Copies, can_see, can_see_the_end, not_before, retries, settled};
use super::elsewhere::of_who_is_there_otherwise;
use crate::connect::Cut;
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

/// How long a target may take to note that it has sent something.
const GRACE: Duration = Duration::from_secs(2);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(super) async fn retry_count_counts_timed_redeliveries(trial: Trial) -> Verdict {
    can_see(&trial, 1)?;
    let checked = tokio::join!(
        one_by_one(&trial),
        on_two_streams(&trial),
        of_each_recipient(&trial),
        of_who_is_there_otherwise(&trial),
    );
    all_hold([checked.0, checked.1, checked.2, checked.3])
}

/// Demands that `retry_count` is `before`, and one more for each copy that has come on this stream
/// after its first; what the status says may be a moment late.
async fn agrees(
    trial: &Trial,
    copies: &mut Copies,
    party: &Party,
    sent: &Sent,
    base: Instant,
    before: usize,
) -> Verdict {
    let wait = trial.pace().wait();
    loop {
        let counted = retries(party, sent).await?;
        let answered = Instant::now();
        // What had come by then was sent by then.
        copies.read_until(answered).await;
        let made = before + copies.times(sent).saturating_sub(1);
        if counted == made {
            return Ok(());
        }
        let seen = format!(
            "retry_count of {} is {counted} after {made} redeliveries on time, {} of them on {}",
            sent.id,
            made - before,
            copies.who()
        );
        let accepted = "one for each timed redelivery, and none for anything else";
        if counted > made {
            // The next one may be on its way, if it can have been sent by now.
            let next = u32::try_from(made - before + 1).unwrap_or(u32::MAX);
            let is_early = answered < base + not_before(trial) * next;
            if is_early && before == 0 {
                return Err(Stop::broken(seen, accepted));
            }
            if is_early {
                return Err(trial.missed(&wait, seen, accepted).await);
            }
            let expected = counted - before + 1;
            if copies.each_comes(trial, [sent], expected).await.is_err() {
                return Err(trial.missed(&wait, seen, accepted).await);
            }
        } else if wait.elapsed() > GRACE {
            return Err(trial.missed(&wait, seen, accepted).await);
        } else {
            copies.read_for(BETWEEN_LOOKS).await;
        }
    }
}

async fn one_by_one(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let mut copies = Copies::of(trial, &bob, &session);
    let base = Instant::now();
    let sent = alice.has_sent(&session, &[&bob], "counted").await?;
    let most = trial.timers().max_retries.min(4) as usize;
    for retry in 0..=most {
        copies.each_comes(trial, [&sent], retry + 1).await?;
        agrees(trial, &mut copies, &bob, &sent, base, 0).await?;
        if retry == 0 {
            bob.polls(&session).await?;
            agrees(trial, &mut copies, &bob, &sent, base, 0).await?;
        }
    }
    Ok(())
}

/// Coming back is no retry, and the count goes on where it was.
async fn on_two_streams(trial: &Trial) -> Verdict {
    if can_see(trial, 3).is_err() {
        return Ok(());
    }
    let [alice, bob] = trial.parties(["two-a", "two-b"]).await?;
    let session = trial.session("two", &[&alice, &bob]).await?;
    let mut copies = Copies::of(trial, &bob, &session);
    let base = Instant::now();
    let sent = alice.has_sent(&session, &[&bob], "counted on two streams").await?;
    copies.each_comes(trial, [&sent], 2).await?;
    agrees(trial, &mut copies, &bob, &sent, base, 0).await?;
    drop(copies);
    let before = settled(trial, &bob, &sent).await?;
    for times in [1, 2] {
        let mut copies = Copies::of(trial, &bob, &session);
        let base = copies.opened;
        for copy in 1..=times {
            copies.each_comes(trial, [&sent], copy).await?;
            agrees(trial, &mut copies, &bob, &sent, base, before).await?;
        }
        if times == 1 {
            drop(copies);
            // When these are answered, the target has heard of the end of the stream.
            for _ in 0..2 {
                bob.heartbeat().await.prepared()?;
            }
            let short = base.elapsed() < not_before(trial);
            let after = settled(trial, &bob, &sent).await?;
            if after != before && !short {
                // A timed one may have been on its way.
                return Err(Stop::Inconclusive("the stream was open for too long".into()));
            }
        }
    }
    Ok(())
}

/// The count of one recipient is none of another's, even of one that has a stream elsewhere.
async fn of_each_recipient(trial: &Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["each-a", "each-b", "each-c", "each-d"]).await?;
    let session = trial.session("each", &[&alice, &bob, &carol, &dave]).await?;
    let other = trial.session("each-other", &[&alice, &carol]).await?;
    let mut elsewhere = Copies::of(trial, &carol, &other);
    let keeping = trial.keeping_streamed();
    let live = alice.has_sent(&other, &[&carol], "where it has a stream").await?;
    elsewhere.each_comes(trial, [&live], 1).await?;
    keeping.prepared(carol.acknowledge(live.acknowledgement(&carol, true)).await)?;

    let mut copies = Copies::of(trial, &bob, &session);
    let sent = alice.has_sent(&session, &[], "to three").await?;
    carol.polls(&session).await?;
    copies.each_comes(trial, [&sent], 2).await?;
    for party in [&carol, &dave] {
        let counted = retries(party, &sent).await?;
        if counted > 0 {
            let seen = format!(
                "retry_count of {} is {counted} for {}, which has no stream of that session",
                sent.id, party.id
            );
            return Err(Stop::broken(seen, "0: it has been sent nothing again"));
        }
    }
    Ok(())
}

/// A party that is away for longer than all attempts take, and how it went.
pub(super) struct Away {
    pub(super) party: Party,
    /// What broke its connection, if that was it.
    pub(super) _cut: Option<Cut>,
    pub(super) sent: Sent,
    pub(super) retries: usize,
    pub(super) why: &'static str,
}

pub(super) async fn no_stream_no_retries(trial: Trial) -> Verdict {
    can_see_the_end(&trial)?;
    let alice = trial.party("alice").await?;
    let [cancelled, polling, fresh] = trial.parties(["cancelled", "polling", "fresh"]).await?;
    let coming = trial.party("coming").await?;
    let (lost, cut) = trial.party_cuttable("lost").await?;
    let session =
        trial.session("s", &[&alice, &cancelled, &polling, &fresh, &coming, &lost]).await?;
    let keeping = trial.keeping();
    let mut away = Vec::new();
    for (party, cut, why) in [
        (&cancelled, None, "after it was cancelled"),
        (&lost, Some(cut), "after its connection was lost"),
    ] {
        let mut copies = Copies::of(&trial, party, &session);
        let sent = alice.has_sent(&session, &[party], "sent once").await?;
        copies.each_comes(&trial, [&sent], 1).await?;
        if let Some(cut) = &cut {
            cut.throw();
        }
        drop(copies);
        away.push(Away { party: party.clone(), _cut: cut, sent, retries: 0, why });
    }
    for (party, why) in [(&polling, "as it only polled"), (&fresh, "as it had none ever")] {
        let sent = alice.has_sent(&session, &[party], "not streamed").await?;
        let party = party.clone();
        away.push(Away { party, _cut: None, sent, retries: 0, why });
    }
    polling.polls(&session).await?;
    away.push(comes_and_goes(&trial, &alice, &coming, &session).await?);

    settle(&trial, &mut away).await?;
    let ends = Instant::now() + trial.timers().all_attempts() + trial.timers().ack_timeout();
    while Instant::now() < ends {
        polling.polls(&session).await?;
        trial.sleep(trial.timers().ack_timeout() / 2).await;
    }
    for it in &away {
        keeping.judged(is_untouched(it).await)?;
    }
    // Back again, each gets it as if nothing had been.
    for it in &away {
        let mut copies = Copies::of(&trial, &it.party, &session);
        copies.each_comes(&trial, [&it.sent], 1).await.map_err(|stop| stop.told(it.why))?;
        if Instant::now() < copies.opened + not_before(&trial) {
            let counted = is_untouched(it).await;
            if Instant::now() < copies.opened + not_before(&trial) {
                keeping.judged(counted)?;
            }
        }
        let ends = it.party.acknowledge(it.sent.acknowledgement(&it.party, true)).await;
        keeping.accepted(ends).map_err(|stop| stop.told(it.why))?;
    }
    Ok(())
}

/// A target may notice the end of a stream a little later.
pub(super) async fn settle(trial: &Trial, away: &mut [Away]) -> Verdict {
    let settle = each(away.iter(), |it| {
        let (trial, party, sent) = (trial.clone(), it.party.clone(), it.sent.clone());
        async move { settled(&trial, &party, &sent).await }
    });
    for (it, retries) in away.iter_mut().zip(settle.await?) {
        it.retries = retries;
    }
    Ok(())
}

/// Opens more streams than there are retries, and none of them for long enough for one.
async fn comes_and_goes(
    trial: &Trial,
    alice: &Party,
    party: &Party,
    session: &Session,
) -> Result<Away, Stop> {
    let sent = alice.has_sent(session, &[party], "on many streams").await?;
    let retries = trial.timers().max_retries;
    // What may have been sent again, as a stream was open for longer than it was to be.
    let (mut short, mut again) = (0, 0);
    while short < retries + 3 {
        let mut copies = Copies::of(trial, party, session);
        let came = copies.each_comes(trial, [&sent], 1).await;
        came.map_err(|stop| stop.told("it was sent on one short stream after the other"))?;
        let open = copies.opened.elapsed();
        if open <= not_before(trial) {
            short += 1;
            continue;
        }
        let times = open.as_millis() / trial.timers().ack_timeout().as_millis().max(1);
        again = u32::try_from(times).unwrap_or(u32::MAX).saturating_add(again + 1);
        if again > retries / 2 {
            let why = "streams took so long that it may have been sent again on them";
            return Err(Stop::Inconclusive(why.into()));
        }
    }
    let why = "as none of its streams was open for long enough";
    Ok(Away { party: party.clone(), _cut: None, sent, retries: 0, why })
}

pub(super) async fn is_untouched(away: &Away) -> Verdict {
    let Away { party, sent, retries, why, .. } = away;
    let entry = party.delivery(sent, party).await?;
    let counted = usize::try_from(entry.retry_count).unwrap_or(usize::MAX);
    if !["pending", "delivered"].contains(&entry.status.as_str()) || counted != *retries {
        let seen = format!(
            "while {} had no stream of the session, {why}, {} became {:?}, and retry_count went from \
             {retries} to {counted}",
            party.id, sent.id, entry.status
        );
        let accepted = "outstanding as before: without a stream there are no attempts";
        return Err(Stop::broken(seen, accepted));
    }
    Ok(())
}
