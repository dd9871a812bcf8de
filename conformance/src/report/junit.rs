//! The report for CI systems: JUnit XML, one suite a family, one case a requirement.
//!
//! A failure that the baseline knows is *skipped* as well, so that a pipeline shows what is new.
//! What has no verdict is *skipped*, with the reason: CI systems must not count it as passed, and
//! it is no failure of the target either. Whether a run without a verdict stops a pipeline is
//! decided by its exit code. A SHOULD that was not kept passes, with what was seen as the case's
//! output.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::ceremony::CeremonyReport;
use super::summary::{self, FamilyGroup};
use super::timeline::Story;
use super::wording::{ending, offset, utc, visible};
use super::{Form, OverallVerdict, Report, RequirementReport, WriteError};
use crate::outcome::Outcome;

/// The report as JUnit XML.
pub fn render(report: &Report) -> String {
    let mut document = quick_junit::Report::new("mpc-conformance");
    document.set_time(Duration::from_millis(report.duration_ms));
    let families = summary::by_family(report);
    document.add_test_suites(families.iter().map(|it| family(report, it)));
    if let Some(ceremony) = &report.ceremony {
        document.add_test_suite(self::ceremony(ceremony));
    }
    if report.verdict == OverallVerdict::Unreachable {
        document.add_test_suite(lost(report));
    }
    document.to_string().expect("XML is written to memory, and attributes are strings")
}

/// Writes the report to `path`.
///
/// # Errors
/// If a folder on the way cannot be made or the file cannot be written.
pub fn write(report: &Report, path: &Path) -> Result<(), WriteError> {
    Form::Junit.write(report, path)
}

fn family(report: &Report, family: &FamilyGroup<'_>) -> TestSuite {
    let name = format!("{} {}", family.name, family.title);
    let mut suite = TestSuite::new(visible(name.trim_end()));
    for (name, value) in [
        ("target", report.target.name.clone()),
        ("seed", report.seed.to_string()),
        ("suite_version", report.suite_version.clone()),
        ("started_at", utc(report.started_at_ms)),
    ] {
        suite.add_property(Property::new(name, visible(&value)));
    }
    if let Some(digest) = &report.requirement_set {
        suite.add_property(Property::new("requirement_set", visible(digest)));
    }
    suite
        .set_time(Duration::from_millis(family.requirements.iter().map(|it| it.duration_ms).sum()));
    suite.add_test_cases(family.requirements.iter().map(|it| case(it)));
    suite
}

fn case(requirement: &RequirementReport) -> TestCase {
    let detail = visible(&requirement.detail);
    let status = match requirement.outcome {
        Outcome::Passed | Outcome::Warned => TestCaseStatus::success(),
        Outcome::Failed if requirement.known => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("known to fail: {detail}")).set_type("known");
            status
        }
        Outcome::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(detail).set_type(requirement.level.to_string());
            status.set_description(evidence(requirement));
            status
        }
        Outcome::Inconclusive | Outcome::NotChecked | Outcome::NotApplicable => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(detail).set_type(requirement.outcome.name());
            status
        }
    };
    let name = format!("{} {}", requirement.id, requirement.says);
    let mut case = TestCase::new(visible(&name), status);
    case.set_classname(visible(&format!("MessageRouter.{}", requirement.family)));
    case.set_time(Duration::from_millis(requirement.duration_ms));
    case.add_property(Property::new("capability", requirement.capability.name()));
    case.add_property(Property::new("level", requirement.level.to_string()));
    if requirement.outcome == Outcome::Warned {
        case.set_system_out(evidence(requirement));
    }
    case
}

