//! ACK: acknowledgement.

mod counting;
mod gone;
mod late;
mod many;
mod order;
mod rejected;

use std::collections::BTreeMap;

use mpc_router_proto::v1::{GetMessageStatusResponse, MessageDeliveryStatus};
use rand_core::RngCore as _;
use tokio::time::Duration;

use self::counting::each_lowers_the_count_once;
use self::gone::{
    a_failed_delivery_ends, no_copy_comes_after_the_acknowledgement, what_is_pending_can_be_ended,
};
use self::many::after_many_others;
use self::order::{any_order_will_do, one_of_two_contrary_ones_wins};
use self::rejected::{
    another_session_is_rejected, only_recipients_acknowledge, unknown_messages_are_rejected,
};
use super::noting::settles;
use super::prelude::*;
use crate::brief::Brief;
use crate::keeping::Keeping;
use crate::many::{each, one_to_many, statuses, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

pub(super) const FAMILY: Family = Family {
    name: "ACK",
    title: "acknowledgement",
    requirements: &[
        must(
            "ACK-1",
            "Acknowledging with `success = true` makes that recipient's delivery `acknowledged`, \
             and only that one's.",
            "Acknowledges one of several messages as one of several recipients, whose names are much \
             alike; then, with 64 recipients, a random half of hundreds of deliveries at once.",
            check!(an_acknowledgement_is_of_one_delivery),
        ),
        must(
            "ACK-2",
            "Acknowledging again the same way is accepted and changes nothing, `acknowledged_at` \
             included. (Whether `success = false` on one that failed by time-out or expiry is \
             accepted is unspecified; so is `acknowledged_at` of a failed one.)",
            "Acknowledges again, later, on another connection, after registering again, many times at \
             once, after a thousand others and, where the run waits for `message_ttl` anyway, longer than \
             that after the messages were routed, though not after they were acknowledged; compares the \
             whole status.",
            check!(the_same_again_changes_nothing),
        ),
        must(
            "ACK-3",
            "`success = false` makes the delivery `failed`; it is not delivered again.",
            "Refuses what was polled, streamed or not handed out yet; no poll, no later stream and, \
             after the redelivery timer, not the open one has it again.",
            check!(a_failed_delivery_ends),
        ),
        must(
            "ACK-4",
            "A terminal state stays: a later acknowledgement the other way is rejected \
             (FAILED_PRECONDITION).",
            "Acknowledges the other way, again and again, single deliveries and hundreds, and compares \
             their status.",
            check!(a_terminal_state_stays),
        ),
        must(
            "ACK-5",
            "An unknown `message_id` is rejected (NOT_FOUND).",
            "Acknowledges, both ways, identifiers that nobody gave and ones that nearly are a message's.",
            check!(unknown_messages_are_rejected),
        ),
        must(
            "ACK-6",
            "A party that is not a recipient is rejected (PERMISSION_DENIED or NOT_FOUND).",
            "Acknowledges, both ways, as the sender, a fellow member, an outsider, a party that nobody \
             knows and ones that are nearly called like the recipient.",
            check!(only_recipients_acknowledge),
        ),
        must(
            "ACK-7",
            "A `session_id` that is not the message's is rejected (NOT_FOUND).",
            "Acknowledges, both ways, under another session of the party's, an unknown one, none, and \
             ones that are nearly called like the message's.",
            check!(another_session_is_rejected),
        ),
        must(
            "ACK-8",
            "A delivery that was never handed out (`pending`) can be acknowledged: an indeterminate \
             delivery is the router's doubt, not the party's.",
            "Acknowledges, both ways, what was routed to one, to some and to all before anybody polls or \
             subscribes, and hundreds at once: none of them comes afterwards.",
            check!(what_is_pending_can_be_ended),
        ),
        must(
            "ACK-9",
            "After the acknowledgement has returned the router sends that message to that party no \
             more: beyond what was on the way already, no copy arrives.",
            "Acknowledges hundreds of messages; looks at polls and streams begun later, at open streams \
             behind a message routed later, and there again after the redelivery timer.",
            check!(no_copy_comes_after_the_acknowledgement),
        ),
        must(
            "ACK-10",
            "Acknowledging lowers `pending_messages` by one, once.",
            "Reads the count around acknowledgements of either kind, repeated, contrary, rejected and \
             simultaneous ones, in two sessions, and around hundreds at once.",
            check!(each_lowers_the_count_once),
        ),
        must(
            "ACK-11",
            "Acknowledgements may come in any order, and one missing holds no other back.",
            "Acknowledges from the newest on, in random order, and hundreds of later messages while the \
             oldest stays; polls and streams have exactly the others.",
            check!(any_order_will_do),
        ),
        must(
            "ACK-12",
            "Two concurrent, contrary acknowledgements: exactly one wins, and the status agrees \
             with it.",
            "Acknowledges hundreds of deliveries both ways at the same time, on two connections, some \
             by several callers a side.",
            check!(one_of_two_contrary_ones_wins),
        ),
    ],
};

/// Every state of a message's deliveries, by recipient.
type States = BTreeMap<String, String>;

/// The states of the deliveries of each message, in the order of the messages.
async fn states<'a>(
    asking: &Party,
    sent: impl IntoIterator<Item = &'a Sent>,
) -> Result<Vec<States>, Stop> {
    let statuses = statuses(asking, sent).await?;
    let states = |status: GetMessageStatusResponse| {
        status.deliveries.into_iter().map(|it| (it.party_id, it.status)).collect()
    };
    Ok(statuses.into_iter().map(states).collect())
}

