//! Thousands of idle parties, a reader that is stalled, and clients that send garbage, all at once: a
//! ceremony beside them completes, and the router's memory stays bounded.
//!
//! `FLOOD_PARTIES` says how many parties are idle (500 if it is not set).

mod ceremony;
mod garbage;
mod idle;
mod stalled;

use crate::from_environment;
use crate::process::Process;

/// How much memory the router may take, in MiB: some for itself, 64 KiB for each idle party with two
/// streams, and what the stalled reader leaves waiting three times, since garbage is held as well.
fn bound(parties: u64) -> u64 {
    128 + parties / 16 + 3 * stalled::MIB as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ceremony_completes_beside_a_flood() {
    let parties = from_environment("FLOOD_PARTIES", 500);
    let process = Process::start(&["--heartbeat-timeout", "60s", "--ack-timeout", "1h"]).await;
    let address = process.address();
    let alone = ceremony::run(address, "alone").await;
    let idle = idle::Parties::settle(address, parties).await;
    let stalled = stalled::Reader::stall(address).await;
    let garbage = garbage::Clients::begin(address);
    let beside = ceremony::run(address, "beside").await;
    garbage.done(100).await;
    let again = ceremony::run(address, "again").await;
    let beats = idle.end().await;
    stalled.read_all().await;
    let memory = process.peak_memory();
    println!(
        "{parties} idle parties with two streams each, {beats} heartbeats: a ceremony took {alone:?} \
         alone, {beside:?} and {again:?} beside the flood; peak memory {memory:?} MiB, {} allowed",
        bound(parties)
    );
    assert!(memory.is_none_or(|memory| memory < bound(parties)), "FLW-3: {memory:?} MiB");
    process.stop().await;
}
