//! What the router counts, what time it has, and who is there.

use super::super::anomaly::Anomaly;
use super::super::history::{Answer, Asked, Call, Entry, Got, Moment, Party};
use super::super::model::Model;
use super::Findings;
use super::lives::Lives;

pub(super) fn check(model: &Model<'_>, lives: &Lives, found: &mut Findings) {
    let counting = Counting::of(model);
    let presence = Presence(lives);
    let mut order: Vec<(Moment, bool, usize)> = Vec::new();
    for (number, call) in model.history.calls.iter().enumerate() {
        if let Got::Done(Answer::Heartbeat { .. } | Answer::Listed(_)) = &call.got {
            order.push((call.begun, false, number));
            order.push((call.ended, true, number));
        }
    }
    order.sort_unstable();
    let mut latest = i64::MIN;
    let mut latest_before = vec![i64::MIN; model.history.calls.len()];
    let mut last_seen = vec![i64::MIN; model.history.parties as usize];
    // The time with which the last heartbeat was answered.
    let mut beat = vec![i64::MIN; model.history.parties as usize];
    let mut last_seen_before: Vec<Vec<(i64, i64)>> = vec![Vec::new(); model.history.calls.len()];
    for (_, is_end, number) in order {
        let call = &model.history.calls[number];
        match &call.got {
            Got::Done(Answer::Heartbeat { server_ms, pending }) => {
                if !is_end {
                    latest_before[number] = latest;
                    continue;
                }
                let Asked::Heartbeat(party) = call.asked else { continue };
                if *server_ms < latest_before[number] {
                    found.add(Anomaly::ServerTimeGoesBack, call.ended, party, None, || {
                        format!("{server_ms} after {}", latest_before[number])
                    });
                }
                latest = latest.max(*server_ms);
                let known = &mut beat[party.index()];
                *known = server_ms.max(known).to_owned();
                counting.holds(found, call, party, *pending);
            }
            Got::Done(Answer::Listed(listed)) => {
                if !is_end {
                    let of = |it: &Entry| (last_seen[it.party.index()], beat[it.party.index()]);
                    last_seen_before[number] = listed.entries.iter().map(of).collect();
                    continue;
                }
                for (entry, (before, beat)) in listed.entries.iter().zip(&last_seen_before[number])
                {
                    // Who was heard of when need not survive a restart.
                    let may_be_new = model.history.outages.iter().any(|it| it.0 <= call.ended);
                    if entry.last_seen_at < *beat && !may_be_new {
                        found.add(Anomaly::LastSeenBehind, call.ended, entry.party, None, || {
                            format!("{} after a heartbeat at {beat}", entry.last_seen_at)
                        });
                    }
                    if entry.last_seen_at < *before && !may_be_new {
                        found.add(Anomaly::LastSeenGoesBack, call.ended, entry.party, None, || {
                            format!("{} after {before}", entry.last_seen_at)
                        });
                    }
                    let known = &mut last_seen[entry.party.index()];
                    *known = entry.last_seen_at.max(*known);
                }
                presence.holds(model, found, call, &listed.entries);
            }
            _ => {}
        }
    }
}

/// When deliveries of each party may and must begin and cease to be outstanding, each in order.
struct Counting(Vec<Bounds>);

#[derive(Clone, Default)]
struct Bounds {
    may_begin: Vec<Moment>,
    must_begin: Vec<Moment>,
    /// Of those that may be.
    must_end: Vec<Moment>,
    /// Of those that must be.
    may_end: Vec<Moment>,
}

