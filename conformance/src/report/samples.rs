//! Reports to test the forms with.

use std::path::{Path, PathBuf};

use super::baseline::Baseline;
use super::ceremony::{CeremonyCheck, CeremonyParty, CeremonyPhase};
use super::*;
use crate::families;
use crate::journal::UNDER_WAY;
use crate::profile::Timers;

/// Text that would act if a form took it for its own.
pub(super) const HOSTILE: &str =
    "</td><script>alert('x')</script><img src=https://evil.example/x.png>\"'&amp;\u{1b}[2J\u{202e}";

/// Nothing to break a line at.
pub(super) fn unbroken() -> String {
    "0123456789abcdef".repeat(40)
}

/// One of each kind.
pub(super) fn all() -> Vec<Report> {
    vec![conformant(), failing(), small(), huge(), hostile(), lost(), incomplete(), repeated()]
}

/// Everything claimed, everything held.
pub(super) fn conformant() -> Report {
    let requirements = families::requirements()
        .zip(1..)
        .map(|(it, number)| RequirementReport {
            level: it.level,
            capability: it.capability,
            duration_ms: number * 37 % 2_400,
            ..passed(it.id, it.says)
        })
        .collect();
    Report {
        ceremony: Some(ceremony()),
        ..report("reference router", Capability::ALL, requirements)
    }
}

/// Some of each outcome, over the whole contract.
pub(super) fn failing() -> Report {
    let claims =
        [Capability::Core, Capability::Redelivery, Capability::Wildcard, Capability::Durable];
    let mut report = conformant();
    for requirement in &mut report.requirements {
        if !claims.contains(&requirement.capability) {
            requirement.outcome = Outcome::NotApplicable;
            requirement.detail = format!("the target does not claim `{}`", requirement.capability);
            requirement.duration_ms = 0;
            continue;
        }
        let replaced = match requirement.id.as_str() {
            "ORD-1" => ord_1(),
            "ACK-4" => ack_4(),
            "REG-6" => reg_6(),
            "HB-5" => hb_5(),
            id if id.starts_with("RED-") || id.starts_with("DUR-") => RequirementReport {
                outcome: Outcome::NotChecked,
                duration_ms: 0,
                detail: match requirement.capability {
                    Capability::Durable => "the suite has no way to restart the target: the \
                                            profile has no `start`"
                        .into(),
                    _ => "ack_timeout is 90 s, and this run waits for timers of at most 60 s \
                          (--timer-limit)"
                        .into(),
                },
                ..requirement.clone()
            },
            _ => continue,
        };
        *requirement = RequirementReport { says: requirement.says.clone(), ..replaced };
    }
    sum_up(Report { target: target("acme-router 1.4", &claims), ..report })
}

/// A few requirements with fixed sentences, for what is compared word by word.
pub(super) fn small() -> Report {
    let claims = [Capability::Core, Capability::Redelivery];
    let not_claimed = |id, says| RequirementReport {
        capability: Capability::Durable,
        outcome: Outcome::NotApplicable,
        detail: "the target does not claim `durable`".into(),
        duration_ms: 0,
        ..passed(id, says)
    };
    let not_checked = |id, says| RequirementReport {
        capability: Capability::Redelivery,
        outcome: Outcome::NotChecked,
        detail: "ack_timeout is 90 s, and this run waits for timers of at most 60 s \
                 (--timer-limit)"
            .into(),
        duration_ms: 0,
        ..passed(id, says)
    };
    let requirements = vec![
        passed("REG-1", "A new party is accepted."),
        passed("REG-2", "An empty `party_id` is rejected."),
        reg_6(),
        hb_5(),
        ord_1(),
        passed("ORD-2", "ORD-1 across kinds."),
        not_checked("RED-1", "What is not acknowledged in time is sent again."),
        not_checked("RED-2", "What is acknowledged is not sent again."),
        not_claimed("DUR-1", "After an orderly restart all is there."),
        not_claimed("DUR-2", "The same after a crash."),
        not_claimed("DUR-3", "Registered parties survive."),
    ];
    Report {
        ceremony: Some(ceremony()),
        // So that it counts as a report about all there is.
        suite_version: "9.9.9".into(),
        ..report("acme-router 1.4", claims, requirements)
    }
}

