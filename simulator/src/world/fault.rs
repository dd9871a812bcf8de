//! What goes wrong in a world, as data.

use serde::{Deserialize, Serialize};

use crate::action::Millis;

/// The coordinator, among the parties that a fault names.
pub const COORDINATOR: u16 = 0;

/// Something that goes wrong. Times are in milliseconds after the world's beginning; parties are
/// named by their numbers, the coordinator by 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// These lose their connection, all at once: calls under way have no answer, streams end. Nobody
    /// named: everybody, so that all come back at the same time.
    LoseConnection {
        /// Who.
        #[serde(default)]
        parties: Vec<u16>,
        /// When.
        at_ms: Millis,
    },
    /// What these and the router send each other does not arrive before the partition is over.
    Partition {
        /// Who.
        parties: Vec<u16>,
        /// When it begins.
        at_ms: Millis,
        /// How long it lasts.
        for_ms: Millis,
    },
    /// Calls lose their request, or their answer.
    LoseCalls {
        /// When it begins.
        at_ms: Millis,
        /// How long it lasts.
        for_ms: Millis,
        /// Of a hundred calls, how many.
        percent: u64,
    },
    /// Everything takes longer, so that what is tried again overtakes what was tried first.
    SlowNetwork {
        /// When it begins.
        at_ms: Millis,
        /// How long it lasts.
        for_ms: Millis,
        /// How long things take at most.
        latency_ms: Millis,
    },
    /// A party reads its streams late.
    SlowReader {
        /// Who.
        party: u16,
        /// When it begins.
        at_ms: Millis,
        /// How long it lasts.
        for_ms: Millis,
        /// How late it reads.
        every_ms: Millis,
    },
    /// The router is killed, and started again.
    CrashRouter {
        /// When.
        at_ms: Millis,
        /// How long it is down.
        down_ms: Millis,
        /// Whether a part of what it was writing survives: a piece from the beginning, of any length.
        /// Else nothing of it does.
        #[serde(default)]
        torn: bool,
        /// How far its machine's date is set forward meanwhile, or back.
        #[serde(default)]
        clock_ms: i64,
    },
    /// The router is stopped in good order, and started again.
    StopRouter {
        /// When.
        at_ms: Millis,
        /// How long it is down, once it has ended.
        down_ms: Millis,
        /// How far its machine's date is set forward meanwhile, or back.
        #[serde(default)]
        clock_ms: i64,
    },
    /// The router's clock is set forward while it runs, as after its machine slept.
    ClockJump {
        /// When.
        at_ms: Millis,
        /// How far.
        by_ms: Millis,
    },
    /// The router's commits take longer.
    SlowDisk {
        /// When it begins.
        at_ms: Millis,
        /// How long it lasts.
        for_ms: Millis,
        /// How long each commit takes.
        commit_ms: Millis,
    },
    /// The router's disk takes nothing. What was being written may be there, or not.
    FailDisk {
        /// When it begins.
        at_ms: Millis,
        /// How long it lasts.
        for_ms: Millis,
    },
    /// A party's clock is wrong all the time.
    Skew {
        /// Who.
        party: u16,
        /// How far it is ahead; negative: behind.
        by_ms: i64,
    },
    /// A party's process ends, and goes on later with what it kept.
    CrashParty {
        /// Who.
        party: u16,
        /// When.
        at_ms: Millis,
        /// How long it is gone.
        down_ms: Millis,
    },
    /// A party vanishes for good.
    LoseParty {
        /// Who.
        party: u16,
        /// When.
        at_ms: Millis,
    },
    /// A party that comes only when it is asked to does not hear of it meanwhile.
    Away {
        /// Who.
        party: u16,
        /// From when on.
        #[serde(default)]
        at_ms: Millis,
        /// How long.
        for_ms: Millis,
    },
}

impl Fault {
    /// Its name in a scenario.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LoseConnection { .. } => "lose-connection",
            Self::Partition { .. } => "partition",
            Self::LoseCalls { .. } => "lose-calls",
            Self::SlowNetwork { .. } => "slow-network",
            Self::SlowReader { .. } => "slow-reader",
            Self::CrashRouter { .. } => "crash-router",
            Self::StopRouter { .. } => "stop-router",
            Self::ClockJump { .. } => "clock-jump",
            Self::SlowDisk { .. } => "slow-disk",
            Self::FailDisk { .. } => "fail-disk",
            Self::Skew { .. } => "skew",
            Self::CrashParty { .. } => "crash-party",
            Self::LoseParty { .. } => "lose-party",
            Self::Away { .. } => "away",
        }
    }

    /// When it begins.
    pub fn begins(&self) -> Millis {
        match *self {
            Self::LoseConnection { at_ms, .. }
            | Self::Partition { at_ms, .. }
            | Self::LoseCalls { at_ms, .. }
            | Self::SlowNetwork { at_ms, .. }
            | Self::SlowReader { at_ms, .. }
            | Self::CrashRouter { at_ms, .. }
            | Self::StopRouter { at_ms, .. }
            | Self::ClockJump { at_ms, .. }
            | Self::SlowDisk { at_ms, .. }
            | Self::FailDisk { at_ms, .. }
            | Self::CrashParty { at_ms, .. }
            | Self::LoseParty { at_ms, .. }
            | Self::Away { at_ms, .. } => at_ms,
            Self::Skew { .. } => 0,
        }
    }

    /// When all is well again, as far as it is concerned.
    pub fn ends(&self) -> Millis {
        self.begins().saturating_add(self.lasts())
    }

    /// How long it lasts; 0 if it is over at once, or never.
    pub fn lasts(&self) -> Millis {
        match *self {
            Self::Partition { for_ms, .. }
            | Self::LoseCalls { for_ms, .. }
            | Self::SlowNetwork { for_ms, .. }
            | Self::SlowReader { for_ms, .. }
            | Self::SlowDisk { for_ms, .. }
            | Self::FailDisk { for_ms, .. }
            | Self::Away { for_ms, .. } => for_ms,
            Self::CrashRouter { down_ms, .. }
            | Self::StopRouter { down_ms, .. }
            | Self::CrashParty { down_ms, .. } => down_ms,
            Self::LoseConnection { .. }
            | Self::ClockJump { .. }
            | Self::Skew { .. }
            | Self::LoseParty { .. } => 0,
        }
    }

    /// Whom it names.
    pub fn names(&self) -> &[u16] {
        match self {
            Self::LoseConnection { parties, .. } | Self::Partition { parties, .. } => parties,
            Self::SlowReader { party, .. }
            | Self::Skew { party, .. }
            | Self::CrashParty { party, .. }
            | Self::LoseParty { party, .. }
            | Self::Away { party, .. } => std::slice::from_ref(party),
            _ => &[],
        }
    }
}
