use super::*;
use crate::report::samples;

/// The small sample, with these outcomes instead.
fn report(changed: &[(&str, Outcome)]) -> Report {
    let mut report = samples::small();
    for requirement in &mut report.requirements {
        if let Some((_, outcome)) = changed.iter().find(|(id, _)| *id == requirement.id) {
            requirement.outcome = *outcome;
        }
    }
    samples::sum_up(report)
}

fn ids(changed: &[Changed]) -> Vec<&str> {
    changed.iter().map(|it| it.id.as_str()).collect()
}

/// What is printed, without colours.
fn plain(diff: &Diff) -> String {
    anstream::adapter::strip_str(&diff.lines().join("\n")).to_string()
}

#[test]
fn a_report_does_not_differ_from_itself() {
    for report in samples::all() {
        let diff = Diff::between(&report, &report);
        assert!(!diff.regression);
        assert_eq!(plain(&diff).lines().count(), 4, "{}", plain(&diff));
        assert!(plain(&diff).ends_with("NO REGRESSION: nothing is newly broken"));
    }
}

#[test]
fn what_changed_is_told_by_what_it_means() {
    let new = [
        ("REG-1", Outcome::Failed),
        ("REG-2", Outcome::Warned),
        ("REG-6", Outcome::Failed),
        ("ORD-1", Outcome::Passed),
        ("ORD-2", Outcome::Inconclusive),
        ("RED-1", Outcome::NotApplicable),
        ("RED-2", Outcome::Passed),
    ];
    let diff = Diff::between(&report(&[]), &report(&new));
    assert!(diff.regression);
    assert_eq!(ids(&diff.newly_broken), ["REG-1", "REG-2", "REG-6"]);
    assert_eq!(ids(&diff.mended), ["ORD-1"]);
    assert_eq!(ids(&diff.otherwise), ["ORD-2", "RED-1", "RED-2"]);
    let text = plain(&diff);
    assert!(text.contains("\nnewly broken\n  ✗ REG-1   MUST  passed → failed\n"), "{text}");
    let last = "REGRESSION: 3 newly broken (REG-1, REG-2, REG-6), 1 mended";
    assert_eq!(text.lines().last(), Some(last));

    let back = Diff::between(&report(&new), &report(&[]));
    assert_eq!(ids(&back.newly_broken), ["ORD-1"]);
    assert_eq!(ids(&back.mended), ["REG-1", "REG-2", "REG-6"]);
}

#[test]
fn without_a_verdict_nothing_is_broken_or_mended() {
    let lost = [("REG-1", Outcome::NotChecked), ("ORD-1", Outcome::Inconclusive)];
    let diff = Diff::between(&report(&[]), &report(&lost));
    assert!(!diff.regression);
    assert_eq!(ids(&diff.otherwise), ["REG-1", "ORD-1"]);
}

#[test]
fn what_only_one_report_has_is_listed() {
    let mut part = report(&[]);
    part.requirements.retain(|it| it.id != "ORD-1" && it.id != "REG-1");
    let diff = Diff::between(&part, &report(&[]));
    assert!(diff.regression, "a broken MUST that the old report does not have");
    assert_eq!(diff.only_new.len(), 2);
    assert!(plain(&diff).contains("1 MUST broken in the new report only (ORD-1)"));
    let diff = Diff::between(&report(&[]), &part);
    assert!(!diff.regression);
    let text = plain(&diff);
    assert!(text.contains("only in the old report\n  ✓ 1 passed: REG-1\n"), "{text}");
}

#[test]
fn what_takes_more_than_twice_as_long_is_told_and_no_regression() {
    let timed = |reg_1, reg_2, ord_2, red_1| {
        let mut report = report(&[]);
        for requirement in &mut report.requirements {
            requirement.duration_ms = match requirement.id.as_str() {
                "REG-1" => reg_1,
                "REG-2" => reg_2,
                "ORD-2" => ord_2,
                "RED-1" => red_1,
                _ => 50,
            };
        }
        report
    };
    let diff = Diff::between(&timed(100, 10, 200, 0), &timed(201, 90, 400, 900));
    let slower = Slower { id: "REG-1".into(), old_ms: 100, new_ms: 201 };
    assert_eq!(diff.slower, [slower]);
    assert!(!diff.regression);
    assert!(plain(&diff).contains("REG-1   100 ms → 201 ms"));
}

#[test]
fn a_lost_target_and_a_failed_ceremony_are_regressions() {
    let old = report(&[]);
    let lost = Report { verdict: OverallVerdict::Unreachable, ..old.clone() };
    assert!(plain(&Diff::between(&old, &lost)).ends_with("REGRESSION: the target was lost"));
    assert!(!Diff::between(&lost, &lost).regression);
    let mut failed = old.clone();
    failed.ceremony.as_mut().unwrap().verdict[0].passed = false;
    assert!(plain(&Diff::between(&old, &failed)).ends_with("REGRESSION: the ceremony fails"));
    failed.ceremony.as_mut().unwrap().excuse = Some("the machine stood still".into());
    assert!(!Diff::between(&old, &failed).regression);
}

#[test]
fn different_sets_are_told_and_unknown_ones_are_not() {
    let old = report(&[]);
    let other = Report { requirement_set: Some("00".into()), ..old.clone() };
    assert!(plain(&Diff::between(&old, &other)).contains("different sets of requirements"));
    let unknown = Report { requirement_set: None, ..old.clone() };
    assert_eq!(Diff::between(&unknown, &old).same_requirement_set, None);
}

#[test]
fn a_report_cannot_write_to_the_terminal() {
    let lines = Diff::between(&samples::small(), &samples::hostile()).lines().join("\n");
    assert!(!lines.contains('\u{202e}') && !lines.contains("\u{1b}[2J"));
}
