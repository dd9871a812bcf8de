//! With a log that takes its time: replies wait for it, and so does everything that others see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use mpc_router::Router;
use mpc_router::log::{Appended, Disposal, Entry, Health, Log, Owner, UnitRecord, Unreadable};
use mpc_router_core::{Content, DirectoryRecord, Millis, Position, Record, SessionId};
use mpc_router_proto::v1::RouteMessageRequest;
use tokio::sync::watch;
use tonic::Code;

use crate::support::*;

/// Takes records at once, until it is told to hold them.
#[derive(Debug)]
pub(crate) struct LateLog {
    state: Mutex<State>,
    pub(crate) health: watch::Sender<Health>,
}

impl Default for LateLog {
    fn default() -> Self {
        Self { state: Mutex::default(), health: watch::Sender::new(Health::Fine) }
    }
}

#[derive(Debug, Default)]
struct State {
    holds: bool,
    /// Drops what nobody waits for, as a store does whose disk fails.
    drops: bool,
    held: Vec<Entry>,
    sessions: BTreeMap<SessionId, BTreeMap<Position, Record>>,
    directory: Vec<DirectoryRecord>,
}

impl State {
    fn keep(&mut self, position: Position, record: UnitRecord) {
        match record {
            UnitRecord::Session(session, record) => {
                self.sessions.entry(session).or_default().insert(position, record);
            }
            UnitRecord::Directory(record) => self.directory.push(record),
        }
    }
}

impl LateLog {
    pub(crate) fn hold(&self) {
        self.state.lock().unwrap().holds = true;
    }

    /// How many records it holds back.
    fn held(&self) -> usize {
        self.state.lock().unwrap().held.len()
    }

    pub(crate) fn commit(&self) {
        for entry in self.release() {
            self.state.lock().unwrap().keep(entry.position, entry.record);
            if let Some(owner) = entry.owner.upgrade() {
                owner.committed(entry.position);
            }
        }
    }

    fn refuse(&self) {
        for entry in self.release() {
            if let Some(owner) = entry.owner.upgrade() {
                owner.refused();
            }
        }
    }

    fn release(&self) -> Vec<Entry> {
        let mut state = self.state.lock().unwrap();
        state.holds = false;
        std::mem::take(&mut state.held)
    }
}

impl Log for LateLog {
    fn append(&self, entry: Entry) -> Appended {
        let mut state = self.state.lock().unwrap();
        let binds = match &entry.record {
            UnitRecord::Session(_, record) => record.is_binding(),
            UnitRecord::Directory(record) => record.is_binding(),
        };
        if state.drops && !binds {
            Appended::Committed
        } else if state.holds {
            state.held.push(entry);
            Appended::Pending
        } else {
            state.keep(entry.position, entry.record);
            Appended::Committed
        }
    }

    fn dispose(&self, session: &SessionId, disposal: Disposal, _: Weak<dyn Owner>) -> bool {
        let mut state = self.state.lock().unwrap();
        let Some(records) = state.sessions.get_mut(session) else { return true };
        match disposal {
            Disposal::Content(position) => {
                if let Some(Record::Routed { content, .. }) = records.get_mut(&position) {
                    *content = Content::default();
                }
            }
            Disposal::Through(through) => records.retain(|position, record| {
                *position > through || matches!(record, Record::Announced { .. })
            }),
            Disposal::Session => {
                state.sessions.remove(session);
            }
        }
        true
    }

    fn sessions(&self) -> Result<Vec<SessionId>, Unreadable> {
        Ok(self.state.lock().unwrap().sessions.keys().cloned().collect())
    }

    fn replay(
        &self,
        session: &SessionId,
        each: &mut dyn FnMut(Position, &Record),
    ) -> Result<(), Unreadable> {
        let state = self.state.lock().unwrap();
        let records = state.sessions.get(session).into_iter().flatten();
        records.for_each(|(position, record)| each(*position, record));
        Ok(())
    }

    fn replay_directory(&self, each: &mut dyn FnMut(&DirectoryRecord)) -> Result<(), Unreadable> {
        self.state.lock().unwrap().directory.iter().for_each(each);
        Ok(())
    }

