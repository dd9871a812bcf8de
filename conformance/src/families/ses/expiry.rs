//! SES-4: sessions that end at their time.

use std::time::Duration;

use mpc_router_proto::v1::SessionEvent;

use super::super::announcing::{event, has_published, publishes_if_taken};
use super::super::prelude::*;
use super::ends::is_closed;
use crate::ending::End;
use crate::party::Party;
use crate::trial::Session;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// Announces a session that ends soon.
pub(super) async fn expiring(trial: &Trial, announcement: SessionEvent) -> Result<End, Stop> {
    let end = End::soon(trial);
    has_published(trial, SessionEvent { expires_at: end.unix_ms, ..announcement }).await?;
    Ok(end)
}

/// What announcements say of a session's end, one after the other.
#[derive(Clone, Copy, Debug)]
enum Says {
    Nothing,
    Soon,
    InAnHour,
    AnHourAgo,
}

/// Announcements, and whether the session is closed when what is soon has passed.
const SESSIONS: [(&str, &[Says], bool); 10] = [
    ("never", &[Says::Nothing], false),
    ("soon", &[Says::Soon], true),
    ("late", &[Says::InAnHour], false),
    ("moved-on", &[Says::Soon, Says::InAnHour], false),
    ("brought-forward", &[Says::InAnHour, Says::Soon], true),
    ("not-taken-back", &[Says::Soon, Says::Nothing], true),
    ("set-later", &[Says::Nothing, Says::Soon], true),
    ("kept", &[Says::InAnHour, Says::Nothing], false),
    ("moved-twice", &[Says::Soon, Says::InAnHour, Says::Nothing, Says::Soon], true),
    ("over", &[Says::AnHourAgo], true),
];

pub(super) async fn expired_sessions_are_closed(trial: &Trial) -> Verdict {
    let tolerance = Duration::from_millis(trial.timers().clock_tolerance_ms);
    trial.can_wait_for("twice clock_tolerance", tolerance * 2)?;
    let [alice, bob] = trial.parties(["expiry-a", "expiry-b"]).await?;
    let both = [&alice, &bob];
    // A session that has ended may be forgotten as late, and be announced anew.
    let keeping = trial.keeping();
    let mut sessions = Vec::new();
    for (label, says, closes) in SESSIONS {
        let session = Session { id: trial.name(&format!("expiry-{label}")) };
        let soon = End::soon(trial);
        // Where announcing takes so long that the first time may have passed before the last one was
        // set, nobody knows whether the session had ended by then.
        if announces(trial, &session, says, soon, &both).await?
            && (label == "over" || goes_on(trial, &alice, &session, soon, label).await?)
        {
            sessions.push((session, label, closes, soon));
        }
    }
    if sessions.is_empty() {
        let why = "announcing takes so long that sessions may end before they are looked at";
        return Err(Stop::Inconclusive(why.into()));
    }

    let wait = trial.pace().wait();
    for (.., soon) in &sessions {
        soon.passes(trial).await;
    }
    for (session, label, closes, _) in &sessions {
        let told = format!("what its announcements say of its end: {label}");
        if *closes {
            match is_closed(session, both, &told).await {
                Err(Stop::Broken(finding)) => {
                    return Err(trial.missed(&wait, finding.seen, finding.accepted).await);
                }
                verdict => verdict?,
            }
            // Like any end it is for good.
            let again = event("session_started", session.id.clone(), &both);
            let again = SessionEvent { expires_at: trial.clock().now_ms() + HOUR_MS, ..again };
            publishes_if_taken(trial, again).await?;
            let told = format!("{told}; then it was announced again, to last for an hour more");
            keeping.judged(is_closed(session, both, &told).await)?;
        } else {
            let sent = alice.sends(session, &[&bob], "in a session that lasts longer").await;
            sent.map_err(|stop| stop.told(&told))?;
        }
    }
    Ok(())
}

/// Demands that a session is open, as long as its first time is to come; false once it may have
/// passed.
async fn goes_on(
    trial: &Trial,
    party: &Party,
    session: &Session,
    soon: End,
    label: &str,
) -> Result<bool, Stop> {
    if !soon.is_to_come(trial) {
        return Ok(false);
    }
    match party.sends(session, &[], "before its time").await {
        Err(stop @ Stop::Broken(_)) if soon.is_to_come(trial) => {
            Err(stop.told(&format!("the session ({label}) was to go on")))
        }
        Err(Stop::Broken(_)) => Ok(false),
        sent => sent.map(|_| true),
    }
}

/// Announces a session with all of this; false if the target refuses one that is over already.
async fn announces(
    trial: &Trial,
    session: &Session,
    says: &[Says],
    soon: End,
    members: &[&Party],
) -> Result<bool, Stop> {
    let now = trial.clock().now_ms();
    for (place, says) in says.iter().enumerate() {
        let event_type = if place == 0 { "session_created" } else { "session_started" };
        let expires_at = match says {
            Says::Nothing => 0,
            Says::Soon => soon.unix_ms,
            Says::InAnHour => now + HOUR_MS,
            Says::AnHourAgo => now - HOUR_MS,
        };
        let event = SessionEvent { expires_at, ..event(event_type, session.id.clone(), members) };
        if matches!(says, Says::AnHourAgo) {
            return publishes_if_taken(trial, event).await;
        }
        has_published(trial, event).await?;
    }
    Ok(true)
}
