//! A store on disks that crash, fail, run full and rot.

mod crashes;
mod damage;
mod disk;
mod failing;
mod roundtrip;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use mpc_router_core::{Content, MessageId, Millis, PartyId, Position, Record, SessionId};

use super::Store;
use crate::log::{Appended, Disposal, Entry, Log as _, Owner, UnitRecord};

/// A session's side of the log: it knows what is safe, and what was refused.
#[derive(Debug, Default)]
struct Unit {
    state: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    committed: Position,
    refused: usize,
}

impl Unit {
    /// Waits until it was told something that suits.
    fn wait(&self, suits: impl Fn(&Told) -> bool) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |told| !suits(told)).unwrap());
    }
}

impl Owner for Unit {
    fn committed(self: Arc<Self>, through: Position) {
        let mut state = self.state.lock().unwrap();
        state.committed = state.committed.max(through);
        self.changed.notify_all();
    }

    fn refused(self: Arc<Self>) {
        self.state.lock().unwrap().refused += 1;
        self.changed.notify_all();
    }
}

/// Has the last hold of the store when it is told of a commit.
#[derive(Debug)]
struct Last {
    store: Mutex<Option<Arc<Store>>>,
    told: std::sync::mpsc::Sender<&'static str>,
}

impl Owner for Last {
    fn committed(self: Arc<Self>, _: Position) {
        let mut store = self.store.lock().unwrap().take().unwrap();
        let store = loop {
            match Arc::try_unwrap(store) {
                Ok(store) => break store,
                Err(held) => store = held,
            }
            std::thread::yield_now();
        };
        drop(store);
        self.told.send("closed").unwrap();
    }

    fn refused(self: Arc<Self>) {
        self.told.send("refused").unwrap();
    }
}

#[test]
fn a_store_can_be_let_go_by_its_own_thread() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (told, is_told) = std::sync::mpsc::channel();
    let last = Arc::new(Last { store: Mutex::new(Some(Arc::clone(&store))), told });
    let owner = Arc::downgrade(&last);
    let record = UnitRecord::Session(session("s"), routed(1, 100));
    store.append(Entry { record, position: Position(1), owner });
    drop(store);
    assert_eq!(is_told.recv_timeout(Duration::from_secs(30)), Ok("closed"));
    // Its thread has let go of the folder, or is about to.
    let again = loop {
        match Store::open(folder.path()) {
            Err(super::OpenError::InUse(_)) => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(kept(&again, "s"), [(Position(1), routed(1, 100))].into());
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

fn party(name: &str) -> PartyId {
    PartyId::parse(name).unwrap()
}

/// A message of `size` bytes for bob.
fn routed(number: u64, size: usize) -> Record {
    Record::Routed {
        message: MessageId(number.into()),
        from: party("alice"),
        recipients: [party("bob")].into(),
        broadcast: false,
        created_at: Millis(number as i64),
        content: Content::new(vec![number as u8; size].into()),
        key: None,
    }
}

fn append(store: &Store, unit: &Arc<Unit>, name: &str, position: u64, record: Record) -> Appended {
    let owner = Arc::downgrade(unit);
    let record = UnitRecord::Session(session(name), record);
    store.append(Entry { record, position: Position(position), owner })
}

/// What a store has of a session.
fn kept(store: &Store, name: &str) -> BTreeMap<Position, Record> {
    let mut kept = BTreeMap::new();
    store
        .replay(&session(name), &mut |position, record| {
            kept.insert(position, record.clone());
        })
        .unwrap();
    kept
}

fn dispose(store: &Store, name: &str, disposal: Disposal) {
    let nobody: std::sync::Weak<Unit> = std::sync::Weak::new();
    assert!(store.dispose(&session(name), disposal, nobody));
}
