//! A real ceremony through the target, after the checks: what the contract is for.

use std::time::Duration;

use mpc_simulator::ceremony::{self, Ended, Plan, What};

use crate::pace::Pace;
use crate::report::ceremony::{CeremonyCheck, CeremonyParty, CeremonyPhase, CeremonyReport};
use crate::report::{OverallVerdict, Report};
use crate::run::Subject;

/// What no lack of time can break: whoever breaks it has handed out what it must not.
const TIMELESS: [&str; 6] =
    ["duplicated", "phantom", "misrouted", "mislabelled", "altered", "canaries"];

/// Runs a threshold key generation and signing of five parties through `subject`, tells each phase,
/// and adds what came of it to `report`: a ceremony that fails makes the target not conformant,
/// unless this machine is to blame.
///
/// Where the target did not answer before, or is gone before anything could be sent, there is
/// nothing to add.
pub async fn add(report: &mut Report, subject: &Subject, mut tell: impl FnMut(&str)) {
    let Some(calibration) = &report.calibration else { return };
    let wait = Pace::new(calibration).wait();
    let plan = Plan { seed: report.seed, ..Plan::default() };
    // Without a certificate of its own nobody is let in, and the report says so.
    let connect =
        |party: &str| subject.door.named(party).unwrap_or_else(|_| subject.door.clone()).connect();
    let ran = ceremony::run(connect, &plan, |progress| {
        if let What::Phase(phase) = progress.what {
            tell(phase);
        }
    });
    let ended = ran.await.expect("the default plan can be run");
    if ended.ended == Ended::Unreachable {
        report.verdict = OverallVerdict::Unreachable;
        if ended.parties.iter().all(|it| it.sent == 0) {
            return;
        }
    }
    let excuse = wait.stalled().and_then(|stall| excuse(&ended, stall));
    if !ended.passed() {
        report.verdict = match report.verdict {
            OverallVerdict::Unreachable => OverallVerdict::Unreachable,
            OverallVerdict::Conformant if excuse.is_some() => OverallVerdict::Incomplete,
            verdict if excuse.is_some() => verdict,
            _ => OverallVerdict::NotConformant,
        };
    }
    report.ceremony = Some(CeremonyReport { excuse, ..told(ended) });
}

/// Why a ceremony that failed while this machine stood still for so long says nothing about the
/// target, if it does not.
fn excuse(ended: &ceremony::Report, stall: Duration) -> Option<String> {
    let proven = ended.verdict.iter().any(|it| !it.passed && TIMELESS.contains(&it.name));
    (!ended.passed() && !proven).then(|| {
        let stall = stall.as_secs_f64();
        format!("this machine kept the ceremony from running for {stall:.1} s of its time")
    })
}

/// What the simulator reports, as the suite's reports hold it.
fn told(ended: ceremony::Report) -> CeremonyReport {
    let passed = ended.passed();
    let mut verdict: Vec<_> = ended
        .verdict
        .into_iter()
        .map(|it| CeremonyCheck { name: it.name.into(), passed: it.passed, detail: it.detail })
        .collect();
    if let Some(reason) = ended.reason.filter(|_| !passed) {
        verdict
            .insert(0, CeremonyCheck { name: "completed".into(), passed: false, detail: reason });
    }
    let signature = ended.signatures.into_iter().next();
    let (message, signature) = signature.map(|it| (it.message, it.signature)).unzip();
    CeremonyReport {
        protocol: ended.protocol,
        threshold: ended.threshold,
        parties: ended
            .parties
            .into_iter()
            .map(|party| CeremonyParty {
                role: party.role.to_string(),
                receives: party.receives.to_string(),
                sent: party.sent as u64,
                received: party.received as u64,
                acknowledged: party.acknowledged as u64,
                finished: !party.finished.is_empty(),
                id: party.id,
            })
            .collect(),
        group_public_key: ended.group_public_key,
        message: message.unwrap_or_default(),
        signature,
        verdict,
        excuse: None,
        duration_ms: ended.phases.iter().map(|phase| phase.milliseconds).sum(),
        phases: ended
            .phases
            .into_iter()
            .map(|phase| CeremonyPhase { name: phase.name.into(), duration_ms: phase.milliseconds })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Door;
    use crate::specimen::{Settings, Specimen, Twist};

    async fn ended() -> ceremony::Report {
        let door = Door::memory(Specimen::new(Settings::default(), Twist::none()).into_service());
        let plan = Plan::default();
        ceremony::run(|_: &str| door.connect(), &plan, |_| {}).await.expect("it can be run")
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_excuses_what_is_missing_and_not_what_is_wrong() {
        let stall = Duration::from_secs(60);
        let mut report = ended().await;
        assert_eq!(excuse(&report, stall), None, "it passed");
        let mut without = |name: &str| {
            let place = report.verdict.iter().position(|it| it.name == name);
            let place = place.expect("it is judged");
            report.verdict[place].passed = false;
            let excuse = excuse(&report, stall);
            report.verdict[place].passed = true;
            excuse
        };
        for missing in ["ended", "lost", "acknowledged"] {
            assert!(without(missing).is_some(), "{missing}");
        }
        for wrong in TIMELESS {
            assert_eq!(without(wrong), None, "{wrong}");
        }
    }
}
