//! Several runs on one target, and a run held against what was known before.

use maud::{Markup, html};

use super::super::baseline::{Change, Compared};
use super::super::repeats::Repeats;
use super::super::wording::{count, duration, outcome_like, words};
use super::super::{Counts, Report};
use super::{capitalized, class, mark, register, text};
use crate::outcome::Outcome;

/// More changes than this are folded.
const UNFOLDED: usize = 12;

/// The runs, and what was not steady.
pub(super) fn section(report: &Report, repeats: &Repeats) -> Markup {
    let lines = repeats.lines();
    html! {
        section #runs {
            h2 { "Runs" }
            div.panel {
                p { b { (capitalized(lines.first().map_or("", |it| it))) "." } }
                div.scroll tabindex="0" role="group" aria-label="Runs" {
                    table.plain { (runs(repeats)) }
                }
                @if !repeats.unsteady.is_empty() {
                    h3 { "Not the same every time" }
                    div.scroll tabindex="0" role="group" aria-label="Not the same every time" {
                        table.plain { (unsteady(report, repeats)) }
                    }
                } @else if repeats.runs.len() > 1 {
                    p { "Every requirement ended the same way every time." }
                }
            }
        }
    }
}

fn runs(repeats: &Repeats) -> Markup {
    html! {
        thead {
            tr {
                th.number scope="col" { "Run" }
                th scope="col" { "Verdict" }
                th.number scope="col" { "Seed" }
                @for outcome in Outcome::ALL { th.number scope="col" { (words(outcome)) } }
                th.number scope="col" { "Took" }
            }
        }
        tbody {
            @for (run, number) in repeats.runs.iter().zip(1..) {
                @let outcome = outcome_like(run.verdict);
                tr {
                    th.number scope="row" { (number) }
                    td {
                        (mark(outcome)) " " (run.verdict.words())
                        @if repeats.runs.len() > 1 && number == repeats.worst {
                            " " span.tag { "this report" }
                        }
                    }
                    td.number { (run.seed) }
                    @for outcome in Outcome::ALL { td.number { (run.counts.get(outcome)) } }
                    td.number { (duration(run.duration_ms)) }
                }
            }
        }
    }
}

fn unsteady(report: &Report, repeats: &Repeats) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Id" }
                th scope="col" { "Run by run" }
                th scope="col" { "In all" }
            }
        }
        tbody {
            @for requirement in &repeats.unsteady {
                tr {
                    th.name scope="row" { (link(report, &requirement.id)) }
                    td.course { @for outcome in &requirement.outcomes { (mark(*outcome)) } }
                    td { (counted(&requirement.counts)) }
                }
            }
        }
    }
}

fn counted(counts: &Counts) -> String {
    let some = Outcome::ALL.into_iter().filter(|it| counts.get(*it) > 0);
    some.map(|it| format!("{} {}", words(it), counts.get(it))).collect::<Vec<_>>().join(", ")
}

/// What is worse, better, or as it is known.
pub(super) fn baseline(report: &Report, compared: &Compared) -> Markup {
    let (lines, all) = compared.lines();
    let hints = lines.iter().filter(|(label, _)| *label == "hint");
    html! {
        section #baseline {
            h2 { "Against the baseline" }
            p { (mark(if compared.worse.is_empty() { Outcome::Passed } else { Outcome::Failed }))
                " " b { (text(&capitalized(&all))) "." } }
            (changes(report, &compared.worse, "worse than known", Outcome::Failed))
            (changes(report, &compared.known, "known not to hold", Outcome::NotApplicable))
            (changes(report, &compared.better, "better than known", Outcome::Passed))
            @if !compared.unknown.is_empty() {
                div.open-end.(class(Outcome::Inconclusive)) {
                    p {
                        (mark(Outcome::Inconclusive)) " "
                        b { (compared.unknown.len()) " named, and no requirement of this suite: " }
                        (text(&compared.unknown.join(", ")))
                    }
                }
            }
            @for (_, hint) in hints { p.aside.hint { (text(&capitalized(hint))) "." } }
        }
    }
}

fn changes(report: &Report, changes: &[Change], what: &str, look: Outcome) -> Markup {
    html! {
        @if !changes.is_empty() {
            details.open-end.(class(look)) open[changes.len() <= UNFOLDED] {
                summary { b { (count(changes.len(), "requirement")) } " " (what) }
                ul.changes {
                    @for Change { id, before, now } in changes {
                        li {
                            (mark(*now)) " " b.id { (link(report, id)) } " " (words(*now))
                            @if before != now {
                                span.aside { " in the baseline " (words(*before)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The requirement's identifier, as a link to it if the report has it.
fn link(report: &Report, id: &str) -> Markup {
    html! {
        @match report.requirements.iter().find(|it| it.id == id) {
            Some(it) => a href={ "#" (register::anchor(it)) } { (text(id)) },
            None => (text(id)),
        }
    }
}
