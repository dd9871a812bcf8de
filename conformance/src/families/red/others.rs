//! RED-6, RED-7: what ends the attempts, and whom they concern.

use super::super::prelude::*;
use super::copies::{Copies, Stream, can_see};
use crate::keeping::Keeping;
use crate::many::{each, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

pub(super) async fn an_acknowledgement_ends_the_attempts(trial: Trial) -> Verdict {
    can_see(&trial, 1)?;
    let most = trial.timers().max_retries.min(3) as usize;
    let cases = (1..=most).flat_map(|copies| [(copies, true), (copies, false)]);
    let cases = cases.flat_map(|case| [(case, Stream::OfItsSession), (case, Stream::OfAll)]);
    let cases: Vec<_> = cases.filter(|(_, stream)| stream.is_there(&trial)).collect();
    let one = each(cases, |((copies, success), stream)| {
        let trial = trial.clone();
        async move { after_so_many(&trial, copies, success, stream).await }
    });
    let checked = tokio::join!(one, every_other(&trial), on_both_streams(&trial));
    all_hold([checked.0.map(drop), checked.1, checked.2])
}

/// Ends a delivery when it has come so often: it must not come again.
async fn after_so_many(trial: &Trial, times: usize, success: bool, stream: Stream) -> Verdict {
    let label = format!("{times}-{success}-{}", stream.label());
    let alice = trial.party(&format!("{label}-a")).await?;
    let bob = trial.party(&format!("{label}-b")).await?;
    let elsewhere = bob.on_a_connection_of_its_own();
    let session = trial.session(&label, &[&alice, &bob]).await?;
    let keeping = trial.keeping_streamed();
    let mut copies = Copies::of(trial, &bob, &stream.of(&session));
    let sent = [
        alice.has_sent(&session, &[&bob], "ended in time").await?,
        alice.has_sent(&session, &[], "ended in time").await?,
    ];
    copies.each_comes(trial, &sent, times).await?;
    for (sent, party) in sent.iter().zip([&bob, &elsewhere]) {
        keeping.prepared(party.acknowledge(sent.acknowledgement(party, success)).await)?;
    }
    let told = format!("it was acknowledged with success = {success} after {times} deliveries");
    come_no_more(trial, &mut copies, &alice, &bob, &session, &sent.iter().collect::<Vec<_>>())
        .await
        .map_err(|stop| stop.told(&told))
}

/// A party reads one session and all of them: what it has acknowledged comes by neither any more.
async fn on_both_streams(trial: &Trial) -> Verdict {
    if !trial.claims(Capability::Wildcard) {
        return Ok(());
    }
    let [alice, bob] = trial.parties(["both-a", "both-b"]).await?;
    let session = trial.session("both", &[&alice, &bob]).await?;
    let keeping = trial.keeping_streamed();
    let mut streams =
        [Stream::OfItsSession, Stream::OfAll].map(|it| Copies::of(trial, &bob, &it.of(&session)));
    let sent = alice.has_sent(&session, &[&bob], "on both streams").await?;
    for copies in &mut streams {
        copies.each_comes(trial, [&sent], 1).await?;
    }
    keeping.prepared(bob.acknowledge(sent.acknowledgement(&bob, true)).await)?;
    let ([one, all], sent) = (&mut streams, [&sent]);
    let come_no_more = tokio::join!(
        come_no_more(trial, one, &alice, &bob, &session, &sent),
        come_no_more(trial, all, &alice, &bob, &session, &sent),
    );
    let told = "it came on a stream of its session and one of all, and was acknowledged";
    all_hold([come_no_more.0, come_no_more.1]).map_err(|stop| stop.told(told))
}

/// Demands that what has ended comes no more: not behind a message that was routed afterwards.
async fn come_no_more(
    trial: &Trial,
    copies: &mut Copies,
    sender: &Party,
    party: &Party,
    session: &Session,
    ended: &[&Sent],
) -> Verdict {
    let fence = sender.has_sent(session, &[party], "behind it").await?;
    copies.each_comes(trial, [&fence], 1).await?;
    party.acknowledge(fence.acknowledgement(party, true)).await.prepared()?;
    let before: Vec<_> = ended.iter().map(|it| copies.times(it)).collect();
    copies.read_for(trial.timers().ack_timeout() * 5 / 2 + trial.pace().quiet()).await;
    match ended.iter().zip(before).find(|(sent, before)| copies.times(sent) > *before) {
        None => Ok(()),
        Some((sent, _)) => {
            let seen = format!("{} brought {} again", copies.who(), sent.id);
            Err(Stop::broken(seen, "no copy after the acknowledgement"))
        }
    }
}

/// Ends every other one of many; those come no more, and the rest does.
async fn every_other(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["other-a", "other-b"]).await?;
    let session = trial.session("other", &[&alice, &bob]).await?;
    let keeping = trial.keeping_streamed();
    let mut copies = Copies::of(trial, &bob, &session);
    let requests = (0..60)
        .map(|number| (&alice, alice.outgoing(&session, &[&bob], format!("message {number}"))));
    let sent = volume(trial, requests).await?;
    copies.each_comes(trial, &sent, 1).await?;
    let (ended, left): (Vec<_>, Vec<_>) =
        sent.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    let answers = each(ended.iter(), |(number, sent)| {
        let (bob, request) = (bob.clone(), sent.acknowledgement(&bob, number % 4 == 0));
        async move { Ok(bob.acknowledge(request).await) }
    })
    .await?;
    for answer in answers {
        keeping.prepared(answer)?;
    }
    let ended: Vec<_> = ended.into_iter().map(|(_, sent)| sent).collect();
    let told = "it was acknowledged, as was every other message of the stream";
    come_no_more(trial, &mut copies, &alice, &bob, &session, &ended)
        .await
        .map_err(|stop| stop.told(told))?;
    copies.each_comes(trial, left.iter().map(|(_, sent)| *sent), 2).await
}

