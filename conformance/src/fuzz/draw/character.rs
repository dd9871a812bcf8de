//! What makes one program unlike another.

use rand_core::RngCore;

use super::dice::Dice;
use super::{Bounds, Kind};

/// How often each kind is drawn beside the others, where nothing makes it rarer or more frequent.
const USUALLY: [(Kind, u32); 19] = [
    (Kind::Register, 2),
    (Kind::Heartbeat, 6),
    (Kind::List, 4),
    (Kind::Publish, 4),
    (Kind::Route, 40),
    (Kind::RouteAgain, 5),
    (Kind::Subscribe, 10),
    (Kind::Cancel, 6),
    (Kind::Poll, 14),
    (Kind::Acknowledge, 16),
    (Kind::AcknowledgeAll, 6),
    (Kind::Status, 14),
    (Kind::Listen, 4),
    (Kind::StopListening, 2),
    (Kind::Disconnect, 3),
    (Kind::Wait, 6),
    (Kind::Restart, 1),
    (Kind::Kill, 1),
    (Kind::Wrong, 6),
];

/// What makes one program unlike another.
pub(super) struct Character {
    pub(super) weights: Vec<(Kind, u32)>,
    /// Of a hundred steps, how many begin together with the one before.
    pub(super) together: u32,
    /// Of a hundred answers, how many are lost.
    pub(super) unheard: u32,
    /// Of a hundred messages, how many are for everybody.
    pub(super) broadcasts: u32,
    /// Of a hundred acts, how many are about what they should not be about.
    pub(super) mistakes: u32,
    /// Of a hundred acknowledgements, how many say that it was of no use.
    pub(super) useless: u32,
    /// Of a hundred times that messages are sent, how many times there are many of them.
    pub(super) bursts: u32,
    /// How many messages those are.
    pub(super) burst: u16,
    /// How long payloads are at most.
    pub(super) bytes: u32,
    /// Whether some are as long as they may be.
    pub(super) full: bool,
    /// Whether some sessions expire.
    pub(super) expiring: bool,
    /// Of a hundred programs, in how many somebody is away.
    pub(super) sleepers: u32,
    /// Of a hundred waits, how many are for one of the target's timers.
    pub(super) timers: u32,
}

impl Character {
    pub(super) fn draw(dice: &mut Dice<'_, impl RngCore>, bounds: &Bounds) -> Self {
        let Bounds { offers, timers, .. } = bounds;
        let mut weights = Vec::new();
        for (kind, usually) in USUALLY {
            let is_possible = match kind {
                Kind::RouteAgain => offers.keys,
                Kind::Restart | Kind::Kill => offers.power,
                _ => true,
            };
            let weight = match dice.below(4) {
                0 => 0,
                1 => usually * 3,
                _ => usually,
            };
            let weight = if kind == Kind::Route { weight.max(usually / 2) } else { weight };
            if is_possible && weight > 0 {
                weights.push((kind, weight));
            }
        }
        let can_wait = timers.ack_timeout.max(timers.heartbeat_timeout).max(timers.message_ttl) > 0;
        Self {
            weights,
            together: dice.one_of(&[0, 0, 20, 60]),
            unheard: dice.one_of(&[0, 0, 0, 10]),
            broadcasts: dice.one_of(&[0, 30, 50, 100]),
            mistakes: dice.one_of(&[0, 0, 5, 15]),
            useless: dice.one_of(&[0, 10, 10, 50]),
            bursts: dice.one_of(&[0, 0, 0, 15]),
            burst: dice.one_of(&[5, 10, 20, 60, 60, 110, 110, 600]),
            bytes: dice.one_of(&[0, 0, 0, 100, 5_000, 70_000]).min(bounds.bytes),
            full: dice.percent(4),
            expiring: dice.percent(15),
            sleepers: match timers.heartbeat_timeout > 0 && !bounds.hurried {
                true => 20,
                false => 0,
            },
            timers: match can_wait {
                true if bounds.hurried => dice.one_of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 20]),
                true => dice.one_of(&[0, 0, 20, 60]),
                false => 0,
            },
        }
    }
}
