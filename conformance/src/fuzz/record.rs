//! Writes down what clients see, as a history: what is sent and what comes back as numbers.

mod streams;

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use mpc_router_proto::v1::*;
use tonic::{Code, Status};

use super::history::{
    self, Asked, Call, Entry, Got, History, Kind, Listing, Message, Moment, NEVER, Party, Phase,
    Published, Routed, Seen, Session, Standing, Unit,
};
use super::names::NameTable;
use super::program::{Act, Event, FULL, Program, role_name};

/// The numbers of calls and so on that are under way.
pub(super) type Place = usize;

const MILLISECOND: Moment = 1_000_000;

/// What a recipient has of a session.
#[derive(Clone, Debug, Default)]
struct Had {
    /// What has come and was not acknowledged, in the order in which it came.
    units: Vec<u32>,
    /// What has come or was acknowledged.
    known: BTreeSet<u32>,
    newest: i64,
}

/// What clients saw so far.
#[derive(Debug)]
pub(super) struct Recorder {
    names: NameTable,
    odd_labels: bool,
    /// The longest payload that the target takes. Bytes.
    max_payload: usize,
    history: History,
    now: Moment,
    messages: HashMap<String, Message>,
    /// The units that messages are of, as far as senders were told.
    units: Vec<Option<Unit>>,
    /// The `message_id`s of units, as far as anybody knows.
    ids: Vec<Option<String>>,
    /// What was sent.
    sent: Vec<Option<RouteMessageRequest>>,
    /// When it got a key, and which of its sender's in its session that is.
    keyed: Vec<Option<(Moment, u32)>>,
    /// How many keys each sender has used in each session.
    keys: Vec<u32>,
    published: Vec<Option<SessionEvent>>,
    had: Vec<Had>,
    /// What has come on each stream.
    came: Vec<BTreeSet<u32>>,
    sessions: usize,
}

impl Recorder {
    pub(super) fn new(
        names: NameTable,
        program: &Program,
        date: Option<i64>,
        max_payload: usize,
    ) -> Self {
        let sessions = program.sessions.len();
        let parties = usize::from(program.parties);
        let history = History {
            date,
            parties: u32::from(program.parties),
            sessions: sessions as u32,
            ..History::default()
        };
        let units = program.units();
        let mut recorder = Self {
            names,
            odd_labels: program.odd_labels,
            max_payload,
            history,
            now: 0,
            messages: HashMap::new(),
            units: Vec::new(),
            ids: vec![None; units],
            sent: vec![None; units],
            keyed: vec![None; units],
            keys: vec![0; parties * sessions],
            published: Vec::new(),
            had: vec![Had::default(); parties * sessions],
            came: Vec::new(),
            sessions,
        };
        let nothing = Routed { session: Session(0), sender: Party(0), to: Vec::new(), bytes: 0 };
        recorder.history.units = vec![nothing; units];
        recorder
    }

    pub(super) fn names(&self) -> &NameTable {
        &self.names
    }

    /// The whole history: nothing is written down any more.
    pub(super) fn finish(&mut self) -> History {
        self.history.messages = self.units.len() as u32;
        std::mem::take(&mut self.history)
    }

    /// The moment now, which no other one is.
    pub(super) fn at(&mut self, now: Moment) -> Moment {
        self.now = now.max(self.now + 1);
        self.now
    }

    /// A call begins.
    pub(super) fn begin(&mut self, now: Moment, asked: Asked) -> Place {
        let begun = self.at(now);
        self.history.calls.push(Call { begun, ended: NEVER, asked, got: Got::Unknown });
        self.history.calls.len() - 1
    }

    /// What a call asks for.
    pub(super) fn asked(&self, call: Place) -> &Asked {
        &self.history.calls[call].asked
    }

    /// A call ends.
    pub(super) fn end(&mut self, now: Moment, call: Place, got: Got) -> Moment {
        let ended = self.at(now);
        let call = &mut self.history.calls[call];
        (call.ended, call.got) = (ended, got);
        ended
    }

    // What is sent.