    fn latest(&self) -> Millis {
        Millis(0)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}

fn served() -> (Arc<LateLog>, Served) {
    let log = Arc::new(LateLog::default());
    let router = Router::with_log(open_sessions(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    (log, Served::piping(router))
}

/// Nothing comes of it within some seconds of virtual time.
async fn waits<T>(what: &mut (impl Future<Output = T> + Unpin)) {
    let while_others_wait_too = Duration::from_secs(5);
    assert!(tokio::time::timeout(while_others_wait_too, what).await.is_err(), "it does not wait");
}

/// Gives what was spawned the time to come as far as it can.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn replies_and_recipients_wait_for_the_log() {
    let (log, served) = served();
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let before = alice.send("s", &["bob", "carol"], "before").await.unwrap();
    let mut stream = bob.open("s").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [&*before]);

    log.hold();
    let spawn = |mut party: Party, what: &'static str| {
        let before = before.clone();
        tokio::spawn(async move {
            match what {
                "route" => drop(party.send("s", &["bob", "carol"], "after").await.unwrap()),
                "acknowledge" => party.ack("s", &before).await.unwrap(),
                "poll" => assert_eq!(party.poll("s", 0).await.unwrap().len(), 1),
                "status" => drop(party.status("s", &before).await.unwrap()),
                "heartbeat" => assert_eq!(party.beat().await.unwrap().pending_messages, 2),
                "rejection" => {
                    let rejected = party.send("s", &["alice"], "to itself").await;
                    assert_eq!(rejected.unwrap_err().code(), Code::InvalidArgument);
                }
                other => unreachable!("{other}"),
            }
        })
    };
    let mut routing = spawn(alice.clone(), "route");
    settle().await;
    assert_eq!(log.held(), 1);
    let mut acknowledging = spawn(bob.clone(), "acknowledge");
    let mut polling = spawn(carol.clone(), "poll");
    let mut asking = spawn(alice.clone(), "status");
    let mut rejected = spawn(alice.clone(), "rejection");
    let mut beating = spawn(carol.clone(), "heartbeat");
    for call in
        [&mut routing, &mut acknowledging, &mut polling, &mut asking, &mut rejected, &mut beating]
    {
        waits(call).await;
    }
    waits(&mut Box::pin(stream.message())).await;

