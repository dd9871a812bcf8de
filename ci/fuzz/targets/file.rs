//! A store's file with any bytes changed: it is refused, or holds what it held.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use mpc_router::store::{Contents, Store};
use mpc_router::{Config, Router};
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use tonic::Request;

struct Whole {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    contents: Contents,
}

/// A store with some sessions in it.
fn whole() -> Whole {
    let memory = Path::new("/dev/shm");
    let folder = if memory.exists() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let store = std::sync::Arc::new(Store::open(folder.path()).expect("a store"));
    let log: std::sync::Arc<dyn mpc_router::log::Log> = store.clone();
    let config = Config { membership: false, ..Config::default() };
    // Its alarms have timers.
    let within = runtime.enter();
    let router = Router::with_log(config, log).expect("a new store can be read");
    runtime.block_on(async {
        for party in ["alice", "bob"] {
            let request = RegisterPartyRequest {
                party_id: party.into(),
                party_role: "persistent".into(),
                ..Default::default()
            };
            router.register_party(Request::new(request)).await.expect("a party");
        }
        for number in 0..60 {
            let request = RouteMessageRequest {
                session_id: format!("s{}", number % 7),
                from_party: "alice".into(),
                to_parties: vec!["bob".into()],
                payload: vec![number; 400].into(),
                ..Default::default()
            };
            router.route_message(Request::new(request)).await.expect("a message");
        }
    });
    store.close();
    drop((router, store, within));
    drop(runtime);
    let contents = Store::check(folder.path()).expect("it is whole");
    let bytes = std::fs::read(folder.path().join("router.redb")).expect("its file");
    Whole { folder, bytes, contents }
}

fuzz_target!(|input: &[u8]| {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    let Whole { folder, bytes, contents } = WHOLE.get_or_init(whole);
    let mut bytes = bytes.clone();
    let mut edits = input;
    if let [first, rest @ ..] = edits
        && first % 4 == 0
    {
        // Cut off somewhere.
        let [high, low, ..] = rest else { return };
        bytes.truncate(bytes.len() * usize::from(u16::from_be_bytes([*high, *low])) / 65_536);
        edits = &rest[2..];
    }
    while let [far, high, low, value, rest @ ..] = edits
        && !bytes.is_empty()
    {
        // Mostly near the front, where the structure is.
        let near = usize::from(u16::from_be_bytes([*high, *low]));
        let at = (near + (usize::from(*far % 32) << 16)) % bytes.len();
        bytes[at] ^= value;
        edits = rest;
    }
    std::fs::write(folder.path().join("router.redb"), &bytes).expect("it can be written");
    if let Ok(found) = Store::check(folder.path()) {
        assert_eq!(found, *contents, "what was accepted is lost or altered, and nobody says so");
    }
});
