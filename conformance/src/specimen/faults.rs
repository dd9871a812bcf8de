//! The faults: each one wrong decision of the specimen, named after the bug, with the requirement
//! whose check must find it and how a real team comes to ship it. One file a subject.

mod deliveries;
mod identity;
mod messages;
mod parties;
mod restarts;
mod sessions;
mod timers;
mod waking;

use std::fmt;
use std::str::FromStr;

use deliveries::of_deliveries;
use identity::of_identity;
use messages::of_messages;
use parties::of_parties;
use restarts::of_restarts;
use sessions::of_sessions;
use timers::of_timers;
use waking::of_waking;

/// Writes the enum and its table from one list, so that no fault lacks its card. The list is put
/// together from those of the subjects: each adds its own and hands it on to the next.
macro_rules! faults {
    ([] $($fault:ident $name:literal kills $kills:literal: $story:literal)*) => {
        /// One wrong decision that can be planted into the specimen.
        ///
        /// The identifiers never move: a matrix of faults and checks is compared over time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $story] $fault,)*
        }

        impl Fault {
            /// Every fault, by subject.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];

            const CARDS: &'static [Card] =
                &[$(Card { name: $name, kills: $kills, story: $story },)*];
        }
    };
}

struct Card {
    name: &'static str,
    kills: &'static str,
    story: &'static str,
}

impl Fault {
    fn card(self) -> &'static Card {
        &Self::CARDS[self as usize]
    }

    /// The name for command lines and reports, such as `acks-cumulatively`.
    pub fn name(self) -> &'static str {
        self.card().name
    }

    /// The requirement that the fault breaks, such as `ACK-11`: its check must say so.
    pub fn kills(self) -> &'static str {
        self.card().kills
    }

    /// One sentence: what is wrong, and how a real team comes to ship it.
    pub fn story(self) -> &'static str {
        self.card().story
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No fault has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fault is named {0:?}")]
pub struct UnknownFault(pub String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::ALL
            .iter()
            .copied()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

of_parties! {
    [of_messages of_deliveries of_timers of_waking of_sessions of_restarts of_identity faults]
}
