//! On bad routers: the verdict fails, by the item the fault belongs to, and says that it was the
//! router; no party is blamed that did nothing wrong.

use mpc_router_proto::v1::MpcMessage;

use super::*;
use crate::pump::{Fault, Weather, World};
use crate::report::Ended;

const ROUND1: &str = "frost.dkg.round1";
const ROUND2: &str = "frost.dkg.round2";
const SHARE: &str = "frost.sign.share";

fn run(
    seed: u64,
    fault: impl FnMut(&MpcMessage, u16) -> Vec<(u16, MpcMessage)> + 'static,
) -> Report {
    run_plan(&plan(5, 3, seed), Box::new(fault))
}

fn run_plan(plan: &Plan, fault: Fault) -> Report {
    let mut world = World::new(plan, Weather::default());
    world.fault = Some(fault);
    world.run()
}

/// As `run`, with parties that do not protect themselves by cryptography.
fn run_unsealed(
    seed: u64,
    fault: impl FnMut(&MpcMessage, u16) -> Vec<(u16, MpcMessage)> + 'static,
) -> Report {
    let mut world = World::new(&plan(5, 3, seed), Weather::default()).unsealed();
    world.fault = Some(Box::new(fault));
    world.run()
}

fn changed(message: &MpcMessage, change: impl FnOnce(&mut MpcMessage)) -> MpcMessage {
    let mut message = message.clone();
    change(&mut message);
    message
}

fn flip(message: &MpcMessage, at: usize) -> MpcMessage {
    changed(message, |message| {
        let mut payload = message.payload.to_vec();
        payload[at] ^= 1;
        message.payload = payload.into();
    })
}

