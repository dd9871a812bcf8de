//! IDM-2: the same key with other content.

use mpc_router_proto::v1::RouteMessageRequest;

use super::super::prelude::*;
use super::{repeats, sends};
use crate::families::arrivals::{kept, stream_of, up_to, whole};
use crate::listing;
use crate::party::Party;

pub(super) async fn other_content_is_rejected(trial: Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol, &dave]).await?;
    let all = [&bob, &carol, &dave];
    let keeping = trial.keeping();
    let mut feed = bob.subscribe(&session);
    let mut sent = Vec::new();
    let recipients: [&[&Party]; 3] = [&all[..1], &all[..2], &[]];
    for (place, to) in recipients.into_iter().enumerate() {
        for length in [1, 40, 70_000] {
            let key = format!("contrary-{place}-{length}");
            let request = alice.outgoing(&session, to, trial.payload(length));
            let first = sends(&alice, &request, &key).await?;
            for (what, other) in others(&request, &all) {
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
        ("another last byte", with_payload(&|bytes| bytes[last] ^= 0x80)),
        ("a byte more", with_payload(&|bytes| bytes.push(0))),
        ("a byte less", with_payload(&|bytes| bytes.truncate(last))),
        (
            "another round",
            RouteMessageRequest { round_number: request.round_number + 1, ..request.clone() },
        ),
        ("another type", RouteMessageRequest { message_type: "Check".into(), ..request.clone() }),
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
