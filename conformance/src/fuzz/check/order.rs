//! In which order things came.
//!
//! Only within one stream, or one answer to a poll, does a party see an order. Redeliveries have
//! none, so of each way only the first copy of each message counts.

use super::super::anomaly::Anomaly;
use super::super::history::{Moment, NEVER, Opened, Party, Session, Unit};
use super::super::model::{Copy, Model, Way};
use super::Findings;

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    let mut ways = Ways::of(model);
    let mut longest: Vec<(Session, Party, Vec<Unit>)> = Vec::new();
    while let Some((session, way)) = ways.next(model) {
        per_sender(model, found, &way);
        causal(model, found, &way);
        times(model, found, &way);
        let Some((first, _)) = way.first() else { continue };
        if let Way::Stream(_) = first.way {
            let units = || way.iter().map(|it| it.1).collect();
            match longest.iter_mut().find(|it| (it.0, it.1) == (session, first.party)) {
                Some(known) if known.2.len() < way.len() => known.2 = units(),
                Some(_) => {}
                None => longest.push((session, first.party, units())),
            }
        }
    }
    total(model, found, &longest);
}

/// One stream's or answer's first copies of one session, in their order.
struct Ways {
    /// Places of copies, those of one way and session side by side.
    order: Vec<(u64, u32)>,
    next: usize,
    /// Of each unit, the way that it came by last.
    last: Vec<u64>,
    /// Of each stream, when a newer one of the same party and session was opened.
    until: Vec<Moment>,
}

impl Ways {
    fn of(model: &Model<'_>) -> Self {
        let streams = model.history.streams.len() as u64;
        let key = |copy: &Copy, unit: Unit| {
            let way = match copy.way {
                Way::Stream(stream) => u64::from(stream.0),
                Way::Poll(call) => streams + call as u64,
            };
            way << 24 | u64::from(model.history.units[unit.index()].session.0)
        };
        let mut order: Vec<_> = (0..)
            .zip(&model.copies)
            .filter_map(|(place, copy)| Some((key(copy, copy.seen.unit?), place)))
            .collect();
        order.sort_unstable();
        let until = superseded(&model.history.streams);
        Self { order, next: 0, last: vec![u64::MAX; model.fates.len()], until }
    }

    fn next<'m>(&mut self, model: &'m Model<'_>) -> Option<(Session, Vec<(&'m Copy, Unit)>)> {
        let (key, _) = *self.order.get(self.next)?;
        let rest = &self.order[self.next..];
        let count = rest.iter().take_while(|it| it.0 == key).count();
        let copies = rest[..count].iter().map(|it| &model.copies[it.1 as usize]);
        // What happens to the older of two subscriptions is unspecified (SUB-5).
        let until = &self.until;
        let copies = copies.filter(|it| match it.way {
            Way::Stream(stream) => it.at < until[stream.index()],
            Way::Poll(_) => true,
        });
        let firsts = copies.filter_map(|copy| Some((copy, copy.seen.unit?)));
        let last = &mut self.last;
        let is_first = |it: &(&Copy, Unit)| std::mem::replace(&mut last[it.1.index()], key) != key;
        let firsts = firsts.filter(is_first).collect();
        self.next += count;
        Some((Session((key & 0xff_ffff) as u32), firsts))
    }
}

/// When each stream got a newer one of the same party and session beside it.
pub(super) fn superseded(streams: &[Opened]) -> Vec<Moment> {
    let mut order: Vec<usize> = (0..streams.len()).collect();
    order.sort_by_key(|it| (streams[*it].party, streams[*it].session, streams[*it].begun));
    let mut until = vec![NEVER; streams.len()];
    for pair in order.windows(2) {
        let (one, next) = (&streams[pair[0]], &streams[pair[1]]);
        if (one.party, one.session) == (next.party, next.session) {
            until[pair[0]] = next.begun;
            // Of two that were opened at the same time either may be the newer one.
            if one.alive >= next.begun {
                until[pair[1]] = next.begun;
            }
        }
    }
    until
}

