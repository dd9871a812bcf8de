//! On routers that want nothing to do with the parties, or are none: it is told at once, in their
//! own words.

use super::*;
use crate::action::{Call, CallError};
use crate::pump::{Weather, World};
use crate::report::Ended;

fn run(retorts: impl FnMut(u16, &Call) -> Option<CallError> + 'static) -> Report {
    let mut world = World::new(&plan(5, 3, 1), Weather::default());
    world.retorts = Some(Box::new(retorts));
    world.run()
}

#[track_caller]
fn assert_at_once(report: &Report, ended: Ended, why: &str) {
    assert_eq!((report.ended, report.reason.as_deref()), (ended, Some(why)));
    assert!(report.phases[0].milliseconds < 1_000, "{:?}", report.phases);
    assert!(report.parties.iter().all(|party| party.reconnects == 0));
}

fn refuses(party: u16, call: &Call) -> bool {
    party == 2 && matches!(call, Call::Register(_))
}

#[test]
fn a_registration_that_is_refused() {
    let report = run(|party, call| {
        refuses(party, call).then(|| CallError::Refused("no room for another".into()))
    });
    let why = "the router does not register x-p2: no room for another";
    assert_at_once(&report, Ended::Failed, why);
}

#[test]
fn a_registration_that_is_refused_in_the_middle_of_a_session() {
    let mut registered = BTreeSet::new();
    // A visitor registers again when it comes.
    let report = run(move |party, call| {
        let again = matches!(call, Call::Register(_)) && !registered.insert(party);
        again.then(|| CallError::Refused("once is enough".into()))
    });
    assert_eq!(report.ended, Ended::Failed);
    let why = report.reason.as_deref().unwrap();
    assert!(why.starts_with("the router does not register x-p"), "{why}");
    assert!(why.ends_with(": once is enough"), "{why}");
    assert!(report.phases[0].milliseconds < 5_000, "{:?}", report.phases);
}

#[test]
fn a_target_that_is_no_router() {
    let report = run(|_, _| Some(CallError::Unimplemented("what is that?".into())));
    assert_at_once(&report, Ended::Unreachable, "what is there is none: what is that?");
}

#[test]
fn a_router_without_registration() {
    let report =
        run(|party, call| refuses(party, call).then(|| CallError::Unimplemented("not yet".into())));
    assert!(matches!(report.ended, Ended::Failed | Ended::Unreachable));
    assert!(report.reason.as_deref().unwrap().ends_with("not yet"));
    assert!(report.phases[0].milliseconds < 1_000, "{:?}", report.phases);
}

#[test]
fn a_router_that_never_lists_its_parties() {
    let report = run(|_, call| {
        matches!(call, Call::Discover(_)).then(|| CallError::Unknown("who are you?".into()))
    });
    assert_eq!(report.ended, Ended::Failed);
    let why = report.reason.unwrap();
    assert!(why.starts_with("the deadline passed before the router listed x-p1, "), "{why}");
    assert!(why.ends_with(" as there (the last time it said: who are you?)"), "{why}");
}
