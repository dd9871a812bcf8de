//! RED-3: a party that has a stream, but none that its delivery can come on.

use std::time::Duration;

use super::super::prelude::*;
use super::copies::{Copies, Stream, can_see_the_end};
use super::counts::{Away, is_untouched, settle};

/// Such a party is sent nothing again, so nothing counts. It takes as long as all attempts to see
/// that; where that is too long, the rest of the check is.
pub(super) async fn of_who_is_there_otherwise(trial: &Trial) -> Verdict {
    if can_see_the_end(trial).is_err() {
        return Ok(());
    }
    let [alice, on_another, on_events, was_on_all] =
        trial.parties(["there-a", "there-another", "there-events", "there-all"]).await?;
    let members = [&alice, &on_another, &on_events, &was_on_all];
    let session = trial.session("there", &members).await?;
    let other = trial.session("there-other", &members).await?;
    let keeping = trial.keeping();
    let of_another = Copies::of(trial, &on_another, &other);
    let events = [on_events.subscribe_events(&[]), was_on_all.subscribe_events(&[])];
    let mut away = Vec::new();
    for (party, stream, why) in [
        (&on_another, Stream::OfItsSession, "and had one of another session"),
        (&on_events, Stream::OfItsSession, "and had one of events"),
        (&was_on_all, Stream::OfAll, "as that of all sessions had ended, and had one of events"),
    ] {
        if !stream.is_there(trial) {
            continue;
        }
        let mut copies = Copies::of(trial, party, &stream.of(&session));
        let sent = alice.has_sent(&session, &[party], "sent once").await?;
        copies.each_comes(trial, [&sent], 1).await?;
        away.push(Away { party: party.clone(), _cut: None, sent, retries: 0, why });
    }
    settle(trial, &mut away).await?;
    // What counts on may have come to its end meanwhile.
    for time in [Duration::ZERO, trial.timers().all_attempts() + trial.timers().ack_timeout()] {
        trial.sleep(time).await;
        for it in &away {
            keeping.judged(is_untouched(it).await)?;
        }
    }
    drop((of_another, events));
    Ok(())
}
