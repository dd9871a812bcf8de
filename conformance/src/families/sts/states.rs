//! STS-1 to STS-4: who has an entry, and what each state looks like.

use std::collections::BTreeSet;
use std::panic::resume_unwind;

use mpc_router_proto::v1::{
    AcknowledgeMessageRequest, GetMessageStatusResponse, MessageDeliveryStatus, MpcMessage,
    SessionEvent,
};
use rand_core::RngCore as _;
use tokio::task::JoinSet;

use super::super::noting;
use super::super::prelude::*;
use super::{by_recipient, entry_of, words};
use crate::keeping::Keeping;
use crate::many::{statuses, volume};
use crate::party::{Party, Sent};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// No payload is larger, so that what a check routes in all stays small.
const LARGE_BYTES: u64 = 2 * 1024 * 1024;

/// Demands that a status has an entry for each of these recipients, and no other.
fn is_of(status: &GetMessageStatusResponse, recipients: &[&Party]) -> Verdict {
    let entries = by_recipient(status)?;
    let expected: BTreeSet<_> = recipients.iter().map(|it| it.id.as_str()).collect();
    let accepted = format!("one entry for each of its {} recipients", expected.len());
    if let Some(missing) = expected.iter().find(|it| !entries.contains_key(**it)) {
        let seen = format!(
            "the status of {} has {} entries, and none for its recipient {missing}",
            status.message_id,
            entries.len()
        );
        return Err(Stop::broken(seen, accepted));
    }
    match entries.keys().find(|it| !expected.contains(**it)) {
        None => Ok(()),
        Some(wrong) => {
            let seen = format!(
                "the status of {} has an entry for {wrong:?}, which is no recipient",
                status.message_id
            );
            Err(Stop::broken(seen, accepted))
        }
    }
}

pub(super) async fn each_recipient_has_an_entry(trial: Trial) -> Verdict {
    few_recipients(&trial).await?;
    many_recipients(&trial).await?;
    random_recipients(&trial).await
}

async fn few_recipients(trial: &Trial) -> Verdict {
    let [alice, bob, bob2, bo, capital, carol] =
        trial.parties(["alice", "bob", "bob2", "bo", "Bob", "carol"]).await?;
    let late = trial.stranger("late");
    let members = [&alice, &bob, &bob2, &bo, &capital, &carol, &late];
    let session = trial.session("s", &members).await?;
    let mut sent = Vec::new();
    for to in [&[&bob][..], &[&bob2, &capital], &[&carol, &bo, &bob], &[&late], &[]] {
        let message = alice.has_sent(&session, to, "to some").await?;
        let to = if to.is_empty() { &members[1..] } else { to };
        sent.push((message, to.to_vec()));
    }
    let named_twice = alice.has_sent(&session, &[&bob, &carol, &bob], "named twice").await?;
    sent.push((named_twice, vec![&bob, &carol]));
    let by_bob = bob.has_sent(&session, &[], "to all but bob").await?;
    sent.push((by_bob, members.into_iter().filter(|it| it.id != bob.id).collect()));

    let messages: Vec<_> = sent.iter().map(|(message, _)| message).collect();
    let look = async || {
        let statuses = statuses(&alice, messages.iter().copied()).await?;
        statuses.iter().zip(&sent).try_for_each(|(status, (_, to))| is_of(status, to))
    };
    look().await?;
    // What becomes of them later changes nothing about who they are for.
    for party in [&bob, &carol, &bo] {
        party.polls(&session).await?;
    }
    look().await?;
    bob.acks(messages[0]).await?;
    bob.nacks(messages[2]).await?;
    late.register("temporary").await.prepared()?;
    look().await?;
    let others_from_now_on = SessionEvent {
        event_type: "session_started".into(),
        session_id: session.id.clone(),
        threshold_n: 2,
        threshold_t: 1,
        selected_parties: vec![alice.id.clone(), trial.name("newcomer")],
        ..Default::default()
    };
    trial.coordinator().publish(others_from_now_on).await.prepared()?;
    look().await
}

