//! What was judged, and how fast machine and connection were.

use maud::{Markup, html};

use super::super::Report;
use super::super::wording::{duration, micros, size};
use super::text;
use crate::requirement::Capability;

/// The target's profile and the calibration.
pub(super) fn section(report: &Report) -> Markup {
    let target = &report.target;
    let timers = &target.timers;
    html! {
        section #target {
            h2 { "Target and run" }
            div.columns {
                div.panel {
                    h3 { "Target" }
                    dl {
                        (fact("Name", &text(&target.name)))
                        (fact("Reached by", &text(&target.reached_by)))
                    }
                    h3 { "Capabilities" }
                    ul.capabilities {
                        @for capability in Capability::ALL {
                            @let is_claimed = target.capabilities.contains(&capability);
                            li.claimed[is_claimed] {
                                span aria-hidden="true" { @if is_claimed { "✓ " } @else { "– " } }
                                (capability)
                                @if !is_claimed { span.unseen { " not claimed" } }
                            }
                        }
                    }
                }
                div.panel {
                    h3 { "Timers and limits" }
                    dl {
                        (fact("heartbeat_timeout", &duration(timers.heartbeat_timeout_ms)))
                        (fact("ack_timeout", &duration(timers.ack_timeout_ms)))
                        (fact("max_retries", &timers.max_retries.to_string()))
                        (fact("message_ttl", &duration(timers.message_ttl_ms)))
                        (fact("max_payload", &size(timers.max_payload_bytes)))
                        (fact("clock_tolerance", &duration(timers.clock_tolerance_ms)))
                        (fact("stop_timeout", &duration(timers.stop_timeout_ms)))
                    }
                }
                div.panel {
                    h3 { "Calibration" }
                    @if let Some(calibration) = &report.calibration {
                        dl {
                            (fact("Round trip, median", &micros(calibration.round_trip_us)))
                            (fact("Round trip, longest", &micros(calibration.round_trip_max_us)))
                            (fact("Timers late by at most", &micros(calibration.timer_slack_us)))
                        }
                    } @else {
                        p { "The target did not answer." }
                    }
                    p.aside { "Waits were fitted to these." }
                }
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
