//! Heartbeats and liveness: HB.

use std::time::Duration;

use mpc_router_proto::v1::{HeartbeatRequest, HeartbeatResponse};
use tokio::time::Instant;

use super::refusal::Refusal;
use super::state::{Party, Phase, State};
use super::{Fault, Variant};

/// What a replay guard would allow a client's clock to be off.
const SKEW_MS: u64 = 5 * 60 * 1000;

impl State {
    /// Heartbeat.
    pub(super) fn heartbeat(
        &mut self,
        request: &HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal> {
        let name = &request.party_id;
        if self.party(name).is_none() {
            // HB-2
            if self.has(Fault::HeartbeatRegisters) {
                self.enter(name.clone(), "persistent".to_owned(), None);
            } else if !self.has(Fault::UnknownHeartbeatAccepted) {
                return Err(Refusal::not_found("the party is not registered"));
            }
        }
        let now = self.now_ms();
        if self.has(Fault::SkewedHeartbeatRefused)
            && request.timestamp != 0
            && request.timestamp.abs_diff(now) > SKEW_MS
        {
            return Err(Refusal::invalid("timestamp is too far from now"));
        }
        let offline = self.party(name).is_some_and(|party| !self.is_online(party));
        if offline && self.has(Fault::OfflineHeartbeatRefused) {
            return Err(Refusal::not_found("the party has been away too long"));
        }

        // HB-7: also when it was offline.
        if !(offline && self.has(Fault::OfflineForGood)) {
            self.heard_in_heartbeat(name, request.timestamp);
        }
        if !self.has(Fault::HeartbeatLeavesToldMark) {
            self.comes_back(name);
        }
        self.tally.heartbeats += 1;
        Ok(HeartbeatResponse {
            success: true,
            server_timestamp: self.heartbeat_time(now, request.timestamp),
            pending_messages: self.pending_messages(name),
        })
    }

    /// What a heartbeat does to liveness. HB-8: the party's own `timestamp` decides nothing.
    fn heard_in_heartbeat(&mut self, name: &str, timestamp: i64) {
        let twist = self.twist.clone();
        let now = self.now_ms();
        let key = self.party_key(name);
        for (other, party) in &mut self.parties {
            // HB-12: of this party only.
            let meant = *other == key
                || twist.has(Fault::OneHeartbeatForAll)
                || (twist.has(Fault::HeartbeatForNamePrefix) && other.starts_with(&key));
            if !meant {
                continue;
            }
            // HB-8: whatever the time in it, and the time in the one before.
            if twist.has(Fault::StaleHeartbeatIgnored) && timestamp <= party.latest_beat {
                continue;
            }
            party.latest_beat = timestamp;
            party.alive_at = Instant::now();
            party.hung_up = false;
            party.thought_online = true;
            party.last_seen_at = now;
            party.heartbeats += 1;
            if twist.has(Fault::LivenessByClientClock) && timestamp != 0 {
                party.last_seen_at = timestamp;
                party.clock_ahead_ms = timestamp - now;
            }
        }
    }

    /// The `server_timestamp` of a heartbeat: HB-1, HB-3.
    fn heartbeat_time(&self, now: i64, timestamp: i64) -> i64 {
        if self.has(Fault::HeartbeatTimeInSeconds) {
            now / 1000
        } else if self.has(Fault::HeartbeatEchoesClientTime) && timestamp != 0 {
            timestamp
        } else if self.has(Fault::HeartbeatByTwoClocks) && self.tally.heartbeats.is_multiple_of(2) {
            now - 250
        } else if self.has(Fault::HeartbeatMillisecondsUnpadded) {
            let (seconds, milliseconds) = (now / 1000, now % 1000);
            seconds * 1000
                + match milliseconds {
                    ..10 => milliseconds * 100,
                    10..100 => milliseconds * 10,
                    _ => milliseconds,
                }
        } else {
            now - self.beats_behind_ms
        }
    }

    /// The party's outstanding deliveries, over all its sessions: HB-4.
    fn pending_messages(&self, name: &str) -> i32 {
        let mailboxes = self.sessions.values().filter_map(|session| session.mailboxes.get(name));
        let mut count: usize = mailboxes.clone().map(|mailbox| mailbox.len()).sum();
        if self.has(Fault::PendingOfOneSession) {
            count = mailboxes.clone().next_back().map_or(0, |mailbox| mailbox.len());
        }
        if self.has(Fault::PendingUndeliveredOnly) {
            let undelivered = |number: &&usize| {
                self.messages[**number]
                    .delivery(name)
                    .is_some_and(|delivery| delivery.phase == Phase::Pending)
            };
            count = mailboxes.flatten().filter(undelivered).count();
        }
        if self.has(Fault::PendingCappedAt100) {
            count = count.min(100);
        }
        let miscounted = self.party(name).map_or(0, |party| party.miscounted);
        let count = i64::try_from(count).unwrap_or(i64::MAX).saturating_add(miscounted).max(0);
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// A call other than a heartbeat, which need not be a sign of life.
    pub(super) fn heard(&mut self, name: &str) {
        if self.is(Variant::AnyCallIsLife) {
            let now = self.now_ms();
            let key = self.party_key(name);
            if let Some(party) = self.parties.get_mut(&key) {
                party.alive_at = Instant::now();
                party.last_seen_at = now;
            }
        }
    }

    /// HB-5, HB-6: heard of within the time-out.
    pub(super) fn is_online(&self, party: &Party) -> bool {
        // HB-10: an open stream alone does not keep it online.
        let streams = self.subscriptions.iter().any(|stream| stream.party == party.name);
        let listens = self.listeners.iter().any(|stream| stream.party == party.name);
        if (streams && self.is(Variant::StreamsKeepOnline))
            || (listens && self.has(Fault::EventStreamKeepsOnline))
            || self.has(Fault::NeverOffline)
        {
            return true;
        }
        if (self.has(Fault::OfflineUntilFirstHeartbeat) && party.heartbeats == 0) || party.hung_up {
            return false;
        }
        let mut timeout = self.settings.heartbeat_timeout;
        if self.has(Fault::OnlineForHalfTheTimeout) {
            timeout /= 2;
        }
        if self.has(Fault::OnlineForFourFifths) {
            timeout = timeout * 4 / 5;
        }
        if self.has(Fault::OfflineAfterTwiceTheTimeout) {
            timeout *= 2;
        }
        let ahead = Duration::from_millis(party.clock_ahead_ms.unsigned_abs());
        let silent = party.alive_at.elapsed();
        if party.clock_ahead_ms < 0 { silent + ahead <= timeout } else { silent <= timeout + ahead }
    }

    /// HB-5: a stream's end changes nothing. Only faults take it for the party's.
    pub(super) fn hangs_up(&mut self, name: &str) {
        let key = self.party_key(name);
        if let Some(party) = self.parties.get_mut(&key) {
            party.hung_up = true;
        }
    }

    /// HB-11: going offline loses nothing. Only a fault acts on it.
    pub(super) fn notice_who_went_offline(&mut self) {
        let temporary_only = self.has(Fault::OfflineEndsTemporary);
        if !self.has(Fault::OfflineDropsMailbox) && !temporary_only {
            return;
        }
        let gone: Vec<String> = self
            .parties
            .iter()
            .filter(|(_, party)| party.thought_online && !self.is_online(party))
            .filter(|(_, party)| !temporary_only || party.role == "temporary")
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let party = self.parties.get_mut(&key).expect("it was listed a moment ago");
            party.thought_online = false;
            self.empty_mailboxes(&key);
        }
    }
}
