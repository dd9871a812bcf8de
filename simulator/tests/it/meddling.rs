//! What goes wrong on the wire is got over if it may happen, and found if it must not.
//!
//! The parties call the router's service itself, with no network between, so that time need not
//! pass: where everybody waits, the clock is set on.

use std::sync::{Arc, Mutex};

use mpc_router_proto::v1::MpcMessage;
use mpc_simulator::ceremony::{self, Ended, Plan, Report, What};
use mpc_simulator::party::Habits;
use mpc_simulator::record::Deed;

use crate::meddler::{Hooks, Meddler};

fn plan() -> Plan {
    Plan { prefix: "x".into(), ..Plan::default() }
}

async fn run(plan: &Plan, hooks: Hooks) -> Report {
    let service = Meddler::service(hooks);
    ceremony::run(move |_| service.clone(), plan, |_| {}).await.unwrap()
}

#[track_caller]
fn assert_passed(report: &Report) {
    let failed: Vec<_> = report.verdict.iter().filter(|item| !item.passed).collect();
    assert!(report.passed(), "{:?}: {failed:#?}", report.reason);
}

#[track_caller]
fn assert_fails(report: &Report, item: &str, told: &str) {
    let item = report.verdict.iter().find(|i| i.name == item).unwrap();
    assert!(!item.passed && item.detail.contains(told), "{item:?}");
    assert!(!report.passed());
}