/// Demands that all these deliveries to `party` have the state given.
async fn must_be<'a>(
    sent: impl IntoIterator<Item = &'a Sent>,
    party: &Party,
    state: &str,
    why: &str,
) -> Verdict {
    let sent: Vec<_> = sent.into_iter().collect();
    let states = states(party, sent.iter().copied()).await?;
    for (sent, states) in sent.into_iter().zip(states) {
        let is = states.get(&party.id).map_or("absent", String::as_str);
        if is != state {
            let seen = format!("the delivery of {} to {} is {is:?}", sent.id, party.id);
            return Err(Stop::broken(seen, format!("{state:?}: {why}")));
        }
    }
    Ok(())
}

/// Acknowledges these messages, many at a time, `success` or not; each must be accepted.
async fn acknowledges<'a>(
    party: &Party,
    sent: impl IntoIterator<Item = &'a Sent>,
    success: bool,
    keeping: &Keeping,
) -> Verdict {
    each(sent, |sent| {
        let (party, keeping) = (party.clone(), *keeping);
        let request = sent.acknowledgement(&party, success);
        async move { keeping.accepted(party.acknowledge(request).await) }
    })
    .await
    .map(drop)
}

/// Hands out what is outstanding in the session, by a poll.
async fn is_handed_out_all(party: &Party, session: &Session) -> Verdict {
    party.poll_after(session, 0).await.prepared().map(drop)
}

async fn an_acknowledgement_is_of_one_delivery(trial: Trial) -> Verdict {
    one_of_several(&trial).await?;
    many_of_many(&trial).await
}

async fn one_of_several(trial: &Trial) -> Verdict {
    let [alice, bob, bob2, bo, capital, carol] =
        trial.parties(["alice", "bob", "bob2", "bo", "Bob", "carol"]).await?;
    let all = [&bob2, &bo, &bob, &capital, &carol];
    let session = trial.session("s", &[&alice, &bob2, &bo, &bob, &capital, &carol]).await?;
    let keeping = trial.keeping();
    let sent = [
        alice.has_sent(&session, &all, "to some").await?,
        alice.has_sent(&session, &[], "to all").await?,
        alice.has_sent(&session, &[&bob], "to one").await?,
    ];
    for (party, sent) in [(&bob, &sent[..]), (&carol, &sent[..2])] {
        is_handed_out_all(party, &session).await?;
        settles(trial, sent, &[party]).await?;
    }
    let mut expected = states(&alice, &sent).await?;
    for (place, acknowledging) in [(0, &bob), (1, &carol), (2, &bob), (1, &bob), (0, &bo)] {
        let request = sent[place].acknowledgement(acknowledging, true);
        keeping.accepted(acknowledging.acknowledge(request).await)?;
        let now = states(&alice, &sent).await?;
        expected[place].insert(acknowledging.id.clone(), "acknowledged".into());
        keeping.judged(compare(&sent, &now, &expected, "only others acknowledged it"))?;
    }
    Ok(())
}

