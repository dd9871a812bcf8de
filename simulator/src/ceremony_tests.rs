//! Whole ceremonies in memory, on a good router and on bad ones.

mod evidence;
mod faults;
mod refusals;
mod weather;

use std::collections::BTreeSet;

use crate::flow::Flow;
use crate::plan::{Plan, Protocol};
use crate::report::Report;

fn plan(parties: u16, threshold: u16, seed: u64) -> Plan {
    Plan { parties, threshold, seed, prefix: "x".into(), ..Plan::default() }
}

fn flow_plan(flow: &str, parties: u16, threshold: u16, seed: u64) -> Plan {
    let flow = Flow::find(flow).unwrap();
    Plan { protocol: Protocol::Flow(flow), ..plan(parties, threshold, seed) }
}

/// The items of the verdict that do not hold.
fn failing(report: &Report) -> BTreeSet<&'static str> {
    report.verdict.iter().filter(|item| !item.passed).map(|item| item.name).collect()
}

fn detail<'a>(report: &'a Report, item: &str) -> &'a str {
    &report.verdict.iter().find(|i| i.name == item).unwrap().detail
}

#[track_caller]
fn assert_passed(report: &Report) {
    let failed: Vec<_> = report.verdict.iter().filter(|item| !item.passed).collect();
    assert!(report.passed(), "{:?}: {failed:#?}", report.reason);
}