    /// What a unit's sender sends.
    pub(super) fn route(&mut self, act: &Act, unit: u32) -> RouteMessageRequest {
        let Act::Route { session, sender, to, bytes, keyed, .. } = act else {
            return self.sent[unit as usize].clone().unwrap_or_default();
        };
        let mut payload = self.names.mark(unit).into_bytes();
        let bytes = match *bytes {
            FULL => self.max_payload.saturating_sub(payload.len()) as u32,
            bytes => bytes,
        };
        let filler = (0..bytes).map(|it| (it ^ (it >> 8) ^ unit) as u8);
        payload.extend(filler);
        let request = RouteMessageRequest {
            session_id: self.names.session(*session),
            from_party: self.names.party(*sender),
            to_parties: to.iter().map(|it| self.names.party(*it)).collect(),
            round_number: self.round_of(unit),
            message_type: self.type_of(unit),
            payload: Bytes::from(payload),
        };
        let place = unit as usize;
        self.history.units[place] = Routed {
            session: Session(u32::from(*session)),
            sender: Party(u32::from(*sender)),
            to: to.iter().map(|it| Party(u32::from(*it))).collect(),
            bytes: request.payload.len() as u32,
        };
        self.sent[place] = Some(request.clone());
        if *keyed {
            let key = self.of(*sender, *session);
            self.keyed[place] = Some((self.now, self.keys[key]));
            self.keys[key] += 1;
        }
        request
    }

    fn round_of(&self, unit: u32) -> i32 {
        match self.odd_labels {
            true => [i32::MAX, 70_000, 3, 0, 3, 1 << 24][unit as usize % 6],
            false => (unit % 7) as i32,
        }
    }

    fn type_of(&self, unit: u32) -> String {
        match (self.odd_labels, unit % 4) {
            (false, _) => format!("type-{}", unit % 3),
            (true, 0) => String::new(),
            (true, 1) => " round one ".into(),
            (true, 2) => "r\u{fc}nde\u{301}/2".into(),
            (true, _) => "commitment".repeat(9),
        }
    }

    /// What is published.
    pub(super) fn publish(
        &mut self,
        notice: u32,
        session: u8,
        event: Event,
        selected: &[u8],
        expires_in: u32,
    ) -> SessionEvent {
        let passed = (self.now / MILLISECOND) as i64;
        let expires_at = match self.history.date {
            Some(date) if expires_in > 0 => date + passed + i64::from(expires_in),
            _ => 0,
        };
        let expires =
            (expires_at > 0).then(|| (passed as Moment + Moment::from(expires_in)) * MILLISECOND);
        let place = notice as usize;
        let n = selected.len() as i32;
        let is_odd = notice % 2 == 1;
        let told = SessionEvent {
            event_id: self.names.event(notice),
            event_type: event.name().into(),
            session_id: self.names.session(session),
            threshold_n: n,
            threshold_t: (n / 2 + 1).min(n),
            selected_parties: selected.iter().map(|it| self.names.party(*it)).collect(),
            join_tokens: selected
                .iter()
                .map(|it| (self.names.party(*it), format!("token-{notice}-{it}")))
                .collect(),
            message_hash: if is_odd { vec![notice as u8; 32].into() } else { Bytes::new() },
            created_at: if is_odd { 1_700_000_000_000 + i64::from(notice) } else { 0 },
            expires_at,
        };
        if self.published.len() <= place {
            self.published.resize(place + 1, None);
            let nothing = Published {
                session: Session(0),
                kind: Kind::Other,
                event: 0,
                selected: Vec::new(),
                expires: None,
            };
            self.history.notices.resize(place + 1, nothing);
        }
        self.published[place] = Some(told.clone());
        self.history.notices[place] = Published {
            session: Session(u32::from(session)),
            kind: match event {
                Event::Created | Event::Started => Kind::Begins,
                Event::Completed | Event::Failed => Kind::Ends,
                Event::Other | Event::Longer => Kind::Other,
            },
            event: event.bit(),
            selected: selected.iter().map(|it| Party(u32::from(*it))).collect(),
            expires,
        };
        told
    }

    /// The `message_id` of a unit, if anybody knows it.
    pub(super) fn id_of(&mut self, unit: u32) -> Option<(Message, String)> {
        let id = self.ids.get(unit as usize)?.clone()?;
        Some((self.message(&id), id))
    }