async fn many_of_many(trial: &Trial) -> Verdict {
    let (alice, recipients, session) = one_to_many(trial, 64).await?;

    let keeping = trial.keeping();
    let to_all: Vec<_> = recipients.iter().collect();
    let requests = (0..12).map(|number| {
        let to = if number % 2 == 0 { &[][..] } else { &to_all };
        (&alice, alice.outgoing(&session, to, format!("message {number}")))
    });
    let sent = volume(trial, requests).await?;
    each(&recipients[..32], |party| {
        let (party, session) = (party.clone(), session.clone());
        async move { is_handed_out_all(&party, &session).await }
    })
    .await?;
    settles(trial, &sent, &to_all[..32]).await?;

    let mut expected = states(&alice, &sent).await?;
    let mut random = trial.random("acknowledged");
    let mut chosen = Vec::new();
    for (place, sent) in sent.iter().enumerate() {
        for party in &recipients {
            if random.next_u32().is_multiple_of(2) {
                expected[place].insert(party.id.clone(), "acknowledged".into());
                chosen.push((random.next_u32(), sent, party));
            }
        }
    }
    chosen.sort_unstable_by_key(|(random, ..)| *random);
    each(chosen, |(_, sent, party)| {
        let (request, party, keeping) = (sent.acknowledgement(party, true), party.clone(), keeping);
        async move { keeping.accepted(party.acknowledge(request).await) }
    })
    .await?;
    let now = states(&alice, &sent).await?;
    keeping.judged(compare(&sent, &now, &expected, "only others acknowledged it"))
}

/// Demands that the deliveries of these messages have the states given: acknowledged ones because
/// they were, the others because of what is told.
fn compare(sent: &[Sent], now: &[States], expected: &[States], unchanged: &str) -> Verdict {
    for ((sent, now), expected) in sent.iter().zip(now).zip(expected) {
        for (party, state) in expected {
            let is = now.get(party).map_or("absent", String::as_str);
            if is != state {
                let acknowledged = state == "acknowledged";
                let why = if acknowledged { "this recipient acknowledged it" } else { unchanged };
                let seen = format!("the delivery of {} to {party} is {is:?}", sent.id);
                return Err(Stop::broken(seen, format!("{state:?}: {why}")));
            }
        }
    }
    Ok(())
}

async fn the_same_again_changes_nothing(trial: Trial) -> Verdict {
    let (soon, others, late) = tokio::join!(
        again_and_again(&trial),
        after_many_others(&trial),
        late::long_after_it_was_routed(&trial),
    );
    all_hold([soon, others, late])
}

async fn again_and_again(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let polled = [
        (alice.has_sent(&session, &[], "used").await?, true),
        (alice.has_sent(&session, &[&bob], "not usable").await?, false),
    ];
    is_handed_out_all(&bob, &session).await?;
    settles(trial, polled.iter().map(|(sent, _)| sent), &[&bob]).await?;
    let pending = [
        (alice.has_sent(&session, &[&bob, &carol], "used").await?, true),
        (alice.has_sent(&session, &[&bob], "not usable").await?, false),
    ];
    let all: Vec<_> = polled.into_iter().chain(pending).collect();
    each(&all, |(sent, success)| {
        let (bob, request) = (bob.clone(), sent.acknowledgement(&bob, *success));
        async move { keeping.accepted(bob.acknowledge(request).await) }
    })
    .await?;
    let first = statuses(&alice, all.iter().map(|(sent, _)| sent)).await;
    let first = keeping.judged(first)?;

    let elsewhere = bob.on_a_connection_of_its_own();
    for (round, again) in [&bob, &elsewhere, &bob].into_iter().enumerate() {
        // So that a time that moves has moved.
        trial.sleep(Duration::from_millis(40)).await;
        if round == 2 {
            bob.register("persistent").await.prepared()?;
            is_handed_out_all(&bob, &session).await?;
        }
        each(&all, |(sent, success)| {
            let mut request = sent.acknowledgement(&bob, *success);
            if round == 1 {
                // Its reason may be told in other words.
                request.error_message = String::new();
            }
            let again = again.clone();
            async move { keeping.accepted(again.acknowledge(request).await) }
        })
        .await?;
        // A status is kept as long as that, too.
        let now = statuses(&alice, all.iter().map(|(sent, _)| sent)).await;
        let now = keeping.judged(now)?;
        for (before, after) in first.iter().zip(&now) {
            keeping.judged(same_status(before, after))?;
        }
    }
    many_times_at_once(trial, &alice, &bob).await
}

async fn many_times_at_once(trial: &Trial, alice: &Party, bob: &Party) -> Verdict {
    let session = trial.session("many", &[alice, bob]).await?;
    let keeping = trial.keeping();
    let requests = (0..400).map(|_| (alice, alice.outgoing(&session, &[bob], "again")));
    let sent = volume(trial, requests).await?;
    let success = |place: usize| place % 5 != 4;
    let twice = sent.iter().enumerate().flat_map(|sent| [sent; 2]);
    each(twice, |(place, sent)| {
        let (bob, request) = (bob.clone(), sent.acknowledgement(bob, success(place)));
        async move { keeping.accepted(bob.acknowledge(request).await) }
    })
    .await?;
    let before = keeping.judged(statuses(alice, &sent).await)?;
    each(sent.iter().enumerate(), |(place, sent)| {
        let (bob, request) = (bob.clone(), sent.acknowledgement(bob, success(place)));
        async move { keeping.accepted(bob.acknowledge(request).await) }
    })
    .await?;
    let after = keeping.judged(statuses(alice, &sent).await)?;
    before.iter().zip(&after).try_for_each(|(before, after)| same_status(before, after))
}

