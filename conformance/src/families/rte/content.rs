//! RTE-4, RTE-5, RTE-11, RTE-14: what a message carries.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest};

use crate::families::arrivals::{
    Recipient, acknowledge, in_order, kept, stream_of, up_to, up_to_kept, whole,
};
use crate::families::turns::Rounds;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::requirement::Capability;
use crate::trial::{Session, Trial};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Longer payloads are not tried, whatever the target allows. Bytes.
const LONGEST_TRIED: usize = 12 * MIB;

/// Around the limits of what lengths, columns, frames and buffers hold. Bytes.
const SMALL_SIZES: [usize; 16] = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    257,
    4095,
    4096,
    16 * KIB - 1,
    16 * KIB,
    16 * KIB + 1,
    32 * KIB,
    64 * KIB - 1,
    64 * KIB,
];

const ROUNDS: [i32; 12] = [0, 1, 2, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, i32::MAX];

const TYPES: [&str; 9] = [
    "",
    "keygen/round-1",
    " padded ",
    "\u{fc}nic\u{f6}de \u{2713}",
    "ue\u{301}",
    "Keygen",
    "two\nlines",
    "null",
    "'quoted' \"twice\" \\ %s {}",
];

/// Payloads that a text type, a compressor or a parser would change.
const CONTENTS: [&[u8]; 8] = [
    &[0xff; 300],
    &[0; 300],
    b"line one\r\nline two\r\n\x1a\x04",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    b"\xc3\x28\xa0\xa1\xed\xa0\x80",
    b"{\"payload\": null}",
    b"\x0a\x03abc\x10\x01",
    b" \t trailing white space \n ",
];

pub(super) async fn what_arrives_is_what_was_sent(trial: Trial) -> Verdict {
    let parties = trial.parties(["alice", "dave", "bob", "carol"]).await?;
    let [alice, dave, bob, carol] = &parties;
    let session = trial.session("s", &[alice, dave, bob, carol]).await?;
    small_ones_arrive(&trial, &session, [alice, dave], bob, carol).await?;
    let session = trial.session("large", &[alice, dave, bob, carol]).await?;
    large_ones_arrive(&trial, &session, alice, bob, carol).await?;
    large_ones_at_once(&trial, &session, [alice, dave], bob, carol).await?;

    // A session's name is free text as well, but some target may not take this one.
    let odd = trial.stranger("\u{dc}ber 'Sitzung' #1/2?");
    let event = mpc_router_proto::v1::SessionEvent {
        event_type: "session_created".into(),
        session_id: odd.id.clone(),
        selected_parties: parties.iter().map(|party| party.id.clone()).collect(),
        ..Default::default()
    };
    if trial.coordinator().publish(event).await.was_accepted() != Some(true) {
        return Ok(());
    }
    let session = Session { id: odd.id };
    small_ones_arrive(&trial, &session, [alice, dave], bob, carol).await
}

/// Every field in every way that is easily got wrong, by stream and by poll.
async fn small_ones_arrive(
    trial: &Trial,
    session: &Session,
    senders: [&Party; 2],
    bob: &Party,
    carol: &Party,
) -> Verdict {
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let long = "t".repeat(300);
    let types: Vec<_> = TYPES.into_iter().chain([&*long]).collect();
    let random = SMALL_SIZES.into_iter().map(|size| trial.payload(size));
    let payloads = random.chain(CONTENTS.map(Bytes::from_static));
    let payloads: Vec<_> = payloads.filter(|it| it.len() <= most).collect();
    let longest = payloads.len().max(types.len()).max(ROUNDS.len());
    let to: [&[&Party]; 2] = [&[], &[bob, carol]];
    let requests = (0..2 * longest).map(|number| {
        let sender = senders[number % 5 % 2];
        let (to, payload) = (to[number / longest], payloads[number % payloads.len()].clone());
        let request = RouteMessageRequest {
            round_number: ROUNDS[number % ROUNDS.len()],
            message_type: types[number % types.len()].to_owned(),
            ..sender.outgoing(session, to, payload)
        };
        (sender, request)
    });
    let mut feed = bob.subscribe(session);
    let mut sent = each(requests, |(sender, request)| {
        let sender = sender.clone();
        async move { sender.sends_this(request).await }
    })
    .await?;
    for sender in senders {
        sent.push(sender.sends(session, &[bob, carol], "fence").await?);
    }
    let came = up_to(&mut feed, &sent.iter().rev().take(2).collect::<Vec<_>>()).await?;
    drop(feed);
    whole(&stream_of(bob), &came, &sent)?;
    same_as_sent(&stream_of(bob), &came, &sent)?;
    let polled = carol.polls(session).await?;
    kept([&keeping], listing::exactly(carol, &polled, &sent))?;
    same_as_sent(&format!("a poll of {}", carol.id), &polled, &sent)?;
    handed_out_again(trial, session, [bob, carol], [&keeping, &streamed], &sent).await
}