/// ORD-1: a sweep that keeps, of each sender, the latest begin so far.
fn per_sender(model: &Model<'_>, found: &mut Findings, way: &[(&Copy, Unit)]) {
    let mut latest: Vec<(Party, Moment, Unit)> = Vec::new();
    for (copy, unit) in way {
        let sender = model.history.units[unit.index()].sender;
        let fate = &model.fates[unit.index()];
        match latest.iter_mut().find(|it| it.0 == sender) {
            Some((_, begun, other)) => {
                if fate.accepted < *begun {
                    found.add(Anomaly::SenderOrder, copy.at, copy.party, *unit, || {
                        format!("it was there before unit {} was sent, and came behind it", other.0)
                    });
                }
                if fate.begun > *begun {
                    (*begun, *other) = (fate.begun, *unit);
                }
            }
            None => latest.push((sender, fate.begun, *unit)),
        }
    }
}

/// ORD-4: a sweep that keeps when each sender began the latest of what came. Whoever had seen a
/// message before it sent that, had sent it after that message.
fn causal(model: &Model<'_>, found: &mut Findings, way: &[(&Copy, Unit)]) {
    let mut sent: Vec<(Party, Moment)> = Vec::new();
    for (copy, unit) in way {
        let routed = &model.history.units[unit.index()];
        let mut others = model.deliveries_of(*unit).iter().filter(|it| it.party != routed.sender);
        let answered = others.find(|delivery| {
            sent.iter().any(|(party, begun)| *party == delivery.party && delivery.seen < *begun)
        });
        if let Some(answered) = answered {
            found.add(Anomaly::CausalOrder, copy.at, copy.party, *unit, || {
                format!(
                    "party {} had it at {}, and what it sent later came first",
                    answered.party.0, answered.seen
                )
            });
        }
        let begun = model.fates[unit.index()].begun;
        match sent.iter_mut().find(|it| it.0 == routed.sender) {
            Some(known) => known.1 = known.1.max(begun),
            None => sent.push((routed.sender, begun)),
        }
    }
}

/// ORD-7 on streams and ORD-6 in polls.
fn times(model: &Model<'_>, found: &mut Findings, way: &[(&Copy, Unit)]) {
    let mut latest = i64::MIN;
    for (copy, unit) in way {
        let created_at = copy.seen.created_at;
        let anomaly = match copy.way {
            Way::Poll(_) => Anomaly::PollOrder,
            // Only what had not been handed out before is a first delivery.
            Way::Stream(_) => match model.delivery(*unit, copy.party) {
                Some(delivery) if delivery.seen == copy.at => Anomaly::TimeGoesBack,
                _ => continue,
            },
        };
        if created_at < latest {
            found.add(anomaly, copy.at, copy.party, *unit, || {
                format!("its created_at is {created_at}, and {latest} came before it")
            });
        }
        latest = latest.max(created_at);
    }
}

/// ORD-5, on the longest stream of each party in each session.
fn total(model: &Model<'_>, found: &mut Findings, longest: &[(Session, Party, Vec<Unit>)]) {
    let mut place = vec![u32::MAX; model.fates.len()];
    for (number, (session, _, units)) in longest.iter().enumerate() {
        let others = || longest[number + 1..].iter().filter(|it| it.0 == *session);
        if others().next().is_none() {
            continue;
        }
        (0..).zip(units).for_each(|(at, unit)| place[unit.index()] = at);
        for (_, party, theirs) in others() {
            let mut latest = 0;
            for unit in theirs.iter().filter(|it| place[it.index()] != u32::MAX) {
                if place[unit.index()] < latest {
                    let seen = model.delivery(*unit, *party).map_or(0, |it| it.seen);
                    found.add(Anomaly::TotalOrder, seen, *party, *unit, || {
                        "another party has two messages in the other order".into()
                    });
                }
                latest = latest.max(place[unit.index()]);
            }
        }
        units.iter().for_each(|unit| place[unit.index()] = u32::MAX);
    }
}
