//! A small language for tests: a script in, a transcript out.
//!
//! One step a line, `#` begins a comment, a number in front moves the clock there:
//!
//! ```text
//! announce e1 session_created alice bob [until 9] an event, whom it selects, and how long it lasts
//! 10 alice routes m1 to bob carol [sized 600]     a message; without `to`, a broadcast
//! 10 alice routes m1 to bob as k                  with an idempotency key
//! bob subscribes s1 / s1 pulls [100] / s1 closes  a message stream, and what it gets
//! bob attaches w1                                 one of all his sessions, to this one
//! s1 sent / 410 wait                              the transport took it; time passes, and timers
//! bob acks m1 / bob refuses m1 / status m1
//! bob polls [after 10]                            an answer has at most 4000 bytes
//! bob registers as delegate [mail] [phone] / bob beats / parties [role] [online]
//! bob listens l1 [kind ...] / l1 hears [10] / l1 closes
//! log holds / log commits                         what is appended meanwhile is not committed
//! log                                             what it keeps
//! members only                                    the session takes members only, from its beginning
//! restart                                         the session is built anew from what was committed
//! notify by email phone / errands                 whoever is away is told, and what is to be sent now
//! bob's email sent / bob's email failed until 90  what became of an errand
//! session t                                       messages are of that session, as far as errands go
//! router restarts                                 the directory is built anew from its log
//! ```

#![expect(clippy::unwrap_used, reason = "a story that does not read is a failed test")]

mod waking;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use mpc_router_core::*;

use self::waking::Waking;

const POLICY: Policy = Policy {
    millisecond_bytes: 1_000,
    ack_timeout: 400,
    max_retries: 2,
    message_ttl: 10_000,
    idle_ttl: 50_000,
    membership: false,
    capacity: Capacity {
        outstanding: Load { deliveries: 1_000, bytes: 100_000 },
        messages: 1_000,
        events: 100,
        event_bytes: 1 << 20,
        spare_mailboxes: 64,
    },
};
const ANSWER_BYTES: usize = 4_000;
const BATCH_BYTES: usize = 10_000;
const HEARTBEAT_TIMEOUT: i64 = 30;
const CROWD: Crowd = Crowd { parties: 6, bytes: 90 };
const BACKLOG: Backlog = Backlog { events: 3, bytes: 1_000 };

/// Plays `script` and tells what happened.
pub(crate) fn play(script: &str) -> String {
    let mut world = World::new();
    for line in script.lines() {
        let line = line.split('#').next().unwrap().trim();
        if line.is_empty() {
            continue;
        }
        let mut words: Vec<_> = line.split_whitespace().collect();
        if let Ok(now) = words[0].parse() {
            world.now = Millis(now);
            words.remove(0);
        }
        let _ = writeln!(world.transcript, "{line}");
        world.step(&words);
        world.session.assert_invariants();
    }
    world.transcript
}

struct World {
    now: Millis,
    policy: Policy,
    session: Session,
    directory: Directory,
    events: Events<Announcement>,
    log_holds: bool,
    held: Vec<(Position, Record)>,
    held_releases: Vec<Position>,
    log: BTreeMap<Position, Record>,
    streams: BTreeMap<String, StreamId>,
    waking: Waking,
    transcript: String,
}

impl World {
    fn new() -> Self {
        Self {
            now: Millis(1),
            policy: POLICY,
            session: Session::new(POLICY),
            directory: Directory::new(HEARTBEAT_TIMEOUT, CROWD),
            events: Events::new(BACKLOG),
            log_holds: false,
            held: Vec::new(),
            held_releases: Vec::new(),
            log: BTreeMap::new(),
            streams: BTreeMap::new(),
            waking: Waking::new(),
            transcript: String::new(),
        }
    }

