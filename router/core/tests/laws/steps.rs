//! Things that may happen in a session, in any order.

use mpc_router_core::{Announcement, Content, EventId, EventKind, MessageId, Millis, PartyId};
use proptest::prelude::*;
use proptest::sample::Index;

/// As many parties take part.
pub(crate) const PARTIES: usize = 4;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Time passes; or the clock goes back.
    Clock(i64),
    Announce {
        members: Vec<usize>,
        again: bool,
    },
    /// The session ends.
    End,
    Route {
        from: usize,
        to: Vec<usize>,
        size: usize,
    },
    Subscribe(usize),
    /// The party's stream of all its sessions reads here, if there is anything.
    Attach(usize),
    Unsubscribe(Seat),
    /// The transport took what the stream was given.
    Sent(Seat),
    /// Time passes, and timers with it.
    Wait(i64),
    Pull {
        seat: Seat,
        bytes: usize,
    },
    Fetch {
        party: usize,
        after: i64,
        bytes: usize,
    },
    Acknowledge {
        party: usize,
        message: Index,
        success: bool,
    },
    /// The log commits some of what it holds.
    Commit(Index),
}

/// A stream's place: a party has one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat {
    pub(crate) party: usize,
    pub(crate) wildcard: bool,
}

impl Seat {
    /// The party's other stream's.
    pub(crate) fn other(self) -> Self {
        Self { wildcard: !self.wildcard, ..self }
    }
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..80)
}

fn step() -> impl Strategy<Value = Step> {
    let party = || 0..PARTIES;
    let seat = || (party(), any::<bool>()).prop_map(|(party, wildcard)| Seat { party, wildcard });
    let parties = || prop::collection::vec(party(), 0..PARTIES);
    prop_oneof![
        2 => (-3..10i64).prop_map(Step::Clock),
        1 => (parties(), prop::bool::weighted(0.2))
            .prop_map(|(members, again)| Step::Announce { members, again }),
        1 => prop::bool::weighted(0.2).prop_map(|ends| if ends { Step::End } else { Step::Wait(1) }),
        8 => (party(), parties(), 1..150usize)
            .prop_map(|(from, to, size)| Step::Route { from, to, size }),
        2 => party().prop_map(Step::Subscribe),
        2 => party().prop_map(Step::Attach),
        1 => seat().prop_map(Step::Unsubscribe),
        6 => seat().prop_map(Step::Sent),
        3 => prop_oneof![9 => 0..40i64, 1 => 0..250i64, 1 => 0..1_200i64].prop_map(Step::Wait),
        9 => (seat(), 1..400usize).prop_map(|(seat, bytes)| Step::Pull { seat, bytes }),
        3 => (party(), 0..100i64, 1..400usize)
            .prop_map(|(party, after, bytes)| Step::Fetch { party, after, bytes }),
        6 => (party(), any::<Index>(), prop::bool::weighted(0.7))
            .prop_map(|(party, message, success)| Step::Acknowledge { party, message, success }),
        4 => any::<Index>().prop_map(Step::Commit),
    ]
}

pub(crate) fn party(number: usize) -> PartyId {
    PartyId::parse(&format!("p{number}")).unwrap()
}

pub(crate) fn announcement(number: usize, members: &[usize]) -> Announcement {
    let mut members = members.to_vec();
    members.sort_unstable();
    members.dedup();
    Announcement {
        event: EventId::parse(&format!("e{number}")).unwrap(),
        kind: EventKind::parse("session_started").unwrap(),
        members: members.into_iter().map(party).collect(),
        expires_at: Millis(0),
        content: Content::from("event"),
    }
}

/// Content of at least 16 bytes that begins with the message's name.
pub(crate) fn content(id: MessageId, size: usize) -> Content {
    let mut bytes = id.0.to_be_bytes().to_vec();
    bytes.resize(size.max(16), 0);
    Content::new(bytes.into())
}

/// What [`content`] was made for.
pub(crate) fn name(content: &Content) -> MessageId {
    MessageId(u128::from_be_bytes(content.as_bytes()[..16].try_into().unwrap()))
}
