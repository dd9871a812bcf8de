//! Every requirement in a table, with a filter.

use maud::{Markup, html};

use super::super::summary::{self, by_family};
use super::super::wording::{duration, words};
use super::super::{Report, RequirementReport};
use super::{class, findings, mark, reason, sentence, text};
use crate::outcome::Outcome;

/// Where a requirement stands in the table.
pub(super) fn anchor(requirement: &RequirementReport) -> String {
    text(&requirement.id)
}

/// Every requirement.
pub(super) fn section(report: &Report) -> Markup {
    let outcomes = Outcome::ALL.into_iter().filter(|it| report.counts.get(*it) > 0);
    html! {
        section #requirements {
            h2 { "All requirements" }
            // The script shows it: without one it would do nothing.
            form.filter #filter hidden {
                label.words {
                    span { "Filter" }
                    input type="search" name="words" autocomplete="off" spellcheck="false"
                        placeholder="id, word, capability, MUST …";
                }
                fieldset {
                    legend { "Outcome" }
                    @for outcome in outcomes {
                        label.choice.(class(outcome)) {
                            input type="checkbox" value=(outcome.name());
                            (mark(outcome)) " " (words(outcome))
                        }
                    }
                }
                output aria-live="polite" {}
            }
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
                @for family in by_family(report) {
                    tbody {
                        @for requirement in &family.requirements { (row(requirement)) }
                    }
                }
            }
        }
    }
}

fn row(requirement: &RequirementReport) -> Markup {
    let outcome = requirement.outcome;
    let how = summary::how(&requirement.id);
    html! {
        tr id=(anchor(requirement)) data-outcome=(outcome.name()) {
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
            td.number {
                @if requirement.duration_ms > 0 { (duration(requirement.duration_ms)) }
            }
        }
    }
}