/// A failure after thousands of calls of many parties.
pub(super) fn huge() -> Report {
    let mut timeline = Vec::new();
    for number in 0..200_u64 {
        let party = format!("00002a1f3b4-ord5-p{}", number % 11);
        let at_us = 9_000_000 + number * 1_700;
        let (action, result, until_us) = match number % 4 {
            0 => (
                format!("RouteMessage(00002a1f3b4-ord5-s to everybody, round {number}, 32 bytes)"),
                format!("message 01J2Z{number:05}"),
                Some(at_us + 900),
            ),
            _ => (
                "item of SubscribeMessages(00002a1f3b4-ord5-s)".into(),
                format!(
                    "message 01J2Z{:05} from {party} in 00002a1f3b4-ord5-s, round {number}, \
                     broadcast, 32 bytes, created_at 1784715072123",
                    number / 8 * 4
                ),
                None,
            ),
        };
        timeline.push(TimelineEntry { at_us, until_us, party, action, result });
    }
    let mut report = failing();
    for requirement in &mut report.requirements {
        if requirement.id == "ORD-5" {
            requirement.outcome = Outcome::Warned;
            requirement.finding = Some(Finding {
                seen: "00002a1f3b4-ord5-p3 got message 4,711 before 4,710, and \
                       00002a1f3b4-ord5-p7 after it"
                    .into(),
                accepted: "the same order for all recipients".into(),
            });
            requirement.timeline = timeline.clone();
            requirement.timeline_cut = 19_800;
            requirement.replay = Some("mpc-conformance run --only ORD-5 --seed 42".into());
        }
    }
    sum_up(report)
}

/// A target that puts into every text what it can.
pub(super) fn hostile() -> Report {
    let mut report = failing();
    report.target.name = HOSTILE.into();
    report.target.reached_by = format!("exec:{HOSTILE}");
    for requirement in &mut report.requirements {
        match requirement.outcome {
            Outcome::Failed | Outcome::Warned => {
                requirement.finding = Some(Finding {
                    seen: format!("{HOSTILE} {}", unbroken()),
                    accepted: unbroken(),
                });
                requirement.replay = Some(format!("run --target '{HOSTILE}' {}", unbroken()));
            }
            Outcome::Inconclusive | Outcome::NotChecked => requirement.detail += HOSTILE,
            Outcome::Passed | Outcome::NotApplicable => {}
        }
        for (entry, number) in requirement.timeline.iter_mut().zip(0..) {
            entry.action += HOSTILE;
            entry.result = if number % 2 == 0 { unbroken() } else { HOSTILE.into() };
        }
    }
    let ceremony = report.ceremony.as_mut().expect("it has one");
    ceremony.protocol = HOSTILE.into();
    ceremony.message = unbroken();
    ceremony.parties[1].id = unbroken();
    ceremony.parties[2].role = HOSTILE.into();
    ceremony.parties[2].finished = false;
    ceremony.verdict[1] = CeremonyCheck { name: HOSTILE.into(), passed: false, detail: unbroken() };
    report.requirements[0].says = HOSTILE.into();
    report
}

/// A target that died on the way.
pub(super) fn lost() -> Report {
    let mut report = failing();
    for requirement in report.requirements.iter_mut().skip(60) {
        if matches!(requirement.outcome, Outcome::Passed) {
            requirement.outcome = Outcome::Inconclusive;
            requirement.detail = "the target died".into();
        }
    }
    report.ceremony = None;
    let report = sum_up(report);
    Report { verdict: OverallVerdict::Unreachable, ..report }
}

/// Nothing broken, not everything known.
pub(super) fn incomplete() -> Report {
    let mut report = small();
    report.requirements.retain(|it| it.finding.is_none());
    report.ceremony = None;
    sum_up(report)
}

/// The worst of two runs, held against a baseline that knows ORD-1 and hopes for REG-6.
pub(super) fn repeated() -> Report {
    let mut known = small();
    known.requirements.retain(|it| it.id != "REG-6" && it.id != "RED-1");
    let mut runs = [small(), small()];
    runs[1].requirements[1] = RequirementReport { outcome: Outcome::Failed, ..ord_1() };
    let compared = Baseline::of(&[known]).compare(&runs, Path::new("acme_known.json"));
    let mut report = Report { repeats: Some(Repeats::of(&runs, 3)), ..small() };
    compared.mark(&mut report);
    Report { baseline: Some(compared), ..report }
}

