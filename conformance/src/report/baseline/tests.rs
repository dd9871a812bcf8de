use super::*;
use crate::report::samples;

/// The small sample, with these outcomes instead.
fn run(changed: &[(&str, Outcome)]) -> Report {
    let mut report = samples::small();
    for requirement in &mut report.requirements {
        if let Some((_, outcome)) = changed.iter().find(|(id, _)| *id == requirement.id) {
            requirement.outcome = *outcome;
        }
    }
    samples::sum_up(report)
}

fn compare(baseline: &Baseline, now: &[(&str, Outcome)]) -> (Compared, u8) {
    let runs = [run(now)];
    let compared = baseline.compare(&runs, Path::new("acme.json"));
    let exit_code = compared.exit_code(&runs);
    (compared, exit_code)
}

fn ids(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|it| it.id.as_str()).collect()
}

#[test]
fn it_is_small_sorted_and_read_again() {
    let baseline = Baseline::of(&[run(&[])]);
    let text = baseline.render();
    let digest = requirement_set::digest();
    let expected = format!(
        "{{\n  \"format\": 1,\n  \"requirement_set\": \"{digest}\",\n  \"known\": {{\n    \
         \"ORD-1\": \"failed\",\n    \"RED-1\": \"not_checked\",\n    \"RED-2\": \
         \"not_checked\",\n    \"REG-6\": \"warned\"\n  }}\n}}\n"
    );
    assert_eq!(text, expected);
    assert_eq!(Baseline::parse(&text, "a".into()).unwrap(), baseline);
}

#[test]
fn of_several_runs_it_knows_the_worst() {
    let runs =
        [run(&[("ORD-1", Outcome::Inconclusive)]), run(&[]), run(&[("REG-6", Outcome::Passed)])];
    assert_eq!(Baseline::of(&runs), Baseline::of(&[run(&[])]));
}

#[test]
fn what_is_known_is_held_against_nobody() {
    let (compared, exit_code) = compare(&Baseline::of(&[run(&[])]), &[("HB-5", Outcome::Passed)]);
    assert_eq!(exit_code, 0, "{compared:?}");
    assert_eq!(ids(&compared.known), ["REG-6", "ORD-1", "RED-1", "RED-2"]);
    assert!(compared.worse.is_empty() && compared.better.is_empty(), "{compared:?}");
    let mut report = run(&[]);
    compared.mark(&mut report);
    let marked: Vec<_> =
        report.requirements.iter().filter(|it| it.known).map(|it| &*it.id).collect();
    assert_eq!(marked, ["REG-6", "ORD-1", "RED-1", "RED-2"]);
}

#[test]
fn what_is_worse_decides_the_exit_code() {
    let baseline = Baseline::of(&[run(&[])]);
    // Without a verdict nobody knows.
    let (compared, exit_code) = compare(&baseline, &[]);
    assert_eq!((ids(&compared.worse), exit_code), (vec!["HB-5"], 2));
    for (changed, code) in [
        ([("HB-5", Outcome::Passed), ("REG-1", Outcome::Failed)], 1),
        ([("HB-5", Outcome::Passed), ("REG-1", Outcome::Warned)], 1),
        ([("HB-5", Outcome::Passed), ("RED-1", Outcome::Failed)], 1),
        ([("HB-5", Outcome::Passed), ("REG-1", Outcome::NotChecked)], 2),
        ([("HB-5", Outcome::Passed), ("REG-6", Outcome::Inconclusive)], 2),
    ] {
        let (compared, exit_code) = compare(&baseline, &changed);
        assert_eq!(exit_code, code, "{changed:?}");
        assert_eq!(ids(&compared.worse), [changed[1].0]);
    }
}

#[test]
fn what_is_better_is_named_and_no_verdict_is_not_better() {
    let baseline = Baseline::of(&[run(&[])]);
    let now = [
        ("HB-5", Outcome::Passed),
        ("REG-6", Outcome::Passed),
        ("ORD-1", Outcome::Inconclusive),
        ("RED-1", Outcome::Warned),
    ];
    let (compared, exit_code) = compare(&baseline, &now);
    assert_eq!(exit_code, 0);
    assert_eq!(ids(&compared.better), ["REG-6", "RED-1"]);
    assert_eq!(ids(&compared.known), ["ORD-1", "RED-2"]);
    let (lines, all) = compared.lines();
    assert!(lines.contains(&("better", "REG-6: passed, in the baseline warned".into())));
    let hint = "the baseline is out of date; write it anew: --write-baseline acme.json";
    assert!(lines.contains(&("hint", hint.into())), "{lines:?}");
    assert_eq!(all, "nothing is worse than acme.json");
}

#[test]
fn a_lost_target_and_a_failed_ceremony_are_never_known() {
    let baseline = Baseline::of(&[run(&[])]);
    let good = [("HB-5", Outcome::Passed)];
    let mut failed = run(&good);
    failed.ceremony.as_mut().unwrap().verdict[0].passed = false;
    let lost = Report { verdict: OverallVerdict::Unreachable, ..run(&good) };
    for (report, code) in [(failed, 1), (lost, 4)] {
        let runs = [run(&good), report];
        let compared = baseline.compare(&runs, Path::new("a"));
        assert_eq!(compared.exit_code(&runs), code);
    }
}

#[test]
fn what_a_run_that_ended_early_left_is_not_compared() {
    let mut report = run(&[("REG-1", Outcome::Failed), ("ORD-2", Outcome::NotChecked)]);
    let ord_2 = report.requirements.iter_mut().find(|it| it.id == "ORD-2").unwrap();
    ord_2.detail = ENDED_EARLY.into();
    let compared = Baseline::of(&[run(&[])]).compare(&[report], Path::new("a"));
    assert_eq!(ids(&compared.worse), ["REG-1", "HB-5"]);
}

#[test]
fn another_set_of_requirements_is_told() {
    let text = "{\"format\": 1, \"requirement_set\": \"00\", \"known\": {\"OLD-1\": \"failed\"}}";
    let baseline = Baseline::parse(text, "a".into()).unwrap();
    let (compared, _) = compare(&baseline, &[]);
    assert!(compared.other_requirement_set);
    assert_eq!(compared.unknown, ["OLD-1"]);
    let (lines, _) = compared.lines();
    assert!(lines.iter().any(|(_, it)| it.contains("another set of requirements")), "{lines:?}");
}

#[test]
fn what_is_no_baseline_is_told_so() {
    let error = |text: &str| Baseline::parse(text, "a.json".into()).unwrap_err().to_string();
    let text = error("{}");
    assert!(text.starts_with("a.json is no baseline: missing field `format`"), "{text}");
    let text = error("{\"format\": 2, \"requirement_set\": \"\", \"known\": {}}");
    assert!(text.contains("it has format 2, and this version reads 1"), "{text}");
    let text = Baseline::read(Path::new("/nowhere/a.json")).unwrap_err().to_string();
    assert!(text.starts_with("cannot read the baseline /nowhere/a.json: "), "{text}");
}
