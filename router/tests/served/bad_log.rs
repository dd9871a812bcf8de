//! With a log in which something is wrong: one session of it, and not the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use mpc_router::Router;
use mpc_router::log::{
    Appended, Disposal, Entry, Health, Log, MemoryLog, Owner, UnitRecord, Unreadable,
};
use mpc_router_core::{DirectoryRecord, Millis, Position, Record, SessionId};
use tokio::sync::watch;
use tonic::Code;

use crate::captured::captured;
use crate::support::*;

/// A session that cannot be read.
const UNREADABLE: &str = "un\nreadable \u{1b}[31m";

/// The session that something happens to.
const ILL: &str = "ill";

/// Keeps nothing.
#[derive(Debug, Default)]
struct BadLog {
    memory: MemoryLog,
    /// What happens to what is appended to the session that is ill.
    fault: Mutex<Option<Fault>>,
    /// How many records wait.
    late: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It waits, for ever.
    Late,
    /// The session's rules break.
    Panic,
}

impl BadLog {
    fn fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }
}

impl Log for BadLog {
    fn append(&self, entry: Entry) -> Appended {
        let fault = *self.fault.lock().unwrap();
        match (&entry.record, fault) {
            (UnitRecord::Session(session, _), Some(fault)) if session.as_str() == ILL => {
                match fault {
                    Fault::Late => {
                        self.late.fetch_add(1, Ordering::SeqCst);
                        Appended::Pending
                    }
                    Fault::Panic => panic!("as this test has it"),
                }
            }
            _ => self.memory.append(entry),
        }
    }

    fn dispose(&self, session: &SessionId, disposal: Disposal, owner: Weak<dyn Owner>) -> bool {
        self.memory.dispose(session, disposal, owner)
    }

    fn sessions(&self) -> Result<Vec<SessionId>, Unreadable> {
        self.memory.sessions()
    }

    fn replay(
        &self,
        session: &SessionId,
        each: &mut dyn FnMut(Position, &Record),
    ) -> Result<(), Unreadable> {
        if session.as_str() == UNREADABLE {
            return Err(Unreadable(format!("session {session:?} is written in water")));
        }
        self.memory.replay(session, each)
    }

    fn replay_directory(&self, each: &mut dyn FnMut(&DirectoryRecord)) -> Result<(), Unreadable> {
        self.memory.replay_directory(each)
    }

    fn latest(&self) -> Millis {
        self.memory.latest()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.memory.health()
    }
}

fn served() -> (Arc<BadLog>, Served) {
    let log = Arc::new(BadLog::default());
    let router = Router::with_log(open_sessions(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    (log, Served::piping(router))
}

#[tokio::test]
async fn a_session_that_breaks_takes_nobody_s_life() {
    let (log, served) = served();
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let kept = alice.send(ILL, &["bob"], "kept").await.unwrap();
    let elsewhere = alice.send("well", &["bob"], "x").await.unwrap();
    let mut stream = bob.open(ILL).await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [kept]);
    let mut of_all = bob.open("").await.unwrap();
    names(&mut of_all, 2).await;
    log.fault(Fault::Late);
    let waiting = {
        let mut alice = alice.clone();
        tokio::spawn(async move { alice.send(ILL, &["bob"], "waits").await })
    };
    while log.late.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    log.fault(Fault::Panic);
    carol.send(ILL, &["bob"], "breaks it").await.unwrap_err();

    assert_eq!(bob.beat().await.unwrap().pending_messages, 3, "HB-4: what is known of it counts");
    assert_eq!(carol.beat().await.unwrap().pending_messages, 0);
    let refused = within(waiting).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "nobody waits in vain");
    assert_eq!(end(&mut stream).await.code(), Code::Unavailable);
    for again in
        [alice.send(ILL, &["bob"], "y").await.unwrap_err(), bob.open(ILL).await.unwrap_err()]
    {
        assert_eq!(again.code(), Code::Unavailable, "it is not taken for a new one");
    }
    bob.ack("well", &elsewhere).await.unwrap();
    let next = alice.send("well", &["bob"], "y").await.unwrap();
    assert_eq!(names(&mut of_all, 1).await, [&*next], "the others go on");
    let mut of_all = bob.open("").await.unwrap();
    assert_eq!(names(&mut of_all, 1).await, [next], "SUB-3");
    assert_eq!(bob.beat().await.unwrap().pending_messages, 3, "HB-4");
    assert_eq!(bob.list("", true).await.unwrap().len(), 3, "HB-5");
}

#[tokio::test]
async fn a_session_s_name_is_one_word_of_the_log_whatever_it_is() {
    let (log, subscriber) = captured();
    let _listens = tracing::subscriber::set_default(subscriber);
    let (_, served) = served();
    let [mut alice, _] = served.parties(["alice", "bob"]).await;
    let refused = alice.send(UNREADABLE, &["bob"], "x").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let logged = log.text();
    let line = logged.lines().find(|line| line.contains("the session cannot be read"));
    let line = line.expect("an operator is told");
    assert!(line.contains(r#"session="un\nreadable \u{1b}[31m""#), "{line}");
    assert!(!logged.contains('\u{1b}') && !logged.contains("\nreadable"), "{logged}");
}