/// A message that overtook another one, as the journal tells it.
pub(super) fn ord_1() -> RequirementReport {
    let name = |label: &str| format!("00002a1f3b4-ord1-{label}");
    let (alice, bob, s) = (name("alice"), name("bob"), name("s"));
    let mut timeline = Vec::new();
    let mut note = |at_us, until_us, party: &str, action: String, result: String| {
        timeline.push(TimelineEntry { at_us, until_us, party: party.into(), action, result });
    };
    for (at_us, party) in [(12, &alice), (640, &bob)] {
        let action = format!("RegisterParty({party}, role \"persistent\")");
        note(at_us, Some(at_us + 571), party, action, "registered_at 1784715072001".into());
    }
    note(
        1_300,
        Some(1_802),
        "coordinator",
        format!("PublishSessionEvent(session_created of {s})"),
        "subscriber_count 0".into(),
    );
    let subscribe = format!("SubscribeMessages({s})");
    note(1_950, Some(2_610), &bob, subscribe.clone(), "headers".into());
    note(2_000, Some(2_700), &name("carol"), "Heartbeat(carol)".into(), "0 pending".into());
    for (at_us, number) in [(2_702, 1), (3_410, 2)] {
        let action = format!("RouteMessage({s} to {bob}, round 1, 5 bytes)");
        note(at_us, Some(at_us + 655), &alice, action, format!("message m-{number}"));
    }
    for (at_us, number) in [(4_205, 2), (4_390, 1)] {
        let result = format!(
            "message m-{number} from {alice} in {s}, round 1, 5 bytes, created_at \
             178471507200{number}"
        );
        note(at_us, None, &bob, format!("item of {subscribe}"), result);
    }
    let seen = format!("{bob}'s stream brought message 2 where message 1 was due");
    broken(
        RequirementReport {
            duration_ms: 412,
            timeline,
            timeline_cut: 3,
            likely_causes: vec![
                "Each message is handed out by a task of its own.".into(),
                "A message `fetched` again goes to the *end* of the queue.".into(),
            ],
            ..passed(
                "ORD-1",
                "Per sender: two messages of one sender to one recipient in one session, the \
                 second sent after the first was accepted, are first delivered in that order.",
            )
        },
        Outcome::Failed,
        &seen,
        "the messages in the order in which they were routed",
    )
}

fn ack_4() -> RequirementReport {
    let name = |label: &str| format!("00002a1f3b4-ack4-{label}");
    let entry = |at_us, until_us, party: &str, action: &str, result: &str| TimelineEntry {
        at_us,
        until_us,
        party: name(party),
        action: action.into(),
        result: result.into(),
    };
    let timeline = vec![
        entry(90, Some(700), "bob", "GetPendingMessages(s after 0)", "message m-7"),
        entry(800, Some(1_400), "bob", "AcknowledgeMessage(m-7, success = true)", "accepted"),
        entry(1_500, Some(2_000), "bob", "AcknowledgeMessage(m-7, success = false)", "accepted"),
        entry(2_100, None, "bob", "GetMessageStatus(m-7)", UNDER_WAY),
    ];
    broken(
        RequirementReport { timeline, duration_ms: 10_311, ..passed("ACK-4", "") },
        Outcome::Failed,
        "AcknowledgeMessage(m-7, success = false) was accepted",
        "a rejection (FAILED_PRECONDITION, or success = false)",
    )
}

fn reg_6() -> RequirementReport {
    let requirement = RequirementReport {
        level: Level::Should,
        timeline: vec![TimelineEntry {
            at_us: 731,
            until_us: Some(1_402),
            party: "00002a1f3b4-reg6-first-delegate".into(),
            action: "RegisterParty(00002a1f3b4-reg6-first-delegate, role \"temporary\")".into(),
            result: "registered_at 1784715072001".into(),
        }],
        ..passed("REG-6", "Registering a known party under another role is rejected.")
    };
    broken(
        requirement,
        Outcome::Warned,
        "RegisterParty(00002a1f3b4-reg6-first-delegate, role \"temporary\") was accepted",
        "a rejection (FAILED_PRECONDITION, or success = false)",
    )
}

fn hb_5() -> RequirementReport {
    RequirementReport {
        outcome: Outcome::Inconclusive,
        detail: "this machine kept the suite from running for 2.1 of 4.0 s".into(),
        timeline: vec![TimelineEntry {
            at_us: 731,
            until_us: None,
            party: "00002a1f3b4-hb5r2-alice".into(),
            action: "Heartbeat(00002a1f3b4-hb5r2-alice)".into(),
            result: UNDER_WAY.into(),
        }],
        ..passed("HB-5", "A party stays online as long as its heartbeats come in time.")
    }
}

