//! What the router says of the state of deliveries.

use super::super::anomaly::Anomaly;
use super::super::history::{
    Answer, Asked, Call, Got, Moment, NEVER, Party, Phase, Session, Standing, Unit,
};
use super::super::model::{Delivery, Model};
use super::Findings;

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    let ways = FirstWays::of(model);
    let mut told: Vec<Told> = vec![Told::default(); model.deliveries.len()];
    // What had been told when a call began is what it must not go behind.
    let mut order: Vec<(Moment, bool, usize)> = Vec::new();
    for (number, call) in model.history.calls.iter().enumerate() {
        if let (Asked::Status(..), Got::Done(Answer::Status { .. })) = (&call.asked, &call.got) {
            order.push((call.begun, false, number));
            order.push((call.ended, true, number));
        } else if let (Asked::Status(_, message), Got::Done(Answer::Nonsense)) =
            (&call.asked, &call.got)
        {
            let unit = model.units[message.index()];
            found.add(Anomaly::StatusNonsense, call.ended, None, unit, || {
                "it is of another message or session, or has a party or status that there is not".into()
            });
        } else if let (Asked::Status(session, message), Got::Refused) = (&call.asked, &call.got) {
            refused(model, found, call, *session, model.units[message.index()]);
        }
    }
    // An end comes before a begin of the same moment: neither knows of the other then.
    order.sort_unstable();
    let mut before: Vec<Vec<Told>> = vec![Vec::new(); model.history.calls.len()];
    for (_, is_end, number) in order {
        let call = &model.history.calls[number];
        let (Asked::Status(session, message), Got::Done(answer)) = (&call.asked, &call.got) else {
            continue;
        };
        let Answer::Status { deliveries, all_acknowledged } = answer else { continue };
        let unit = model.units[message.index()];
        let unit = unit.filter(|it| model.history.units[it.index()].session == *session);
        let Some(unit) = unit else {
            if is_end {
                found.add(Anomaly::WrongAccepted, call.ended, None, None, || {
                    "a status of what is not in the session asked for".into()
                });
            }
            continue;
        };
        let places = deliveries.iter().map(|it| (model.place_of(unit, it.party), it));
        if !is_end {
            before[number] =
                places.map(|it| it.0.map_or_else(Told::default, |place| told[place])).collect();
            continue;
        }
        let all = deliveries.iter().all(|it| it.phase == Phase::Acknowledged);
        if *all_acknowledged != (all && !deliveries.is_empty()) && !deliveries.is_empty() {
            found.add(Anomaly::AllAcknowledged, call.ended, None, unit, || {
                format!("all_acknowledged is {all_acknowledged} beside {deliveries:?}")
            });
        }
        recipients(model, found, call, unit, deliveries);
        let own = std::mem::take(&mut before[number]);
        for ((place, standing), before) in places.zip(own) {
            let Some(place) = place else { continue };
            let delivery = &model.deliveries[place];
            phase(model, found, call, delivery, standing, ways.of_party(delivery.party, *session));
            before.holds(model, found, call, delivery, standing);
            let was_out = model.was_out(told[place].at, call.ended);
            told[place].note(call.ended, standing, was_out);
        }
    }
}

/// What was told of a delivery.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    at: Moment,
    phase: Option<Phase>,
    delivered_at: i64,
    acknowledged_at: i64,
    retries: i32,
}

impl Told {
    /// Over a restart, what was handed out may be pending again, and begin to count anew.
    fn note(&mut self, at: Moment, standing: &Standing, was_out: bool) {
        self.at = at;
        self.delivered_at = standing.delivered_at;
        self.acknowledged_at = standing.acknowledged_at;
        let is_over = self.phase >= Some(Phase::Acknowledged);
        if was_out && !is_over {
            (self.phase, self.retries) = (Some(standing.phase), standing.retries);
        } else {
            self.phase = self.phase.max(Some(standing.phase));
            self.retries = self.retries.max(standing.retries);
        }
    }

    /// Holds a later status against it.
    fn holds(
        &self,
        model: &Model<'_>,
        found: &mut Findings,
        call: &Call,
        delivery: &Delivery,
        standing: &Standing,
    ) {
        let Some(phase) = self.phase else { return };
        let (party, unit) = (delivery.party, delivery.unit);
        // Over a restart, what was handed out may be pending again, and begin to count anew.
        let was_out = model.was_out(self.at, call.ended);
        let is_over = phase >= Phase::Acknowledged;
        if standing.phase < phase && (is_over || !was_out) || is_over && standing.phase != phase {
            found.add(Anomaly::StatusGoesBack, call.ended, party, unit, || {
                format!("{:?} after {phase:?}", standing.phase)
            });
        }
        if was_out {
            return;
        }
        if self.delivered_at != 0 && standing.delivered_at != self.delivered_at {
            found.add(Anomaly::DeliveredAtMoves, call.ended, party, unit, || {
                format!("{} after {}", standing.delivered_at, self.delivered_at)
            });
        }
        // That of a failed one is unspecified.
        let is_same = standing.acknowledged_at == self.acknowledged_at;
        if phase == Phase::Acknowledged && self.acknowledged_at != 0 && !is_same {
            found.add(Anomaly::AcknowledgedAtMoves, call.ended, party, unit, || {
                format!("{} after {}", standing.acknowledged_at, self.acknowledged_at)
            });
        }
        let session = model.history.units[unit.index()].session;
        let is_counted = model.rules.redelivers && !model.is_crowded(party, session);
        if is_counted && standing.retries < self.retries {
            found.add(Anomaly::RetriesGoBack, call.ended, party, unit, || {
                format!("{} after {}", standing.retries, self.retries)
            });
        }
    }
}

