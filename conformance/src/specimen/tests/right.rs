//! What holds of the right specimen, and of each of its legal variants just as well.

mod deliveries;
mod parties;
mod sessions;

use std::pin::Pin;

use crate::specimen::{Twist, Variant};

type Holding = Pin<Box<dyn Future<Output = ()>>>;

/// One thing that holds.
struct Truth {
    name: &'static str,
    hold: fn(Twist) -> Holding,
}

macro_rules! truths {
    ($($module:ident::$truth:ident)*) => {
        const TRUTHS: &[Truth] = &[$(Truth {
            name: stringify!($truth),
            hold: |twist| Box::pin($module::$truth(twist)),
        },)*];

        $(#[tokio::test(start_paused = true)]
        async fn $truth() {
            $module::$truth(Twist::none()).await;
        })*
    };
}

truths! {
    parties::registering
    parties::listing
    parties::living
    sessions::routing
    sessions::refusing
    sessions::publishing
    sessions::publishing_what_is_wrong
    deliveries::streaming
    deliveries::keeping_order
    deliveries::polling_a_backlog
    deliveries::polling_one_instant
    deliveries::acknowledging
    deliveries::racing
    deliveries::redelivering
    deliveries::expiring
}

/// Runs everything on one twist, and tells what it was when something does not hold.
async fn everything_holds(twist: Twist) {
    for truth in TRUTHS {
        println!("{} of {twist:?}", truth.name);
        (truth.hold)(twist.clone()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_variant_is_right() {
    for variant in Variant::ALL {
        everything_holds(Twist::from(*variant)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn variants_that_agree_are_right_together() {
    let at_odds = [Variant::SupersededStreamSilent, Variant::NumericIds];
    everything_holds(Variant::ALL.iter().copied().filter(|v| !at_odds.contains(v)).collect()).await;
    everything_holds(at_odds.into_iter().collect()).await;
}
