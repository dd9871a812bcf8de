//! Each check finds a router that is not right.

use mpc_router_proto::v1::MpcMessage;

use super::small;
use crate::world::bugs::{self, Tamper};
use crate::world::call::Answer;
use crate::world::fault::Fault;
use crate::world::host::Host;
use crate::world::play::play_on;
use crate::world::scenario::Scenario;

/// A world whose router does this is found out by that check.
fn found(check: &str, scenario: &Scenario, break_it: impl FnOnce(&mut Host)) {
    let outcome = play_on(scenario, break_it);
    let checks: Vec<_> = outcome.troubles.iter().map(|trouble| trouble.check).collect();
    assert!(checks.contains(&check), "{check}: {:#?}", outcome.troubles);
}

fn tampered(check: &str, tamper: Tamper) {
    found(check, &small(), |host| host.tamper = Some(tamper));
}

#[test]
fn bytes_that_nobody_sent() {
    let alter = |message: &mut MpcMessage| {
        let mut payload = message.payload.to_vec();
        payload[20] ^= 1;
        message.payload = payload.into();
    };
    tampered("phantom", bugs::altered(alter));
}

#[test]
fn another_sender() {
    tampered("mislabelled", bugs::altered(|message| message.from_party = "w-p3".into()));
}

#[test]
fn another_recipient() {
    tampered("misrouted", bugs::betrayed());
}

#[test]
fn another_session() {
    tampered("misrouted", bugs::altered(|message| message.session_id.push('x')));
}

#[test]
fn another_order() {
    tampered("order", bugs::swapped());
}

#[test]
fn what_was_acknowledged() {
    tampered("after-ack", bugs::resurrected(15));
}

#[test]
fn one_name_for_two_messages() {
    let mut first = None;
    let rename = move |answer: &mut Answer| {
        if let Answer::Routed(id) = answer {
            *id = first.get_or_insert_with(|| id.clone()).clone();
        }
    };
    tampered("twice", bugs::answers(rename));
}

#[test]
fn a_message_that_never_comes() {
    let mut first = None;
    let drop_it = move |key, message: Box<MpcMessage>| {
        let dropped = first.get_or_insert_with(|| message.message_id.clone());
        if message.message_id == *dropped { Vec::new() } else { vec![(key, message)] }
    };
    // The router sends it again, finds it unanswered at last, and never showed it to anybody.
    tampered("given-up", bugs::messages(drop_it));
}

#[test]
fn events_that_never_come() {
    tampered("liveness", bugs::events(|_| false));
}

#[test]
fn an_event_that_says_something_else() {
    tampered(
        "event",
        bugs::events(|event| {
            event.expires_at += 1;
            true
        }),
    );
}

#[test]
fn times_that_go_back() {
    let mut beats = 0;
    let back = move |answer: &mut Answer| {
        if let Answer::Beat(beat) = answer {
            beats += 1;
            beat.server_timestamp -= 60_000 * i64::from(beats > 1);
        }
    };
    tampered("time", bugs::answers(back));
    let mut lists = 0;
    let back = move |answer: &mut Answer| {
        if let Answer::Parties(parties) = answer {
            lists += 1;
            let back = 60_000 * i64::from(lists > 3);
            parties.iter_mut().for_each(|party| party.last_seen_at -= back);
        }
    };
    let slow = Scenario { latency_ms: [100, 300], ..small() };
    found("time", &slow, |host| host.tamper = Some(bugs::answers(back)));
}

#[test]
fn a_party_that_is_forgotten() {
    let mut lists = 0;
    let forget = move |answer: &mut Answer| {
        if let Answer::Parties(parties) = answer {
            lists += 1;
            parties.truncate(if lists > 3 { 2 } else { 3 });
        }
    };
    let slow = Scenario { latency_ms: [100, 300], ..small() };
    found("directory", &slow, |host| host.tamper = Some(bugs::answers(forget)));
}

#[test]
fn a_status_that_goes_back() {
    let back = |answer: &mut Answer| {
        if let Answer::Status(reply) = answer {
            reply.deliveries.iter_mut().for_each(|it| it.status = "pending".into());
        }
    };
    tampered("status", bugs::answers(back));
}

#[test]
fn what_is_answered_before_it_is_safe() {
    let slow = Scenario { commit_ms: [200, 300], ..small() };
    found("durable", &slow, |host| host.log_is_hasty = true);
}

#[test]
fn what_a_crash_takes_though_it_was_safe() {
    let crash = Fault::CrashRouter { at_ms: 2_000, down_ms: 100, torn: true, clock_ms: 0 };
    let scenario = Scenario { faults: vec![crash], latency_ms: [100, 200], ..small() };
    found("lost", &scenario, |host| host.loses_records = true);
}