fn broken(
    requirement: RequirementReport,
    outcome: Outcome,
    seen: &str,
    accepted: &str,
) -> RequirementReport {
    RequirementReport {
        outcome,
        detail: format!("{seen}; accepted: {accepted}"),
        finding: Some(Finding { seen: seen.into(), accepted: accepted.into() }),
        replay: Some(format!("mpc-conformance run --only {} --seed 42", requirement.id)),
        ..requirement
    }
}

fn passed(id: &str, says: &str) -> RequirementReport {
    RequirementReport {
        id: id.into(),
        family: id.split_once('-').expect("identifiers have a dash").0.into(),
        level: Level::Must,
        capability: Capability::Core,
        outcome: Outcome::Passed,
        known: false,
        detail: String::new(),
        says: says.into(),
        duration_ms: 214,
        finding: None,
        likely_causes: Vec::new(),
        timeline: Vec::new(),
        timeline_cut: 0,
        replay: None,
    }
}

fn target(name: &str, capabilities: &[Capability]) -> TargetReport {
    TargetReport {
        name: name.into(),
        reached_by: "http://127.0.0.1:50051".into(),
        capabilities: capabilities.to_vec(),
        timers: Timers::short(),
    }
}

fn report(
    name: &str,
    capabilities: impl AsRef<[Capability]>,
    requirements: Vec<RequirementReport>,
) -> Report {
    sum_up(Report {
        format: FORMAT,
        suite_version: env!("CARGO_PKG_VERSION").into(),
        target: target(name, capabilities.as_ref()),
        seed: 42,
        started_at_ms: 1_784_715_072_000,
        duration_ms: 14_230,
        calibration: Some(Calibration {
            round_trip_us: 312,
            round_trip_max_us: 1_204,
            timer_slack_us: 1_130,
        }),
        verdict: OverallVerdict::Incomplete,
        counts: Counts::default(),
        requirements,
        requirement_set: Some("4ba3f71c".repeat(8)),
        ceremony: None,
        repeats: None,
        baseline: None,
    })
}

/// The report with its counts, and the verdict that follows from them.
pub(super) fn sum_up(report: Report) -> Report {
    let counts = Counts::of(report.requirements.iter().map(|it| it.outcome));
    let verdict = match counts {
        Counts { failed: 1.., .. } => OverallVerdict::NotConformant,
        Counts { inconclusive: 0, not_checked: 0, .. } => OverallVerdict::Conformant,
        _ => OverallVerdict::Incomplete,
    };
    Report { counts, verdict, ..report }
}

fn ceremony() -> CeremonyReport {
    let party = |number: u64, role: &str, receives: &str| CeremonyParty {
        id: format!("c42-p{number}"),
        role: role.into(),
        receives: receives.into(),
        sent: 14 + number,
        received: 31 - number,
        acknowledged: 31 - number,
        finished: true,
    };
    let check = |name: &str, detail: &str| CeremonyCheck {
        name: name.into(),
        passed: true,
        detail: detail.into(),
    };
    CeremonyReport {
        excuse: None,
        protocol: "FROST-Ed25519".into(),
        threshold: 3,
        parties: vec![
            party(1, "persistent", "streams"),
            party(2, "persistent", "streams"),
            party(3, "delegate", "streams"),
            party(4, "temporary", "streams"),
            party(5, "persistent", "polls"),
        ],
        group_public_key: Some(
            "7f4c1e0b9a35d2886c1f0e7d5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a3928".into(),
        ),
        message: "137ad48763e8f4ff33c3c26e5f0b6fa908727b6fd039356a69a1002346dcd662".into(),
        signature: Some("a1b2c3d4e5f60718".repeat(8)),
        verdict: vec![
            check("group_key", "all 5 parties have the same key"),
            check("signature", "3 signers have a signature that verifies"),
            check("applied_once", "84 deliveries were applied, each once"),
        ],
        phases: vec![
            CeremonyPhase { name: "key generation".into(), duration_ms: 1_204 },
            CeremonyPhase { name: "signing".into(), duration_ms: 481 },
        ],
        duration_ms: 1_711,
    }
}

/// A folder that is gone when the test ends.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// An empty one; `label` is the test's own.
    pub(super) fn new(label: &str) -> Self {
        let name = format!("mpc-conformance-report-{}-{label}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever keeps the machine's temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