/// All that is known of a failure or a warning, as text.
fn evidence(requirement: &RequirementReport) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // A String takes all that is written to it.
        let _ = writeln!(text, "{}", visible(&words.to_string()));
    };
    let (level, outcome) = (requirement.level, requirement.outcome);
    line(format_args!("{} ({level} {})", requirement.id, ending(outcome, level)));
    line(format_args!("{}", requirement.says));
    let story = Story::of(requirement);
    match story.finding() {
        Some(finding) => {
            line(format_args!("seen: {}", finding.seen));
            line(format_args!("accepted: {}", finding.accepted));
            for cause in &requirement.likely_causes {
                line(format_args!("likely cause: {cause}"));
            }
        }
        None => line(format_args!("{}", requirement.detail)),
    }
    if !story.entries().is_empty() {
        line(format_args!("timeline (times in ms):"));
    }
    if !story.prefix().is_empty() {
        line(format_args!("  names are without their {}", story.prefix()));
    }
    if requirement.timeline_cut > 0 {
        line(format_args!("  {} earlier lines left out", requirement.timeline_cut));
    }
    for entry in story.entries() {
        line(format_args!(
            "  {:>9}  {}  {} -> {}",
            offset(entry.at_us),
            story.short(&entry.party),
            story.short(&entry.action),
            story.short(&entry.result)
        ));
    }
    if let Some(replay) = &requirement.replay {
        line(format_args!("replay: {replay}"));
    }
    text
}

fn ceremony(ceremony: &CeremonyReport) -> TestSuite {
    let mut suite = TestSuite::new("ceremony");
    suite.set_time(Duration::from_millis(ceremony.duration_ms));
    suite.add_property(Property::new("ceremony", visible(&ceremony.title())));
    let mut add = |name: &str, failure: Option<&str>| {
        let status = match failure {
            None => TestCaseStatus::success(),
            Some(why) => {
                let mut status = match &ceremony.excuse {
                    Some(_) => TestCaseStatus::skipped(),
                    None => TestCaseStatus::non_success(NonSuccessKind::Failure),
                };
                let excuse = ceremony.excuse.iter().map(|it| format!("; but {it}"));
                let message = format!("{why}{}", excuse.collect::<String>());
                status.set_message(visible(&message)).set_type("ceremony");
                status
            }
        };
        let mut case = TestCase::new(visible(name), status);
        case.set_classname("MessageRouter.ceremony");
        suite.add_test_case(case);
    };
    for check in &ceremony.verdict {
        add(&check.name, (!check.passed).then_some(&check.detail));
    }
    if ceremony.verdict.is_empty() {
        add("the ceremony is verified", Some("nothing of the ceremony could be verified"));
    }
    suite
}

