//! What should happen: the contract over a history, as sets and sequences.
//!
//! A call that has no answer may have happened once, at any time after its begin, or never. So each
//! statement here has two sides: what **must** have happened, and what **may** have. A history is
//! wrong only where it goes beyond what may be, or stays behind what must be.

mod reading;
mod rules;

use self::reading::{announcements, copies, crowds, fates};
pub use self::rules::Rules;
use super::history::{
    Asked, Got, History, Kind, Message, Moment, NEVER, Opened, Party, Seen, Session, Stream, Unit,
};

/// Where a copy came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A subscription.
    Stream(Stream),
    /// The answer to this call, by its place in the history.
    Poll(usize),
}

/// A copy that a party has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Who saw it.
    pub party: Party,
    /// When.
    pub at: Moment,
    /// When the way by which it came was opened.
    pub opened: Moment,
    /// By which way.
    pub way: Way,
    /// What it is.
    pub seen: Seen,
}

/// What became of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// When its routing was tried first; [`NEVER`] if it never was.
    pub begun: Moment,
    /// When it was accepted, as far as its sender knows.
    pub accepted: Moment,
    /// When it was seen first.
    pub seen: Moment,
    /// When the latest try to route it ended; [`NEVER`] if one has not.
    pub tried_until: Moment,
    /// Another `message_id` that a sender was told later, and when.
    pub renamed: Option<(Moment, Message)>,
    /// Whether every try was refused, so that it must not be there.
    pub refused: bool,
    /// Its `message_id`, if anybody knows it.
    pub message: Option<Message>,
    /// Its deliveries, by their places.
    first: usize,
    count: usize,
}

impl Fate {
    /// From when on it is there, whatever else is true.
    pub fn effect(&self) -> Moment {
        self.accepted.min(self.seen)
    }

    /// From when on it is there for everybody: a router that has shown it to one may still be about to
    /// show it to others.
    pub fn settled(&self) -> Moment {
        self.accepted.min(self.seen.max(self.tried_until))
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.effect() != NEVER
    }
}

/// One unit for one recipient.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The unit.
    pub unit: Unit,
    /// The recipient.
    pub party: Party,
    /// Whether it must be one; else it may be.
    pub certain: bool,
    /// When it was first seen.
    pub seen: Moment,
    /// When it was first seen on a stream.
    pub streamed: Moment,
    /// From when on it may be acknowledged: when that was first asked for, and not refused.
    pub may_be_good: Moment,
    /// From when on it may be refused by its recipient.
    pub may_be_bad: Moment,
    /// From when on it must be acknowledged.
    pub is_good: Moment,
    /// From when on it must be refused.
    pub is_bad: Moment,
}

impl Delivery {
    /// From when on its recipient may have ended it.
    pub fn may_be_over(&self) -> Moment {
        self.may_be_good.min(self.may_be_bad)
    }

    /// From when on its recipient has ended it.
    pub fn is_over(&self) -> Moment {
        self.is_good.min(self.is_bad)
    }
}

/// Whether something is so at some time in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It is not.
    No,
    /// It may be.
    Perhaps,
    /// It is, all the time.
    Yes,
}

/// An event that says something of a session.
#[derive(Clone, Debug)]
struct Announcement {
    begun: Moment,
    /// When it was accepted; [`NEVER`] if nobody knows.
    accepted: Moment,
    kind: Kind,
    /// Whom it selects, in order.
    selected: Vec<Party>,
    /// When the session expires by it, if it says so.
    expires: Option<Moment>,
}

/// The history, with what follows from it.
#[derive(Debug)]
pub struct Model<'h> {
    /// The history.
    pub history: &'h History,
    /// The rules.
    pub rules: Rules,
    /// Of each unit.
    pub fates: Vec<Fate>,
    /// All deliveries, those of a unit side by side and in the order of their parties.
    pub deliveries: Vec<Delivery>,
    /// All copies, in the order of time.
    pub copies: Vec<Copy>,
    /// The unit of each message, as its sender or the first copy has it.
    pub units: Vec<Option<Unit>>,
    announcements: Vec<Vec<Announcement>>,
    /// Of each party and session, how many streams it had at once at most.
    crowds: Vec<u32>,
}

impl<'h> Model<'h> {
    /// What follows from `history` under `rules`.
    pub fn of(history: &'h History, rules: Rules) -> Self {
        let mut model = Self {
            history,
            rules,
            fates: fates(history),
            deliveries: Vec::new(),
            copies: copies(history),
            units: vec![None; history.messages as usize],
            announcements: announcements(history),
            crowds: crowds(history, rules.slack),
        };
        // What senders were told goes before what came.
        for (place, fate) in model.fates.iter().enumerate() {
            if let Some(message) = fate.message {
                model.units[message.index()].get_or_insert(Unit(place as u32));
            }
        }
        for copy in &model.copies {
            if let Some(unit) = copy.seen.unit {
                let fate = &mut model.fates[unit.index()];
                fate.seen = fate.seen.min(copy.at);
                fate.message.get_or_insert(copy.seen.message);
                model.units[copy.seen.message.index()].get_or_insert(unit);
            }
        }
        model.expand();
        model.follow();
        model
    }