/// What was handed out before is the same when it is handed out again: by poll and by a later
/// stream, of this session or of all.
async fn handed_out_again(
    trial: &Trial,
    session: &Session,
    parties: [&Party; 2],
    keeping: [&Keeping; 2],
    sent: &[Sent],
) -> Verdict {
    let all = Session { id: String::new() };
    let ways = if trial.claims(Capability::Wildcard) { vec![session, &all] } else { vec![session] };
    let due: Vec<_> = sent.iter().collect();
    for session in ways {
        for party in parties {
            let polled = party.polls(session).await?;
            same_as_sent(&format!("a later poll of {}", party.id), &polled, sent)?;
            let came = up_to_kept(&mut party.subscribe(session), keeping, &due).await?;
            same_as_sent(&format!("a later one, {}", stream_of(party)), &came, sent)?;
        }
    }
    Ok(())
}

/// Payloads up to the longest, which are neither cut nor mixed up.
async fn large_ones_arrive(
    trial: &Trial,
    session: &Session,
    alice: &Party,
    bob: &Party,
    carol: &Party,
) -> Verdict {
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let largest = most.min(LONGEST_TRIED);
    let sizes = [64 * KIB + 1, MIB, MIB + 1, largest];
    let mut feed = bob.subscribe(session);
    for size in sizes.into_iter().filter(|size| *size <= most) {
        let request = RouteMessageRequest {
            round_number: i32::try_from(size).unwrap_or(i32::MAX),
            ..alice.outgoing(session, &[bob, carol], trial.payload(size))
        };
        let keeping = trial.keeping_streamed();
        let sent = sends_as_long_as_allowed(trial, alice, request).await?;
        let (at_bob, at_carol) = tokio::join!(
            async {
                let came = up_to(&mut feed, &[&sent]).await?;
                acknowledge([&keeping], bob, [&sent]).await.map(|()| came)
            },
            polled_whole(carol, session, &sent, &keeping),
        );
        let expected = std::slice::from_ref(&sent);
        same_as_sent(&stream_of(bob), &at_bob?, expected)?;
        same_as_sent(&format!("a poll of {}", carol.id), &at_carol?, expected)?;
    }
    Ok(())
}

/// Large ones at once whose labels are all equal: each keeps a payload of its own.
async fn large_ones_at_once(
    trial: &Trial,
    session: &Session,
    senders: [&Party; 2],
    bob: &Party,
    carol: &Party,
) -> Verdict {
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let mut feed = bob.subscribe(session);
    // Together less than 2 MiB, which may wait for a stream anywhere.
    let requests = [640, 640, 64, 64, 64, 64].into_iter().enumerate().map(|(number, size)| {
        let payload = trial.payload(most.min(size * KIB + 1));
        let sender = senders[number % 2];
        (sender, sender.outgoing(session, &[bob, carol], payload))
    });
    let sent = volume(trial, requests).await?;
    let came = up_to(&mut feed, &sent.iter().collect::<Vec<_>>()).await?;
    drop(feed);
    same_as_sent(&stream_of(bob), &came, &sent)?;
    let polled = carol.polls(session).await?;
    same_as_sent(&format!("a poll of {}", carol.id), &polled, &sent)?;
    let due: Vec<_> = sent.iter().collect();
    let keeping = [&keeping, &streamed];
    let came = up_to_kept(&mut carol.subscribe(session), keeping, &due).await?;
    same_as_sent(&stream_of(carol), &came, &sent)?;
    acknowledge(keeping, bob, &sent).await?;
    acknowledge(keeping, carol, &sent).await
}

