//! All families at a glance: a tile each, a pill a requirement.

use maud::{Markup, html};

use super::super::summary::{self, FamilyGroup};
use super::super::wording::{duration, glyph, words};
use super::super::{Report, RequirementReport};
use super::{class, filter, findings, mark, reason, register, sentence, text};
use crate::outcome::Outcome;

/// Every family as a tile.
pub(super) fn families(report: &Report) -> Markup {
    html! {
        section #families {
            h2 { "Families" }
            div.tiles {
                @for family in summary::by_family(report) { (tile(&family)) }
            }
        }
        // Apart from the tiles, so that no tile clips them.
        @for requirement in &report.requirements { (card(requirement)) }
    }
}

fn tile(family: &FamilyGroup<'_>) -> Markup {
    let all = family.requirements.len();
    let passed = family.ended(Outcome::Passed).len();
    // What is not claimed is no part of what could have held.
    let claimed = all - family.ended(Outcome::NotApplicable).len();
    let worst = [Outcome::Failed, Outcome::Warned, Outcome::Inconclusive, Outcome::NotChecked]
        .into_iter()
        .find(|it| !family.ended(*it).is_empty());
    let look = worst.unwrap_or(if claimed == 0 { Outcome::NotApplicable } else { Outcome::Passed });
    html! {
        article.tile.(class(look)) {
            header {
                h3 {
                    (mark(look))
                    (filter::link(&format!("family={}", text(family.name)), html! {
                        span.family { (text(family.name)) } " "
                        span { (family.title) }
                    }))
                }
                p.score {
                    @if claimed == 0 { "not claimed" } @else { b { (passed) } "/" (claimed) }
                }
            }
            div.pills {
                @for requirement in &family.requirements { (pill(requirement)) }
            }
        }
    }
}

fn pill(requirement: &RequirementReport) -> Markup {
    let outcome = requirement.outcome;
    let number = requirement.id.split_once('-').map_or(&*requirement.id, |(_, number)| number);
    let label = format!("{}, {}", requirement.id, words(outcome));
    html! {
        button.pill.(class(outcome)) type="button" popovertarget=(card_id(requirement))
            title={ (text(&requirement.id)) ": " (text(&requirement.says)) }
            aria-label=(text(&label))
        { span aria-hidden="true" { (glyph(outcome)) } (text(number)) }
    }
}

/// What a pill opens.
fn card(requirement: &RequirementReport) -> Markup {
    let outcome = requirement.outcome;
    html! {
        div.card.(class(outcome)) id=(card_id(requirement)) popover {
            p.headline {
                (mark(outcome)) " " b { (text(&requirement.id)) }
                span.tag { (requirement.level) }
                span.tag { (requirement.capability) }
                @if requirement.duration_ms > 0 {
                    span.took { (duration(requirement.duration_ms)) }
                }
            }
            p.says { (sentence(&requirement.says)) }
            @if !requirement.detail.is_empty() {
                p.detail {
                    b { (words(outcome)) ": " }
                    (reason(requirement))
                }
            }
            p.more {
                @if findings::has_evidence(requirement) {
                    a href={ "#" (findings::anchor(requirement)) } { "Evidence" }
                } @else {
                    a href={ "#" (register::anchor(requirement)) } { "In the table" }
                }
            }
        }
    }
}

fn card_id(requirement: &RequirementReport) -> String {
    format!("card-{}", text(&requirement.id))
}