    /// The delivery of a unit to a party.
    pub fn delivery(&self, unit: Unit, party: Party) -> Option<&Delivery> {
        self.place_of(unit, party).map(|place| &self.deliveries[place])
    }

    /// The place of the delivery of a unit to a party.
    pub fn place_of(&self, unit: Unit, party: Party) -> Option<usize> {
        let fate = &self.fates[unit.index()];
        let own = &self.deliveries[fate.first..fate.first + fate.count];
        own.binary_search_by_key(&party, |it| it.party).ok().map(|place| fate.first + place)
    }

    /// The deliveries of a unit.
    pub fn deliveries_of(&self, unit: Unit) -> &[Delivery] {
        let fate = &self.fates[unit.index()];
        &self.deliveries[fate.first..fate.first + fate.count]
    }

    /// From when on a delivery may have failed by itself.
    pub fn may_fail(&self, delivery: &Delivery) -> Moment {
        let begun = self.fates[delivery.unit.index()].begun.saturating_sub(self.rules.early);
        let by_age = begun.saturating_add(self.rules.message_ttl);
        // Not from when it was seen: what was sent on a stream may not have arrived. Two streams may
        // use up attempts together.
        let session = self.history.units[delivery.unit.index()].session.index();
        let place = delivery.party.index() * self.history.sessions as usize + session;
        let attempts = self.rules.all_attempts() / Moment::from(self.crowds[place].max(1));
        by_age.min(begun.saturating_add(attempts))
    }

    /// Whether a party ever had two streams of a session at once.
    pub fn is_crowded(&self, party: Party, session: Session) -> bool {
        self.crowds[party.index() * self.history.sessions as usize + session.index()] > 1
    }

    /// From when on a delivery is surely there for its recipient.
    pub fn is_due(&self, delivery: &Delivery) -> Moment {
        self.fates[delivery.unit.index()].settled().min(delivery.seen)
    }

    /// Whether all that may have been due on a stream had come when it ended: one that lags may be
    /// sent away.
    pub fn has_brought_all(&self, stream: &Opened) -> bool {
        self.deliveries.iter().filter(|it| it.party == stream.party).all(|delivery| {
            let session = self.history.units[delivery.unit.index()].session;
            stream.session.is_some_and(|it| it != session)
                || self.fates[delivery.unit.index()].begun > stream.over
                || delivery.streamed <= stream.over
                || delivery.is_over() < stream.begun
        })
    }

    /// Whether there was an outage from `from` to `to`.
    pub fn was_out(&self, from: Moment, to: Moment) -> bool {
        self.history.outages.iter().any(|it| it.0 <= to && it.1 >= from)
    }

    /// Whether a party is a member of a session from `from` to `to`.
    pub fn is_member(&self, session: Session, party: Party, from: Moment, to: Moment) -> Truth {
        let (mut some, mut all) = (false, true);
        let is_known = in_force(&self.announcements[session.index()], from, to, |it| {
            let selects = it.selected.binary_search(&party).is_ok();
            (some, all) = (some || selects, all && selects);
        });
        match (some, all && is_known) {
            (false, _) => Truth::No,
            (true, false) => Truth::Perhaps,
            (true, true) => Truth::Yes,
        }
    }

    /// Whether a session is announced and has not ended from `from` to `to`.
    pub fn is_open(&self, session: Session, from: Moment, to: Moment) -> Truth {
        let all = &self.announcements[session.index()];
        let begins = || all.iter().filter(|it| it.kind == Kind::Begins);
        let ends = || all.iter().filter(|it| it.kind == Kind::Ends);
        // What ended long ago may be forgotten, and announced as something new.
        let kept = self.rules.message_ttl - self.rules.message_ttl / 50;
        let is_new_again = |end: &Announcement| {
            let forgotten = end.accepted.saturating_add(kept);
            begins().any(|it| (forgotten..=to).contains(&it.begun))
        };
        let (may_expire, expired) = self.expiry(session, from, to);
        if expired < from {
            // Announced again, it may be a new one.
            let again = begins().any(|it| (expired..=to).contains(&it.begun));
            return if again { Truth::Perhaps } else { Truth::No };
        }
        let is_over = |it: &Announcement| it.accepted < from;
        if !begins().any(|it| it.begun <= to) || ends().any(|it| is_over(it) && !is_new_again(it)) {
            Truth::No
        } else if ends().any(is_over) {
            Truth::Perhaps
        } else if begins().any(|it| it.accepted < from)
            && !ends().any(|it| it.begun <= to)
            && may_expire > to
        {
            Truth::Yes
        } else {
            Truth::Perhaps
        }
    }

