//! The ceremony: who took part, what was signed, what was verified.

use maud::{Markup, html};

use super::super::ceremony::CeremonyReport;
use super::super::wording::duration;
use super::{class, held, mark, text};

/// The ceremony.
pub(super) fn section(ceremony: &CeremonyReport) -> Markup {
    let outcome = ceremony.outcome();
    html! {
        section #ceremony {
            h2 { "Ceremony" }
            div.panel.ceremony.(class(outcome)) {
                p.lead {
                    (mark(outcome)) " "
                    b { (text(&ceremony.title())) }
                    " in " (duration(ceremony.duration_ms))
                    @if ceremony.passed() { ": a real key, a real signature, verified." }
                    @else if let Some(excuse) = &ceremony.excuse {
                        ": it has no verdict, since " (text(excuse)) "."
                    } @else { ": it failed." }
                }
                ul.checks {
                    @for check in &ceremony.verdict {
                        li {
                            (held(check.passed)) " "
                            span {
                                b { (text(&check.title())) }
                                @if !check.detail.is_empty() {
                                    span.detail { (text(&ceremony.short(&check.detail))) }
                                }
                            }
                        }
                    }
                    @if ceremony.verdict.is_empty() {
                        li { (held(false)) " " b { "nothing could be verified" } }
                    }
                }
                (phases(ceremony))
                (parties(ceremony))
                dl.keys {
                    (value("Group public key", ceremony.group_public_key.as_deref()))
                    (value("Message", Some(&ceremony.message)))
                    (value("Signature", ceremony.signature.as_deref()))
                }
            }
        }
    }
}

fn phases(ceremony: &CeremonyReport) -> Markup {
    html! {
        @if !ceremony.phases.is_empty() {
            ol.phases {
                @for phase in &ceremony.phases {
                    // One that took no time at all still has a name to show.
                    li style={ "flex-grow:" (phase.duration_ms.max(1)) } {
                        span { (text(&phase.name)) } " " b { (duration(phase.duration_ms)) }
                    }
                }
            }
        }
    }
}

fn parties(ceremony: &CeremonyReport) -> Markup {
    html! {
        @if !ceremony.prefix().is_empty() {
            p.aside { "Names are without their " code { (text(ceremony.prefix())) } "." }
        }
        div.scroll tabindex="0" {
            table.parties {
                thead {
                    tr {
                        th scope="col" { "Party" }
                        th scope="col" { "Role" }
                        th scope="col" { "Receives" }
                        th.number scope="col" { "Sent" }
                        th.number scope="col" { "Received" }
                        th.number scope="col" { "Acknowledged" }
                        th scope="col" { "Finished" }
                    }
                }
                tbody {
                    @for party in &ceremony.parties {
                        tr {
                            th.name scope="row" title=(text(&party.id)) {
                                (text(&ceremony.short(&party.id)))
                            }
                            td { (text(&party.role)) }
                            td { (text(&party.receives)) }
                            td.number { (party.sent) }
                            td.number { (party.received) }
                            td.number { (party.acknowledged) }
                            td { (held(party.finished)) }
                        }
                    }
                }
            }
        }
    }
}

fn value(name: &str, value: Option<&str>) -> Markup {
    html! {
        div {
            dt { (name) }
            dd { @match value { Some(value) => code { (text(value)) }, None => "none" } }
        }
    }
}