    fn step(&mut self, words: &[&str]) {
        let now = self.now;
        match words {
            ["announce", event, kind, members @ ..] => self.announce(event, kind, members),
            ["status", message] => self.status(message),
            ["parties", filters @ ..] => self.parties(filters),
            ["log", "holds"] => self.log_holds = true,
            ["log", "commits"] => {
                self.log_holds = false;
                for (position, record) in std::mem::take(&mut self.held) {
                    self.log.insert(position, record);
                    self.session.handle_committed(position);
                }
                for position in std::mem::take(&mut self.held_releases) {
                    self.release(position);
                }
                self.commit_notices();
            }
            ["log"] => {
                let records = self.log.values().map(kind).collect::<Vec<_>>().join(" ");
                self.tell(if records.is_empty() { "empty" } else { &records });
            }
            ["log", "holds", "notices"] => self.waking.holds = true,
            ["log", "refuses", "notices"]
            | ["notify" | "errands" | "session" | "router", ..]
            | [_, _, "sent" | "failed", ..] => {
                self.wake(words);
            }
            ["members", "only"] => {
                self.policy.membership = true;
                self.session = Session::new(self.policy);
            }
            ["restart"] => {
                self.session = Session::new(self.policy);
                self.held.clear();
                self.held_releases.clear();
                self.log_holds = false;
                for (position, record) in &self.log {
                    self.session.handle_record(*position, record);
                }
            }
            [from, "routes", message, rest @ ..] => self.route(from, message, rest),
            [name, "subscribes", stream] => {
                let id = self.name_stream(stream);
                if let Err(error) = self.session.handle_subscribe(id, party(name)) {
                    self.tell(format!("rejected: {error}"));
                }
            }
            [name, "attaches", stream] => {
                let id = self.streams.get(*stream).copied();
                let id = id.unwrap_or_else(|| self.name_stream(stream));
                if !self.session.handle_attach(id, &party(name)) {
                    self.tell("not attached");
                }
            }
            [stream, "pulls", rest @ ..] => {
                let bytes = rest.first().map_or(BATCH_BYTES, |bytes| bytes.parse().unwrap());
                let mut batch = Vec::new();
                let id = self.streams[*stream];
                match self.session.handle_pull(now, id, Budget::bytes(bytes), &mut batch) {
                    Ok(()) => self.tell(names(&batch)),
                    Err(error) => self.tell(format!("ended: {error}")),
                }
            }
            [stream, "sent"] => self.session.handle_sent(now, self.streams[*stream]),
            ["wait"] => {
                self.session.handle_timeout(now);
                self.perform();
                let next = self.session.poll_timeout();
                self.tell(next.map_or("no timer".into(), |next| format!("next timer at {next}")));
            }
            [stream, "closes"] => {
                let id = self.streams[*stream];
                self.session.handle_unsubscribe(id);
                self.events.handle_unsubscribe(id);
            }
            [name, verb @ ("acks" | "refuses"), message] => {
                let acknowledge = Acknowledge {
                    message: message_id(message),
                    party: party(name),
                    success: *verb == "acks",
                };
                match self.session.handle_acknowledge(now, acknowledge) {
                    Ok(Acknowledged { state, again, .. }) => {
                        self.tell(format!("{state}{}", if again { " again" } else { "" }));
                    }
                    Err(error) => self.tell(format!("rejected: {error}")),
                }
            }
            [name, "polls", rest @ ..] => {
                let after = match rest {
                    ["after", after] => Millis(after.parse().unwrap()),
                    _ => Millis(0),
                };
                let budget = Budget::bytes(ANSWER_BYTES);
                match self.session.handle_fetch(now, &party(name), after, budget) {
                    Ok(fetched) => self.tell(names(&fetched)),
                    Err(error) => self.tell(format!("rejected: {error}")),
                }
            }
            [name, "registers", "as", role, rest @ ..] => self.register(name, role, rest),
            [name, "beats"] => match self.directory.handle_sign_of_life(now, &party(name)) {
                Ok(at) => {
                    let pending = self.session.handle_tally(&party(name));
                    self.tell(format!("at {at}, {pending} pending"));
                }
                Err(error) => self.tell(format!("rejected: {error}")),
            },
            [name, "listens", stream, kinds @ ..] => {
                let kinds = kinds.iter().map(|kind| EventKind::parse(kind).unwrap());
                let id = StreamId(self.streams.len() as u64 + 1);
                self.events.handle_subscribe(now, id, party(name), kinds);
                self.streams.insert((*stream).to_owned(), id);
            }
            [stream, "hears", rest @ ..] => {
                let bytes = rest.first().map_or(BATCH_BYTES, |bytes| bytes.parse().unwrap());
                let mut batch = Vec::new();
                let id = self.streams[*stream];
                match self.events.handle_pull(id, Budget::bytes(bytes), &mut batch) {
                    Ok(()) => {
                        let contents =
                            batch.iter().map(|event: &Arc<Announcement>| event.content.clone());
                        self.tell(names(&contents.collect::<Vec<_>>()));
                    }
                    Err(error) => self.tell(format!("ended: {error}")),
                }
            }
            other => panic!("the story says what nobody understands: {other:?}"),
        }
        self.perform();
    }