    /// The unit's own session.
    pub(super) fn session_of(&self, unit: u32) -> u8 {
        self.history.units[unit as usize].session.0 as u8
    }

    /// Whose a unit is, once somebody tried to route it.
    pub(super) fn sender_of(&self, unit: u32) -> Option<u8> {
        self.sent.get(unit as usize)?.as_ref()?;
        Some(self.history.units[unit as usize].sender.0 as u8)
    }

    /// Whether a unit was first sent with a key since then, so that it is safe to try again.
    pub(super) fn has_key(&self, unit: u32, since: Moment) -> bool {
        let keyed = self.keyed.get(unit as usize).copied().flatten();
        keyed.is_some_and(|(at, _)| at >= since)
    }

    /// The key of a unit, if it has one. Others have the same, of other senders and in other sessions.
    pub(super) fn key(&self, unit: u32) -> Option<String> {
        let (_, number) = self.keyed.get(unit as usize).copied().flatten()?;
        Some(self.names.key(number, self.odd_labels))
    }

    /// What was sent with a key since then, and the key, if it was accepted.
    pub(super) fn keyed(&self, unit: u32, since: Moment) -> Option<(RouteMessageRequest, String)> {
        self.ids.get(unit as usize)?.as_ref()?;
        let is_good = self.has_key(unit, since);
        is_good.then(|| Some((self.sent[unit as usize].clone()?, self.key(unit)?)))?
    }

    /// Whether a party neither sent a unit nor may get it.
    pub(super) fn is_outsider(&self, unit: u32, party: u8) -> bool {
        let routed = &self.history.units[unit as usize];
        let party = Party(u32::from(party));
        routed.sender != party && !routed.to.is_empty() && !routed.to.contains(&party)
    }

    /// The units that have come to a party in a session and that it has not acknowledged, in the
    /// order in which they came first.
    pub(super) fn had(&self, party: u8, session: u8) -> Vec<u32> {
        self.had[self.of(party, session)].units.clone()
    }

    /// A party acknowledges a unit.
    pub(super) fn acknowledges(&mut self, party: u8, unit: u32) {
        let place = self.of(party, self.session_of(unit));
        let had = &mut self.had[place];
        had.known.insert(unit);
        had.units.retain(|it| *it != unit);
    }

    /// Whether a unit has come to a party, or was acknowledged by it.
    pub(super) fn has(&self, party: u8, unit: u32) -> bool {
        self.had[self.of(party, self.session_of(unit))].known.contains(&unit)
    }

    /// The largest `created_at` of what has come to a party in these sessions.
    pub(super) fn newest(&self, party: u8, session: Option<u8>) -> i64 {
        match session {
            Some(session) => self.had[self.of(party, session)].newest,
            // What is newer in one session may be older than what has come in another.
            None => 0,
        }
    }

    fn of(&self, party: u8, session: u8) -> usize {
        usize::from(party) * self.sessions + usize::from(session)
    }

    // What comes back.

    /// The number of a `message_id`.
    fn message(&mut self, id: &str) -> Message {
        if let Some(known) = self.messages.get(id) {
            return *known;
        }
        let message = Message(self.units.len() as u32);
        self.units.push(None);
        self.messages.insert(id.to_owned(), message);
        message
    }

    /// A unit has this `message_id`, its sender was told.
    pub(super) fn routed(&mut self, unit: u32, id: &str) -> Message {
        let message = self.message(id);
        self.units[message.index()].get_or_insert(Unit(unit));
        self.ids[unit as usize].get_or_insert_with(|| id.to_owned());
        message
    }

    /// A copy.
    fn seen(&mut self, party: u8, copy: &MpcMessage) -> Seen {
        let message = self.message(&copy.message_id);
        let by_payload = self.names.unit(&copy.payload);
        let by_payload = by_payload
            .filter(|it| self.sent.get(*it as usize).is_some_and(Option::is_some))
            .map(Unit);
        // What its payload does not tell any more, its `message_id` may.
        let unit = by_payload.or(self.units[message.index()]);
        let session = self.names.which(&copy.session_id);
        let mut whole = session.is_some();
        if let Some(unit) = unit {
            if let Some(sent) = &self.sent[unit.index()] {
                whole &= copy.from_party == sent.from_party
                    && copy.round_number == sent.round_number
                    && copy.message_type == sent.message_type
                    && copy.payload == sent.payload
                    && copy.is_broadcast == sent.to_parties.is_empty();
            }
            let own = self.history.units[unit.index()].session;
            let place = self.of(party, own.0 as u8);
            let had = &mut self.had[place];
            if had.known.insert(unit.0) {
                had.units.push(unit.0);
            }
            had.newest = had.newest.max(copy.created_at);
            self.ids[unit.index()].get_or_insert_with(|| copy.message_id.clone());
        }
        let session = Session(session.unwrap_or(0));
        Seen { message, session, unit, whole, created_at: copy.created_at }
    }

