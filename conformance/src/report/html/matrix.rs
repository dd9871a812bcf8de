//! What the self-test found, as a page: every fault with what its check said, every variant.

use std::time::Duration;

use maud::{Markup, html};

use super::super::wording::{count, duration, short_digest};
use super::filter::{self, Filter};
use super::frame::Page;
use super::{mark, sentence, text};
use crate::families::FAMILIES;
use crate::outcome::Outcome;
use crate::requirement::{Family, Requirement};
use crate::requirement_set;
use crate::selftest::{FaultTrial, VariantTrial};

mod variants;

/// What the family filter calls the variants.
const VARIANTS: &str = "variants";

/// What a self-test found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    /// The faults that were tried.
    pub(crate) faults: &'a [FaultTrial],
    /// The variants that were tried.
    pub(crate) variants: &'a [VariantTrial],
    /// The requirements whose check no fault tests.
    pub(crate) untested: &'a [&'static str],
    /// Whether all checks were tried on each fault.
    pub(crate) whole: bool,
}

impl Matrix<'_> {
    /// It as a page.
    pub(crate) fn render(&self) -> String {
        let outcome = held(self.is_good());
        let page = Page {
            outcome,
            title: format!("{} – MessageRouter conformance", self.found()),
            heading: html! {
                h1 { "Self-test" }
                p.about {
                    "Can the judge be trusted? One bug after the other is planted into a right \
                     router, and its check has to find it; routers that differ in what the \
                     contract leaves open have to pass."
                }
            },
            main: html! {
                (self.verdict(outcome))
                (self.families())
                (self.register())
            },
            footer: html! {
                "Written by mpc-conformance " (env!("CARGO_PKG_VERSION")) ", requirement set "
                code title=(requirement_set::digest()) {
                    (short_digest(requirement_set::digest()))
                }
                ". Trials are on virtual time; what they took is this machine's."
            },
        };
        page.render()
    }

    fn is_good(&self) -> bool {
        self.surviving().next().is_none()
            && self.alarming().next().is_none()
            && self.untested.is_empty()
    }

    fn surviving(&self) -> impl Iterator<Item = &FaultTrial> {
        self.faults.iter().filter(|it| it.survives().is_some())
    }

    fn alarming(&self) -> impl Iterator<Item = &VariantTrial> {
        self.variants.iter().filter(|it| !it.alarms.is_empty())
    }

    fn found(&self) -> String {
        let all = self.faults.len();
        format!("{} of {all} faults found", all - self.surviving().count())
    }

    fn clean(&self) -> String {
        let all = self.variants.len();
        format!("{} of {all} variants clean", all - self.alarming().count())
    }

    fn times(&self) -> impl Iterator<Item = Duration> {
        let faults = self.faults.iter().map(|it| it.took);
        faults.chain(self.variants.iter().map(|it| it.took))
    }

    fn longest_ms(&self) -> u64 {
        ms(self.times().max().unwrap_or_default())
    }

    fn verdict(&self, outcome: Outcome) -> Markup {
        let took: Duration = self.times().sum();
        let checks = self.of_families().map(|it| it.1.len()).sum();
        html! {
            section.verdict.(super::class(outcome)) aria-label="Verdict" {
                div.seal aria-hidden="true" { (super::glyph(outcome)) }
                div.ruling {
                    h2 { (self.found()) ", " (self.clean()) }
                    p {
                        @if self.is_good() {
                            "Each by the check of the requirement that it breaks, for that reason."
                        } @else {
                            "A fault that survives is a bug that this suite may miss; a false \
                             alarm is worse."
                        }
                    }
                    @if !self.untested.is_empty() {
                        p { "No fault tests the check of " (self.untested.join(", ")) "." }
                    }
                    div.pills {
                        @for trial in self.surviving() {
                            a.pill.failed href={ "#" (anchor(trial)) } { "✗ " (trial.fault.name()) }
                        }
                        @for trial in self.alarming() {
                            a.pill.warned href={ "#" (variants::anchor(trial)) } {
                                "! " (trial.name())
                            }
                        }
                    }
                }
                dl.facts {
                    div { dt { "Faults" } dd { (self.faults.len()) } }
                    div { dt { "Requirements" } dd { (count(checks, "check")) } }
                    div { dt { "Variants" } dd { (self.variants.len()) } }
                    div { dt { "All trials took" } dd { (duration(ms(took))) } }
                }
                (self.proportions())
            }
        }
    }

    fn proportions(&self) -> Markup {
        let parts: Vec<_> = self.outcomes().collect();
        html! {
            div.proportions aria-hidden="true" {
                @for (_, look, _, number) in &parts {
                    span.(super::class(*look)) style={ "flex-grow:" (number) } {}
                }
            }
            ul.legend {
                @for (name, look, words, number) in &parts {
                    li {
                        (mark(*look)) " "
                        (filter::link(&format!("outcome={name}"), html! {
                            b { (number) } " " (words)
                        }))
                    }
                }
            }
        }
    }

    /// What became of the trials: as rows name it, what it looks like, in words, and how often.
    fn outcomes(&self) -> impl Iterator<Item = (&'static str, Outcome, &'static str, usize)> {
        let (survive, alarm) = (self.surviving().count(), self.alarming().count());
        let all = [
            ("found", Outcome::Passed, "found", self.faults.len() - survive),
            ("survives", Outcome::Failed, "not found", survive),
            ("clean", Outcome::NotChecked, "variant clean", self.variants.len() - alarm),
            ("alarm", Outcome::Warned, "false alarm", alarm),
        ];
        all.into_iter().filter(|it| it.3 > 0)
    }

    /// The families, and of each the requirements of which faults were tried, with those.
    fn of_families(&self) -> impl Iterator<Item = (&'static Family, Vec<Tried<'_>>)> {
        FAMILIES.iter().filter_map(|family| {
            let tried = family.requirements.iter().map(|requirement| Tried {
                requirement,
                faults: self.faults.iter().filter(|it| it.killer.id == requirement.id).collect(),
            });
            let tried: Vec<_> = tried.filter(|it| !it.faults.is_empty()).collect();
            (!tried.is_empty()).then_some((family, tried))
        })
    }

    fn families(&self) -> Markup {
        html! {
            section #families {
                h2 { "Faults by family" }
                div.tiles { @for (family, tried) in self.of_families() { (tile(family, &tried)) } }
            }
        }
    }

    fn register(&self) -> Markup {
        let mut families: Vec<_> = self.of_families().map(|it| (it.0.name, it.0.title)).collect();
        if !self.variants.is_empty() {
            families.push((VARIANTS, "legal, and no family's"));
        }
        let filter = Filter {
            hint: "fault, word, requirement …",
            outcomes: self.outcomes().map(|it| (it.0, it.1, it.2)).collect(),
            families,
        };
        html! {
            section #requirements {
                h2 { "Every fault, and every variant" }
                (filter.form())
                @if !self.faults.is_empty() {
                    div.part {
                        h3 { "Faults, by the requirement that they break" }
                        table.register.faults {
                            (heads("Fault, and what its check said"))
                            @for (family, tried) in self.of_families() {
                                @for it in &tried { (self.requirement(family, it)) }
                            }
                        }
                    }
                }
                (variants::table(self))
                (filter::nothing())
            }
        }
    }

    fn requirement(&self, family: &Family, tried: &Tried<'_>) -> Markup {
        let Requirement { id, level, capability, says, how, .. } = tried.requirement;
        html! {
            tbody id=(id) {
                tr.requirement {
                    th colspan="3" scope="rowgroup" {
                        b.id { (id) } " " span.tag { (level) } " " span.tag { (capability) }
                        p.says { (sentence(says)) }
                        p.how { (sentence(how)) }
                    }
                }
                @for trial in &tried.faults { (self.fault(family, trial)) }
            }
        }
    }

    fn fault(&self, family: &Family, trial: &FaultTrial) -> Markup {
        let why = trial.survives();
        let (name, outcome) = match why {
            None => ("found", Outcome::Passed),
            Some(_) => ("survives", Outcome::Failed),
        };
        let took = ms(trial.took);
        html! {
            tr id=(anchor(trial)) data-outcome=(name) data-family=(family.name) data-took=(took) {
                td.outcome {
                    (mark(outcome)) " " span { @if why.is_none() { "found" } @else { "not found" } }
                }
                td.what {
                    p { b.id { (trial.fault.name()) } }
                    p.says { (sentence(trial.fault.story())) }
                    @match (&why, &trial.killer.finding) {
                        (Some(why), _) => p.detail.failed { (text(why)) },
                        (None, finding) => p.said {
                            a href={ "#" (trial.killer.id) } { (trial.killer.id) } " said: "
                            @if let Some(finding) = finding {
                                (text(&finding.seen)) " – accepted: " (text(&finding.accepted))
                            }
                        },
                    }
                    @if self.whole {
                        p.how {
                            @if trial.also.is_empty() { "No other check finds it." } @else {
                                "Also found by " (links(&trial.also))
                            }
                        }
                    }
                }
                td.number { (super::register::took(took, self.longest_ms())) }
            }
        }
    }
}

