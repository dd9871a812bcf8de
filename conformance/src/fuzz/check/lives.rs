//! When each party was heard of.

use super::super::history::{Asked, Got, Moment, NEVER};
use super::super::model::Model;

/// When each party was heard of.
pub(super) struct Lives(Vec<Life>);

#[derive(Clone, Default)]
pub(super) struct Life {
    /// When it may have been registered first, and when it was.
    pub(super) may_register: Option<Moment>,
    pub(super) registered: Option<Moment>,
    /// Begin and end of what is a sign of life for sure, in the order of the begins.
    pub(super) sure: Vec<(Moment, Moment)>,
    /// Begin and end of all that may be one, streams included, in the order of the begins, with the
    /// latest end so far.
    pub(super) any: Vec<(Moment, Moment)>,
}

impl Lives {
    pub(super) fn of(model: &Model<'_>) -> Self {
        let mut all = vec![Life::default(); model.history.parties as usize];
        for call in &model.history.calls {
            let party = match &call.asked {
                Asked::Register(party, _)
                | Asked::Heartbeat(party)
                | Asked::Poll(party, ..)
                | Asked::Wrong(_, party) => *party,
                Asked::Acknowledge { party, .. } => *party,
                Asked::Route(unit) => model.history.units[unit.index()].sender,
                // The sender asks, on its own connection.
                Asked::Status(_, message) => match model.units[message.index()] {
                    Some(unit) => model.history.units[unit.index()].sender,
                    None => continue,
                },
                Asked::List { by: Some(party), .. } => *party,
                Asked::Publish(_) | Asked::List { .. } => continue,
            };
            let life = &mut all[party.index()];
            life.any.push((call.begun, call.ended));
            let is_done = matches!(call.got, Got::Done(_));
            // Registering again need not be one.
            let is_sign = match call.asked {
                Asked::Register(..) => life.may_register.is_none(),
                Asked::Heartbeat(_) => true,
                _ => false,
            };
            if let Asked::Register(..) = call.asked
                && call.got != Got::Refused
            {
                life.may_register.get_or_insert(call.begun);
                if is_done {
                    life.registered = Some(life.registered.unwrap_or(NEVER).min(call.ended));
                }
            }
            if is_done && is_sign {
                life.sure.push((call.begun, call.ended));
            }
        }
        for stream in &model.history.streams {
            all[stream.party.index()]
                .any
                .push((stream.begun, stream.over.saturating_add(model.rules.slack)));
        }
        for listener in &model.history.listeners {
            all[listener.party.index()]
                .any
                .push((listener.begun, listener.over.saturating_add(model.rules.slack)));
        }
        for life in &mut all {
            life.any.sort_unstable();
            let mut latest = 0;
            for (_, ended) in &mut life.any {
                latest = latest.max(*ended);
                *ended = latest;
            }
        }
        Self(all)
    }

    /// Of each party.
    pub(super) fn all(&self) -> &[Life] {
        &self.0
    }
}

impl Life {
    /// Whether it was surely online from `from` to `to`.
    pub(super) fn is_sure(&self, timeout: Moment, from: Moment, to: Moment) -> bool {
        let earliest = to.saturating_sub(timeout / 10 * 9);
        let heard = self.sure.partition_point(|it| it.0 < earliest);
        self.sure[heard..].iter().any(|it| it.1 < from)
    }

    /// When the last thing ended that may be a sign of life and began by then; 0 if there was none.
    pub(super) fn last(&self, by: Moment) -> Moment {
        let before = self.any.partition_point(|it| it.0 <= by);
        self.any[..before].last().map_or(0, |it| it.1)
    }
}