    /// From when on a session may have expired, and from when on it must have, at some time from
    /// `from` to `to`: by the newest of its announcements that say so (SES).
    fn expiry(&self, session: Session, from: Moment, to: Moment) -> (Moment, Moment) {
        let all = &self.announcements[session.index()];
        let dated = || {
            let begins = all.iter().filter(|it| it.kind == Kind::Begins);
            begins.filter_map(|it| Some((it, it.expires?)))
        };
        let off = self.rules.clock_tolerance.saturating_add(self.rules.slack);
        // What expired by an announcement stays so, whatever came later.
        let may = dated().filter(|(it, _)| it.begun <= to).map(|it| it.1).min();
        let only = dated().count() == 1;
        let must = dated().filter(|(it, _)| only && it.accepted < from).map(|it| it.1).max();
        (
            may.map_or(NEVER, |it| it.saturating_sub(off)),
            must.map_or(NEVER, |it| it.saturating_add(off)),
        )
    }

    /// Whom each unit is for.
    fn expand(&mut self) {
        for place in 0..self.fates.len() {
            let (unit, fate) = (Unit(place as u32), self.fates[place]);
            let routed = &self.history.units[place];
            let first = self.deliveries.len();
            let mut add = |party, certain| {
                let never = NEVER;
                self.deliveries.push(Delivery {
                    unit,
                    party,
                    certain,
                    seen: never,
                    streamed: never,
                    may_be_good: never,
                    may_be_bad: never,
                    is_good: never,
                    is_bad: never,
                });
            };
            if fate.begun == NEVER {
            } else if routed.to.is_empty() {
                let mut known: Vec<(Party, u32)> = Vec::new();
                let mut sets = 0;
                let announcements = &self.announcements[routed.session.index()];
                let is_known = in_force(announcements, fate.begun, fate.effect(), |it| {
                    sets += 1;
                    for party in it.selected.iter().filter(|it| **it != routed.sender) {
                        match known.binary_search_by_key(party, |it| it.0) {
                            Ok(place) => known[place].1 += 1,
                            Err(place) => known.insert(place, (*party, 1)),
                        }
                    }
                });
                known.iter().for_each(|it| add(it.0, is_known && it.1 == sets));
            } else {
                let mut to = routed.to.clone();
                to.sort_unstable();
                to.dedup();
                to.into_iter().for_each(|party| add(party, true));
            }
            let fate = &mut self.fates[place];
            (fate.first, fate.count) = (first, self.deliveries.len() - first);
        }
    }

    /// What became of each delivery.
    fn follow(&mut self) {
        for place in 0..self.copies.len() {
            let copy = self.copies[place];
            let Some(unit) = copy.seen.unit else { continue };
            let Some(place) = self.place_of(unit, copy.party) else { continue };
            let delivery = &mut self.deliveries[place];
            delivery.seen = delivery.seen.min(copy.at);
            if let Way::Stream(_) = copy.way {
                delivery.streamed = delivery.streamed.min(copy.at);
            }
        }
        for call in &self.history.calls {
            let Asked::Acknowledge { party, session, message, success } = call.asked else {
                continue;
            };
            let Some(unit) = self.units.get(message.index()).copied().flatten() else { continue };
            if self.history.units[unit.index()].session != session || call.got == Got::Refused {
                continue;
            }
            let Some(place) = self.place_of(unit, party) else { continue };
            let delivery = &mut self.deliveries[place];
            let (may, is) = match success {
                true => (&mut delivery.may_be_good, &mut delivery.is_good),
                false => (&mut delivery.may_be_bad, &mut delivery.is_bad),
            };
            *may = call.begun.min(*may);
            if matches!(call.got, Got::Done(_)) {
                *is = call.ended.min(*is);
            }
        }
    }
}

/// Tells each announcement of members that may be in force at some time from `from` to `to`. Returns
/// whether one of them must be.
fn in_force(
    all: &[Announcement],
    from: Moment,
    to: Moment,
    mut tell: impl FnMut(&Announcement),
) -> bool {
    let selecting = || all.iter().filter(|it| it.kind == Kind::Begins && !it.selected.is_empty());
    for it in selecting().filter(|it| it.begun <= to) {
        let is_old = selecting().any(|other| other.begun > it.accepted && other.accepted < from);
        if !is_old {
            tell(it);
        }
    }
    selecting().any(|it| it.accepted < from)
}