    log.commit();
    for call in [routing, acknowledging, polling, asking, rejected, beating] {
        within(call).await.unwrap();
    }
    assert_eq!(next(&mut stream).await.payload, "after");
    assert_eq!(carol.poll("s", 0).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn registrations_wait_for_the_log() {
    let (log, served) = served();
    let mut bob = served.stranger("bob").await;
    log.hold();
    let mut registering = {
        let mut bob = bob.clone();
        tokio::spawn(async move { bob.register("temporary").await.unwrap() })
    };
    waits(&mut registering).await;
    log.commit();
    within(registering).await.unwrap();

    log.hold();
    let mut changing = {
        let mut carol = served.stranger("carol").await;
        tokio::spawn(async move { carol.register("temporary").await })
    };
    waits(&mut changing).await;
    log.refuse();
    assert_eq!(within(changing).await.unwrap().unwrap_err().code(), Code::Unavailable);
    let listed = bob.list("", false).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|party| &*party.party_id).collect();
    assert_eq!(listed, ["bob"], "what the log has stays, what it refused is gone");
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_gave_up_on_happens_wholly() {
    let (log, served) = served();
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut heard = bob.hear(&[]).await.unwrap();
    let mut stream = bob.open("s").await.unwrap();
    log.hold();
    let second = Duration::from_secs(1);
    let announced = tokio::time::timeout(second, alice.announce("s", &["alice", "bob"])).await;
    assert!(announced.is_err());
    let routed = tokio::time::timeout(second, alice.send("s", &[], "all")).await;
    assert!(routed.is_err());
    waits(&mut Box::pin(heard.message())).await;
    log.commit();
    assert_eq!(next(&mut heard).await.event_type, "session_created");
    assert_eq!(next(&mut stream).await.payload, "all");
}

#[tokio::test(start_paused = true)]
async fn a_refused_session_is_built_anew() {
    let (log, served) = served();
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open("s").await.unwrap();
    let kept = alice.send("s", &["bob"], "kept").await.unwrap();
    let acknowledged = alice.send("s", &["bob"], "acknowledged").await.unwrap();
    assert_eq!(names(&mut stream, 2).await, [&*kept, &*acknowledged]);
    bob.ack("s", &acknowledged).await.unwrap();
    let elsewhere = alice.send("elsewhere", &["bob"], "x").await.unwrap();
    let mut of_elsewhere = bob.open("elsewhere").await.unwrap();
    assert_eq!(names(&mut of_elsewhere, 1).await, [elsewhere]);

    log.hold();
    let mut routing = {
        let mut alice = alice.clone();
        tokio::spawn(async move { alice.send("s", &["bob"], "refused").await })
    };
    waits(&mut routing).await;
    log.refuse();
    assert_eq!(within(routing).await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(end(&mut stream).await.code(), Code::Unavailable);
    assert_eq!(bob.beat().await.unwrap().pending_messages, 2, "HB-4");
    let after = alice.send("s", &["bob"], "after").await.unwrap();
    let mut stream = bob.open("s").await.unwrap();
    assert_eq!(names(&mut stream, 2).await, [kept, after], "SUB-3, SUB-4");
    assert_eq!(bob.beat().await.unwrap().pending_messages, 3, "HB-4");
    let unharmed = alice.send("elsewhere", &["bob"], "y").await.unwrap();
    assert_eq!(names(&mut of_elsewhere, 1).await, [unharmed], "other sessions go on");
}

#[tokio::test(start_paused = true)]
async fn a_router_goes_on_where_its_log_ends() {
    let (log, served) = served();
    let [mut alice, bob] = served.parties(["alice", "bob"]).await;
    alice.announce("s", &["alice", "bob"]).await;
    let kept = alice.send("s", &[], "kept").await.unwrap();
    let again = Router::with_log(open_sessions(), log).unwrap();
    let served = Served::piping(again);
    let mut bob = Party { client: served.stranger("bob").await.client, ..bob };
    assert_eq!(bob.list("", false).await.unwrap().len(), 2, "DUR-3");
    let mut stream = bob.open("s").await.unwrap();
    let answer = bob.send("s", &[], "members are known").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [&*kept], "DUR-1");
    assert!(kept != answer, "DUR-5");
}

#[tokio::test(start_paused = true)]
async fn a_call_made_again_waits_for_the_first() {
    let (log, served) = served();
    let [alice, mut bob] = served.parties(["alice", "bob"]).await;
    let call = || {
        let mut request = tonic::Request::new(RouteMessageRequest {
            session_id: "s".into(),
            from_party: "alice".into(),
            to_parties: vec!["bob".into()],
            ..Default::default()
        });
        request.metadata_mut().insert("idempotency-key", "k".parse().unwrap());
        let mut client = alice.client.clone();
        tokio::spawn(async move { client.route_message(request).await })
    };
    log.hold();
    let mut refused = [call(), call()];
    for call in &mut refused {
        waits(call).await;
    }
    log.refuse();
    for call in refused {
        assert_eq!(within(call).await.unwrap().unwrap_err().code(), Code::Unavailable, "IDM-3");
    }
    assert_eq!(bob.poll("s", 0).await.unwrap(), []);
    log.hold();
    let mut taken = [call(), call()];
    for call in &mut taken {
        waits(call).await;
    }
    log.commit();
    let [first, again] = taken;
    let first = within(first).await.unwrap().unwrap().into_inner();
    assert_eq!(within(again).await.unwrap().unwrap().into_inner(), first, "IDM-1, IDM-3");
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_all_sessions_ends_with_one_that_is_refused() {
    let (log, served) = served();
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open("").await.unwrap();
    let kept = alice.send("s", &["bob"], "kept").await.unwrap();
    let elsewhere = alice.send("elsewhere", &["bob"], "x").await.unwrap();
    assert_eq!(names(&mut stream, 2).await, [&*kept, &*elsewhere]);
    log.hold();
    let routing = ["s", "new"].map(|session| {
        let mut alice = alice.clone();
        tokio::spawn(async move { alice.send(session, &["bob"], "refused").await })
    });
    waits(&mut Box::pin(stream.message())).await;
    let polling = {
        let mut bob = bob.clone();
        tokio::spawn(async move { bob.poll("", 0).await })
    };
    settle().await;
    log.refuse();
    for routing in routing {
        assert_eq!(within(routing).await.unwrap().unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(within(polling).await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(end(&mut stream).await.code(), Code::Unavailable, "SUB-9");
    let mut stream = bob.open("").await.unwrap();
    let mut came = names(&mut stream, 2).await;
    came.sort();
    assert_eq!(came, [&*kept, &*elsewhere], "SUB-3");
    let after = alice.send("s", &["bob"], "after").await.unwrap();
    let of_new = alice.send("new", &["bob"], "after").await.unwrap();
    assert_eq!(names(&mut stream, 2).await, [after, of_new], "SUB-9");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_all_sessions_shows_what_is_safe() {
    let (log, served) = served();
    let [alice, mut bob] = served.parties(["alice", "bob"]).await;
    log.hold();
    let mut routing = {
        let mut alice = alice.clone();
        tokio::spawn(async move { alice.send("s", &["bob"], "x").await.unwrap() })
    };
    waits(&mut routing).await;
    let mut stream = bob.open("").await.unwrap();
    waits(&mut Box::pin(stream.message())).await;
    log.commit();
    assert_eq!(names(&mut stream, 1).await, [within(routing).await.unwrap()], "SUB-2");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_hurries_nothing() {
    let (log, served) = served();
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let before = alice.send("s", &["bob"], "before").await.unwrap();
    log.hold();
    log.state.lock().unwrap().drops = true;
    let mut routing = {
        let mut alice = alice.clone();
        tokio::spawn(async move { alice.send("s", &["bob"], "refused").await })
    };
    waits(&mut routing).await;
    // That it was handed out is written after the message, and dropped.
    let mut stream = bob.open("s").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [&*before]);
    waits(&mut routing).await;
    waits(&mut Box::pin(stream.message())).await;
    log.refuse();
    assert_eq!(within(routing).await.unwrap().unwrap_err().code(), Code::Unavailable, "FLW-3");
    assert_eq!(end(&mut stream).await.code(), Code::Unavailable);
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1);
}
