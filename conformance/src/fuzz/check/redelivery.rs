//! What comes on a stream again and again, and what does not come at all.

use super::super::anomaly::Anomaly;
use super::super::history::{End, Moment, NEVER, Opened, Party};
use super::super::model::{Copy, Model, Way};
use super::Findings;
use super::order::superseded;

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    let mut copies: Vec<(u32, usize, u32)> = Vec::new();
    for (number, copy) in (0..).zip(&model.copies) {
        if let (Way::Stream(stream), Some(unit)) = (copy.way, copy.seen.unit)
            && let Some(place) = model.place_of(unit, copy.party)
        {
            copies.push((stream.0, place, number));
        }
    }
    copies.sort_unstable();
    let alone = only_ones(&model.history.streams, model.rules.slack);
    let until = superseded(&model.history.streams);
    let load = Load::of(model, &copies);
    for same in copies.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (stream, place, _) = same[0];
        let times: Vec<_> = same.iter().map(|it| &model.copies[it.2 as usize]).collect();
        let slack = load.slack(stream as usize);
        let (is_alone, until) = (alone[stream as usize], until[stream as usize]);
        again(model, found, stream as usize, place, &times, (is_alone, until, slack));
    }
    silent(model, found, &copies, &alone, &load);
}

/// How much each stream has to carry: a slow target takes a moment for each message.
struct Load {
    slack: Moment,
    copies: Vec<Moment>,
    /// Of each party, how many deliveries there are.
    deliveries: Vec<Moment>,
    of: Vec<Party>,
}

impl Load {
    fn of(model: &Model<'_>, copies: &[(u32, usize, u32)]) -> Self {
        let of: Vec<_> = model.history.streams.iter().map(|it| it.party).collect();
        let mut load = Self {
            slack: model.rules.slack,
            copies: vec![0; of.len()],
            deliveries: vec![0; model.history.parties as usize],
            of,
        };
        copies.iter().for_each(|it| load.copies[it.0 as usize] += 1);
        model.deliveries.iter().for_each(|it| load.deliveries[it.party.index()] += 1);
        load
    }

    /// How late what is due on a stream may be.
    fn slack(&self, stream: usize) -> Moment {
        let carried = self.copies[stream].max(self.deliveries[self.of[stream].index()]);
        self.slack.saturating_add(self.slack / 100 * carried)
    }
}

/// What the copies of one delivery on one stream tell.
fn again(
    model: &Model<'_>,
    found: &mut Findings,
    stream: usize,
    place: usize,
    times: &[&Copy],
    (is_alone, until, slack): (bool, Moment, Moment),
) {
    if !model.rules.redelivers {
        return;
    }
    let timeout = model.rules.ack_timeout;
    let (opened, delivery) = (&model.history.streams[stream], &model.deliveries[place]);
    let from = opened.begun.max(model.fates[delivery.unit.index()].begun);
    let from = from.saturating_sub(model.rules.early);
    for (number, copy) in (0..).zip(times).skip(1) {
        let earliest = from.saturating_add(timeout.saturating_mul(number));
        // What becomes of the older of two streams is unspecified.
        if copy.at < earliest && copy.at < until {
            found.add(Anomaly::TooSoon, copy.at, delivery.party, delivery.unit, || {
                format!(
                    "copy {} came at {}, and not before {earliest} could it",
                    number + 1,
                    copy.at
                )
            });
        }
    }
    // With two streams of a party little is said of either.
    if !is_alone {
        return;
    }
    if times.len() > model.rules.max_retries as usize + 1
        && let Some(last) = times.last()
    {
        found.add(Anomaly::TooManyCopies, last.at, delivery.party, delivery.unit, || {
            format!("{} copies came on one stream", times.len())
        });
    }
    let first = times[0].at;
    let due = first.saturating_add(timeout / 2 * 3).saturating_add(slack);
    let is_due = due < opened.sound.min(delivery.may_be_over()).min(model.may_fail(delivery));
    if times.len() == 1 && is_due {
        found.add(Anomaly::NotRepeated, due, delivery.party, delivery.unit, || {
            format!("it came at {first}, was not acknowledged, and did not come again")
        });
    }
}

