//! Every requirement in a table, with a filter.

use maud::{Markup, html};

use super::super::summary::{self, by_family};
use super::super::wording::{duration, words};
use super::super::{Report, RequirementReport};
use super::filter::{self, Filter};
use super::{class, findings, mark, reason, sentence, text};
use crate::outcome::Outcome;

/// Where a requirement stands in the table.
pub(super) fn anchor(requirement: &RequirementReport) -> String {
    text(&requirement.id)
}

/// Every requirement.
pub(super) fn section(report: &Report) -> Markup {
    let outcomes = Outcome::ALL.into_iter().filter(|it| report.counts.get(*it) > 0);
    let families = by_family(report);
    let names: Vec<_> = families.iter().map(|it| text(it.name)).collect();
    let filter = Filter {
        hint: "id, word, capability, MUST …",
        outcomes: outcomes.map(|it| (it.name(), it, words(it))).collect(),
        families: names
            .iter()
            .map(String::as_str)
            .zip(families.iter().map(|it| it.title))
            .collect(),
    };
    let longest = report.requirements.iter().map(|it| it.duration_ms).max().unwrap_or(0);
    html! {
        section #requirements {
            h2 { "All requirements" }
            (filter.form())
            table.register {
                thead {
                    tr {
                        th scope="col" { "Outcome" }
                        th scope="col" { "Id" }
                        th scope="col" { "Requirement" }
                        th scope="col" { "Level" }
                        th scope="col" { "Capability" }
                        th.number scope="col" { "Took" }
                    }
                }
                @for family in &families {
                    tbody {
                        @for requirement in &family.requirements { (row(requirement, longest)) }
                    }
                }
            }
            (filter::nothing())
        }
    }
}

fn row(requirement: &RequirementReport, longest_ms: u64) -> Markup {
    let outcome = requirement.outcome;
    let how = summary::how(&requirement.id);
    html! {
        tr id=(anchor(requirement)) data-outcome=(outcome.name())
            data-family=(text(&requirement.family)) data-took=(requirement.duration_ms)
        {
            td.outcome { (mark(outcome)) " " span { (words(outcome)) } }
            th.id scope="row" { (text(&requirement.id)) }
            td.what {
                p.says { (sentence(&requirement.says)) }
                @if !how.is_empty() { p.how { (sentence(how)) } }
                @if !requirement.detail.is_empty() {
                    p.detail.(class(outcome)) {
                        (reason(requirement))
                        @if findings::has_evidence(requirement) {
                            " " a href={ "#" (findings::anchor(requirement)) } { "Evidence" }
                        }
                    }
                }
            }
            td.level { (requirement.level) }
            td.capability { (requirement.capability) }
            td.number { (took(requirement.duration_ms, longest_ms)) }
        }
    }
}

/// A time, with a bar beside the longest one's; nothing where nothing ran.
pub(super) fn took(ms: u64, longest_ms: u64) -> Markup {
    html! {
        @if ms > 0 {
            (duration(ms))
            // A bar of whole thousandths is exact enough for any screen.
            @let share = ms * 1_000 / longest_ms.max(1);
            span.bar aria-hidden="true" style={ "--share:" (share) } {}
        }
    }
}