impl Counting {
    fn of(model: &Model<'_>) -> Self {
        let mut all = vec![Bounds::default(); model.history.parties as usize];
        for delivery in &model.deliveries {
            let fate = &model.fates[delivery.unit.index()];
            let bounds = &mut all[delivery.party.index()];
            if !fate.refused {
                bounds.may_begin.push(fate.begun);
                bounds.must_end.push(delivery.is_over());
            }
            if delivery.certain && fate.exists() {
                bounds.must_begin.push(fate.effect());
                bounds.may_end.push(delivery.may_be_over().min(model.may_fail(delivery)));
            }
        }
        for bounds in &mut all {
            for list in [
                &mut bounds.may_begin,
                &mut bounds.must_begin,
                &mut bounds.must_end,
                &mut bounds.may_end,
            ] {
                list.sort_unstable();
            }
        }
        Self(all)
    }

    fn holds(&self, found: &mut Findings, call: &Call, party: Party, pending: i64) {
        let bounds = &self.0[party.index()];
        let up_to = |list: &[Moment], at: Moment| list.partition_point(|it| *it <= at) as i64;
        let before = |list: &[Moment], at: Moment| list.partition_point(|it| *it < at) as i64;
        let must = before(&bounds.must_begin, call.begun) - up_to(&bounds.may_end, call.ended);
        let may = up_to(&bounds.may_begin, call.ended) - before(&bounds.must_end, call.begun);
        if pending < must.max(0) || pending > may {
            found.add(Anomaly::PendingCount, call.ended, party, None, || {
                format!("pending_messages is {pending}, and not from {} to {may}", must.max(0))
            });
        }
    }
}

/// Who is there, and who is said to be.
struct Presence<'l>(&'l Lives);

impl Presence<'_> {
    /// Holds a listing against it.
    fn holds(&self, model: &Model<'_>, found: &mut Findings, call: &Call, listed: &[Entry]) {
        let Asked::List { only_online, role, .. } = call.asked else { return };
        let timeout = model.rules.heartbeat_timeout;
        let lives = self.0.all();
        let mut entries: Vec<Option<&Entry>> = vec![None; lives.len()];
        for entry in listed {
            let known = entries[entry.party.index()].replace(entry);
            let life = &lives[entry.party.index()];
            if known.is_some() || life.may_register.is_none_or(|it| it > call.ended) {
                found.add(Anomaly::ListedWrongly, call.ended, entry.party, None, || {
                    let what = if known.is_some() { "twice" } else { "without registration" };
                    format!("it is listed {what}")
                });
            }
        }
        for (life, (number, entry)) in lives.iter().zip((0..).zip(entries)) {
            let (party, is_online) = (Party(number), entry.is_some_and(|it| it.online));
            if role.is_some_and(|it| it != party.role()) {
                if entry.is_some() {
                    let words = || "it has another role than the one asked for".into();
                    let anomaly = Anomaly::ListedWrongly;
                    found.add_as(anomaly, "DIR-2", call.ended, party, None, words);
                }
                continue;
            }
            if only_online && entry.is_some_and(|it| !it.online) {
                let words = || "it is offline, and only who is online was asked for".into();
                found.add_as(Anomaly::ListedWrongly, "DIR-3", call.ended, party, None, words);
            }
            let is_registered = life.registered.is_some_and(|it| it < call.begun);
            if is_registered && entry.is_none() && !only_online {
                found.add(Anomaly::NotListed, call.ended, party, None, || {
                    "it has registered, and is not listed".into()
                });
                continue;
            }
            if model.was_out(call.begun.saturating_sub(2 * timeout), call.ended) {
                continue;
            }
            let is_there = life.is_sure(timeout, call.begun, call.ended);
            if is_registered && is_there && !is_online {
                found.add(Anomaly::OfflineTooSoon, call.ended, party, None, || {
                    "it was heard of a moment ago, and counts as offline".into()
                });
            }
            let limit = (timeout / 2 * 3).saturating_add(model.rules.slack);
            let last = life.last(call.ended);
            if is_online && last.saturating_add(limit) < call.begun {
                found.add(Anomaly::OnlineTooLong, call.ended, party, None, || {
                    format!("its last call ended at {last}, and it counts as online")
                });
            }
        }
    }
}