fn recipients(model: &Model<'_>, found: &mut Findings, call: &Call, unit: Unit, told: &[Standing]) {
    let mut parties: Vec<Party> = told.iter().map(|it| it.party).collect();
    parties.sort_unstable();
    let own = model.deliveries_of(unit);
    let twice = parties.windows(2).find(|it| it[0] == it[1]).map(|it| it[0]);
    let strange = parties.iter().find(|it| model.delivery(unit, **it).is_none()).copied();
    let lacking = own.iter().find(|it| it.certain && parties.binary_search(&it.party).is_err());
    let wrong = match (twice, strange, lacking) {
        (Some(party), ..) => Some((party, "twice")),
        (_, Some(party), _) => Some((party, "there, and no recipient")),
        (.., Some(delivery)) => Some((delivery.party, "not there")),
        _ => None,
    };
    if let Some((party, what)) = wrong {
        found.add(Anomaly::StatusOfOthers, call.ended, party, unit, || {
            format!("of the recipients, party {} is {what}", party.0)
        });
    }
}

/// Holds a status against what was done: `way` is when the first stream or poll of the party began.
fn phase(
    model: &Model<'_>,
    found: &mut Findings,
    call: &Call,
    delivery: &Delivery,
    standing: &Standing,
    way: Moment,
) {
    let may_fail = model.may_fail(delivery);
    let is_ahead = match standing.phase {
        Phase::Pending => standing.retries != 0 || standing.delivered_at != 0,
        Phase::Delivered => way > call.ended,
        Phase::Acknowledged => delivery.may_be_good > call.ended,
        Phase::Failed => delivery.may_be_bad.min(may_fail) > call.ended,
    };
    // That it was handed out may be noted a moment later.
    let noted = delivery.seen.saturating_add(model.rules.slack);
    let seen_soundly = noted < call.begun && !model.was_out(delivery.seen, call.ended);
    let is_behind = match standing.phase {
        Phase::Pending => seen_soundly || delivery.is_over() < call.begun,
        Phase::Delivered => delivery.is_over() < call.begun,
        // The other way was accepted.
        Phase::Acknowledged => delivery.is_bad < call.begun && may_fail > delivery.is_bad,
        Phase::Failed => delivery.is_good < call.begun,
    };
    let Standing { delivered_at, acknowledged_at, .. } = *standing;
    let was_out = model.was_out(model.fates[delivery.unit.index()].begun, call.ended);
    let untimely = match standing.phase {
        // Over a restart it may have fallen back to that.
        Phase::Pending => (acknowledged_at != 0 && !was_out).then_some("STS-2"),
        Phase::Delivered => (delivered_at == 0 || acknowledged_at != 0).then_some("STS-3"),
        Phase::Acknowledged => {
            let are_set = delivered_at != 0 && acknowledged_at != 0;
            (are_set && acknowledged_at < delivered_at).then_some("STS-4")
        }
        Phase::Failed => None,
    };
    if let Some(breaks) = untimely {
        let (party, unit) = (delivery.party, delivery.unit);
        found.add_as(Anomaly::StatusTimes, breaks, call.ended, party, unit, || {
            let phase = standing.phase;
            format!("{phase:?}, delivered_at {delivered_at}, acknowledged_at {acknowledged_at}")
        });
    }
    for (is_so, anomaly) in [(is_ahead, Anomaly::StatusAhead), (is_behind, Anomaly::StatusBehind)] {
        if is_so {
            found.add(anomaly, call.ended, delivery.party, delivery.unit, || {
                format!("it is {:?}, retry_count {}", standing.phase, standing.retries)
            });
        }
    }
}

fn refused(
    model: &Model<'_>,
    found: &mut Findings,
    call: &Call,
    session: Session,
    unit: Option<Unit>,
) {
    let Some(unit) = unit else { return };
    let fate = &model.fates[unit.index()];
    // What is for nobody has a status or has none (RTE-16).
    let is_for_somebody = model.deliveries_of(unit).iter().any(|it| it.certain);
    let is_there = fate.settled() < call.begun
        && is_for_somebody
        && model.history.units[unit.index()].session == session
        && call.ended < fate.begun.saturating_add(model.rules.message_ttl);
    if is_there {
        found.add(Anomaly::StatusRefused, call.ended, None, unit, || {
            format!("it is there since {}", fate.effect())
        });
    }
}

/// When each party began to look first, by session.
struct FirstWays {
    sessions: usize,
    of: Vec<Moment>,
}

impl FirstWays {
    fn of(model: &Model<'_>) -> Self {
        let sessions = model.history.sessions as usize;
        let parties = model.history.parties as usize;
        let mut ways = Self { sessions, of: vec![NEVER; parties * sessions] };
        for stream in &model.history.streams {
            ways.note(stream.party, stream.session, stream.begun);
        }
        for call in &model.history.calls {
            if let Asked::Poll(party, session, _) = call.asked {
                ways.note(party, session, call.begun);
            }
        }
        ways
    }

    fn note(&mut self, party: Party, session: Option<Session>, at: Moment) {
        let own = &mut self.of[party.index() * self.sessions..(party.index() + 1) * self.sessions];
        for (number, known) in own.iter_mut().enumerate() {
            if session.is_none_or(|it| it.index() == number) {
                *known = at.min(*known);
            }
        }
    }

    fn of_party(&self, party: Party, session: Session) -> Moment {
        self.of[party.index() * self.sessions + session.index()]
    }
}