/// Without it, a run whose target died could show as skipped all over, and green.
fn lost(report: &Report) -> TestSuite {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(summary::because(report, summary::bracketed)).set_type("target lost");
    let mut case = TestCase::new("the target answers until the end of the run", status);
    case.set_classname("MessageRouter.target");
    let mut suite = TestSuite::new("target");
    suite.add_test_case(case);
    suite
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// The report as another program reads it.
    fn read(report: &Report) -> quick_junit::Report {
        quick_junit::Report::deserialize_from_str(&render(report)).unwrap()
    }

    fn find<'a>(report: &'a quick_junit::Report, start: &str) -> &'a TestCase {
        let mut cases = report.test_suites.iter().flat_map(|it| &it.test_cases);
        cases.find(|it| it.name.as_str().starts_with(start)).unwrap()
    }

    #[test]
    fn there_is_a_suite_a_family_and_a_case_a_requirement() {
        let report = samples::small();
        let document = read(&report);
        let names: Vec<_> = document.test_suites.iter().map(|it| it.name.as_str()).collect();
        let expected = [
            "REG registration",
            "HB heartbeats and liveness",
            "ORD ordering",
            "RED redelivery",
            "DUR durability",
            "ceremony",
        ];
        assert_eq!(names, expected);
        let cases = report.requirements.len() + 3;
        assert_eq!((document.tests, document.failures, document.errors), (cases, 1, 0));
        assert_eq!(document.skipped, 6);
        let case = find(&document, "REG-1");
        assert_eq!(case.name.as_str(), "REG-1 A new party is accepted.");
        assert_eq!(case.classname.as_ref().unwrap().as_str(), "MessageRouter.REG");
        assert_eq!(case.time, Some(Duration::from_millis(214)));
        assert!(matches!(case.status, TestCaseStatus::Success { .. }));
    }

    #[test]
    fn a_failure_carries_its_evidence() {
        let document = read(&samples::small());
        let TestCaseStatus::NonSuccess { kind, message, ty, description, .. } =
            &find(&document, "ORD-1").status
        else {
            panic!("it failed");
        };
        assert_eq!(*kind, NonSuccessKind::Failure);
        assert_eq!(ty.as_ref().unwrap().as_str(), "MUST");
        assert!(message.as_ref().unwrap().contains("brought message 2 where message 1 was due"));
        let text = description.as_ref().unwrap().as_str();
        for part in [
            "seen: bob's stream brought message 2",
            "accepted: the messages in the order",
            "3 earlier lines left out",
            "      3.4  alice  RouteMessage(s to bob, round 1, 5 bytes) -> message m-2",
            "replay: mpc-conformance run --only ORD-1 --seed 42",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_has_no_verdict_is_skipped_with_its_reason() {
        let document = read(&samples::small());
        for (id, kind, reason) in [
            ("HB-5", "inconclusive", "this machine kept the suite from running"),
            ("RED-1", "not_checked", "ack_timeout is 90 s"),
            ("DUR-2", "not_applicable", "the target does not claim `durable`"),
        ] {
            let TestCaseStatus::Skipped { message, ty, .. } = &find(&document, id).status else {
                panic!("{id} is skipped");
            };
            assert_eq!(ty.as_ref().unwrap().as_str(), kind);
            assert!(message.as_ref().unwrap().contains(reason), "{message:?}");
        }
    }

    #[test]
    fn a_known_failure_is_skipped() {
        let mut report = samples::small();
        let ord_1 = report.requirements.iter_mut().find(|it| it.id == "ORD-1").unwrap();
        ord_1.known = true;
        let document = read(&report);
        assert_eq!(document.failures, 0);
        let TestCaseStatus::Skipped { message, ty, .. } = &find(&document, "ORD-1").status else {
            panic!("it is skipped");
        };
        assert_eq!(ty.as_ref().unwrap().as_str(), "known");
        let message = message.as_ref().unwrap();
        assert!(message.starts_with("known to fail: "), "{message:?}");
        assert!(message.contains("brought message 2 where message 1 was due"), "{message:?}");
    }

    #[test]
    fn a_warning_passes_and_says_what_it_saw() {
        let document = read(&samples::small());
        let case = find(&document, "REG-6");
        assert!(matches!(case.status, TestCaseStatus::Success { .. }));
        assert!(case.system_out.as_ref().unwrap().contains("seen: RegisterParty(first-delegate"));
    }

    #[test]
    fn a_target_that_died_is_an_error() {
        let document = read(&samples::lost());
        assert_eq!(document.errors, 1);
        let case = find(&document, "the target answers");
        assert!(matches!(
            case.status,
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. }
        ));
    }

    #[test]
    fn a_ceremony_that_failed_or_was_not_verified_fails() {
        let mut report = samples::small();
        let ceremony = report.ceremony.as_mut().unwrap();
        ceremony.verdict[1].passed = false;
        assert_eq!(read(&report).failures, 2);
        report.ceremony.as_mut().unwrap().verdict.clear();
        let document = read(&report);
        assert_eq!(document.failures, 2);
        find(&document, "the ceremony is verified");
    }

    #[test]
    fn the_target_cannot_write_xml() {
        let text = render(&samples::hostile());
        let document = quick_junit::Report::deserialize_from_str(&text).unwrap();
        assert!(!text.contains("<script") && !text.contains("<img"));
        let shown = visible(samples::HOSTILE);
        let name = find(&document, "REG-1").name.as_str();
        assert_eq!(name, format!("REG-1 {shown}"));
    }
}