async fn many_recipients(trial: &Trial) -> Verdict {
    let alice = trial.party("many-alice").await?;
    // Members are recipients whether they have registered or not.
    let recipients: Vec<_> =
        (0..130).map(|number| trial.stranger(&format!("many-{number}"))).collect();
    let recipients: Vec<_> = recipients.iter().collect();
    let members: Vec<_> = recipients.iter().copied().chain([&alice]).collect();
    let session = trial.session("many", &members).await?;
    for to in [&recipients[..], &[], &recipients[30..81]] {
        let sent = alice.has_sent(&session, to, "to many").await?;
        let to = if to.is_empty() { &recipients } else { to };
        is_of(&alice.status(&sent).await?, to)?;
    }
    Ok(())
}

async fn random_recipients(trial: &Trial) -> Verdict {
    let alice = trial.party("random-alice").await?;
    let recipients: Vec<_> =
        (0..9).map(|number| trial.stranger(&format!("random-{number}"))).collect();
    let members: Vec<_> = recipients.iter().chain([&alice]).collect();
    let session = trial.session("random", &members).await?;
    let mut random = trial.random("recipients");
    let choices: Vec<Vec<_>> = (0..300)
        .map(|_| {
            let chosen = random.next_u32();
            let to = recipients.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1);
            to.map(|(_, party)| party).collect()
        })
        .collect();
    let requests = choices.iter().map(|to| (&alice, alice.outgoing(&session, to, "to some")));
    let sent = volume(trial, requests).await?;
    let statuses = statuses(&alice, &sent).await?;
    let everybody: Vec<_> = recipients.iter().collect();
    statuses
        .iter()
        .zip(&choices)
        .try_for_each(|(status, to)| is_of(status, if to.is_empty() { &everybody } else { to }))
}

/// Demands that all these deliveries wait, untouched.
async fn wait_untouched<'a>(
    sent: impl IntoIterator<Item = &'a Sent>,
    party: &Party,
    keeping: &Keeping,
    why: &str,
) -> Verdict {
    let sent: Vec<_> = sent.into_iter().collect();
    for (sent, status) in sent.iter().zip(statuses(party, sent.iter().copied()).await?) {
        let entry = entry_of(&status, party)?;
        let untouched = MessageDeliveryStatus {
            party_id: party.id.clone(),
            status: "pending".into(),
            ..Default::default()
        };
        if *entry != untouched {
            keeping.lasts()?;
            let accepted = format!("\"pending\" with 0 for all three: {why}");
            return Err(Stop::broken(words(sent, entry), accepted));
        }
    }
    Ok(())
}

pub(super) async fn what_waits_is_pending(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let late = trial.stranger("late");
    let session = trial.session("s", &[&alice, &bob, &carol, &late]).await?;
    let other = trial.session("other", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let mut elsewhere = bob.subscribe(&other);

    let mut sent = vec![
        alice.has_sent(&session, &[&bob], "to one").await?,
        alice.has_sent(&session, &[&bob, &carol, &late], "to some").await?,
        alice.has_sent(&session, &[], "to all").await?,
        alice.has_sent(&session, &[&bob], "").await?,
    ];
    let untouched = async |sent: &[Sent], why: &str| {
        wait_untouched(sent, &bob, &keeping, why).await?;
        wait_untouched(&sent[1..3], &late, &keeping, why).await
    };
    untouched(&sent, "nobody has fetched it").await?;

    let streamed = trial.keeping_streamed();
    let in_other = alice.has_sent(&other, &[&bob], "in another session").await?;
    elsewhere.brings(&[&in_other]).await?;
    streamed.prepared(bob.acknowledge(in_other.acknowledgement(&bob, true)).await)?;
    bob.polls(&other).await?;
    untouched(&sent, "only another session was streamed and polled").await?;

    carol.polls(&session).await?;
    carol.acks(&sent[1]).await?;
    carol.nacks(&sent[2]).await?;
    untouched(&sent, "only another recipient fetched and acknowledged it").await?;

    bob.heartbeat().await.prepared()?;
    bob.register("persistent").await.prepared()?;
    untouched(&sent, "its recipient sent a heartbeat and registered, no more").await?;

    let requests = (0..400).map(|_| (&alice, alice.outgoing(&session, &[&bob], "many")));
    sent.extend(volume(&trial, requests).await?);
    let polled = bob.poll_after(&session, trial.clock().now_ms() + HOUR_MS).await.prepared()?;
    if polled.messages.is_empty() {
        untouched(&sent, "a poll answered without it, as it is older than after_timestamp").await?;
    }

    let ack_timeout = trial.timers().ack_timeout();
    if trial.can_wait_for("ack_timeout", ack_timeout).is_ok() {
        trial.sleep(ack_timeout * 5 / 4 + trial.pace().quiet()).await;
        untouched(&sent, "no stream of that session was open").await?;
    }
    what_one_answer_cannot_hold(&trial, &alice).await
}

/// A poll's answer is at most 4 MiB long: what it leaves for the next one is not handed out.
async fn what_one_answer_cannot_hold(trial: &Trial, alice: &Party) -> Verdict {
    let party = trial.party("polling").await?;
    let session = trial.session("large", &[alice, &party]).await?;
    let length = trial.timers().max_payload_bytes.min(LARGE_BYTES);
    let payload = vec![7; usize::try_from(length).unwrap_or_default()];
    let keeping = trial.keeping();
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(alice.has_sent(&session, &[&party], payload.clone()).await?);
    }
    let polled = party.poll_after(&session, 0).await.prepared()?.messages;
    let left = sent.iter().filter(|sent| polled.iter().all(|it| it.message_id != sent.id));
    wait_untouched(left, &party, &keeping, "a poll answered without it").await
}