    fn announce(&mut self, event: &str, kind: &str, members: &[&str]) {
        let (members, expires_at) = match members {
            [members @ .., "until", at] => (members, Millis(at.parse().unwrap())),
            members => (members, Millis(0)),
        };
        let announcement = Announcement {
            event: EventId::parse(event).unwrap(),
            kind: EventKind::parse(kind).unwrap(),
            members: members.iter().copied().map(party).collect(),
            expires_at,
            content: content(event, 6),
        };
        match self.session.handle_announce(self.now, announcement) {
            Ok(announced) if announced.again => self.tell("again"),
            Ok(_) => {}
            Err(error) => self.tell(format!("rejected: {error}")),
        }
    }

    fn route(&mut self, from: &str, message: &str, rest: &[&str]) {
        let (rest, key) = match rest {
            [rest @ .., "as", key] => (rest, Some(*key)),
            rest => (rest, None),
        };
        let (to, size) = match rest {
            ["to", to @ .., "sized", size] => (to, size.parse().unwrap()),
            ["to", to @ ..] => (to, 10),
            ["sized", size] => (&[][..], size.parse().unwrap()),
            [] => (&[][..], 10),
            other => panic!("{other:?}"),
        };
        let route = Route {
            id: message_id(message),
            from: party(from),
            to: to.iter().copied().map(party).collect(),
            size,
            key: key.map(|key| {
                let mut fingerprint = [0; 32];
                fingerprint[..8].copy_from_slice(&(size + 1_000 * to.len()).to_be_bytes());
                IdempotencyKey { name: key.into(), fingerprint }
            }),
        };
        let mut kind = "again as";
        let routed = self.session.handle_route(self.now, route, &(), |header| {
            kind = if header.broadcast { "broadcast" } else { "accepted" };
            content(message, size)
        });
        match routed {
            Ok(Routed { id, created_at, recipients }) => {
                let id = if kind == "again as" { format!(" m{}", id.0) } else { String::new() };
                self.tell(format!("{kind}{id} at {created_at} for {recipients}"));
            }
            Err(error) => self.tell(format!("rejected: {error}")),
        }
    }

    fn status(&mut self, message: &str) {
        match self.session.status(message_id(message)) {
            Ok(status) => {
                for delivery in &status.deliveries {
                    let DeliveryStatus { party, state, delivered_at, acknowledged_at, retry_count } =
                        delivery;
                    self.tell(format!(
                        "{party} {state}, delivered {delivered_at}, acknowledged {acknowledged_at}, retries {retry_count}"
                    ));
                }
                if status.all_acknowledged() {
                    self.tell("all acknowledged");
                }
            }
            Err(error) => self.tell(format!("rejected: {error}")),
        }
    }

    fn register(&mut self, name: &str, role: &str, rest: &[&str]) {
        let address = |word, address: String| {
            if rest.contains(&word) { address } else { String::new() }
        };
        let notification = (!rest.is_empty()).then(|| Notification {
            email: address("mail", format!("{name}@example.org")),
            phone: address("phone", format!("the number of {name}")),
            push_token: String::new(),
        });
        let registered = Role::parse(role).map_err(|error| error.to_string()).and_then(|role| {
            let registration = Registration { party: party(name), role, notification };
            let registered = self.directory.handle_register(self.now, registration);
            registered.map_err(|error| error.to_string())
        });
        match registered {
            Ok(Registered { registered_at, again, .. }) => {
                self.tell(format!(
                    "registered at {registered_at}{}",
                    if again { " again" } else { "" }
                ));
            }
            Err(error) => self.tell(format!("rejected: {error}")),
        }
    }

