//! Who was told that something waits, and who was not.

use super::super::anomaly::Anomaly;
use super::super::history::{Asked, Got, Moment, NEVER, Party, Session, Woken};
use super::super::model::{Delivery, Model};
use super::Findings;
use super::lives::Lives;

pub(super) fn check(model: &Model<'_>, lives: &Lives, found: &mut Findings) {
    let Some(woken) = model.history.woken.as_ref().filter(|_| model.rules.notifies) else { return };
    let given = given(model);
    let timeout = model.rules.heartbeat_timeout;
    for (place, told) in woken.iter().enumerate() {
        let party = told.party;
        if told.leaks {
            found.add(Anomaly::NotificationLeaks, told.at, party, None, || {
                "a notification carries what was sent".into()
            });
        }
        // What is read from a log when it starts may be told anew.
        if model.history.outages.iter().any(|it| it.0 <= told.at) {
            continue;
        }
        let own: Vec<_> = model
            .deliveries
            .iter()
            .filter(|it| it.party == party && begun(model, it) <= told.at)
            .filter(|it| told.session == Some(session(model, it)))
            .collect();
        let life = &lives.all()[party.index()];
        let was_online = |it: &&Delivery| {
            let to = model.fates[it.unit.index()].effect().min(told.at);
            life.is_sure(timeout, begun(model, it), to)
        };
        let since = own.iter().map(|it| begun(model, it)).min().unwrap_or(told.at);
        if own.iter().all(was_online) {
            found.add(Anomaly::NotifiedOnline, told.at, party, None, || {
                "it was told of a session, and was online when all that is for it was routed".into()
            });
        }
        let may_have = |it: &Given| Some(it.channel) == told.channel && it.is_in_force(since, told);
        if told.way > 2 || !given[party.index()].iter().any(may_have) {
            found.add(Anomaly::NotifiedElsewhere, told.at, party, None, || {
                "it was told at another address than the one that it gave last".into()
            });
        }
        let before = woken[..place]
            .iter()
            .rfind(|it| (it.party, it.session, it.way) == (party, told.session, told.way));
        if let Some(before) = before {
            let back = before.at.saturating_sub(model.rules.slack);
            if life.last(told.at) < back {
                found.add(Anomaly::NotifiedAgain, told.at, party, None, || {
                    format!("it was told at {} already, and has not come back since", before.at)
                });
            }
        }
    }
    missing(model, lives, found, woken, &given);
}

/// OFF-2: the first message of a session for a party that is away.
fn missing(
    model: &Model<'_>,
    lives: &Lives,
    found: &mut Findings,
    woken: &[Woken],
    given: &[Vec<Given>],
) {
    let absent = (model.rules.heartbeat_timeout / 2 * 3).saturating_add(model.rules.slack);
    // The deliveries of each party and session, by their begins.
    let mut order: Vec<&Delivery> = model.deliveries.iter().collect();
    order.sort_by_key(|it| (it.party, session(model, it), begun(model, it)));
    let mut before: Option<&Delivery> = None;
    for delivery in order {
        let (party, own) = (delivery.party, session(model, delivery));
        let previous = before
            .replace(delivery)
            .filter(|it| (it.party, session(model, it)) == (party, own))
            .map_or(0, |it| begun(model, it).max(1));
        let fate = &model.fates[delivery.unit.index()];
        let life = &lives.all()[party.index()];
        let due = fate.accepted.saturating_add(model.rules.slack);
        let last = life.last(due);
        // One number that it has for sure, all the time.
        let [only] = given[party.index()].as_slice() else { continue };
        let is_due = delivery.certain
            && fate.accepted != NEVER
            && only.channel > 0
            && only.done < begun(model, delivery)
            && last.saturating_add(absent) < begun(model, delivery)
            && previous <= last
            // Not all that may be a sign of life brings it back.
            && (previous == 0 || life.sure.iter().any(|it| it.0 > previous && it.1 <= last))
            && delivery.may_be_over() > due
            && due < model.history.drain
            && !model.was_out(last, due);
        if !is_due {
            continue;
        }
        for way in ways(only.channel) {
            let is_told = woken.iter().any(|it| {
                (it.party, it.session, it.way) == (party, Some(own), way)
                    && it.at >= begun(model, delivery)
                    && it.at <= due
            });
            if !is_told {
                found.add(Anomaly::NotNotified, due, party, delivery.unit, || {
                    let way = ["email", "phone", "push_token"][usize::from(way)];
                    format!("it is away since {last}, and was not told by {way}")
                });
            }
        }
    }
}

fn begun(model: &Model<'_>, delivery: &Delivery) -> Moment {
    model.fates[delivery.unit.index()].begun
}

fn session(model: &Model<'_>, delivery: &Delivery) -> Session {
    model.history.units[delivery.unit.index()].session
}

/// The ways for which an address of that number is there.
fn ways(channel: u8) -> impl Iterator<Item = u8> {
    let has = [channel % 4 != 2, channel.is_multiple_of(2), matches!(channel % 4, 0 | 3)];
    (0..3).filter(move |way| has[usize::from(*way)])
}

/// An address that a party gave.
struct Given {
    channel: u8,
    begun: Moment,
    /// When that was accepted; [`NEVER`] if nobody knows.
    done: Moment,
    /// When a later one surely was in its place.
    over: Moment,
}

impl Given {
    /// Whether it may be so at some time from `since` until this came, or a moment before that.
    fn is_in_force(&self, since: Moment, told: &Woken) -> bool {
        self.begun <= told.at && self.over >= since
    }
}

/// What each party gave, in order.
fn given(model: &Model<'_>) -> Vec<Vec<Given>> {
    let mut all: Vec<Vec<Given>> = Vec::new();
    all.resize_with(model.history.parties as usize, Vec::new);
    for call in model.history.calls.iter().filter(|it| it.got != Got::Refused) {
        let Asked::Register(Party(party), channel) = call.asked else { continue };
        let done = if let Got::Done(_) = call.got { call.ended } else { NEVER };
        let own = &mut all[party as usize];
        for known in own.iter_mut().filter(|it| it.done < call.begun) {
            known.over = known.over.min(done);
        }
        // The same once more changes nothing.
        match own.last_mut() {
            Some(last) if last.channel == channel && last.done < call.begun => {
                last.over = NEVER;
            }
            _ => own.push(Given { channel, begun: call.begun, done, over: NEVER }),
        }
    }
    all
}