/// The heads of a table.
fn heads(what: &str) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Outcome" }
                th scope="col" { (what) }
                th.number scope="col" { "Took" }
            }
        }
    }
}

/// A requirement, and the faults of it that were tried.
struct Tried<'a> {
    requirement: &'static Requirement,
    faults: Vec<&'a FaultTrial>,
}

impl Tried<'_> {
    fn found(&self) -> usize {
        self.faults.iter().filter(|it| it.survives().is_none()).count()
    }
}

fn tile(family: &Family, tried: &[Tried<'_>]) -> Markup {
    let all: usize = tried.iter().map(|it| it.faults.len()).sum();
    let found: usize = tried.iter().map(Tried::found).sum();
    let look = held(found == all);
    html! {
        article.tile.(super::class(look)) {
            header {
                h3 {
                    (mark(look))
                    (filter::link(&format!("family={}", family.name), html! {
                        span.family { (family.name) } " " span { (family.title) }
                    }))
                }
                p.score { b { (found) } "/" (all) }
            }
            div.pills {
                @for it in tried {
                    @let id = it.requirement.id;
                    @let all = it.faults.len();
                    @let look = held(it.found() == all);
                    @let label = format!("{id}, {} of {} found", it.found(), count(all, "fault"));
                    a.pill.(super::class(look)) href={ "#" (id) } title=(it.requirement.says)
                        aria-label=(label)
                    {
                        (id.trim_start_matches(family.name).trim_start_matches('-'))
                        span.times { "×" (all) }
                    }
                }
            }
        }
    }
}

fn held(holds: bool) -> Outcome {
    if holds { Outcome::Passed } else { Outcome::Failed }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn anchor(trial: &FaultTrial) -> String {
    format!("fault-{}", trial.fault.name())
}

/// Requirements, as links to what is told of them.
fn links(ids: &[String]) -> Markup {
    html! {
        @for (number, id) in ids.iter().enumerate() {
            @if number > 0 { ", " }
            a href={ "#" (id) } { (id) }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