#[tokio::test(start_paused = true)]
async fn a_service_needs_no_network() {
    assert_passed(&run(&plan(), Hooks::default()).await);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_broken_streams_are_got_over() {
    let hooks = Hooks {
        // Not of polls: what they brought would be brought again, which is no trouble at all.
        loses_reply: Arc::new(|name, number| name != "GetPendingMessages" && number % 5 == 4),
        breaks: Arc::new(|item| item % 11 == 10),
        ..Hooks::default()
    };
    let report = run(&plan(), hooks).await;
    assert_passed(&report);
    assert!(report.parties.iter().any(|party| party.reconnects > 0));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_got_over() {
    let hooks = Hooks {
        absent: Arc::new(|number| (60..90).contains(&number)),
        breaks: Arc::new(|item| (20..24).contains(&item)),
        ..Hooks::default()
    };
    assert_passed(&run(&plan(), hooks).await);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_goes_away_is_told_from_a_verdict() {
    let hooks = Hooks {
        absent: Arc::new(|number| number >= 100),
        breaks: Arc::new(|item| item >= 30),
        ..Hooks::default()
    };
    let report = run(&plan(), hooks).await;
    assert_eq!(report.ended, Ended::Unreachable);
    assert_eq!(report.reason.as_deref(), Some("nobody is there"));
    assert!(!report.passed());
    let keygen = report.phases.iter().find(|phase| phase.name == "keygen").unwrap();
    assert!(keygen.milliseconds < 30_000, "it does not wait for the deadline: {keygen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_altered_payload_is_found() {
    let hooks = Hooks {
        handed: Arc::new(|party, mut message| {
            if party == "x-p2" && message.message_type == "frost.dkg.round2" {
                let mut payload = message.payload.to_vec();
                payload[30] ^= 1;
                message.payload = payload.into();
            }
            vec![message]
        }),
        ..Hooks::default()
    };
    let report = run(&plan(), hooks).await;
    assert_eq!(report.ended, Ended::Failed);
    assert_fails(&report, "altered", "x-p2 was handed other bytes than x-p");
    assert_fails(&report, "ended", "the router is at fault");
}

#[tokio::test(start_paused = true)]
async fn a_swallowed_message_is_found() {
    let hooks = Hooks {
        handed: Arc::new(|party, message| {
            let lost = party == "x-p1" && message.from_party == "x-p2";
            if lost { vec![] } else { vec![message] }
        }),
        ..Hooks::default()
    };
    let report = run(&plan(), hooks).await;
    assert_eq!(report.ended, Ended::Failed);
    assert_fails(
        &report,
        "lost",
        "`frost.dkg.round1` of x-p2 to all in x-keygen never came to x-p1",
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_shown_to_another_party_is_found() {
    let shown: Mutex<Option<MpcMessage>> = Mutex::new(None);
    let hooks = Hooks {
        handed: Arc::new(move |party, message| {
            let mut shown = shown.lock().unwrap();
            // The confirmation of x-p2 comes after everything that is for x-p2 alone.
            let secret = message.message_type == "frost.dkg.round2";
            if party == "x-p2" && secret && message.from_party == "x-p3" {
                *shown = Some(message.clone());
            } else if party == "x-p1" && message.message_type == "frost.dkg.confirm" {
                return [shown.take(), Some(message)].into_iter().flatten().collect();
            }
            vec![message]
        }),
        ..Hooks::default()
    };
    let report = run(&plan(), hooks).await;
    assert_eq!(report.ended, Ended::Completed);
    assert_fails(&report, "misrouted", "x-p1 was handed `frost.dkg.round2` of x-p3 to x-p2");
    assert_fails(&report, "canaries", "x-p1 saw the canary of `frost.dkg.round2` of x-p3");
}

#[tokio::test(start_paused = true)]
async fn when_a_party_vanishes_the_others_know() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::clone(&events);
    let hooks = Hooks {
        published: Arc::new(move |e| published.lock().unwrap().push(e.event_type.clone())),
        ..Hooks::default()
    };
    let service = Meddler::service(hooks);
    let habits = |number| Habits { vanish_after: (number == 4).then_some(2), ..Habits::default() };
    let (mut failed, plan) = (0, plan());
    let report = ceremony::run_with(
        move |_| service.clone(),
        &plan,
        |news| {
            failed += usize::from(matches!(news.what, What::Party { deed: Deed::Failed(..), .. }))
        },
        std::future::pending(),
        habits,
    );
    let report = report.await.unwrap();
    assert_eq!(report.ended, Ended::Failed);
    assert!(report.reason.as_ref().unwrap().contains("x-p4"), "{:?}", report.reason);
    assert_eq!(failed, 4, "the other four know");
    assert_eq!(events.lock().unwrap().last().map(String::as_str), Some("session_failed"));
}

#[tokio::test(start_paused = true)]
async fn when_it_is_stopped_everybody_is_told() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::clone(&events);
    let hooks = Hooks {
        // Nothing is ever handed out, so it would go on for long.
        handed: Arc::new(|_, _| vec![]),
        published: Arc::new(move |e| published.lock().unwrap().push(e.event_type.clone())),
        ..Hooks::default()
    };
    let service = Meddler::service(hooks);
    let started = Arc::new(tokio::sync::Notify::new());
    let stop = Arc::clone(&started);
    let (mut begun, mut failed, plan) = (0, 0, plan());
    let report = ceremony::run_until(
        move |_| service.clone(),
        &plan,
        |news| match news.what {
            What::Party { deed: Deed::Started(_), .. } => {
                begun += 1;
                if begun == 5 {
                    started.notify_one();
                }
            }
            What::Party { deed: Deed::Failed(..), .. } => failed += 1,
            _ => {}
        },
        async move { stop.notified().await },
    );
    let report = report.await.unwrap();
    assert_eq!(report.ended, Ended::Interrupted);
    assert_eq!(failed, 5);
    assert_eq!(*events.lock().unwrap(), ["session_created", "session_started", "session_failed"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_acknowledgements_can_be_stopped() {
    let hooks =
        Hooks { loses_reply: Arc::new(|name, _| name == "AcknowledgeMessage"), ..Hooks::default() };
    let service = Meddler::service(hooks);
    let parting = Arc::new(tokio::sync::Notify::new());
    let stop = Arc::clone(&parting);
    let plan = plan();
    let report = ceremony::run_until(
        move |_| service.clone(),
        &plan,
        |news| {
            if let What::Phase("parting") = news.what {
                parting.notify_one();
            }
        },
        async move { stop.notified().await },
    );
    let report = report.await.unwrap();
    assert!(!report.passed());
    let parting = report.phases.iter().find(|phase| phase.name == "parting").unwrap();
    assert!(parting.milliseconds < 1_000, "it does not wait for the deadline: {parting:?}");
}
