//! HB: heartbeats and liveness.

mod alive;
mod away;
mod pending;
mod streaming;
mod time;

use self::alive::{
    a_heartbeat_brings_it_back, a_streaming_party_can_be_offline, heartbeats_are_of_one_party,
    heartbeats_keep_online, silent_parties_are_offline, the_party_clock_decides_nothing,
};
use self::away::nothing_is_lost_while_away;
use self::pending::pending_messages_counts_what_is_outstanding;
use self::time::{
    last_seen_at_never_goes_back, server_timestamp_is_now, server_timestamp_never_goes_back,
};
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "HB",
    title: "heartbeats and liveness",
    requirements: &[
        must(
            "HB-1",
            "A heartbeat of a registered party is accepted; `server_timestamp` is the router's \
             clock, within `clock_tolerance` of now.",
            "Sends heartbeats of parties of each role, with true, wrong, absent and extreme timestamps, \
             one by one and hundreds at once, and compares the answers with the suite's clock.",
            check!(server_timestamp_is_now),
        ),
        must(
            "HB-2",
            "A heartbeat of an unknown party is rejected (NOT_FOUND), and does not register it.",
            "Sends heartbeats of parties that never registered, of one that is routed to, of one without \
             a name and of ones that are nearly called like a known one, again and again; none of them \
             may show in the directory.",
            check!(unknown_parties_are_rejected),
        ),
        must(
            "HB-3",
            "`server_timestamp` never goes back from one heartbeat to the next.",
            "Compares the answers of each party's heartbeats, a few milliseconds apart for more than a \
             second, over two connections, and many at once.",
            check!(server_timestamp_never_goes_back),
        ),
        must(
            "HB-4",
            "`pending_messages` is the number of the party's outstanding deliveries, over all its \
             sessions.",
            "Follows the count through routing in three sessions, polls, streams, acknowledgements of \
             both kinds and registrations, and with hundreds of messages.",
            check!(pending_messages_counts_what_is_outstanding),
        ),
        must(
            "HB-5",
            "A party is online right after it registers, and stays online as long as its heartbeats \
             come within `heartbeat_timeout` of each other.",
            "Looks at parties that have just registered, then \
             leaves most of the time-out between heartbeats, three times, and looks at the parties all the \
             time; streams of some of them end meanwhile.",
            check!(heartbeats_keep_online),
        ),
        must(
            "HB-6",
            "A party with no open stream that has made no call for longer than `heartbeat_timeout` \
             is offline. (Which calls besides heartbeats count as a sign of life is unspecified: \
             checks let the party be wholly silent.)",
            "Lets parties fall silent that have only registered, heartbeaten, polled or ended a stream, \
             while others route to them; half a time-out late at most they are offline, and stay so.",
            check!(silent_parties_are_offline),
        ),
        must(
            "HB-7",
            "A heartbeat brings an offline party online again.",
            "Lets parties go offline and come back by a heartbeat, twice; each time they stay online for \
             most of the time-out.",
            check!(a_heartbeat_brings_it_back),
        ),
        must(
            "HB-8",
            "Liveness uses the router's clock: a `timestamp` in the request hours in the past or \
             the future changes nothing.",
            "Sends heartbeats hours in the past and in the future, of clocks that are wrong, stand still, \
             are put back or not set: the parties stay online by them, go offline when they end, and \
             `last_seen_at` is no time of theirs.",
            check!(the_party_clock_decides_nothing),
        ),
        must(
            "HB-9",
            "`last_seen_at` never goes back, and after a heartbeat it is not older than the \
             `server_timestamp` that this heartbeat was answered with.",
            "Follows `last_seen_at` through heartbeats, one by one and many at once, other calls, \
             registering again and being offline.",
            check!(last_seen_at_never_goes_back),
        ),
        should(
            "HB-10",
            "An open stream alone does not keep a silent party online.",
            "Lets parties fall silent whose message stream, event stream or both are open and have \
             brought something.",
            check!(a_streaming_party_can_be_offline),
        ),
        must(
            "HB-11",
            "Going offline loses nothing: the outstanding deliveries are there when the party comes \
             back.",
            "Routes hundreds of messages to parties of each role that go offline, and some more while they \
             are; they come back by heartbeat, by poll, by stream and by registering.",
            check!(nothing_is_lost_while_away),
        ),
        must(
            "HB-12",
            "One party's heartbeats do not keep another one online.",
            "One party's heartbeats go on while others fall silent, on the same connection, in the same \
             session and with names that are much alike.",
            check!(heartbeats_are_of_one_party),
        ),
    ],
};

async fn unknown_parties_are_rejected(trial: Trial) -> Verdict {
    let known = trial.party("known").await?;
    let member = trial.stranger("member");
    let session = trial.session("s", &[&known, &member]).await?;
    // A mailbox does not make a party.
    known.has_sent(&session, &[&member], "to come").await?;
    let mut unknown = vec![member];
    for label in ["never", "know", "known2", "Known", "KNOWN", "known ", "known%", "%"] {
        unknown.push(trial.stranger(label));
    }
    for _ in 0..3 {
        for party in &unknown {
            party.heartbeat().await.rejected(&[Code::NotFound])?;
        }
    }
    let mut nameless = trial.stranger("nameless");
    nameless.id = String::new();
    nameless.heartbeat().await.rejected(&[Code::NotFound, Code::InvalidArgument])?;

    let answer = known.list("", false).await.prepared()?;
    let names: Vec<_> = unknown.iter().map(|it| it.id.as_str()).chain([""]).collect();
    match answer.parties.iter().find(|it| names.contains(&it.party_id.as_str())) {
        None => Ok(()),
        Some(entry) => {
            let seen = format!(
                "the directory lists {:?} after its heartbeat was rejected",
                entry.party_id
            );
            Err(Stop::broken(seen, "a rejected call has no effect: it is not registered"))
        }
    }
}
