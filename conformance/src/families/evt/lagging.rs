//! EVT-1, EVT-6: many events, for a subscriber that reads and one that does not.

use mpc_router_proto::v1::SessionEvent;
use tokio::time::{Duration, Instant};

use super::super::prelude::*;
use super::series::Series;
use crate::answer::Fate;
use crate::feed::Feed;
use crate::listening::listens;

/// More than a buffer for one stream usually has places for, together far more than connections hold.
const MANY: usize = 700;
const TOKEN: usize = 3 * 1024;

/// With fewer, buffers on the way may hold all of them.
const LEAST: usize = 100;

/// For how long more are published.
const PUBLISHING: Duration = Duration::from_millis(1_500);

/// How much the subscriber that does not read lets the target send. Bytes.
const WINDOW: u32 = 64 * 1024;

/// One that does not read misses nothing as long as its stream is open, nor does one that reads.
pub(super) async fn beside_a_reader_that_stalls(trial: &Trial) -> Verdict {
    // FLW-1 alone says that nobody waits for a reader.
    if !trial.claims(Capability::Flow) {
        return Ok(());
    }
    let series = Series::new(trial, "stalled");
    let [reading, stalled] = trial.parties(["reading", "stalled"]).await?;
    let mut at_reading = listens(trial, &reading, &[]).await?;
    let narrow = stalled.on_a_narrow_connection(WINDOW);
    let mut at_stalled = listens(trial, &narrow, &[]).await?;
    at_stalled.stalls();

    let coordinator = trial.coordinator().on_a_connection_of_its_own();
    let began = Instant::now();
    let mut published = 0;
    while published < MANY && began.elapsed() < PUBLISHING {
        let both = [&reading, &stalled];
        let event = SessionEvent {
            join_tokens: both.map(|party| (party.id.clone(), "t".repeat(TOKEN))).into(),
            ..series.event(published, "session_started", "s", &both)
        };
        let wait = trial.pace().wait();
        let answer = coordinator.publish(event).await;
        if let Fate::Unanswered(time) = answer.fate {
            let seen = format!(
                "event {published} of a session was not published for {:.1} s, while one of those whom \
                 they select did not read its stream",
                time.as_secs_f64()
            );
            let accepted = "nobody waits for a subscriber that does not read";
            return Err(trial.missed(&wait, seen, accepted).await);
        }
        // Who refuses what does not fit has kept what did.
        if answer.overload().is_some() {
            break;
        }
        // How large an event may be is the target's own affair.
        if answer.was_accepted() == Some(false) && published == 0 {
            return Ok(());
        }
        answer.accepted()?;
        published += 1;
    }
    if published < LEAST {
        return Ok(());
    }
    let came = all_come_in_order(&series, &mut at_reading, published).await;
    came.map_err(|stop| stop.told("another one did not read its stream meanwhile"))?;
    at_stalled.reads_on();
    match all_come_in_order(&series, &mut at_stalled, published).await {
        // A target may end a stream that lags too far.
        Err(_) if at_stalled.ending().is_some() => Ok(()),
        came => {
            came.map_err(|stop| stop.told("it had not read its stream for a while, and read on"))
        }
    }
}

/// Demands that so many events come, none left out.
async fn all_come_in_order(
    series: &Series,
    feed: &mut Feed<SessionEvent>,
    published: usize,
) -> Verdict {
    let mut due = 0;
    while due < published {
        let place =
            series.next(feed, &format!("event {due} of {published} in one session")).await?;
        if place > due {
            let seen = format!("event {place} of {published} came where event {due} was due");
            return Err(Stop::broken(seen, "each event, in the order of their publication"));
        }
        due += usize::from(place == due);
    }
    Ok(())
}
