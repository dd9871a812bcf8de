//! PND: polling.

mod agreeing;
mod backlog;
mod following;
mod older;

use mpc_router_proto::v1::MpcMessage;
use tokio::time::{Duration, Instant};

use self::agreeing::polls_and_streams_agree;
use self::backlog::a_large_backlog_is_fetched_whole;
use self::following::a_poller_that_goes_on_misses_nothing;
use self::older::older_messages_are_left_out;
use super::noting::become_delivered;
use super::prelude::*;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

pub(super) const FAMILY: Family = Family {
    name: "PND",
    title: "polling",
    requirements: &[
        must(
            "PND-1",
            "A poll answers with the party's outstanding deliveries of that session, each once, \
             oldest first.",
            "Polls what is pending, delivered, acknowledged and failed, of several senders, beside \
             other sessions and parties whose names differ by a letter, and after the sessions were \
             announced again; then up to 5,200 messages of which some are acknowledged.",
            check!(a_poll_lists_what_is_outstanding),
        ),
        must(
            "PND-2",
            "A message older than `after_timestamp` is not in the answer; one equal to it may be or \
             not; `after_timestamp = 0` asks for all.",
            "Routes messages until they have different `created_at`, then polls from just before, at \
             and just after each of these times, from the future, from the ends of all time where that \
             is accepted, and from 0 again.",
            check!(older_messages_are_left_out),
        ),
        must(
            "PND-3",
            "A poller that passes the largest `created_at` it has seen as the next \
             `after_timestamp`, and drops what it has by `message_id`, misses nothing, also when \
             many messages fall into one millisecond, and whether or not it acknowledges in \
             between.",
            "Pollers that acknowledge everything, nothing, every other message or only the newest \
             follow what many senders route at once, and then single messages routed right after \
             each poll.",
            check!(a_poller_that_goes_on_misses_nothing),
        ),
        must(
            "PND-4",
            "A backlog larger than one gRPC message is still fetched whole by polling on: an answer \
             is at most 4 MiB or one message long, holds the oldest ones that fit, and holds one \
             that is newer than `after_timestamp` as long as there is any.",
            "Polls backlogs of 4 to 12 MiB: large messages and then many small ones, large ones with \
             small ones between, and all routed at once; with and without acknowledging.",
            check!(a_large_backlog_is_fetched_whole),
        ),
        must(
            "PND-5",
            "Being polled is being delivered: the status becomes `delivered`, and polling again \
             before the acknowledgement answers with it again.",
            "Polls messages to one, to some and to all again and again, and hundreds at once, and asks \
             for their status: of the poller, and of who has not polled.",
            check!(being_polled_is_being_delivered),
        ),
        must(
            "PND-6",
            "Polling never uses up retries: `retry_count` stays as it was.",
            "Polls more often than there are retries (1,000 times at most) without a stream, a few times \
             beside an open one and after a timed redelivery, and looks at `retry_count`.",
            check!(polling_uses_up_no_retries),
        ),
        must(
            "PND-7",
            "An unknown party's poll is rejected (NOT_FOUND); an empty `party_id` is rejected \
             (INVALID_ARGUMENT).",
            "Polls twice under no name, an unknown one, and ones that nearly are a registered party's.",
            check!(unknown_pollers_are_rejected),
        ),
        must(
            "PND-8",
            "Polls and a stream of the same party agree: acknowledged through either, gone from \
             both.",
            "Acknowledges what a stream brought and polls, acknowledges what polls listed and \
             subscribes, single messages and hundreds.",
            check!(polls_and_streams_agree),
        ),
    ],
};

/// However many retries there are, a delivery is not polled more often.
const MOST_POLLS: u32 = 1_000;

/// Further in the future than any clock is wrong. Milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn a_poll_lists_what_is_outstanding(trial: Trial) -> Verdict {
    states_and_senders_make_no_difference(&trial).await?;
    like_names_are_different_names(&trial).await?;
    thousands_are_listed_each_once(&trial).await
}

