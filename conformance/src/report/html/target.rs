//! What was judged, and how fast machine and connection were.

use maud::{Markup, html};

use super::super::wording::{duration, micros, size};
use super::super::{Report, TargetReport};
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
                    details.as-profile {
                        summary { "The same as a profile" }
                        pre.command tabindex="0" { code { (profile(target)) } }
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

/// The target as a profile says it, for `--profile`.
fn profile(target: &TargetReport) -> String {
    let quoted = |text: &str| serde_json::Value::from(self::text(text)).to_string();
    let claimed = target.capabilities.iter().filter(|it| **it != Capability::Core);
    let claimed: Vec<_> = claimed.map(|it| quoted(it.name())).collect();
    let timers = &target.timers;
    format!(
        "[target]\n\
         name = {}\n\
         capabilities = [{}]\n\n\
         [timers]\n\
         heartbeat_timeout_ms = {}\n\
         ack_timeout_ms = {}\n\
         max_retries = {}\n\
         message_ttl_ms = {}\n\
         max_payload_bytes = {}\n\
         clock_tolerance_ms = {}\n\
         stop_timeout_ms = {}\n",
        quoted(&target.name),
        claimed.join(", "),
        timers.heartbeat_timeout_ms,
        timers.ack_timeout_ms,
        timers.max_retries,
        timers.message_ttl_ms,
        timers.max_payload_bytes,
        timers.clock_tolerance_ms,
        timers.stop_timeout_ms,
    )
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::report::samples;

    #[test]
    fn the_profile_is_read_as_what_was_judged() {
        for report in samples::all() {
            let profile: Profile = toml::from_str(&profile(&report.target)).unwrap();
            assert_eq!(profile.target.name.as_deref(), Some(&*text(&report.target.name)));
            assert_eq!(profile.timers, report.target.timers);
            let claimed = report.target.capabilities.iter();
            let claimed: Vec<_> = claimed.copied().filter(|it| *it != Capability::Core).collect();
            assert_eq!(profile.target.capabilities, claimed);
        }
    }
}