/// Demands that nothing has changed, but for what is unspecified.
fn same_status(before: &GetMessageStatusResponse, after: &GetMessageStatusResponse) -> Verdict {
    if all_but_unspecified(before) == all_but_unspecified(after) {
        return Ok(());
    }
    let entry = |status: &GetMessageStatusResponse, party: &str| {
        let entry = status.deliveries.iter().find(|it| it.party_id == party);
        entry.map_or_else(|| "not there".into(), Brief::brief)
    };
    let parties = before.deliveries.iter().chain(&after.deliveries).map(|it| it.party_id.as_str());
    let changed = parties.map(|it| (entry(before, it), entry(after, it))).find(|it| it.0 != it.1);
    let all = || (before.brief(), after.brief());
    let (before, now) = changed.unwrap_or_else(all);
    let seen = format!("the status of {} changed: {now}", after.message_id);
    Err(Stop::broken(seen, format!("as it was before: {before}")))
}

fn all_but_unspecified(
    status: &GetMessageStatusResponse,
) -> (bool, BTreeMap<&str, MessageDeliveryStatus>) {
    let entry = |it: &MessageDeliveryStatus| {
        let acknowledged_at = if it.status == "failed" { 0 } else { it.acknowledged_at };
        MessageDeliveryStatus { acknowledged_at, ..it.clone() }
    };
    let entries = status.deliveries.iter().map(|it| (it.party_id.as_str(), entry(it))).collect();
    (status.all_acknowledged, entries)
}

async fn a_terminal_state_stays(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let mut all = Vec::new();
    for success in [true, false] {
        all.push((alice.has_sent(&session, &[&bob], "polled").await?, success));
        all.push((alice.has_sent(&session, &[], "polled").await?, success));
    }
    is_handed_out_all(&bob, &session).await?;
    settles(&trial, all.iter().map(|(sent, _)| sent), &[&bob]).await?;
    for success in [true, false] {
        all.push((alice.has_sent(&session, &[&bob, &carol], "pending").await?, success));
    }
    ends_for_good(&alice, &bob, &all, 3, &keeping).await?;
    let polled = bob.polls(&session).await?;
    if let Some(back) = polled.first() {
        let seen = format!("a contrary acknowledgement brought {} back", back.message_id);
        return Err(Stop::broken(seen, "nothing outstanding: all ended before"));
    }

    let session = trial.session("many", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let requests = (0..250).map(|_| (&alice, alice.outgoing(&session, &[&bob], "ends")));
    let sent = volume(&trial, requests).await?;
    let mut random = trial.random("ways");
    let all: Vec<_> =
        sent.into_iter().map(|sent| (sent, random.next_u32().is_multiple_of(2))).collect();
    ends_for_good(&alice, &bob, &all, 1, &keeping).await
}

/// Acknowledges each of these, and then the other way as often as told.
async fn ends_for_good(
    alice: &Party,
    bob: &Party,
    all: &[(Sent, bool)],
    times: usize,
    keeping: &Keeping,
) -> Verdict {
    each(all, |(sent, success)| {
        let (bob, request) = (bob.clone(), sent.acknowledgement(bob, *success));
        let keeping = *keeping;
        async move { keeping.accepted(bob.acknowledge(request).await) }
    })
    .await?;
    let before = statuses(alice, all.iter().map(|(sent, _)| sent)).await?;
    for _ in 0..times {
        each(all, |(sent, success)| {
            let (bob, request) = (bob.clone(), sent.acknowledgement(bob, !success));
            async move { bob.acknowledge(request).await.rejected(&[Code::FailedPrecondition]) }
        })
        .await?;
    }
    let after = statuses(alice, all.iter().map(|(sent, _)| sent)).await?;
    for (before, after) in before.iter().zip(&after) {
        keeping.judged(same_status(before, after))?;
    }
    for ((sent, success), status) in all.iter().zip(&after) {
        let expected = if *success { "acknowledged" } else { "failed" };
        let is = status.deliveries.iter().find(|it| it.party_id == bob.id);
        let is = is.map_or("absent", |it| it.status.as_str());
        if is != expected {
            let seen = format!("the delivery of {} to {} is {is:?}", sent.id, bob.id);
            return Err(Stop::broken(seen, format!("{expected:?}, as first acknowledged")));
        }
    }
    Ok(())
}
