//! Whether a router's timers are those that the suite was told.

use crate::outcome::Outcome;
use crate::profile::Timers;
use crate::report::RequirementReport;

/// What the suite was told, as a profile has it.
type Told = fn(&Timers) -> String;

/// What of a profile several requirements wait for, if more than one of them is broken.
const WAITED_FOR: [(&[&str], Told); 3] = [
    (&["DIR-3", "DIR-6", "HB-5", "HB-6", "HB-7", "HB-12", "HB-10"], |it| {
        format!("heartbeat_timeout_ms = {}", it.heartbeat_timeout_ms)
    }),
    (&["RED-1", "RED-2", "RED-3", "RED-4"], |it| {
        format!("ack_timeout_ms = {}, max_retries = {}", it.ack_timeout_ms, it.max_retries)
    }),
    (&["EXP-1", "EXP-2"], |it| format!("message_ttl_ms = {}", it.message_ttl_ms)),
];

/// Notes, as the first of the likely causes, where several findings look as if the suite had been told
/// of other timers.
pub(super) fn note<'a>(
    timers: &Timers,
    reports: impl IntoIterator<Item = &'a mut RequirementReport>,
) {
    let is_broken =
        |it: &RequirementReport| matches!(it.outcome, Outcome::Failed | Outcome::Warned);
    let mut broken: Vec<_> = reports.into_iter().filter(|it| is_broken(it)).collect();
    for (ids, told) in WAITED_FOR {
        let concerns = |it: &RequirementReport| ids.contains(&it.id.as_str());
        if broken.iter().filter(|it| concerns(it)).count() < 2 {
            continue;
        }
        let cause = format!(
            "Perhaps the router has other timers than the suite was told ({}): set both alike.",
            told(timers)
        );
        for report in broken.iter_mut().filter(|it| concerns(it)) {
            report.likely_causes.insert(0, cause.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;
    use crate::run::summing::blank;

    #[test]
    fn one_finding_is_about_the_router_and_several_may_be_about_the_profile() {
        let of = |id, outcome| blank(families::find(id).expect("it exists"), outcome, "".into());
        let mut reports = vec![
            of("HB-6", Outcome::Failed),
            of("RED-1", Outcome::Failed),
            of("HB-5", Outcome::Passed),
            of("DIR-3", Outcome::Failed),
            of("ORD-1", Outcome::Failed),
        ];
        note(&Timers::short(), &mut reports);
        let told: Vec<_> = reports.iter().map(|it| it.likely_causes.len()).collect();
        assert_eq!(told, [1, 0, 0, 1, 0]);
        let cause = &reports[0].likely_causes[0];
        assert!(cause.contains("told (heartbeat_timeout_ms = 1500)"), "{cause}");
    }

    #[test]
    fn every_requirement_that_waits_is_one() {
        let ids = WAITED_FOR.iter().flat_map(|it| it.0);
        ids.for_each(|id| assert!(families::find(id).is_some(), "{id}"));
    }
}