async fn states_and_senders_make_no_difference(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let other = trial.session("t", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    listing::exactly(&bob, &bob.polls(&session).await?, [])?;

    let acknowledged = alice.has_sent(&session, &[&bob], "one").await?;
    let failed = carol.has_sent(&session, &[&bob], "two").await?;
    let delivered = alice.has_sent(&session, &[&bob], "three").await?;
    let to_all = carol.has_sent(&session, &[], "four").await?;
    bob.polls(&session).await?;
    bob.acknowledge(acknowledged.acknowledgement(&bob, true)).await.prepared()?;
    bob.acknowledge(failed.acknowledgement(&bob, false)).await.prepared()?;

    let elsewhere = alice.has_sent(&other, &[&bob], "five").await?;
    let to_carol = alice.has_sent(&session, &[&carol], "six").await?;
    let to_both = alice.has_sent(&session, &[&carol, &bob], "seven").await?;
    let from_bob = bob.has_sent(&session, &[], "eight").await?;
    let empty = carol.has_sent(&session, &[&bob], "").await?;
    let named_twice = alice.has_sent(&session, &[&bob, &bob], "nine").await?;
    let same_again = alice.has_sent(&session, &[&bob], "three").await?;

    let outstanding = [
        (&bob, &session, vec![&delivered, &to_all, &to_both, &empty, &named_twice, &same_again]),
        (&bob, &other, vec![&elsewhere]),
        (&carol, &session, vec![&to_carol, &to_both, &from_bob]),
        (&carol, &other, vec![]),
        (&alice, &session, vec![&to_all, &from_bob]),
    ];
    for round in 0..2 {
        // A session that is announced again is the same one.
        if round == 1 {
            for label in ["s", "t"] {
                trial.session_if_taken(label, &[&alice, &bob, &carol]).await?;
            }
        }
        let polled = each(&outstanding, |(party, session, _)| polls(party, session)).await?;
        for (polled, (party, _, turns)) in polled.iter().zip(&outstanding) {
            keeping.judged(listing::in_turn(party, polled, turns))?;
        }
    }
    Ok(())
}

/// Labels that a careless comparison takes for one.
const LIKE_LABELS: [&str; 7] = ["x", "X", "xx", "x\u{e9}", "x\u{c9}", "xe\u{301}", "x "];

async fn like_names_are_different_names(trial: &Trial) -> Verdict {
    let sender = trial.party("sender").await?;
    // Which of these names a target takes is its own affair.
    let mut parties = Vec::new();
    for label in LIKE_LABELS {
        parties.extend(trial.party_if_taken(label).await?);
    }
    let members: Vec<_> = parties.iter().chain([&sender]).collect();
    let mut sessions = Vec::new();
    for label in LIKE_LABELS {
        sessions.extend(trial.session_if_taken(label, &members).await?);
    }

    // One message a party in the first session, and one a session to the first party.
    let keeping = trial.keeping();
    let recipients = parties[1..].iter().map(|party| (party, &sessions[0]));
    let places: Vec<_> =
        recipients.chain(sessions.iter().map(|session| (&parties[0], session))).collect();
    let requests = places.iter().map(|(party, session)| {
        (&sender, sender.outgoing(session, &[party], format!("{} {}", session.id, party.id)))
    });
    let sent = volume(trial, requests).await?;
    let polled = each(&places, |(party, session)| polls(party, session)).await?;
    for ((polled, (party, _)), sent) in polled.iter().zip(&places).zip(&sent) {
        keeping.judged(listing::exactly(party, polled, [sent]))?;
    }
    Ok(())
}

/// A poll to be made along with others.
fn polls(
    party: &Party,
    session: &Session,
) -> impl Future<Output = Result<Vec<MpcMessage>, Stop>> + use<> {
    let (party, session) = (party.clone(), session.clone());
    async move { party.polls(&session).await }
}

async fn thousands_are_listed_each_once(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["many-a", "many-b", "many-c"]).await?;
    let session = trial.session("many", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let sent = volume(
        trial,
        (0..5_200).map(|number| {
            let sender = if number % 3 == 0 { &carol } else { &alice };
            let to: &[&Party] = if number % 50 == 0 { &[] } else { &[&bob] };
            (sender, sender.outgoing(&session, to, format!("message {number}")))
        }),
    )
    .await?;
    let polled = bob.polls(&session).await?;
    keeping.judged(listing::exactly(&bob, &polled, &sent))?;

    let is_acknowledged = |place: usize| place % 10 == 3;
    let acknowledged = sent.iter().enumerate().filter(|(place, _)| is_acknowledged(*place));
    each(acknowledged, |(_, sent)| {
        let (bob, acknowledgement) = (bob.clone(), sent.acknowledgement(&bob, true));
        async move { keeping.prepared(bob.acknowledge(acknowledgement).await) }
    })
    .await?;
    let polled = bob.polls(&session).await?;
    let left = sent.iter().enumerate().filter(|(place, _)| !is_acknowledged(*place));
    keeping.judged(listing::exactly(&bob, &polled, left.map(|(_, sent)| sent)))
}

async fn being_polled_is_being_delivered(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let sent = [
        alice.has_sent(&session, &[&bob], "to one").await?,
        alice.has_sent(&session, &[&bob, &carol], "to two").await?,
        alice.has_sent(&session, &[], "to all").await?,
        alice.has_sent(&session, &[&bob], "").await?,
    ];
    let future = trial.clock().now_ms() + DAY_MS;
    if bob.poll_after(&session, future).await.prepared()?.messages.is_empty() {
        let why = "an answer without a message hands out none";
        must_be(&sent, &bob, "pending", why, &keeping).await?;
    }
    for poll in 1..=4 {
        let polled = bob.polls(&session).await?;
        keeping.judged(listing::in_turn(&bob, &polled, &sent.each_ref()))?;
        is_delivered(&trial, &sent, &bob, &format!("poll {poll} listed it"), &keeping).await?;
        let why = "this party has not polled";
        must_be(&sent[1..3], &carol, "pending", why, &keeping).await?;
    }

    let session = trial.session("many", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let requests = (0..600).map(|number| {
        let to: &[&Party] = if number % 7 == 0 { &[] } else { &[&bob] };
        (&alice, alice.outgoing(&session, to, vec![7; number]))
    });
    let sent = volume(&trial, requests).await?;
    for _ in 0..2 {
        let polled = bob.polls(&session).await?;
        keeping.judged(listing::exactly(&bob, &polled, &sent))?;
        is_delivered(&trial, &sent, &bob, "a poll listed it", &keeping).await?;
    }
    Ok(())
}

/// Demands that the delivery of each message to `recipient` becomes `delivered`.
async fn is_delivered(
    trial: &Trial,
    sent: &[Sent],
    recipient: &Party,
    why: &str,
    keeping: &Keeping,
) -> Verdict {
    let accepted = format!("\"delivered\", since {why}");
    become_delivered(trial, sent, recipient, keeping, &accepted, |_| true).await
}

/// Demands that the delivery of each message to `recipient` has this state.
async fn must_be(
    sent: &[Sent],
    recipient: &Party,
    state: &'static str,
    why: &str,
    keeping: &Keeping,
) -> Verdict {
    each(sent, |sent| {
        let (sent, recipient, keeping) = (sent.clone(), recipient.clone(), *keeping);
        let why = why.to_owned();
        async move {
            let delivery = recipient.delivery(&sent, &recipient).await?;
            if delivery.status == state {
                return Ok(());
            }
            keeping.lasts()?;
            let (is, id) = (delivery.status, &sent.id);
            let seen = format!("the delivery of {id} to {} is {is:?}", recipient.id);
            Err(Stop::broken(seen, format!("{state:?}, since {why}")))
        }
    })
    .await
    .map(drop)
}

async fn polling_uses_up_no_retries(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    without_a_stream(&trial, &alice, &bob, &session).await?;
    let session = trial.session("t", &[&alice, &bob]).await?;
    with_a_stream(&trial, &alice, &bob, &session).await
}

async fn without_a_stream(trial: &Trial, alice: &Party, bob: &Party, session: &Session) -> Verdict {
    let keeping = trial.keeping();
    let sent =
        [alice.has_sent(session, &[bob], "one").await?, alice.has_sent(session, &[], "two").await?];
    let polls = trial.timers().max_retries.saturating_add(5).clamp(30, MOST_POLLS);
    polls_many(bob, session, polls, &sent, &keeping).await?;
    for sent in &sent {
        let delivery = bob.delivery(sent, bob).await?;
        // Whether the hand-out is noted yet is another matter.
        let is_outstanding = ["pending", "delivered"].contains(&delivery.status.as_str());
        if delivery.retry_count != 0 || !is_outstanding {
            keeping.lasts()?;
            let seen = format!(
                "after {polls} polls the delivery is {:?} with retry_count {}",
                delivery.status, delivery.retry_count
            );
            return Err(Stop::broken(seen, "\"delivered\", with retry_count 0"));
        }
    }
    Ok(())
}

async fn with_a_stream(trial: &Trial, alice: &Party, bob: &Party, session: &Session) -> Verdict {
    let ack_timeout = trial.timers().ack_timeout();
    let mut feed = bob.subscribe(session);
    let began = Instant::now();
    let keeping = trial.keeping_streamed();
    let sent = [alice.has_sent(session, &[bob], "streamed").await?];
    feed.brings(&sent.each_ref()).await?;
    polls_many(bob, session, 5, &sent, &keeping).await?;
    let delivery = bob.delivery(&sent[0], bob).await?;
    // Later the count may have grown by a timed redelivery.
    if began.elapsed() < ack_timeout && delivery.retry_count != 0 {
        let seen = format!("polling beside a stream made retry_count {}", delivery.retry_count);
        return Err(Stop::broken(seen, "0, as the stream has not sent it again yet"));
    }

    // A target that sends again soon shows whether polling changes a count that is not 0.
    if ack_timeout > Duration::from_secs(1) {
        return Ok(());
    }
    while bob.delivery(&sent[0], bob).await?.retry_count == 0 {
        if began.elapsed() > ack_timeout * 3 / 2 {
            return Ok(());
        }
        trial.sleep(ack_timeout / 20).await;
    }
    drop(feed);
    let mut seen = Vec::new();
    // The stream's end may come after one more timed redelivery: only what happens with each round
    // of polls comes from them.
    for _ in 0..3 {
        let before = bob.delivery(&sent[0], bob).await?.retry_count;
        polls_many(bob, session, 5, &[], &keeping).await?;
        let after = bob.delivery(&sent[0], bob).await?.retry_count;
        if keeping.lasts().is_err() || before == after {
            return Ok(());
        }
        if after < before {
            let seen = format!("polling took retry_count from {before} to {after}");
            return Err(Stop::broken(seen, "the count of timed redeliveries as it was"));
        }
        seen.push(format!("{before} to {after}"));
        trial.sleep(Duration::from_millis(20)).await;
    }
    let seen = format!("polling changed retry_count each time: {}", seen.join(", "));
    Err(Stop::broken(seen, "the count of timed redeliveries as it was"))
}

/// Polls this often; `sent` must be listed each time.
async fn polls_many(
    bob: &Party,
    session: &Session,
    polls: u32,
    sent: &[Sent],
    keeping: &Keeping,
) -> Verdict {
    each(0..polls, |poll| {
        let (bob, session, sent, keeping) = (bob.clone(), session.clone(), sent.to_vec(), *keeping);
        async move {
            let polled = bob.polls(&session).await?;
            for sent in sent {
                if !polled.iter().any(|it| it.message_id == sent.id) {
                    keeping.lasts()?;
                    let seen = format!("poll {} does not list {} any more", poll + 1, sent.id);
                    return Err(Stop::broken(seen, "what is not acknowledged, however often"));
                }
            }
            Ok(())
        }
    })
    .await
    .map(drop)
}

async fn unknown_pollers_are_rejected(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let sent = alice.has_sent(&session, &[&bob], "to bob").await?;
    let keeping = trial.keeping();
    // A party that nobody knows is no member either, and may be told so first.
    let usual = [Code::NotFound, Code::PermissionDenied];
    // A call that creates what it does not find would know the party at the second one.
    for _ in 0..2 {
        for after in [0, 1] {
            let mut nobody = trial.stranger("nobody");
            nobody.poll_after(&session, after).await.rejected(&usual)?;
            nobody.id.clear();
            nobody.poll_after(&session, after).await.rejected(&[Code::InvalidArgument])?;
        }
        for label in ["bo", "bobb", "Bob", "BOB", "b%", "*"] {
            let nearly = trial.stranger(label);
            nearly.poll_after(&session, 0).await.rejected(&usual)?;
        }
    }
    let polled = bob.polls(&session).await?;
    keeping.judged(listing::exactly(&bob, &polled, [&sent]))
}
