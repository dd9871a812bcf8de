//! The router is killed, again and again, at any moment while parties send and acknowledge; and each
//! time it comes back, what it has is held against what it said.
//!
//! `CRASHES` says how often (10 if it is not set), `CRASH_SEED` when.

mod books;
mod parties;

use std::time::Duration;

use tokio::task::JoinSet;

use self::books::Books;
use self::parties::{Parties, Working};
use crate::from_environment;
use crate::process::Process;

/// A small generator of numbers that look random: a seed gives the same ones everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// So many routers, each with a store of its own, are killed side by side: what a store has grows
/// with each crash, and with it what there is to compare.
const ROUTERS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_accepted_is_lost_however_often_it_is_killed() {
    let crashes = from_environment("CRASHES", 10);
    let seed = from_environment("CRASH_SEED", std::process::id().into());
    println!("CRASH_SEED={seed}");
    let mut routers = JoinSet::new();
    for router in 0..ROUTERS.min(crashes) {
        let share = (crashes + router) / ROUTERS.min(crashes);
        routers.spawn(is_killed(share, Dice(seed.wrapping_add(router))));
    }
    let mut accepted = 0;
    while let Some(ended) = routers.join_next().await {
        let (share, books) = ended.unwrap();
        println!("{share} crashes: {books}");
        accepted += books.accepted();
    }
    assert!(accepted > 0, "nothing was ever accepted");
}

/// Kills one router so many times.
async fn is_killed(crashes: u64, mut dice: Dice) -> (u64, Books) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut books = Books::default();
    let mut process = Process::start(&["--ack-timeout", "1h", "--data", data]).await;
    for crash in 0..crashes {
        let mut parties = Parties::connect(process.address()).await;
        if crash == 0 {
            parties.register().await;
        }
        parties.announce(crash).await;
        let working = Working::begin(&parties, crash, std::mem::take(&mut books));
        let moment = Duration::from_micros(dice.below(400_000));
        tokio::time::sleep(moment).await;
        process.kill().await;
        books = working.end().await;
        process = Process::start(&["--ack-timeout", "1h", "--data", data]).await;
        Parties::connect(process.address()).await.audit(&mut books, crash).await;
    }
    process.stop().await;
    (crashes, books)
}
