//! The metrics by name: what each is, and what to do when it moves.

use std::fmt::Write as _;

use super::{CommitMetrics, Metrics, Seen};
use crate::log::Health;

type Named = (&'static str, &'static str);

pub(super) const BUILD: Named = ("build", "The version that runs");
pub(super) const STARTED: Named =
    ("start_time_seconds", "When the router was started, in Unix seconds");
pub(super) const REQUESTS: Named =
    ("requests", "Calls that ended, by the code of their answer; a stream counts once it is open");
pub(super) const DURATIONS: Named = (
    "request_duration_seconds",
    "How long calls took, in the router; of a stream, until it was open",
);
pub(super) const IN_FLIGHT: Named = ("requests_in_flight", "Calls that are being answered");
pub(super) const MESSAGES: Named = ("messages_accepted", "Messages that were accepted");
pub(super) const OUTSTANDING: Named = (
    "deliveries_outstanding",
    "Messages times recipients that are neither acknowledged nor failed",
);
pub(super) const OUTSTANDING_BYTES: Named =
    ("outstanding_bytes", "What those messages take in memory, each counted once");
pub(super) const HANDED_OUT: Named =
    ("deliveries_handed_out", "Deliveries that went out for the first time");
pub(super) const REDELIVERED: Named =
    ("redeliveries", "Copies that went out because no acknowledgement came in time");
pub(super) const ACKNOWLEDGED: Named =
    ("deliveries_acknowledged", "Deliveries that their recipients acknowledged");
pub(super) const FAILED: Named = (
    "deliveries_failed",
    "Deliveries that failed: given up after all retries, expired, or refused by their recipients",
);
pub(super) const SESSIONS: Named = ("sessions", "Sessions that are kept");
pub(super) const PARTIES: Named = ("parties", "Parties that are registered");
pub(super) const STREAMS: Named = ("streams_open", "Streams that are open");
pub(super) const EVENTS: Named = ("session_events", "Session events that were accepted");
pub(super) const LAGGED: Named =
    ("event_streams_lagged", "Event streams that were ended because they were not read");
pub(super) const CONNECTIONS: Named =
    ("connections", "Connections that were opened; with TLS, after the handshake");
pub(super) const CONNECTIONS_OPEN: Named = ("connections_open", "Connections that are open");
pub(super) const CONNECTIONS_REFUSED: Named =
    ("connections_refused", "Connections that were closed at once, being one too many");
pub(super) const HANDSHAKES: Named = ("tls_handshakes_failed", "TLS handshakes that failed");
pub(super) const NOTIFICATIONS: Named =
    ("notifications", "Tries to tell a party that is away that something waits for it");
pub(super) const COMMITS: Named =
    ("log_commit_seconds", "How long the log's commits took, flushing the disk included");
pub(super) const COMMIT_RECORDS: Named =
    ("log_commit_records", "How many records came into one commit of the log");
pub(super) const COMMITS_FAILED: Named =
    ("log_commits_failed", "Commits of the log that failed: what was in them was refused");
pub(super) const LOG_HEALTH: Named = ("log_health", "1 for the state that the log is in");

