//! IDM-2: the same key with other content.

use mpc_router_proto::v1::RouteMessageRequest;

use super::super::prelude::*;
use super::{repeats, sends};
use crate::families::arrivals::{kept, stream_of, up_to, whole};
use crate::listing;
use crate::party::Party;

/// More than what is commonly kept of a payload to compare it.
const LARGE: usize = 1536 * 1024;

/// What is tried with a large payload.
const OF_LARGE: [&str; 2] = ["another byte in the middle", "another last byte"];

pub(super) async fn other_content_is_rejected(trial: Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol, &dave]).await?;
    let all = [&bob, &carol, &dave];
    let keeping = trial.keeping();
    let mut feed = bob.subscribe(&session);
    let mut sent = Vec::new();
    let recipients: [&[&Party]; 3] = [&all[..1], &all[..2], &[]];
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    for (place, to) in recipients.into_iter().enumerate() {
        let mut lengths = vec![1, 40, 70_000];
        // Once.
        lengths.extend((place == 0).then_some(LARGE.min(most - 1)));
        lengths.retain(|length| *length < most);
        lengths.dedup();
        for length in lengths {
            let key = format!("contrary-{place}-{length}");
            let mut request = alice.outgoing(&session, to, trial.payload(length));
            // So that what ends the round could as well begin the type.
            request.message_type = "2check".into();
            let first = sends(&alice, &request, &key).await?;
            let others = others(&request, &all);
            let of_large = others.iter().filter(|(what, _)| OF_LARGE.contains(what)).cloned();
            let others = if length > 70_000 { of_large.collect() } else { others };
            for (what, other) in others {
                let answer = alice.route_keyed(other, &key).await;
                let usual = [Code::AlreadyExists, Code::InvalidArgument];
                let told = format!("its key had been used, and now it came with {what}");
                let verdict = answer.rejected(&usual).map_err(|stop| stop.told(&told));
                keeping.judged(verdict)?;
            }
            let when = "after others with its key had been rejected";
            repeats(&alice, &request, &key, &first, &keeping, when).await?;
            sent.push(first);
        }
    }
    // A rejected call has no effect.
    sent.push(alice.has_sent(&session, &all, "fence").await?);
    let fence = &sent[sent.len() - 1];
    let came = up_to(&mut feed, &[fence]).await?;
    kept([&keeping], whole(&stream_of(&bob), &came, &sent))?;
    for party in [&carol, &dave] {
        let its = sent.iter().filter(|it| {
            it.request.to_parties.is_empty() || it.request.to_parties.contains(&party.id)
        });
        let polled = party.polls(&session).await?;
        kept([&keeping], listing::exactly(party, &polled, its))?;
    }
    feed.stays_quiet("a rejected call has no effect").await
}

/// What differs from a call in one thing each.
fn others(
    request: &RouteMessageRequest,
    all: &[&Party; 3],
) -> Vec<(&'static str, RouteMessageRequest)> {
    let with_payload = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut payload = request.payload.to_vec();
        change(&mut payload);
        RouteMessageRequest { payload: payload.into(), ..request.clone() }
    };
    let with_recipients = |to: &[&Party]| RouteMessageRequest {
        to_parties: to.iter().map(|it| it.id.clone()).collect(),
        ..request.clone()
    };
    let last = request.payload.len() - 1;
    let mut others = vec![
        ("another first byte", with_payload(&|bytes| bytes[0] ^= 1)),
        ("another byte in the middle", with_payload(&|bytes| bytes[last / 2] ^= 0x10)),
        ("another last byte", with_payload(&|bytes| bytes[last] ^= 0x80)),
        ("a byte more", with_payload(&|bytes| bytes.push(0))),
        ("a byte less", with_payload(&|bytes| bytes.truncate(last))),
        (
            "another round",
            RouteMessageRequest { round_number: request.round_number + 1, ..request.clone() },
        ),
        ("another type", RouteMessageRequest { message_type: "2Check".into(), ..request.clone() }),
        (
            "the first digit of its type behind its round",
            RouteMessageRequest {
                round_number: request.round_number * 10 + 2,
                message_type: "check".into(),
                ..request.clone()
            },
        ),
        (
            "the last letter of its type before its payload",
            RouteMessageRequest {
                message_type: "2chec".into(),
                ..with_payload(&|bytes| bytes.insert(0, b'k'))
            },
        ),
        ("no type", RouteMessageRequest { message_type: String::new(), ..request.clone() }),
    ];
    for (what, to) in [
        ("one recipient", &all[..1]),
        ("another recipient", &all[2..]),
        ("two recipients", &all[..2]),
        ("all of them by name", &all[..]),
        ("no recipient named", &all[..0]),
    ] {
        let other = with_recipients(to);
        if other.to_parties != request.to_parties {
            others.push((what, other));
        }
    }
    others
}
