//! SES-1, SES-2, SES-7: names that look alike, letter by letter.

use super::super::prelude::*;
use crate::party::Party;
use crate::trial::Session;

/// A session with a member, and a party that is none: both are written alike, one with an accented
/// letter and one with a letter and its accent.
pub(super) struct Forms {
    pub(super) alice: Party,
    pub(super) member: Party,
    pub(super) outsider: Party,
    pub(super) session: Session,
}

/// None where the target takes no such names, or takes both for one party's.
pub(super) async fn forms(trial: &Trial) -> Result<Option<Forms>, Stop> {
    if trial.door().tells_who_calls() {
        // What certificates say of such names is another matter.
        return Ok(None);
    }
    let alice = trial.party("forms-a").await?;
    let Some(member) = trial.party_if_taken("forms-r\u{e9}mi").await? else { return Ok(None) };
    let Some(outsider) = trial.party_if_taken("forms-re\u{301}mi").await? else { return Ok(None) };
    let listed = alice.list("persistent", false).await.prepared()?.parties;
    if ![&member, &outsider].iter().all(|it| listed.iter().any(|entry| entry.party_id == it.id)) {
        return Ok(None);
    }
    let session = trial.session_if_taken("forms", &[&alice, &member]).await?;
    Ok(session.map(|session| Forms { alice, member, outsider, session }))
}

/// SES-1: what it sends is rejected.
pub(super) async fn senders_by_form(trial: &Trial) -> Verdict {
    let Some(Forms { alice, member, outsider, session }) = forms(trial).await? else {
        return Ok(());
    };
    member.has_sent(&session, &[&alice], "from a member").await?;
    for to in [&[&alice][..], &[]] {
        let answer = outsider.route(outsider.outgoing(&session, to, "to be rejected")).await;
        answer.rejected(&[Code::PermissionDenied]).map_err(|stop| stop.told(ALIKE))?;
    }
    Ok(())
}

/// SES-2: what is sent to it is rejected.
pub(super) async fn recipients_by_form(trial: &Trial) -> Verdict {
    let Some(Forms { alice, member, outsider, session }) = forms(trial).await? else {
        return Ok(());
    };
    for to in [&[&outsider][..], &[&member, &outsider]] {
        let answer = alice.route(alice.outgoing(&session, to, "to be rejected")).await;
        let usual = [Code::InvalidArgument, Code::NotFound];
        answer.rejected(&usual).map_err(|stop| stop.told(ALIKE))?;
    }
    Ok(())
}

const ALIKE: &str =
    "a member's name looks the same, and is written with another form of one letter";
