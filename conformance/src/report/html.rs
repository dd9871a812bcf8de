//! The report for people who look into it: one page that needs nothing but itself.
//!
//! Whatever the target said is text here: `text` writes out what would act on a screen, maud
//! escapes what would act as markup, and the page's own policy lets no script run but its filter
//! and nothing be loaded.

mod ceremony;
mod findings;
mod overview;
mod register;
mod spacetime;
mod target;

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::timeline::Story;
use super::wording::{
    Span, duration, glyph, outcome_like, short_digest, spans, utc, visible, words,
};
use super::{Form, Report, RequirementReport, WriteError, summary};
use crate::outcome::Outcome;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/filter.js");

/// The SHA-256 of the script, as a policy names it. When the script changes, the test that fails
/// says what it must be.
const SCRIPT_HASH: &str = "sha256-0TPEUZZDvzmkuINPD7dQQFOulVyWONKMl9I9eXqjc0M=";

/// The report as a page.
pub fn render(report: &Report) -> String {
    let outcome = outcome_like(report.verdict);
    let name = text(&report.target.name);
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '{SCRIPT_HASH}'; \
         base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title {
                    (glyph(outcome)) " " (name) ": " (report.verdict.words())
                    " – MessageRouter conformance"
                }
                link rel="icon" href=(icon(outcome));
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.masthead {
                    p.eyebrow { "MessageRouter conformance" }
                    h1 { (name) }
                    @if report.target.reached_by != report.target.name {
                        p.reached { (text(&report.target.reached_by)) }
                    }
                }
                main {
                    (verdict(report))
                    (overview::families(report))
                    (findings::broken(report))
                    (findings::open_ends(report))
                    @if let Some(ceremony) = &report.ceremony { (ceremony::section(ceremony)) }
                    (register::section(report))
                    (target::section(report))
                }
                footer {
                    p {
                        "Written by mpc-conformance " (text(&report.suite_version))
                        ", report format " (report.format)
                        @if let Some(digest) = &report.requirement_set {
                            ", requirement set "
                            code title=(text(digest)) { (text(&short_digest(digest))) }
                        }
                        ". The same seed makes the same names and random choices again."
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
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
                        li { (mark(outcome)) " " b { (number) } " " (words(outcome)) }
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

/// The page's icon, so that open tabs tell their verdict.
fn icon(outcome: Outcome) -> String {
    let colour = match outcome {
        Outcome::Passed => "1a7f37",
        Outcome::Failed => "cf222e",
        _ => "8250df",
    };
    let sign = match outcome {
        Outcome::Passed => "M9 17l5 5 10-12",
        Outcome::Failed => "M10 10l12 12M22 10L10 22",
        _ => "M11 12a5 5 0 1 1 7 4.500c-2 1-2 1.500-2 3.500M16 24v.1",
    };
    format!(
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>\
         <rect width='32' height='32' rx='8' fill='%23{colour}'/>\
         <path d='{sign}' fill='none' stroke='white' stroke-width='3.500' stroke-linecap='round' \
         stroke-linejoin='round'/></svg>"
    )
}

#[cfg(test)]
mod tests;