    fn parties(&mut self, filters: &[&str]) {
        let filter = Filter {
            role: filters.iter().find_map(|word| Role::parse(word).ok()),
            only_online: filters.contains(&"online"),
        };
        let lines: Vec<_> = self
            .directory
            .list(self.now, filter)
            .map(|listed| {
                let ListedParty { party, role, online, registered_at, last_seen_at, notification } =
                    listed;
                let online = if online { "online" } else { "offline" };
                let mail = notification.map_or("", |channel| &channel.email);
                format!(
                    "{party} {role} {online}, since {registered_at}, seen {last_seen_at} {mail}"
                )
            })
            .collect();
        for line in lines {
            self.tell(line);
        }
    }

    /// Does what the units ask for, as a shell would.
    fn perform(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Append { position, record } if self.log_holds => {
                    self.held.push((position, record));
                }
                Effect::Append { position, record } => {
                    self.log.insert(position, record);
                    self.session.handle_committed(position);
                }
                Effect::Wake { stream } => self.tell(format!("wakes {}", self.stream(stream))),
                Effect::Superseded { stream } => {
                    self.tell(format!("supersedes {}", self.stream(stream)));
                }
                Effect::Detached { stream } => {
                    self.tell(format!("detaches {}", self.stream(stream)));
                }
                Effect::Publish { announcement, until } => {
                    let session = SessionId::parse("s").unwrap();
                    let parties =
                        self.events.handle_publish(self.now, &session, &announcement, until);
                    self.tell(format!("published to {parties}"));
                }
                Effect::Release { position } if self.log_holds => self.held_releases.push(position),
                Effect::Release { position } => self.release(position),
                Effect::Forget { through } => self.log.retain(|position, record| {
                    *position > through || matches!(record, Record::Announced { .. })
                }),
                Effect::Settled { party } => self.tell(format!("no more for {party}")),
                Effect::Discard => {
                    self.log.clear();
                    self.tell("discards the session");
                }
                Effect::Outstanding { party } => self.tell(format!("counts for {party}")),
                Effect::Unattended { party } => self.unattended(&party),
            }
        }
        while let Some(effect) = self.events.poll_effect() {
            let EventEffect::Wake { stream } = effect;
            self.tell(format!("wakes {}", self.stream(stream)));
        }
        self.perform_notices();
    }

    /// Lets the content of a message go.
    fn release(&mut self, position: Position) {
        match self.log.get_mut(&position) {
            Some(Record::Routed { content, .. }) => *content = Content::default(),
            other => panic!("only messages have content: {other:?}"),
        }
    }

    fn tell(&mut self, what: impl AsRef<str>) {
        let _ = writeln!(self.transcript, "    {}", what.as_ref().trim_end());
    }

    fn name_stream(&mut self, name: &str) -> StreamId {
        let id = StreamId(self.streams.len() as u64 + 1);
        self.streams.insert(name.to_owned(), id);
        id
    }

    fn stream(&self, id: StreamId) -> String {
        let found = self.streams.iter().find(|(_, known)| **known == id);
        found.map(|(name, _)| name.clone()).unwrap()
    }
}

fn kind(record: &Record) -> String {
    match record {
        Record::Routed { message, content, .. } => {
            format!("m{}{}", message.0, if content.is_empty() { "-" } else { "" })
        }
        Record::Delivered { .. } => "delivered".into(),
        Record::GivenUp { .. } => "given-up".into(),
        Record::Acknowledged { .. } => "acknowledged".into(),
        Record::Announced { announcement, .. } => announcement.event.to_string(),
    }
}

fn party(name: &str) -> PartyId {
    PartyId::parse(name).unwrap()
}

fn message_id(name: &str) -> MessageId {
    MessageId(name.trim_start_matches('m').parse().unwrap())
}

/// `size` bytes that begin with the name.
fn content(name: &str, size: usize) -> Content {
    let mut bytes = format!("{name} ").into_bytes();
    bytes.resize(bytes.len().max(size), b'.');
    bytes.truncate(size.max(name.len() + 1));
    Content::new(Bytes::from(bytes))
}

fn names(batch: &[Content]) -> String {
    if batch.is_empty() {
        return "nothing".into();
    }
    let name = |content: &Content| {
        let text = std::str::from_utf8(content.as_bytes()).unwrap().to_owned();
        text.split_whitespace().next().unwrap().to_owned()
    };
    batch.iter().map(name).collect::<Vec<_>>().join(" ")
}