/// Routes a payload that is not too long. Load is over soon; a target that goes on refusing it
/// for lack of resources means its length.
async fn sends_as_long_as_allowed(
    trial: &Trial,
    sender: &Party,
    request: RouteMessageRequest,
) -> Result<Sent, Stop> {
    for _ in 0..2 {
        let answer = sender.route(request.clone()).await;
        if answer.overload().is_none() {
            return Ok(Sent { id: answer.accepted()?.message_id, request });
        }
        trial.sleep(Duration::from_millis(200)).await;
    }
    let id = sender.route(request.clone()).await.accepted_under_any_load()?.message_id;
    Ok(Sent { id, request })
}

/// Polls on until an answer has the message, since an answer holds no more than 4 MiB, and
/// acknowledges what it gets.
async fn polled_whole(
    party: &Party,
    session: &Session,
    sent: &Sent,
    keeping: &Keeping,
) -> Result<Vec<MpcMessage>, Stop> {
    loop {
        let polled = party.polls(session).await?;
        let listed: Vec<_> =
            polled.iter().map(|it| Sent { id: it.message_id.clone(), ..sent.clone() }).collect();
        acknowledge([keeping], party, &listed).await?;
        if polled.iter().any(|it| it.message_id == sent.id) {
            return Ok(polled);
        }
        if polled.is_empty() {
            let seen = format!("polls of {} ended without {}", party.id, sent.id);
            return Err(Stop::broken(seen, "the message that was routed to it"));
        }
    }
}

/// Demands that what came carries what was sent.
fn same_as_sent(who: &str, came: &[MpcMessage], sent: &[Sent]) -> Verdict {
    let by_id: BTreeMap<_, _> = sent.iter().map(|it| (it.id.as_str(), &it.request)).collect();
    for message in came {
        let Some(request) = by_id.get(message.message_id.as_str()) else { continue };
        let fields = [
            ("session_id", message.session_id == request.session_id),
            ("from_party", message.from_party == request.from_party),
            ("round_number", message.round_number == request.round_number),
            ("message_type", message.message_type == request.message_type),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, same)| !same) {
            let seen = format!(
                "{who} brought session_id {:?}, from_party {:?}, round_number {}, message_type {:?}",
                message.session_id, message.from_party, message.round_number, message.message_type
            );
            let accepted = format!(
                "{:?}, {:?}, {}, {:?}, as it was sent ({field} differs)",
                request.session_id, request.from_party, request.round_number, request.message_type
            );
            return Err(Stop::broken(seen, accepted));
        }
        if message.payload != request.payload {
            let (came, sent) = (&message.payload, &request.payload);
            let differs = came.iter().zip(sent).position(|(one, other)| one != other);
            let seen = match differs {
                Some(at) => format!("{who} brought another payload: byte {at} differs"),
                None => format!("{who} brought a payload of {} bytes", came.len()),
            };
            return Err(Stop::broken(seen, format!("the {} bytes that were sent", sent.len())));
        }
    }
    Ok(())
}

pub(super) async fn identifiers_are_unique_and_the_same_everywhere(trial: Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let members = [&alice, &bob, &carol, &dave];
    let (one, two) = (trial.session("s", &members).await?, trial.session("t", &members).await?);
    let keeping = trial.keeping();
    let mut recipients = [&bob, &carol].map(|party| Recipient::new(party, &one));
    let to = [&bob, &carol];
    let mut all: Vec<Sent> = Vec::new();
    for turns in Rounds::new(&trial, 2_800) {
        let keeping = trial.keeping();
        let requests = turns.map(|turn| {
            let sender = if turn.is_multiple_of(2) { &alice } else { &dave };
            let session = if turn % 4 < 3 { &one } else { &two };
            // Most are equal to the last byte, of two senders in two sessions, as many as possible
            // in a millisecond. The others show whether answers side by side are mixed up.
            let payload = if turn % 7 < 6 { b"same".to_vec() } else { turn.to_le_bytes().to_vec() };
            (sender, sender.outgoing(session, &to, payload))
        });
        let sent = volume(&trial, requests).await?;
        let fences =
            [alice.sends(&one, &to, "fence").await?, dave.sends(&one, &to, "fence").await?];
        all.extend(sent.iter().chain(&fences).cloned());
        none_twice(&all)?;
        for (recipient, party) in recipients.iter_mut().zip(to) {
            let came = recipient.gets(&keeping, &sent, &fences).await?;
            same_as_sent(&stream_of(party), &came, &sent)?;
        }
    }
    let polled = carol.polls(&two).await?;
    let in_two = all.iter().filter(|it| it.request.session_id == two.id);
    kept([&keeping], listing::exactly(&carol, &polled, in_two))?;

    let sample: Vec<_> = all.iter().step_by(50).cloned().collect();
    each(sample, |sent| {
        let alice = alice.clone();
        async move {
            let status = alice.status(&sent).await?;
            if status.message_id == sent.id {
                return Ok(());
            }
            let seen = format!("the status of {} has message_id {}", sent.id, status.message_id);
            Err(Stop::broken(seen, "the one that was asked for"))
        }
    })
    .await
    .map(drop)
}

