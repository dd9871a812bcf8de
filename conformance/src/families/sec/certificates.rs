//! SEC-1, SEC-8: who is let in at all.

use super::super::prelude::*;
use super::super::scene::Scene;
use super::calls::{Victim, turned_away};
use super::sees_callers;
use crate::identity::{Grade, Shown};

pub(super) async fn strangers_get_nothing(trial: Trial) -> Verdict {
    let certificates = [
        (Grade::SelfSigned, "with a certificate that has signed itself"),
        (
            Grade::OtherAuthority,
            "with a certificate that another authority of that name has signed",
        ),
        (Grade::ByAParty, "with a certificate that a party has signed"),
    ];
    nobody_is_let_in(&trial, true, &certificates).await
}

pub(super) async fn certificates_out_of_date_are_refused(trial: Trial) -> Verdict {
    let certificates = [
        (Grade::Expired, "with a certificate that expired yesterday"),
        (Grade::NotYetValid, "with a certificate that will be valid from tomorrow on"),
    ];
    nobody_is_let_in(&trial, false, &certificates).await
}

/// Demands that whoever shows one of these is turned away, and whoever shows no certificate if
/// these count as well.
async fn nobody_is_let_in(trial: &Trial, bare: bool, certificates: &[(Grade, &str)]) -> Verdict {
    sees_callers(trial)?;
    let mut scene = Scene::new(trial, "").await?;
    let waiting = scene.alice.has_sent(&scene.session, &scene.to_both(), "waiting").await?;
    scene.sent.push(waiting.clone());
    let victim = Victim { scene: &scene, waiting: &waiting, keyed: None, has_wildcard: true };
    let coordinator = trial.coordinator().id;

    let mut callers = Vec::new();
    if bare {
        callers.push((Shown::Plaintext, "without TLS"));
        callers.push((Shown::Nothing, "without a certificate"));
    }
    for name in [&victim.party().id, &coordinator] {
        callers.extend(
            certificates
                .iter()
                .map(|(grade, told)| (Shown::Certificate(name.clone(), *grade), *told)),
        );
    }
    let mut lacking = None;
    for (shown, told) in callers {
        let caller = match trial.showing(&victim.party().id, shown.clone()) {
            Ok(caller) => caller,
            // Without the authority's key some certificates cannot be made.
            Err(why) => {
                lacking = Some(why);
                continue;
            }
        };
        turned_away(victim.calls_by(&caller).await, told)?;
        turned_away(victim.other_calls_by(&caller).await, told)?;
    }
    victim.is_untouched(trial).await?;
    scene.nothing_else_comes().await?;
    match lacking {
        // What could be shown without it was shown.
        Some(why) if !bare => Err(Stop::NotChecked(why.to_string())),
        _ => Ok(()),
    }
}
