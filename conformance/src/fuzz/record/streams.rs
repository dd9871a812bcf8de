//! What comes on subscriptions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mpc_router_proto::v1::{MpcMessage, SessionEvent};

use super::super::history::{End, Heard, Item, Listener, Listening, Notice, Opened, Stream};
use super::*;
use crate::notices;

impl Recorder {
    /// A subscription to messages is sent.
    pub(in crate::fuzz) fn opens(&mut self, now: Moment, party: u8, session: Option<u8>) -> Stream {
        let begun = self.at(now);
        self.history.streams.push(Opened {
            party: Party(u32::from(party)),
            session: session.map(|it| Session(u32::from(it))),
            begun,
            alive: NEVER,
            sound: 0,
            over: NEVER,
            end: End::Ours,
        });
        self.came.push(BTreeSet::new());
        Stream(self.history.streams.len() as u32 - 1)
    }

    /// A subscription was seen alive.
    pub(in crate::fuzz) fn is_alive(&mut self, now: Moment, stream: Stream) -> Moment {
        let at = self.at(now);
        let opened = &mut self.history.streams[stream.index()];
        opened.alive = opened.alive.min(at);
        at
    }

    /// A copy came on it.
    pub(in crate::fuzz) fn came(
        &mut self,
        now: Moment,
        stream: Stream,
        copy: &MpcMessage,
    ) -> Moment {
        let at = self.is_alive(now, stream);
        let party = self.history.streams[stream.index()].party.0 as u8;
        let seen = self.seen(party, copy);
        self.came[stream.index()].extend(seen.unit.map(|it| it.0));
        self.history.items.push(Item { stream, at, seen });
        at
    }

    /// A subscription is over; until `sound` it was surely there.
    pub(in crate::fuzz) fn closes(&mut self, now: Moment, stream: Stream, sound: Moment, end: End) {
        let over = self.at(now);
        let opened = &mut self.history.streams[stream.index()];
        // Nothing that came after its begin proves that it came about.
        opened.sound = if opened.alive == NEVER || sound < opened.begun { 0 } else { sound };
        (opened.over, opened.end) = (over, end);
    }

    /// Whether all of these have come on a stream.
    pub(in crate::fuzz) fn all_came(&self, stream: Stream, due: &BTreeSet<u32>) -> bool {
        due.is_subset(&self.came[stream.index()])
    }

    /// Whether nothing is known to be due on a stream: each unit that was accepted and not
    /// acknowledged has come on it. That is only a hint of when to go on.
    pub(in crate::fuzz) fn nothing_due(
        &self,
        stream: Stream,
        members: &impl Fn(u8) -> Option<Vec<u8>>,
    ) -> bool {
        let opened = &self.history.streams[stream.index()];
        let party = opened.party.0 as u8;
        let came = &self.came[stream.index()];
        (0..).zip(&self.history.units).all(|(unit, routed)| {
            let is_for_it = match routed.to.as_slice() {
                [] => {
                    let members = members(routed.session.0 as u8).unwrap_or_default();
                    members.contains(&party) && routed.sender != opened.party
                }
                to => to.contains(&opened.party),
            };
            let is_elsewhere = opened.session.is_some_and(|it| it != routed.session);
            let is_there = self.ids[unit as usize].is_some();
            !is_there || !is_for_it || is_elsewhere || came.contains(&unit) || self.has(party, unit)
        })
    }

    /// A subscription to events is sent.
    pub(in crate::fuzz) fn listens(&mut self, now: Moment, party: u8, only: &[Event]) -> Listener {
        let (begun, party) = (self.at(now), Party(u32::from(party)));
        let only = only.iter().fold(0, |bits, it| bits | it.bit());
        self.history.listeners.push(Listening {
            party,
            only,
            begun,
            alive: NEVER,
            sound: 0,
            over: NEVER,
        });
        Listener(self.history.listeners.len() as u32 - 1)
    }

    /// It was seen alive.
    pub(in crate::fuzz) fn hears(&mut self, now: Moment, listener: Listener) -> Moment {
        let at = self.at(now);
        let listening = &mut self.history.listeners[listener.index()];
        listening.alive = listening.alive.min(at);
        at
    }

    /// An event came on it.
    pub(in crate::fuzz) fn heard(
        &mut self,
        now: Moment,
        listener: Listener,
        event: &SessionEvent,
    ) -> Moment {
        let at = self.hears(now, listener);
        let party = self.history.listeners[listener.index()].party.0 as u8;
        let notice = self.names.notice(&event.event_id).map(Notice);
        let told = notice.and_then(|it| self.published.get(it.index())?.as_ref());
        let notice = notice.filter(|_| told.is_some());
        let whole = told.is_some_and(|told| self.is_whole(party, told, event));
        // Events of others are nobody's here: whoever listens may get all that select nobody.
        let is_own = self.names.which(&event.session_id).is_some();
        if is_own || notice.is_some() {
            let own = self.names.party(party);
            let has_others_tokens = event.join_tokens.keys().any(|it| *it != own);
            let heard = Heard { listener, at, notice, whole, has_others_tokens };
            self.history.heard.push(heard);
        }
        at
    }

    fn is_whole(&self, party: u8, told: &SessionEvent, event: &SessionEvent) -> bool {
        let own = self.names.party(party);
        let is_created = event.created_at == told.created_at || told.created_at == 0;
        is_created
            && event.event_type == told.event_type
            && event.session_id == told.session_id
            && event.threshold_n == told.threshold_n
            && event.threshold_t == told.threshold_t
            && event.selected_parties == told.selected_parties
            && event.message_hash == told.message_hash
            && event.expires_at == told.expires_at
            && event.join_tokens.get(&own) == told.join_tokens.get(&own)
    }

    /// A subscription to events is over; until `sound` it was surely there.
    pub(in crate::fuzz) fn deaf(&mut self, now: Moment, listener: Listener, sound: Moment) {
        let over = self.at(now);
        let listening = &mut self.history.listeners[listener.index()];
        listening.sound = if listening.alive == NEVER { 0 } else { sound };
        listening.over = over;
    }

    /// What notifications came for a party, each with when it came.
    pub(in crate::fuzz) fn woken<'n>(
        &mut self,
        party: u8,
        notices: impl Iterator<Item = (Moment, &'n notices::Notice)>,
    ) {
        let name = self.names.party(party);
        let mark = self.names.mark_begin();
        let encoded = BASE64.encode(mark.as_bytes());
        let encoded = encoded.trim_end_matches('=');
        // The last digits depend on what follows.
        let encoded = &encoded[..encoded.len() - encoded.len() % 4];
        let all = self.history.woken.get_or_insert_default();
        for (at, notice) in notices {
            let way = match notice.channel.as_str() {
                "email" => 0,
                "phone" => 1,
                "push_token" => 2,
                _ => 3,
            };
            all.push(history::Woken {
                at,
                party: Party(u32::from(party)),
                session: self.names.which(&notice.session_id).map(Session),
                way,
                channel: super::channel_of_address(&name, way, &notice.address),
                leaks: notice.text.contains(&mark)
                    || !encoded.is_empty() && notice.text.contains(encoded),
            });
        }
        all.sort_by_key(|it| it.at);
    }

    /// The target was down.
    pub(in crate::fuzz) fn outage(&mut self, from: Moment, to: Moment) {
        self.history.outages.push((from, to));
    }

    /// All is healed.
    pub(in crate::fuzz) fn drains(&mut self, now: Moment) {
        self.history.drain = self.at(now);
    }
}
