//! What the core does, told as stories.

mod acknowledging;
mod events;
mod forgetting;
mod membership;
mod parties;
mod polls;
mod records;
mod routing;
mod story;
mod streams;
mod timers;
mod waking;
mod waking_anew;
mod wildcards;

use expect_test::Expect;

fn check(script: &str, transcript: Expect) {
    transcript.assert_eq(&story::play(script));
}
