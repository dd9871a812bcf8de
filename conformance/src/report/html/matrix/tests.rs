use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::*;
use crate::report::RequirementReport;
use crate::select::Selection;
use crate::selftest::{try_fault, try_variants};
use crate::specimen::{Fault, Variant};

type Trials = (Vec<FaultTrial>, Vec<VariantTrial>);

/// Faults that are found, one that is not, a variant that is clean, one that is not, and a pair.
pub(in crate::report::html) fn trials() -> &'static Trials {
    static TRIALS: OnceLock<Trials> = OnceLock::new();
    // Trials have a runtime of their own, which none of a test's may be around.
    TRIALS.get_or_init(|| std::thread::spawn(try_some).join().unwrap())
}

fn try_some() -> Trials {
    let mut faults: Vec<_> = Fault::ALL
        .iter()
        .filter(|it| ["REG-1", "REG-2", "DIR-5"].contains(&it.kills()))
        .map(|it| try_fault(*it, false))
        .collect();
    faults[0].also = vec!["DIR-5".into(), "REG-2".into()];
    let lost = faults.last_mut().unwrap();
    lost.killer.outcome = Outcome::Passed;
    lost.killer.finding = None;
    let selection = Selection::one("REG-2").unwrap();
    let tried = [vec![], vec![Variant::LongIds], vec![Variant::LongIds, Variant::OtherStatusCodes]];
    let mut variants: Vec<_> =
        tried.iter().map(|variants| try_variants(variants, &selection, Duration::ZERO)).collect();
    variants[1].alarms.push(RequirementReport {
        detail: crate::report::samples::HOSTILE.into(),
        ..faults[0].killer.clone()
    });
    (faults, variants)
}

fn page(whole: bool) -> String {
    let (faults, variants) = trials();
    let untested = ["SUB-1"];
    Matrix { faults, variants, untested: &untested, whole }.render()
}

fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(start).unwrap_or_else(|| panic!("{start} in {page}"));
    rest.split_once(end).unwrap().0
}

#[test]
fn a_fault_is_told_with_its_story_and_what_its_check_said() {
    let (faults, _) = trials();
    let page = page(true);
    for trial in faults {
        let row = between(&page, &format!("<tr id=\"{}\"", anchor(trial)), "</tr>");
        assert!(row.contains(&sentence(trial.fault.story()).into_string()), "{row}");
        match &trial.killer.finding {
            Some(finding) => {
                let said = text(&finding.seen);
                assert!(row.contains(&html! { (said) }.into_string()), "{said} in {row}");
                assert!(row.contains(&format!("href=\"#{}\"", trial.fault.kills())), "{row}");
                assert!(row.contains("data-outcome=\"found\""), "{row}");
            }
            None => {
                assert!(row.contains("the check ended as passed"), "{row}");
                assert!(row.contains("data-outcome=\"survives\""), "{row}");
            }
        }
    }
    let row = between(&page, &format!("<tr id=\"{}\"", anchor(&faults[0])), "</tr>");
    assert!(row.contains("Also found by <a href=\"#DIR-5\">"), "{row}");
    let requirement = between(&page, "<tbody id=\"REG-2\">", "</tr>");
    let says = crate::families::find("REG-2").unwrap().says;
    assert!(requirement.contains(&sentence(says).into_string()), "{requirement}");
}

#[test]
fn variants_are_told_with_their_alarms() {
    let page = page(false);
    let row = |name: &str| between(&page, &format!("<tr id=\"variant-{name}\""), "</tr>");
    assert!(row("the-right-specimen").contains("data-outcome=\"clean\""));
    assert!(row("long-ids").contains("data-outcome=\"alarm\""));
    assert!(row("long-ids").contains("&lt;script&gt;"), "{}", row("long-ids"));
    let pair = row("long-ids+other-status-codes");
    assert!(
        pair.contains("data-outcome=\"clean\"")
            && pair.contains("<span class=\"whole\">REG-3</span>"),
        "{pair}"
    );
    assert!(!page.contains("other check finds it") && !page.contains("Also found by"));
}

#[test]
fn the_sum_is_on_top_and_leads_to_what_is_wrong() {
    let (faults, variants) = trials();
    let page = page(false);
    let all = faults.len();
    let verdict = between(&page, "<section class=\"verdict failed\"", "</section>");
    for part in [
        &format!("{} of {all} faults found, 2 of 3 variants clean", all - 1),
        "No fault tests the check of SUB-1.",
        &format!("href=\"#{}\"", anchor(faults.last().unwrap())),
        "href=\"#variant-long-ids\"",
    ] {
        assert!(verdict.contains(part), "{part} in {verdict}");
    }
    let good = Matrix {
        faults: &faults[..all - 1],
        variants: &variants[..1],
        untested: &[],
        whole: false,
    };
    assert!(good.render().contains("<section class=\"verdict passed\""));
}

#[test]
fn links_lead_somewhere_and_names_are_unique() {
    let page = page(false);
    let values = |name: &str| -> Vec<_> {
        let begin = format!(" {name}=\"");
        let parts = page.split(&begin).skip(1);
        parts.map(|it| it.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = values("id");
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len());
    for link in values("href").iter().filter_map(|it| it.strip_prefix('#')) {
        assert!(unique.contains(&link.to_owned()), "{link}");
    }
}
