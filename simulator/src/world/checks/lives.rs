//! Who is known, and when it was heard of.

use std::collections::BTreeMap;

use mpc_router_proto::v1::RegisteredParty;

use super::{MOST_TROUBLES, Trouble};
use crate::world::host::Key;

/// What the directory said.
#[derive(Debug, Default)]
pub(in crate::world) struct Lives {
    /// The newest `server_timestamp` that was answered.
    newest_beat: i64,
    /// What that was when a heartbeat began.
    beats: BTreeMap<Key, i64>,
    /// Parties whose registration was answered, in that order.
    registered: Vec<String>,
    /// How many these were when a list was asked for.
    lists: BTreeMap<Key, usize>,
    /// The newest list that was answered.
    newest_list: Key,
    seen: BTreeMap<String, i64>,
    troubles: Vec<Trouble>,
}

impl Lives {
    pub(super) fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    fn found(&mut self, check: &'static str, what: String) {
        if self.troubles.len() < MOST_TROUBLES {
            self.troubles.push(Trouble { check, what });
        }
    }

    /// Heartbeat reaches the router.
    pub(in crate::world) fn handle_beat_begun(&mut self, call: Key) {
        self.beats.insert(call, self.newest_beat);
    }

    /// Heartbeat is answered.
    pub(in crate::world) fn handle_beat(&mut self, call: Key, party: &str, told: i64) {
        let floor = self.beats.remove(&call).unwrap_or_default();
        self.handle_beat_after(floor, party, told);
    }

    /// The newest time that a heartbeat was answered with.
    pub(in crate::world) fn newest_beat(&self) -> i64 {
        self.newest_beat
    }

    /// A heartbeat that began when that was `floor` is answered.
    pub(in crate::world) fn handle_beat_after(&mut self, floor: i64, party: &str, told: i64) {
        if told < floor {
            let what = format!("{party} was told {told} after somebody was told {floor} (HB-3)");
            self.found("time", what);
        }
        self.newest_beat = self.newest_beat.max(told);
    }

    /// A call will not be answered.
    pub(in crate::world) fn forget(&mut self, call: Key) {
        self.beats.remove(&call);
        self.lists.remove(&call);
    }

    /// RegisterParty is answered.
    pub(in crate::world) fn handle_registered(&mut self, party: &str) {
        if !self.registered.iter().any(|known| known == party) {
            self.registered.push(party.to_owned());
        }
    }

    /// GetRegisteredParties reaches the router.
    pub(in crate::world) fn handle_list_begun(&mut self, call: Key) {
        self.lists.insert(call, self.registered.len());
    }

    /// GetRegisteredParties is answered.
    pub(in crate::world) fn handle_list(&mut self, call: Key, parties: &[RegisteredParty]) {
        let known = self.lists.remove(&call).unwrap_or_default();
        let listed: BTreeMap<&str, i64> =
            parties.iter().map(|party| (party.party_id.as_str(), party.last_seen_at)).collect();
        if listed.len() < parties.len() {
            self.found("directory", "a party is listed twice (DIR-1)".into());
        }
        let absent = self.registered[..known].iter().find(|id| !listed.contains_key(id.as_str()));
        if let Some(absent) = absent.cloned() {
            let what = format!("{absent} is registered, and not listed (DUR-3)");
            self.found("directory", what);
        }
        // Of two lists that were asked for one after the other, the later one may come first.
        if call < self.newest_list {
            return;
        }
        self.newest_list = call;
        for (id, at) in listed {
            let before = self.seen.insert(id.to_owned(), at);
            if let Some(before) = before.filter(|before| at < *before) {
                let what = format!("{id} was seen at {before}, and later at {at} (HB-9)");
                self.found("time", what);
            }
        }
    }
}
