//! What did not hold, and what has no verdict, with the evidence.

use maud::{Markup, html};

use super::super::timeline::Story;
use super::super::wording::{count, duration, ending, words};
use super::super::{Report, RequirementReport, summary};
use super::{class, mark, register, sentence, spacetime, text};
use crate::outcome::Outcome;

/// So many of the findings are unfolded from the start; with more, nobody finds the next one.
const UNFOLDED: usize = 3;

/// Whether there is more to show of it than a reason.
pub(super) fn has_evidence(requirement: &RequirementReport) -> bool {
    requirement.finding.is_some() || !requirement.timeline.is_empty()
}

/// Where the evidence of a requirement stands.
pub(super) fn anchor(requirement: &RequirementReport) -> String {
    format!("evidence-{}", text(&requirement.id))
}

/// What failed, then what warned.
pub(super) fn broken(report: &Report) -> Markup {
    let found = summary::findings(report);
    html! {
        @if !found.is_empty() {
            section #findings {
                h2 { "Findings" }
                @for (number, requirement) in found.into_iter().enumerate() {
                    (finding(requirement, number < UNFOLDED))
                }
            }
        }
    }
}

fn finding(requirement: &RequirementReport, is_open: bool) -> Markup {
    let (outcome, level) = (requirement.outcome, requirement.level);
    let story = Story::of(requirement);
    html! {
        details.finding.(class(outcome)) open[is_open] {
            summary {
                (mark(outcome)) " " b.id { (text(&requirement.id)) }
                span.tag { (level) " " (ending(outcome, level)) }
                @if requirement.known { span.tag { "known" } }
                span.gist {
                    (story.finding().map_or_else(|| text(&story.detail()), |it| text(&it.seen)))
                }
            }
            div.evidence id=(anchor(requirement)) {
                p.says { (sentence(&requirement.says)) }
                @if let Some(finding) = story.finding() {
                    div.against {
                        div.seen { h4 { "Seen" } p { (text(&finding.seen)) } }
                        div.accepted {
                            h4 { "Would have been accepted" }
                            p { (text(&finding.accepted)) }
                        }
                    }
                } @else {
                    p.detail { (sentence(&story.detail())) }
                }
                @if !requirement.likely_causes.is_empty() {
                    h4 { "Likely causes" }
                    ul.causes {
                        @for cause in &requirement.likely_causes { li { (sentence(cause)) } }
                    }
                }
                @if let Some(replay) = &requirement.replay {
                    h4 { "Replay" }
                    pre.command tabindex="0" { code { (text(replay)) } }
                }
                (spacetime::timeline(requirement))
                p.aside {
                    @let how = summary::how(&requirement.id);
                    @if !how.is_empty() { b { "How it is checked: " } (sentence(how)) " " }
                    "The check took " (duration(requirement.duration_ms)) "."
                }
            }
        }
    }
}

/// What has no verdict, by reason, and what is not claimed, by capability.
pub(super) fn open_ends(report: &Report) -> Markup {
    let groups: Vec<_> = [Outcome::Inconclusive, Outcome::NotChecked]
        .into_iter()
        .flat_map(|outcome| {
            summary::by_reason(report, outcome).into_iter().map(move |group| (outcome, group))
        })
        .collect();
    let not_claimed = summary::not_claimed(report);
    html! {
        @if !groups.is_empty() || !not_claimed.is_empty() {
            section #open {
                h2 { "Without a verdict" }
                @for (outcome, group) in groups {
                    div.open-end.(class(outcome)) {
                        p {
                            (mark(outcome)) " "
                            b {
                                (count(group.requirements.len(), "requirement"))
                                " " (words(outcome)) ": "
                            }
                            (sentence(&group.words()))
                        }
                        p.ids { (links(&group.requirements)) }
                        @let told = group.requirements.iter().filter(|it| has_evidence(it));
                        @for requirement in told {
                            details.story {
                                summary { "Timeline of " (text(&requirement.id)) }
                                div id=(anchor(requirement)) { (spacetime::timeline(requirement)) }
                            }
                        }
                    }
                }
                @if !not_claimed.is_empty() {
                    div.open-end.unclaimed.(class(Outcome::NotApplicable)) {
                        @let number = report.counts.get(Outcome::NotApplicable);
                        p {
                            (mark(Outcome::NotApplicable)) " "
                            b { (count(number, "requirement")) " not claimed: " }
                            "the target does not offer these capabilities"
                        }
                        dl {
                            @for (capability, requirements) in not_claimed {
                                div { dt { (capability) } dd.ids { (links(&requirements)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn links(requirements: &[&RequirementReport]) -> Markup {
    html! {
        @for requirement in requirements {
            a href={ "#" (register::anchor(requirement)) } { (text(&requirement.id)) } " "
        }
    }
}
