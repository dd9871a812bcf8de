//! The report for people who look into it: one page that needs nothing but itself.
//!
//! Whatever the target said is text here: `text` writes out what would act on a screen, maud
//! escapes what would act as markup, and the page's own policy lets no script run but its filter
//! and nothing be loaded.

mod ceremony;
mod filter;
mod findings;
mod frame;
pub(crate) mod matrix;
mod overview;
mod register;
mod repeats;
mod spacetime;
mod target;

use std::path::Path;

use maud::{Markup, html};

use self::frame::Page;
use super::timeline::Story;
use super::wording::{
    Span, duration, glyph, outcome_like, short_digest, spans, utc, visible, words,
};
use super::{Form, Report, RequirementReport, WriteError, summary};
use crate::outcome::Outcome;

/// The report as a page.
pub fn render(report: &Report) -> String {
    let name = text(&report.target.name);
    let page = Page {
        outcome: outcome_like(report.verdict),
        title: format!("{name}: {} – MessageRouter conformance", report.verdict.words()),
        heading: html! {
            h1 { (name) }
            @if report.target.reached_by != report.target.name {
                p.reached { (text(&report.target.reached_by)) }
            }
        },
        main: html! {
            (verdict(report))
            @if let Some(compared) = &report.baseline { (repeats::baseline(report, compared)) }
            @if let Some(all) = &report.repeats { (repeats::section(report, all)) }
            (overview::families(report))
            (findings::broken(report))
            (findings::open_ends(report))
            @if let Some(ceremony) = &report.ceremony { (ceremony::section(ceremony)) }
            (register::section(report))
            (target::section(report))
        },
        footer: html! {
            "Written by mpc-conformance " (text(&report.suite_version))
            ", report format " (report.format)
            @if let Some(digest) = &report.requirement_set {
                ", requirement set "
                code title=(text(digest)) { (text(&short_digest(digest))) }
            }
            ". The same seed makes the same names and random choices again."
        },
    };
    page.render()
}

/// Writes the report to `path`.
///
/// # Errors
/// If a folder on the way cannot be made or the file cannot be written.
pub fn write(report: &Report, path: &Path) -> Result<(), WriteError> {
    Form::Html.write(report, path)
}

/// The verdict, how it comes about, and the proportions.
fn verdict(report: &Report) -> Markup {
    let outcome = outcome_like(report.verdict);
    let all = report.requirements.len();
    // The counts stand below; they are the sentence only where there is nothing else to say.
    let reasons = summary::reasons(report, |_| String::new());
    let because = match reasons.as_slice() {
        [] => summary::because(report, |_| String::new()),
        reasons => reasons.join("; "),
    };
    html! {
        section.verdict.(class(outcome)) aria-label="Verdict" {
            div.seal aria-hidden="true" { (glyph(outcome)) }
            div.ruling {
                h2 { (capitalized(report.verdict.words())) }
                p { (capitalized(&text(&because))) "." }
                @let found = summary::findings(report);
                @if !found.is_empty() {
                    div.pills {
                        @for requirement in found {
                            a.pill.(class(requirement.outcome))
                                href={ "#" (findings::anchor(requirement)) }
                                title=(text(&requirement.says))
                            { (glyph(requirement.outcome)) " " (text(&requirement.id)) }
                        }
                    }
                }
            }
            dl.facts {
                div {
                    dt { "Requirements" }
                    dd {
                        (all)
                        @if let Some(stated) = summary::selected_of(report) {
                            " of " (stated) " selected"
                        }
                    }
                }
                div { dt { "Took" } dd { (duration(report.duration_ms)) } }
                div { dt { "Seed" } dd { (report.seed) } }
                div { dt { "Began" } dd { (utc(report.started_at_ms)) } }
            }
            div.proportions aria-hidden="true" {
                @for outcome in Outcome::ALL {
                    @let number = report.counts.get(outcome);
                    @if number > 0 {
                        span.(class(outcome)) style={ "flex-grow:" (number) } {}
                    }
                }
            }
            ul.legend {
                @for outcome in Outcome::ALL {
                    @let number = report.counts.get(outcome);
                    @if number > 0 {
                        li {
                            (mark(outcome)) " "
                            (filter::link(&format!("outcome={}", outcome.name()), html! {
                                b { (number) } " " (words(outcome))
                            }))
                        }
                    }
                }
            }
        }
    }
}

/// A sign for an outcome, with its words for those who do not see it.
fn mark(outcome: Outcome) -> Markup {
    html! {
        span.mark.(class(outcome)) role="img" aria-label=(words(outcome)) title=(words(outcome)) {
            (glyph(outcome))
        }
    }
}

/// A sign for what held or did not.
fn held(passed: bool) -> Markup {
    mark(if passed { Outcome::Passed } else { Outcome::Failed })
}

/// The class of what looks like this outcome.
fn class(outcome: Outcome) -> &'static str {
    outcome.name()
}

/// Text that is not the suite's own, with what acts on a screen written out.
fn text(text: &str) -> String {
    visible(text).into_owned()
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Why a requirement ended as it did, in a line.
fn reason(requirement: &RequirementReport) -> Markup {
    let story = Story::of(requirement);
    html! {
        @if let Some(finding) = story.finding() {
            (text(&finding.seen)) " – accepted: " (text(&finding.accepted))
        } @else {
            (sentence(&story.detail()))
        }
    }
}

/// A sentence, with the marks of the contract.
fn sentence(says: &str) -> Markup {
    html! {
        @for span in spans(&text(says)) {
            @match span {
                Span::Plain(part) => (part),
                Span::Code(part) => code { (part) },
                Span::Stressed(part) => em { (part) },
            }
        }
    }
}

#[cfg(test)]
mod browser;
#[cfg(test)]
mod tests;
