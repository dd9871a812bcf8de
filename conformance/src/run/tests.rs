use super::*;
use crate::selftest::judge_with;
use crate::specimen::Fault;

#[test]
fn a_run_that_checked_nothing_is_no_conformance() {
    let mut counts = Counts { not_applicable: 9, ..Counts::default() };
    assert_eq!(verdict(&counts), OverallVerdict::Incomplete);
    counts.warned = 1;
    assert_eq!(verdict(&counts), OverallVerdict::Conformant);
}

#[test]
fn all_warnings_of_a_check_are_told() {
    let warning = |seen: &str| Finding { seen: seen.into(), accepted: "NOT_FOUND".into() };
    let few = together(&[warning("a"), warning("b"), warning("a")]);
    assert_eq!((few.seen.as_str(), few.accepted.as_str()), ("a; b", "NOT_FOUND"));
    let many: Vec<_> = (0..7).map(|number| warning(&number.to_string())).collect();
    assert_eq!(together(&many).seen, "0; 1; 2; 3; and 3 more");
}

/// On virtual time, what is under way when the run ends is left where it is.
#[test]
fn a_run_that_ends_at_the_first_failure_leaves_the_rest() {
    let selection = Selection::new(&["REG-*".into(), "HB-6".into()], &[], &[]).expect("they exist");
    let options = Options { selection, fail_fast: true, ..Options::default() };
    let report = judge_with(Fault::EmptyPartyRegistered.into(), options);
    assert_eq!(report.verdict, OverallVerdict::NotConformant);
    let of = |id: &str| report.requirements.iter().find(|it| it.id == id).expect("selected");
    assert_eq!(of("REG-2").outcome, Outcome::Failed);
    assert_eq!((of("HB-6").outcome, &*of("HB-6").detail), (Outcome::NotChecked, ENDED_EARLY));
}