/// The times that a delivery's entry may show.
struct Times {
    since: i64,
    tolerance: i64,
}

impl Times {
    /// Those from now on.
    fn begin(trial: &Trial) -> Self {
        // Clocks may be coarse as well as off.
        let tolerance = trial.timers().clock_tolerance_ms.cast_signed() + 1_000;
        Self { since: trial.clock().now_ms(), tolerance }
    }

    fn have(&self, trial: &Trial, time: i64) -> bool {
        let now = trial.clock().now_ms();
        (self.since - self.tolerance..=now + self.tolerance).contains(&time)
    }
}

/// Demands that all these deliveries become `delivered`: they are handed out.
async fn become_delivered(
    trial: &Trial,
    sent: &[Sent],
    party: &Party,
    times: &Times,
    keeping: &Keeping,
) -> Verdict {
    let accepted = "\"delivered\" with delivered_at set to the time and acknowledged_at 0: it was \
                    handed out and not acknowledged";
    let fits = |entry: &MessageDeliveryStatus| {
        times.have(trial, entry.delivered_at) && entry.acknowledged_at == 0
    };
    noting::become_delivered(trial, sent, party, keeping, accepted, fits).await
}

pub(super) async fn what_is_handed_out_is_delivered(trial: Trial) -> Verdict {
    let [alice, polling, streaming, waiting] =
        trial.parties(["alice", "polling", "streaming", "waiting"]).await?;
    let session = trial.session("s", &[&alice, &polling, &streaming, &waiting]).await?;
    let (times, keeping) = (Times::begin(&trial), trial.keeping());
    let all = [&polling, &streaming, &waiting];
    let sent = [
        alice.has_sent(&session, &all, "to some").await?,
        alice.has_sent(&session, &[], "to all").await?,
        alice.has_sent(&session, &all, "").await?,
    ];
    polling.polls(&session).await?;
    become_delivered(&trial, &sent, &polling, &times, &keeping).await?;
    wait_untouched(&sent, &streaming, &keeping, "another recipient polled").await?;
    let streamed = trial.keeping_streamed();
    streaming.subscribe(&session).take(sent.len(), "the outstanding messages").await?;
    become_delivered(&trial, &sent, &streaming, &times, &streamed).await?;
    wait_untouched(&sent, &waiting, &keeping, "other recipients polled and streamed").await?;

    let session = trial.session("many", &[&alice, &polling, &streaming]).await?;
    let (times, keeping) = (Times::begin(&trial), trial.keeping());
    let requests = (0..120).map(|number| {
        let to = if number % 10 == 0 { &[][..] } else { &[&polling, &streaming] };
        (&alice, alice.outgoing(&session, to, vec![0; number]))
    });
    let sent = volume(&trial, requests).await?;
    polling.polls(&session).await?;
    become_delivered(&trial, &sent, &polling, &times, &keeping).await?;
    let streamed = trial.keeping_streamed();
    streaming.subscribe(&session).take(sent.len(), "the outstanding messages").await?;
    become_delivered(&trial, &sent, &streaming, &times, &streamed).await?;

    let session = trial.session("live", &[&alice, &streaming]).await?;
    let (times, streamed) = (Times::begin(&trial), trial.keeping_streamed());
    let mut feed = streaming.subscribe(&session);
    let requests = (0..120).map(|_| (&alice, alice.outgoing(&session, &[&streaming], "live")));
    let sent = volume(&trial, requests).await?;
    feed.take(sent.len(), "the messages routed").await?;
    // Without a stream, time alone changes nothing.
    drop(feed);
    become_delivered(&trial, &sent, &streaming, &times, &streamed).await
}