/// Streams that did not bring what was due on them.
fn silent(
    model: &Model<'_>,
    found: &mut Findings,
    copies: &[(u32, usize, u32)],
    alone: &[bool],
    load: &Load,
) {
    let mut by_party: Vec<Vec<usize>> = vec![Vec::new(); model.history.parties as usize];
    for (place, delivery) in model.deliveries.iter().enumerate() {
        if delivery.certain && model.fates[delivery.unit.index()].exists() {
            by_party[delivery.party.index()].push(place);
        }
    }
    let effect = |place: usize| model.is_due(&model.deliveries[place]);
    by_party.iter_mut().for_each(|due| due.sort_by_key(|place| effect(*place)));
    let mut streams: Vec<_> = model.history.streams.iter().enumerate().collect();
    streams.sort_by_key(|it| (it.1.party, it.1.begun));
    for own in streams.chunk_by(|a, b| a.1.party == b.1.party) {
        let mut coming = by_party[own[0].1.party.index()].iter().copied().peekable();
        let mut due = Vec::new();
        for (number, stream) in own {
            let slack = load.slack(*number);
            let is_judged = alone[*number] && stream.end != End::Refused && stream.sound > 0;
            while let Some(place) = coming.next_if(|it| effect(*it) < stream.sound) {
                due.push(place);
            }
            due.retain(|place| model.deliveries[*place].may_be_over() > stream.begun);
            for place in due.iter().filter(|_| is_judged) {
                let delivery = &model.deliveries[*place];
                let session = model.history.units[delivery.unit.index()].session;
                if stream.session.is_some_and(|it| it != session) {
                    continue;
                }
                let is_due = effect(*place).max(stream.begun).saturating_add(slack);
                let ends = delivery.may_be_over().min(model.may_fail(delivery));
                let key = (*number as u32, *place);
                let came = copies.binary_search_by_key(&key, |it| (it.0, it.1)).is_ok();
                if is_due < stream.sound.min(ends) && !came {
                    found.add(Anomaly::StreamSilent, is_due, delivery.party, delivery.unit, || {
                        format!(
                            "it was due on a stream opened at {}, and did not come",
                            stream.begun
                        )
                    });
                }
            }
        }
    }
}

/// Whether each stream has no other one of its party and session beside it: with two, only the newer
/// is held to anything, and which one that is may not be known.
fn only_ones(streams: &[Opened], slack: Moment) -> Vec<bool> {
    // Of one that was never seen alive the target may hear after it was given up.
    let last = |it: &Opened| match it.alive {
        NEVER if it.end != End::Refused => NEVER,
        _ => it.over.saturating_add(slack),
    };
    let overlap = |a: &Opened, b: &Opened| {
        let same = a.session.is_none() || b.session.is_none() || a.session == b.session;
        a.party == b.party && same && a.begun <= last(b) && b.begun <= last(a)
    };
    let mut by_party: Vec<(usize, Moment)> =
        streams.iter().enumerate().map(|(number, it)| (number, it.begun)).collect();
    by_party.sort_by_key(|it| (streams[it.0].party, it.1));
    let mut alone = vec![true; streams.len()];
    for same in by_party.chunk_by(|a, b| streams[a.0].party == streams[b.0].party) {
        for (place, (one, _)) in same.iter().enumerate() {
            let later = same[place + 1..].iter();
            for (other, _) in later.take_while(|it| it.1 <= last(&streams[*one])) {
                if overlap(&streams[*one], &streams[*other]) {
                    (alone[*one], alone[*other]) = (false, false);
                }
            }
        }
    }
    alone
}