/// What to do when a metric moves.
const ADVICE: [(&str, &str); 26] = [
    (BUILD.0, "Tells a roll-out from a fault."),
    (STARTED.0, "If it changes though nobody restarted the router, look at why it ended."),
    (
        REQUESTS.0,
        "`UNAVAILABLE` and `INTERNAL` are the router's own trouble: see `log_health` and its log. \
         `RESOURCE_EXHAUSTED` is a limit or a full disk. `PERMISSION_DENIED`, `NOT_FOUND` and \
         `INVALID_ARGUMENT` are a caller's mistakes: `PUT /log` with `mpc_router=debug` tells whose. \
         Many `CANCELLED` are deadlines that run out.",
    ),
    (
        DURATIONS.0,
        "Calls that give the router something to keep wait for the disk: compare \
         `log_commit_seconds`. If that is steady, the machine is short of processors.",
    ),
    (IN_FLIGHT.0, "Grows with the load, and without it when the disk stalls."),
    (MESSAGES.0, "The load. At zero during a ceremony, look at `requests_total`."),
    (
        OUTSTANDING.0,
        "Grows while recipients stay away or do not acknowledge; it is what memory is used for. \
         Compare `parties` and `streams_open`.",
    ),
    (
        OUTSTANDING_BYTES.0,
        "At `--max-outstanding` new messages are refused: raise that, if there is memory, or find out \
         who does not acknowledge.",
    ),
    (HANDED_OUT.0, "Falls behind what is accepted when recipients stay away."),
    (
        REDELIVERED.0,
        "Recipients are slow to acknowledge, or do not: raise `--ack-timeout` if they are only slow.",
    ),
    (ACKNOWLEDGED.0, "What ceremonies get done."),
    (
        FAILED.0,
        "Each ends a ceremony, most likely. `given_up`: the recipient had a stream open and \
         acknowledged nothing. `expired`: it stayed away for `--message-ttl`. `refused`: it could \
         not use the message; ask the recipient. The log names session and party.",
    ),
    (SESSIONS.0, "If it only grows, sessions are never ended: see `--session-idle-ttl`."),
    (PARTIES.0, "If many go offline at once, look at the network between."),
    (STREAMS.0, "If many end at once, look at the network between."),
    (EVENTS.0, "How many sessions begin and end."),
    (LAGGED.0, "A party opened an event stream and does not read it: its program hangs."),
    (
        CONNECTIONS.0,
        "A high rate is of parties that reconnect again and again: look at their logs.",
    ),
    (CONNECTIONS_OPEN.0, "Keep the limit of open files well above it."),
    (
        CONNECTIONS_REFUSED.0,
        "Somebody opens connections without end, or there are too many parties.",
    ),
    (
        HANDSHAKES.0,
        "`certificate`: somebody's certificate is expired, or of another authority; the log tells \
         what is wrong. `timed_out` and `protocol` are of scanners, or of clients without TLS.",
    ),
    (
        NOTIFICATIONS.0,
        "`failed` are tried again: if they grow, the gateway of `--notify-url` or `--notify-smtp` does \
         not answer, or refuses the router itself. `refused` and `given_up` reach nobody; the log names \
         the parties.",
    ),
    (COMMITS.0, "The disk is slow, or shared: every reply of the router waits for it."),
    (COMMIT_RECORDS.0, "Grows under load, which keeps the disk from being the limit."),
    (COMMITS_FAILED.0, "The disk fails: see the log, and `log_health`."),
    (
        LOG_HEALTH.0,
        "`full`: make room on the disk of `--data`; acknowledgements are still taken. `failing`: \
         nothing is accepted; the log tells whether the router has to be restarted.",
    ),
];

/// The reference of the metrics, in Markdown.
pub fn page() -> String {
    let seen = Seen {
        outstanding: 0,
        outstanding_bytes: 0,
        sessions: 0,
        parties: vec![],
        health: Health::Fine,
    };
    let text = Metrics::new(CommitMetrics::default()).text(&seen);
    let mut page = "\
# Metrics of mpc-router

<!-- Printed by `mpc-router metrics`. -->

`mpc-router serve --operations HOST:PORT` answers `GET /metrics` there in the OpenMetrics text format,
which Prometheus reads. No label names a party or a session. Counters are written with `_total` at
their end, and start at zero with the router.

| metric | type | labels | what it is | what to do when it moves |
|---|---|---|---|---|
"
    .to_owned();
    for line in text.lines() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        let kind = text
            .lines()
            .find_map(|line| line.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '));
        let kind = kind.unwrap_or_default();
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let short = name.strip_prefix("mpc_router_").unwrap_or(name);
        let advice = ADVICE.iter().find(|(of, _)| *of == short).map_or("", |(_, advice)| advice);
        let labels = labels(&text, name).join(", ");
        let _ = writeln!(page, "| `{name}{suffix}` | {kind} | {labels} | {help} | {advice} |");
    }
    page
}

/// The labels of a metric, with their values where these are few.
fn labels(text: &str, name: &str) -> Vec<String> {
    const FEW: usize = 6;
    let mut labels: Vec<(&str, Vec<&str>)> = Vec::new();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.split_once(['{', '}']));
    for (_, rest) in lines {
        let Some((all, _)) = rest.split_once('}') else { continue };
        for (label, value) in all.split(',').filter_map(|label| label.split_once('=')) {
            let value = value.trim_matches('"');
            match labels.iter_mut().find(|(known, _)| *known == label) {
                Some((_, values)) if values.contains(&value) => {}
                Some((_, values)) => values.push(value),
                None => labels.push((label, vec![value])),
            }
        }
    }
    let written =
        labels.into_iter().filter(|(label, _)| *label != "le").map(|(label, mut values)| {
            values.sort_unstable();
            if values.len() > FEW || label == "version" {
                return format!("`{label}`");
            }
            format!("`{label}` ({})", values.join(", "))
        });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md");
        expect_test::expect_file![path].assert_eq(&page());
    }

    #[test]
    fn each_metric_comes_with_advice() {
        let page = page();
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `mpc_router_")).collect();
        assert_eq!(rows.len(), ADVICE.len());
        for row in rows {
            let advice = row.rsplit(" | ").next().unwrap().trim_end_matches(" |");
            assert!(advice.len() > 10, "{row}");
        }
    }
}
