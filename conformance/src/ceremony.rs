//! A real ceremony through the target, after the checks: what the contract is for.

use mpc_simulator::ceremony::{self, Ended, Plan, What};

use crate::report::ceremony::{CeremonyCheck, CeremonyParty, CeremonyPhase, CeremonyReport};
use crate::report::{OverallVerdict, Report};
use crate::run::Subject;

/// Runs a threshold key generation and signing of five parties through `subject`, tells each phase,
/// and adds what came of it to `report`: a ceremony that fails makes the target not conformant.
pub async fn add(report: &mut Report, subject: &Subject, mut tell: impl FnMut(&str)) {
    let plan = Plan { seed: report.seed, ..Plan::default() };
    let connect = |_: &str| subject.door.connect();
    let ran = ceremony::run(connect, &plan, |progress| {
        if let What::Phase(phase) = progress.what {
            tell(phase);
        }
    });
    let ended = ran.await.expect("the default plan can be run");
    report.verdict = match (ended.ended, report.verdict) {
        (Ended::Unreachable, _) => OverallVerdict::Unreachable,
        _ if !ended.passed() => OverallVerdict::NotConformant,
        (_, verdict) => verdict,
    };
    report.ceremony = Some(told(ended));
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
        duration_ms: ended.phases.iter().map(|phase| phase.milliseconds).sum(),
        phases: ended
            .phases
            .into_iter()
            .map(|phase| CeremonyPhase { name: phase.name.into(), duration_ms: phase.milliseconds })
            .collect(),
    }
}
