//! PND-2: what is older than asked for.

use mpc_router_proto::v1::MpcMessage;
use tokio::time::{Duration, Instant};

use super::DAY_MS;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::each;
use crate::outcome::{Stop, Verdict};
use crate::party::Party;
use crate::trial::{Session, Trial};

pub(super) async fn older_messages_are_left_out(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let all = messages_of_different_times(&trial, &alice, &bob, &session, &keeping).await?;
    let mut times: Vec<_> = all.iter().map(|it| it.created_at).collect();
    times.dedup();
    let newest = times[times.len() - 1];

    // One that was not handed out before the polls that must leave it out.
    let pending = alice.has_sent(&session, &[&bob], "pending").await?;
    let around = times.iter().flat_map(|time| [time - 1, *time, time + 1]);
    // No time that a client would have, and so a target may reject it.
    let odd = [i64::MAX, 10_i64.pow(13), -1, i64::MIN];
    let afters: Vec<_> = odd.into_iter().chain([newest + DAY_MS]).chain(around).collect();
    let answers = each(&afters, |after| {
        let (bob, session, after) = (bob.clone(), session.clone(), *after);
        async move {
            let answer = bob.poll_after(&session, after).await;
            if odd.contains(&after) && answer.was_accepted() == Some(false) {
                return Ok(None);
            }
            Ok(Some(answer.accepted()?.messages))
        }
    })
    .await?;
    for (polled, after) in answers.iter().zip(&afters) {
        let Some(polled) = polled else { continue };
        let who = format!("a poll of {} with after_timestamp {after}", bob.id);
        listing::each_once(&who, polled)?;
        listing::by_age(&who, polled)?;
        if let Some(older) = polled.iter().find(|it| it.created_at < *after) {
            let (id, created_at) = (&older.message_id, older.created_at);
            let seen = format!("{who} answers with {id} of created_at {created_at}");
            return Err(Stop::broken(seen, "no message older than that"));
        }
        let listed = |due: &MpcMessage| polled.iter().any(|it| it.message_id == due.message_id);
        if let Some(newer) = all.iter().find(|it| it.created_at > *after && !listed(it)) {
            keeping.lasts()?;
            let (id, created_at) = (&newer.message_id, newer.created_at);
            let seen = format!("{who} lacks {id} of created_at {created_at}");
            return Err(Stop::broken(seen, "every outstanding message that is newer"));
        }
    }

    // Having asked for the newer ones has used up none of the older ones.
    let polled = bob.polls(&session).await?;
    let expected: Vec<_> =
        all.iter().map(|it| it.message_id.as_str()).chain([&*pending.id]).collect();
    let listed: Vec<_> = polled.iter().map(|it| it.message_id.as_str()).collect();
    if listed != expected {
        keeping.lasts()?;
        let seen = format!("after other polls one with after_timestamp 0 answers with {listed:?}");
        return Err(Stop::broken(seen, format!("all that is outstanding: {expected:?}")));
    }
    Ok(())
}

/// Outstanding messages of one sender with at least four different `created_at`, or at least two
/// where the target's clock is very coarse.
async fn messages_of_different_times(
    trial: &Trial,
    alice: &Party,
    bob: &Party,
    session: &Session,
    keeping: &Keeping,
) -> Result<Vec<MpcMessage>, Stop> {
    let began = Instant::now();
    loop {
        // Two at a time, so that some may be equal, and polled later, so that this time is another.
        for _ in 0..2 {
            alice.has_sent(session, &[bob], "tick").await?;
        }
        trial.sleep(Duration::from_millis(25)).await;
        let polled = bob.polls(session).await?;
        listing::by_age(&format!("a poll of {}", bob.id), &polled)?;
        let mut times: Vec<_> = polled.iter().map(|it| it.created_at).collect();
        times.dedup();
        let too_late = keeping.lasts().is_err() || began.elapsed() > Duration::from_secs(4);
        if times.len() >= 4 || (too_late && times.len() >= 2) {
            return Ok(polled);
        }
        if too_late {
            let waited = began.elapsed().as_secs_f64();
            return Err(Stop::NotChecked(format!(
                "all messages routed within {waited:.1} s have the same created_at"
            )));
        }
    }
}