/// Demands that all these deliveries are `acknowledged`, at a time that makes sense.
async fn are_acknowledged(trial: &Trial, sent: &[Sent], party: &Party, times: &Times) -> Verdict {
    for (sent, status) in sent.iter().zip(&statuses(party, sent).await?) {
        let entry = entry_of(status, party)?;
        let &MessageDeliveryStatus { delivered_at, acknowledged_at, .. } = entry;
        let in_order = delivered_at == 0 || acknowledged_at >= delivered_at;
        let makes_sense = acknowledged_at == 0 || (in_order && times.have(trial, acknowledged_at));
        if entry.status != "acknowledged" || !makes_sense {
            let accepted = "\"acknowledged\", and acknowledged_at the time of that, not before \
                            delivered_at";
            return Err(Stop::broken(words(sent, entry), accepted));
        }
    }
    Ok(())
}

pub(super) async fn acknowledged_comes_after_delivered(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let (times, keeping) = (Times::begin(&trial), trial.keeping());
    let mut sent = Vec::new();
    for round in ["polled", "streamed", "pending"] {
        let fresh = [
            alice.has_sent(&session, &[&bob], round).await?,
            alice.has_sent(&session, &[&bob, &carol], round).await?,
            alice.has_sent(&session, &[], round).await?,
        ];
        match round {
            "polled" => drop(bob.polls(&session).await?),
            "streamed" => drop(bob.subscribe(&session).take(fresh.len(), "the messages").await?),
            _ => {}
        }
        for sent in &fresh {
            let request = sent.acknowledgement(&bob, true);
            keeping.accepted(bob.acknowledge(request).await)?;
        }
        sent.extend(fresh);
        are_acknowledged(&trial, &sent, &bob, &times).await?;
    }
    // The other recipient's entry has times of its own.
    carol.polls(&session).await?;
    for sent in [&sent[2], &sent[7]] {
        keeping.accepted(carol.acknowledge(sent.acknowledgement(&carol, true)).await)?;
    }
    are_acknowledged(&trial, &[sent[2].clone(), sent[7].clone()], &carol, &times).await?;
    are_acknowledged(&trial, &sent, &bob, &times).await?;
    at_once(&trial, &alice).await
}

/// Acknowledges each message in the moment in which a stream brings it.
async fn at_once(trial: &Trial, alice: &Party) -> Verdict {
    let party = trial.party("at-once").await?;
    let session = trial.session("at-once", &[alice, &party]).await?;
    let (times, keeping) = (Times::begin(trial), trial.keeping_streamed());
    let mut feed = party.subscribe(&session);
    let requests = (0..400).map(|_| (alice, alice.outgoing(&session, &[&party], "at once")));
    let mut routing = std::pin::pin!(volume(trial, requests));
    let mut routed = None;
    let mut acknowledging = JoinSet::new();
    let mut brought = 0;
    while routed.as_ref().is_none_or(|sent: &Vec<Sent>| brought < sent.len()) {
        tokio::select! {
            biased;
            message = feed.next("the messages routed") => {
                let MpcMessage { message_id, session_id, .. } = message?;
                brought += 1;
                let (party, party_id) = (party.clone(), party.id.clone());
                acknowledging.spawn(async move {
                    let error_message = String::new();
                    let request = AcknowledgeMessageRequest {
                        message_id, party_id, session_id, success: true, error_message,
                    };
                    keeping.accepted(party.acknowledge(request).await)
                });
            }
            sent = &mut routing, if routed.is_none() => routed = Some(sent?),
        }
    }
    while let Some(acknowledged) = acknowledging.join_next().await {
        acknowledged.unwrap_or_else(|error| resume_unwind(error.into_panic()))?;
    }
    are_acknowledged(trial, &routed.unwrap_or_default(), &party, &times).await
}