pub(super) async fn silence_concerns_nobody_else(trial: Trial) -> Verdict {
    can_see(&trial, 1)?;
    let [alice, silent, acks, nacks, polls, late] =
        trial.parties(["alice", "silent", "acks", "nacks", "polls", "late"]).await?;
    let others = [&acks, &nacks, &polls, &late];
    let members: Vec<_> = others.into_iter().chain([&alice, &silent]).collect();
    let session = trial.session("s", &members).await?;
    let beside = trial.session("beside", &members).await?;
    let keeping = trial.keeping_streamed();
    let mut at_silent = Copies::of(&trial, &silent, &session);
    let mut streams = [Copies::of(&trial, &acks, &session), Copies::of(&trial, &nacks, &session)];
    let mut at_beside = Copies::of(&trial, &acks, &beside);
    let sent = [
        alice.has_sent(&session, &[], "to all").await?,
        alice.has_sent(&session, &[&late, &nacks, &silent, &polls, &acks], "to each").await?,
    ];
    for ((party, success), copies) in [(&acks, true), (&nacks, false)].into_iter().zip(&mut streams)
    {
        copies.each_comes(&trial, &sent, 1).await?;
        for sent in &sent {
            keeping.prepared(party.acknowledge(sent.acknowledgement(party, success)).await)?;
        }
    }
    polls.polls(&session).await?;
    at_silent.each_comes(&trial, &sent, 1).await?;
    // Behind these, a copy was sent after the acknowledgements.
    let fence = alice.has_sent(&session, &[&acks, &nacks], "behind them").await?;
    for (party, copies) in [&acks, &nacks].into_iter().zip(&mut streams) {
        copies.each_comes(&trial, [&fence], 1).await?;
        party.acknowledge(fence.acknowledgement(party, true)).await.prepared()?;
    }
    let before: Vec<Vec<_>> =
        streams.iter().map(|copies| sent.iter().map(|it| copies.times(it)).collect()).collect();

    // One comes when most of the time of the silent one is over: it has a time of its own.
    trial.sleep(trial.timers().ack_timeout() / 2).await;
    let mut at_late = Copies::of(&trial, &late, &session);
    at_late.each_comes(&trial, &sent, 1).await?;
    at_silent.each_comes(&trial, &sent, 2).await?;
    at_late.each_comes(&trial, &sent, 2).await?;
    for sent in &sent {
        at_late.came_in_time(&trial, sent, at_late.opened).map_err(|stop| {
            stop.told("another recipient, who had got it earlier, had not acknowledged it")
        })?;
    }
    for (copies, before) in streams.iter_mut().zip(before) {
        copies.read_for(trial.pace().quiet()).await;
        let more = sent.iter().zip(before).find(|(sent, before)| copies.times(sent) > *before);
        if let Some((sent, _)) = more {
            let seen = format!(
                "{} brought {} again, which its party has acknowledged and {} has not",
                copies.who(),
                sent.id,
                silent.id
            );
            return Err(Stop::broken(seen, "copies for those only who have not acknowledged it"));
        }
    }
    at_beside.read_for(trial.pace().quiet()).await;
    is_as_it_was(&polls, &sent, at_beside, &keeping).await
}

/// Demands that a recipient without a stream was not redelivered to either.
async fn is_as_it_was(
    party: &Party,
    sent: &[Sent],
    at_beside: Copies,
    keeping: &Keeping,
) -> Verdict {
    if let Some(wrong) = sent.iter().find(|it| at_beside.times(it) > 0) {
        let seen = format!("{} of another session brought {}", at_beside.who(), wrong.id);
        return Err(Stop::broken(seen, "nothing of this session"));
    }
    for sent in sent {
        let count = party.delivery(sent, party).await?.retry_count;
        if count != 0 {
            let seen = format!("retry_count of {} is {count} for {}", sent.id, party.id);
            let stop = Stop::broken(seen, "0: another recipient was silent, and this one polls");
            return keeping.judged(Err(stop));
        }
    }
    Ok(())
}