/// Demands that every identifier is one, and of one message.
fn none_twice(sent: &[Sent]) -> Verdict {
    let mut known = BTreeMap::new();
    for sent in sent {
        if sent.id.is_empty() {
            return Err(Stop::broken("a message was accepted with an empty message_id", "one"));
        }
        if let Some(other) = known.insert(&sent.id, &sent.request) {
            let seen = format!(
                "two accepted messages, of {} in {} and of {} in {}, both have message_id {}",
                other.from_party,
                other.session_id,
                sent.request.from_party,
                sent.request.session_id,
                sent.id
            );
            return Err(Stop::broken(seen, "an identifier of its own for each"));
        }
    }
    Ok(())
}

pub(super) async fn created_at_is_now(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let tolerance = trial.timers().clock_tolerance_ms.cast_signed();
    let mut feed = bob.subscribe(&session);
    for to in [[].as_slice(), &[&bob, &carol]] {
        let before = trial.clock().now_ms();
        let sent = alice.has_sent(&session, to, "now").await?;
        let after = trial.clock().now_ms();
        let range = before - tolerance..=after + tolerance;
        let streamed = up_to(&mut feed, &[&sent]).await?;
        let polled = carol.polls(&session).await?;
        for message in streamed.iter().chain(&polled).filter(|it| it.message_id == sent.id) {
            if !range.contains(&message.created_at) {
                let created_at = message.created_at;
                let seen =
                    format!("created_at is {created_at}, routed between {before} and {after}");
                return Err(Stop::broken(seen, format!("a time within {tolerance} ms of that")));
            }
        }
        trial.sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

pub(super) async fn rounds_and_types_are_labels(trial: Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol, &dave]).await?;
    let keeping = trial.keeping();
    let mut at_bob = bob.subscribe(&session);
    let labels = [
        (5, "sign"),
        (1, "keygen"),
        (3, "sign"),
        (3, "sign"),
        (2, "abort"),
        (i32::MAX, ""),
        (0, "keygen"),
        (7, "commit"),
        (1, "keygen"),
        (6, "a"),
    ];
    let mut sent = Vec::new();
    for (number, (round_number, message_type)) in labels.into_iter().enumerate() {
        let to: &[&Party] = if number % 3 == 1 { &[] } else { &[&bob, &carol, &dave] };
        let request = RouteMessageRequest {
            round_number,
            message_type: message_type.into(),
            // Twice the same, to the last byte: no duplicate all the same.
            ..alice.outgoing(&session, to, if round_number == 3 { "same" } else { "message" })
        };
        sent.push(alice.sends_this(request).await?);
    }
    let all: Vec<_> = sent.iter().collect();
    let came = up_to(&mut at_bob, &[all[all.len() - 1]]).await?;
    in_order(&stream_of(&bob), &came, &all)?;
    let polled = dave.polls(&session).await?;
    kept([&keeping], listing::in_turn(&dave, &polled, &all))?;
    let mut at_carol = carol.subscribe(&session);
    let fence = alice.sends(&session, &[&carol], "fence").await?;
    let came = up_to(&mut at_carol, &[&fence]).await?;
    let all: Vec<_> = all.into_iter().chain([&fence]).collect();
    kept([&keeping], in_order(&stream_of(&carol), &came, &all))
}
