use super::*;
use crate::outcome::Finding;
use crate::report::samples;

fn told(report: &Report) -> Vec<String> {
    commands(&annotations(report, None))
}

fn find<'a>(report: &'a mut Report, id: &str) -> &'a mut RequirementReport {
    report.requirements.iter_mut().find(|it| it.id == id).unwrap()
}

#[test]
fn what_did_not_hold_is_an_error_and_the_rest_a_warning() {
    assert_eq!(
        told(&samples::small()),
        [
            "::error title=ORD-1 MUST broken::Per sender: two messages of one sender to one \
             recipient in one session, the second sent after the first was accepted, are first \
             delivered in that order.%0A\
             seen: bob's stream brought message 2 where message 1 was due%0A\
             accepted: the messages in the order in which they were routed%0A\
             replay: mpc-conformance run --only ORD-1 --seed 42",
            "::warning title=REG-6 SHOULD not kept::Registering a known party under another role \
             is rejected.%0A\
             seen: RegisterParty(first-delegate, role \"temporary\") was accepted%0A\
             accepted: a rejection (FAILED_PRECONDITION, or success = false)%0A\
             replay: mpc-conformance run --only REG-6 --seed 42",
            "::warning title=inconclusive%3A HB-5::this machine kept the suite from running for \
             2.1 of 4.0 s",
            "::warning title=not checked%3A RED-1%2C RED-2::ack_timeout is 90 s, and this run \
             waits for timers of at most 60 s (--timer-limit)",
        ]
    );
    assert_eq!(told(&samples::conformant()), [""; 0]);
}

#[test]
fn a_command_is_one_line_whatever_it_says() {
    let lines = vec!["100% a:b, c".into(), "\r\n::error::x\u{1b}[2J%0A".into()];
    let command = Annotation::error("50%: a, b\r\nc", lines).command();
    assert_eq!(
        command,
        "::error title=50%25%3A a%2C b\\r\\nc::100%25 a:b, c%0A\\r\\n::error::x\\u{1b}[2J%250A"
    );
    assert_eq!(data("50%\r\n"), "50%25%0D%0A");
    assert_eq!(property("a:b,c\n"), "a%3Ab%2Cc%0A");

    let mut report = samples::small();
    find(&mut report, "ORD-1").finding =
        Some(Finding { seen: format!("\n::error::{}", samples::HOSTILE), accepted: "\r".into() });
    for command in told(&report).into_iter().chain(told(&samples::hostile())) {
        assert_eq!(command.lines().count(), 1);
        assert!(!command.chars().any(char::is_control), "{command}");
        assert!(command.len() < 8_000, "{command}");
    }
}

#[test]
fn what_is_known_is_not_told() {
    let report = samples::repeated();
    let titles: Vec<_> =
        annotations(&report, None).into_iter().map(|it| (it.kind, it.title)).collect();
    let expected = [
        // Worse than it is known to be, so the run fails for it.
        (Kind::Error, "REG-6 SHOULD not kept"),
        (Kind::Error, "REG-2 did not hold in every run"),
        (Kind::Warning, "inconclusive: HB-5"),
        // Of two that were not checked, one is known.
        (Kind::Warning, "not checked: RED-1"),
    ];
    assert_eq!(titles, expected.map(|(kind, title)| (kind, title.to_owned())));
}

#[test]
fn what_github_would_not_show_is_counted() {
    let broken = |many: usize| {
        let mut report = samples::conformant();
        for requirement in report.requirements.iter_mut().take(many) {
            requirement.outcome = Outcome::Failed;
            requirement.detail = "it was not so".into();
        }
        told(&samples::sum_up(report))
    };
    let ten = broken(10);
    assert_eq!(ten.len(), 10);
    assert!(ten.iter().all(|it| it.starts_with("::error title=REG-") || it.contains(" broken::")));
    let more = broken(12);
    assert_eq!(more.len(), 10);
    assert_eq!(more[..9], ten[..9]);
    let ids: Vec<_> =
        samples::conformant().requirements[9..12].iter().map(|it| it.id.clone()).collect();
    assert_eq!(
        more[9],
        format!(
            "::error title=3 more errors::The summary and the reports have all of them.%0A\
             {} MUST broken; {} MUST broken; {} MUST broken",
            ids[0], ids[1], ids[2]
        )
    );
}

#[test]
fn a_target_that_is_lost_is_an_error_with_its_last_words() {
    let why = "exec:acme died: it ended with exit status: 7; it printed last:\n  | ::error::disk";
    let first = commands(&annotations(&samples::lost(), Some(why))).remove(0);
    let start = "::error title=target lost::exec:acme died: it ended with exit status: 7; it \
                 printed last:%0A  | ::error::disk%0Athe target died, or could not be reached";
    assert!(first.starts_with(start), "{first}");
}

#[test]
fn a_ceremony_fails_or_has_no_verdict() {
    let mut report = samples::conformant();
    let broken = &mut report.ceremony.as_mut().unwrap().verdict[1];
    (broken.passed, broken.detail) = (false, "no signature verifies".into());
    let failed = "::error title=the ceremony failed::FROST-Ed25519, 3 of 5 parties%0Asignature: no \
                  signature verifies";
    assert_eq!(told(&report), [failed]);
    report.ceremony.as_mut().unwrap().excuse = Some("this machine stalled".into());
    let excused = failed
        .replace("error title=the ceremony failed", "warning title=the ceremony has no verdict");
    assert_eq!(told(&report), [excused + "%0Athis machine stalled"]);
    let ceremony = report.ceremony.as_mut().unwrap();
    (ceremony.excuse, ceremony.verdict) = (None, Vec::new());
    assert_eq!(
        told(&report),
        ["::error title=the ceremony failed::FROST-Ed25519, 3 of 5 parties%0Anothing of it could \
          be verified"]
    );
}