    /// What a poll of a party lists.
    pub(super) fn polled(&mut self, party: u8, copies: &[MpcMessage]) -> Vec<Seen> {
        copies.iter().map(|it| self.seen(party, it)).collect()
    }

    /// What a status says.
    pub(super) fn status(&self, told: &GetMessageStatusResponse) -> Option<history::Answer> {
        let standing = |it: &MessageDeliveryStatus| {
            let phase = match it.status.as_str() {
                "pending" => Phase::Pending,
                "delivered" => Phase::Delivered,
                "acknowledged" => Phase::Acknowledged,
                "failed" => Phase::Failed,
                _ => return None,
            };
            Some(Standing {
                party: self.names.whose(&it.party_id).map(Party)?,
                phase,
                delivered_at: it.delivered_at,
                acknowledged_at: it.acknowledged_at,
                retries: it.retry_count,
            })
        };
        let deliveries = told.deliveries.iter().map(standing).collect::<Option<_>>()?;
        Some(history::Answer::Status { deliveries, all_acknowledged: told.all_acknowledged })
    }

    /// What the directory says.
    pub(super) fn listed(&self, told: &GetRegisteredPartiesResponse) -> Listing {
        let entry = |it: &RegisteredParty| {
            Some(Entry {
                party: self.names.whose(&it.party_id).map(Party)?,
                online: it.online,
                last_seen_at: it.last_seen_at,
                registered_at: it.registered_at,
                role: (0..3).find(|role| role_name(*role) == it.role),
                channel: channel_number(it),
            })
        };
        let nobodies = told.parties.iter().filter(|it| self.names.is_nobody(&it.party_id)).count();
        Listing {
            entries: told.parties.iter().filter_map(entry).collect(),
            nobodies: nobodies as u32,
            all: told.parties.len() as i64,
            total: i64::from(told.total_count),
        }
    }
}

/// The addresses of that number: some by mail, some by telephone, some by push, or by all of them.
pub(super) fn channel(party: &str, number: u8) -> Option<NotificationChannel> {
    let address = |way: &str, is_there: bool| match is_there {
        true => format!("{way}-{number}@{party}"),
        false => String::new(),
    };
    (number > 0).then(|| NotificationChannel {
        email: address("mail", number % 4 != 2),
        phone: address("phone", number.is_multiple_of(2)),
        push_token: address("push", matches!(number % 4, 0 | 3)),
    })
}

/// The number of the address that a party gave for this way.
fn channel_of_address(party: &str, way: u8, address: &str) -> Option<u8> {
    let number = address.split_once('@')?.0.split_once('-')?.1.parse().ok()?;
    let own = channel(party, number)?;
    let own = [own.email, own.phone, own.push_token].into_iter().nth(usize::from(way))?;
    (own == address).then_some(number)
}

/// The number of a party's addresses, if they are as it gave them.
fn channel_number(listed: &RegisteredParty) -> Option<u8> {
    let empty = NotificationChannel::default();
    let Some(told) = listed.notification.as_ref().filter(|it| **it != empty) else {
        return Some(0);
    };
    let all = [&told.email, &told.phone, &told.push_token];
    let number = all.iter().find_map(|it| it.split_once('@')?.0.split_once('-')?.1.parse().ok())?;
    (channel(&listed.party_id, number).as_ref() == Some(told)).then_some(number)
}

/// What came of a call: an error that only a target can make, before it has done anything, is a
/// refusal.
pub(super) fn refused(status: &Status) -> Got {
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss
        | Code::PermissionDenied => Got::Refused,
        _ => Got::Unknown,
    }
}
