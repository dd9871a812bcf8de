//! The variants of the self-test's page.

use maud::{Markup, html};

use super::super::{mark, text};
use super::{Matrix, VARIANTS, heads, ms};
use crate::outcome::Outcome;
use crate::report::RequirementReport;
use crate::selftest::VariantTrial;
use crate::specimen::Variant;

pub(super) fn anchor(trial: &VariantTrial) -> String {
    format!("variant-{}", trial.name().replace(' ', "-"))
}

/// Every variant that was tried.
pub(super) fn table(matrix: &Matrix<'_>) -> Markup {
    html! {
        @if !matrix.variants.is_empty() {
            div.part {
                h3 { "Legal variants" }
                table.register.faults {
                    (heads("Variant"))
                    tbody {
                        @for trial in matrix.variants { (row(trial, matrix.longest_ms())) }
                    }
                }
            }
        }
    }
}

fn row(trial: &VariantTrial, longest_ms: u64) -> Markup {
    let (name, outcome, words) = match trial.alarms.is_empty() {
        true => ("clean", Outcome::NotChecked, "clean"),
        false => ("alarm", Outcome::Warned, "false alarm"),
    };
    let took = ms(trial.took);
    html! {
        tr id=(anchor(trial)) data-outcome=(name) data-family=(VARIANTS) data-took=(took) {
            td.outcome { (mark(outcome)) " " span { (words) } }
            td.what {
                p { b.id { (trial.name()) } }
                @if trial.variants.is_empty() { p.says { "The router without any fault." } }
                @for variant in &trial.variants { (told(*variant)) }
                @for alarm in &trial.alarms { (ended(alarm, "warned")) }
                @for undecided in &trial.undecided { (ended(undecided, "inconclusive")) }
            }
            td.number { (super::super::register::took(took, longest_ms)) }
        }
    }
}

fn told(variant: Variant) -> Markup {
    html! {
        p.says { (super::super::sentence(variant.story())) }
        @if !variant.warns().is_empty() {
            p.how {
                "These may warn:"
                @for id in variant.warns() { " " span.whole { (id) } }
            }
        }
        @if !variant.lacks().is_empty() {
            p.how { "It does not claim " (variant.lacks().join(", ")) "." }
        }
    }
}

fn ended(report: &RequirementReport, look: &str) -> Markup {
    html! {
        p.detail.(look) { (report.id) " " (report.outcome.name()) ": " (text(&report.detail)) }
    }
}