/// The ceremony was completed, and yet exactly these items fail.
#[track_caller]
fn assert_completed_but(report: &Report, items: &[&'static str]) {
    assert_eq!(report.ended, Ended::Completed, "{:?}", report.reason);
    assert_eq!(failing(report), items.iter().copied().collect(), "{:#?}", report.verdict);
    for item in items {
        assert!(detail(report, item).starts_with("the router: "), "{}", detail(report, item));
    }
}

/// The ceremony failed; of the items about the router exactly these fail, and the first says whose
/// fault it is.
#[track_caller]
fn assert_failed_with(report: &Report, items: &[&'static str]) {
    const ROUTER: [&str; 8] = [
        "lost",
        "duplicated",
        "phantom",
        "misrouted",
        "mislabelled",
        "altered",
        "canaries",
        "acknowledged",
    ];
    assert_eq!(report.ended, Ended::Failed);
    assert!(!report.passed());
    let failing: BTreeSet<_> =
        failing(report).into_iter().filter(|item| ROUTER.contains(item)).collect();
    assert_eq!(failing, items.iter().copied().collect(), "{:#?}", report.verdict);
    assert!(
        detail(report, "ended").starts_with("the router is at fault"),
        "{}",
        detail(report, "ended")
    );
}

#[test]
fn a_message_that_also_goes_to_somebody_else() {
    let report = run(1, |message, to| {
        let mut out = vec![(to, message.clone())];
        if message.message_type == ROUND2 && to == 2 && message.from_party == "x-p1" {
            out.push((3, message.clone()));
        }
        out
    });
    assert_completed_but(&report, &["misrouted", "canaries"]);
    assert!(
        detail(&report, "misrouted").contains("x-p3 was handed `frost.dkg.round2` of x-p1 to x-p2"),
        "{}",
        detail(&report, "misrouted")
    );
}

#[test]
fn a_message_that_goes_to_somebody_else_instead() {
    let report = run(1, |message, to| {
        let astray = message.message_type == ROUND2 && to == 2 && message.from_party == "x-p1";
        vec![(if astray { 3 } else { to }, message.clone())]
    });
    assert_failed_with(&report, &["misrouted", "canaries", "lost"]);
}

#[test]
fn a_message_that_comes_back_to_its_sender() {
    let report = run(1, |message, to| {
        let mut out = vec![(to, message.clone())];
        if message.message_type == ROUND1 && to == 2 && message.from_party == "x-p1" {
            out.push((1, message.clone()));
        }
        out
    });
    assert_completed_but(&report, &["misrouted"]);
    assert!(detail(&report, "misrouted").contains("x-p1 was handed its own"));
}

#[test]
fn a_lost_message_to_one() {
    let report = run(1, |message, to| {
        let lost = message.message_type == ROUND2 && to == 5;
        if lost { vec![] } else { vec![(to, message.clone())] }
    });
    assert_failed_with(&report, &["lost"]);
    assert!(detail(&report, "lost").contains("to x-p5 in x-keygen never came to x-p5"));
}

#[test]
fn a_broadcast_that_part_of_its_recipients_get() {
    let report = run(1, |message, to| {
        let lost = message.message_type == ROUND1 && message.from_party == "x-p3" && to == 4;
        if lost { vec![] } else { vec![(to, message.clone())] }
    });
    assert_failed_with(&report, &["lost"]);
    assert!(detail(&report, "lost").contains("of x-p3 to all in x-keygen never came to x-p4"));
}

#[test]
fn an_altered_byte_anywhere() {
    for at in [0, 20, 60] {
        let report = run(1, move |message, to| {
            let hit = message.message_type == ROUND2 && to == 2 && message.from_party == "x-p3";
            vec![(to, if hit { flip(message, at) } else { message.clone() })]
        });
        assert_failed_with(&report, &["altered"]);
        let altered = detail(&report, "altered");
        assert!(
            altered.contains("x-p2 was handed other bytes than x-p3 sent as `frost.dkg.round2`"),
            "{altered}"
        );
    }
}

#[test]
fn an_altered_copy_besides_the_right_one() {
    let report = run(1, |message, to| {
        let mut out = vec![(to, message.clone())];
        if message.message_type == ROUND2 && to == 2 && message.from_party == "x-p3" {
            out.push((to, changed(&flip(message, 40), |copy| copy.message_id.push('x'))));
        }
        out
    });
    assert_completed_but(&report, &["altered"]);
}

/// The same where parties have no cryptography: other bytes under one key are never applied.
#[test]
fn other_bytes_in_an_innocents_name() {
    let report = run_unsealed(1, |message, to| {
        let mut out = vec![(to, message.clone())];
        if message.message_type == ROUND2 && to == 2 && message.from_party == "x-p3" {
            let copy = changed(&flip(message, 25), |copy| copy.message_id.push('x'));
            out.push((to, copy));
        }
        out
    });
    assert_failed_with(&report, &["altered"]);
    assert!(!failing(&report).contains("conduct"), "x-p3 did not contradict itself");
    assert!(detail(&report, "altered").contains("other bytes than x-p3 sent"));
}

#[test]
fn a_broadcast_that_differs_between_its_recipients() {
    // A router without keys can put in its own package: proofs of knowledge are bound to a number,
    // not to a name. Parties that were not sealed notice by the echo.
    let report = run_unsealed(1, |message, to| {
        let hit = message.message_type == ROUND1 && message.from_party == "x-p3" && to == 2;
        if !hit {
            return vec![(to, message.clone())];
        }
        let id = frost_ed25519::Identifier::try_from(3).unwrap();
        let rng = crate::seed::Seed(99).stream("router", 0, "");
        let (_, package) = frost_ed25519::keys::dkg::part1(id, 5, 3, rng).unwrap();
        let forged = changed(message, |forged| {
            let body = package.serialize().unwrap();
            forged.payload = [&message.payload[..16], &body].concat().into();
        });
        vec![(to, forged)]
    });
    assert_failed_with(&report, &["altered"]);
    assert!(
        report.reason.as_ref().unwrap().contains("a broadcast was not the same for all"),
        "{:?}",
        report.reason
    );

    // Sealed parties cannot be given it at all.
    let report = run(1, |message, to| {
        let hit = message.message_type == ROUND1 && message.from_party == "x-p3" && to == 2;
        let forged = |message: &MpcMessage| {
            changed(message, |message| {
                let mut payload = message.payload[..16].to_vec();
                payload.extend([3; 400]);
                message.payload = payload.into();
            })
        };
        vec![(to, if hit { forged(message) } else { message.clone() })]
    });
    assert_failed_with(&report, &["altered"]);
}

#[test]
fn shares_whose_senders_are_swapped() {
    let swap = |message: &MpcMessage, signers: &[String]| {
        changed(message, |message| {
            let place = signers.iter().position(|signer| *signer == message.from_party);
            if let Some(place @ 1..) = place {
                message.from_party = signers[3 - place].clone();
            }
        })
    };
    let plan = plan(5, 3, 1);
    let good = World::new(&plan, Weather::default()).run();
    let signers = good.signatures[0].signers.clone();
    for sealed in [true, false] {
        let signers = signers.clone();
        let fault = move |message: &MpcMessage, to| {
            let hit = message.message_type == SHARE && message.session_id == "x-sign-1";
            vec![(to, if hit { swap(message, &signers) } else { message.clone() })]
        };
        let report = if sealed { run(1, fault) } else { run_unsealed(1, fault) };
        assert_failed_with(&report, &["mislabelled"]);
        let told = detail(&report, "mislabelled");
        assert!(told.contains("labelled from x-p"), "{told}");
        assert!(failing(&report).contains("shares"), "unverified shares are not trusted");
    }
}

#[test]
fn one_call_that_makes_two_messages() {
    let report = run(1, |message, to| {
        let mut out = vec![(to, message.clone())];
        if message.message_type == ROUND1 && to == 1 {
            out.push((to, changed(message, |copy| copy.message_id.push_str("-again"))));
        }
        out
    });
    assert_completed_but(&report, &["duplicated"]);
    assert!(detail(&report, "duplicated").contains("was routed 2 times, and called for 1 times"));
}

#[test]
fn a_message_twice_in_one_answer() {
    let report = run(1, |message, to| {
        let copies = if to == 5 && message.message_type == ROUND1 { 2 } else { 1 };
        vec![(to, message.clone()); copies]
    });
    assert_completed_but(&report, &["duplicated"]);
    assert!(detail(&report, "duplicated").contains("twice in one answer"));
}

#[test]
fn what_was_acknowledged_comes_again() {
    // The poller polls on while the others are late, and finds what it has acknowledged.
    let mut world = World::new(&plan(5, 3, 1), Weather::default());
    world.forgetful = true;
    let report = world.run();
    assert_completed_but(&report, &["duplicated"]);
    assert!(detail(&report, "duplicated").contains("again after its acknowledgement was taken"));
}

#[test]
fn a_message_that_nobody_sent() {
    let report = run(1, |message, to| {
        let mut out = vec![(to, message.clone())];
        if message.message_type == ROUND1 && to == 1 && message.from_party == "x-p2" {
            out.push((
                to,
                MpcMessage {
                    message_id: "ghost".into(),
                    message_type: "frost.dkg.round3".into(),
                    payload: vec![9; 80].into(),
                    ..message.clone()
                },
            ));
        }
        out
    });
    assert_completed_but(&report, &["phantom"]);
}

#[test]
fn wrong_labels() {
    type Change = fn(&mut MpcMessage);
    // What the seal covers, it protects: such a message is not applied, and is missing then.
    let sealed: [Change; 3] = [
        |message| message.message_type = "frost.dkg.confirm".into(),
        |message| message.is_broadcast = true,
        |message| message.from_party = "x-p4".into(),
    ];
    for change in sealed {
        let report = run(1, move |message, to| {
            let hit = message.message_type == ROUND2 && to == 2 && message.from_party == "x-p3";
            vec![(to, if hit { changed(message, change) } else { message.clone() })]
        });
        assert_failed_with(&report, &["mislabelled"]);
    }
    // The round number is a label that decides nothing; the ledger notices all the same.
    let report = run(1, |message, to| vec![(to, changed(message, |m| m.round_number += 1))]);
    assert_eq!(report.ended, Ended::Completed);
    assert!(failing(&report).contains("mislabelled"));

    // Scripted flows are not sealed: they run on, and the ledger notices the flag.
    let fault: Fault = Box::new(|message, to| {
        vec![(to, changed(message, |message| message.is_broadcast = !message.is_broadcast))]
    });
    let report = run_plan(&flow_plan("dkls23-sign", 4, 3, 1), fault);
    assert_eq!(report.ended, Ended::Completed);
    assert!(failing(&report).contains("mislabelled"));
}

#[test]
fn a_message_of_another_session() {
    let report = run(1, |message, to| {
        // Who signs in both sessions finds one's message in the other.
        let into = changed(message, |message| message.session_id = "x-sign-2".into());
        let mut out = vec![(to, message.clone())];
        if message.session_id == "x-sign-1" {
            out.push((to, into));
        }
        out
    });
    assert!(failing(&report).contains("misrouted"), "{:#?}", report.verdict);
    assert!(detail(&report, "misrouted").contains("labelled x-sign-2"));
}

#[test]
fn one_identifier_on_two_messages() {
    let report = run(1, |message, to| {
        vec![(to, changed(message, |message| message.message_id = format!("to-{to}")))]
    });
    assert!(failing(&report).contains("altered"));
    assert!(detail(&report, "altered").contains("stands on two different messages"));
}

#[test]
fn acknowledgements_that_are_refused() {
    let mut world = World::new(&plan(5, 3, 1), Weather::default());
    world.deaf = true;
    assert_completed_but(&world.run(), &["acknowledged"]);
}

#[test]
fn an_altered_announcement() {
    for change in [
        (|e| e.threshold_t += 1) as fn(&mut mpc_router_proto::v1::SessionEvent),
        |e| e.join_tokens.clear(),
        |e| {
            e.selected_parties.pop();
        },
    ] {
        let mut world = World::new(&plan(5, 3, 1), Weather::default());
        world.event_fault = Some(Box::new(change));
        let report = world.run();
        assert_eq!(report.ended, Ended::Failed);
        let why = report.reason.clone().unwrap();
        assert!(why.contains("the announcement was altered"), "{why}");
    }
}

#[test]
fn faults_in_scripted_flows() {
    type Hit = fn(&MpcMessage, u16) -> Vec<(u16, MpcMessage)>;
    let cases: [(Hit, &[&'static str]); 4] = [
        (|m, to| vec![(to, flip(m, m.payload.len() - 1))], &["altered"]),
        (|m, to| vec![(to, flip(m, 0))], &["altered"]),
        (|_, _| vec![], &["lost"]),
        (|m, to| vec![(to % 3 + 1, m.clone())], &["canaries", "misrouted"]),
    ];
    for (hit, items) in cases {
        let fault: Fault = Box::new(move |message, to| {
            let chosen = message.message_type == "dkls23.keygen.3.ot"
                && message.from_party == "x-p3"
                && to == 1;
            if chosen { hit(message, to) } else { vec![(to, message.clone())] }
        });
        let report = run_plan(&flow_plan("dkls23-keygen", 3, 2, 1), fault);
        // An altered canary does no harm to a flow, and a party that gets what is not for it fails at
        // once. Both are told.
        if report.ended == Ended::Completed {
            assert!(failing(&report).contains(items[0]), "{:#?}", report.verdict);
        } else {
            assert_failed_with(&report, items);
        }
    }
}
