use std::collections::BTreeSet;
use std::sync::Arc;

use mpc_router_core::{
    Announcement, Channel, EventId, EventKind, IdempotencyKey, Notification, Registration, Role,
};
use mpc_router_core::{DirectoryRecord, Policy, Session};
use proptest::prelude::*;

use super::super::rows;
use super::*;

fn name() -> impl Strategy<Value = String> {
    "[a-z\u{e9} /\u{0}]{1,12}"
}

fn parties() -> impl Strategy<Value = Arc<[PartyId]>> {
    prop::collection::vec(name().prop_map(|name| party(&name)), 0..5).prop_map(Into::into)
}

fn content() -> impl Strategy<Value = Content> {
    prop::collection::vec(any::<u8>(), 1..100).prop_map(|bytes| Content::new(bytes.into()))
}

fn id() -> impl Strategy<Value = MessageId> {
    any::<u128>().prop_map(MessageId)
}

fn record() -> impl Strategy<Value = Record> {
    let at = || any::<i64>().prop_map(Millis);
    let who = || name().prop_map(|name| party(&name));
    let key = (name(), any::<[u8; 32]>())
        .prop_map(|(name, fingerprint)| IdempotencyKey { name: name.into(), fingerprint });
    prop_oneof![
        (id(), who(), parties(), any::<bool>(), at(), content(), prop::option::of(key)).prop_map(
            |(message, from, recipients, broadcast, created_at, content, key)| Record::Routed {
                message,
                from,
                recipients,
                broadcast,
                created_at,
                content,
                key,
            }
        ),
        (
            who(),
            prop::collection::vec(id(), 0..4),
            prop::collection::vec((id(), any::<u32>()), 0..4),
            at()
        )
            .prop_map(|(recipient, messages, again, at)| Record::Delivered {
                recipient,
                messages,
                again,
                at
            }),
        (prop::collection::vec((id(), who()), 0..4), at())
            .prop_map(|(deliveries, at)| Record::GivenUp { deliveries, at }),
        (id(), who(), any::<bool>(), at()).prop_map(|(message, party, success, at)| {
            Record::Acknowledged { message, party, success, at }
        }),
        (name(), name(), parties(), at(), content(), at()).prop_map(
            |(event, kind, members, expires_at, content, at)| Record::Announced {
                announcement: Arc::new(Announcement {
                    event: EventId::parse(&event).unwrap(),
                    kind: EventKind::parse(&kind).unwrap(),
                    members,
                    expires_at,
                    content,
                }),
                at,
            }
        ),
    ]
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_written(record in record()) {
        let content = match &record {
            Record::Routed { content, .. } => content.clone(),
            _ => Content::default(),
        };
        prop_assert_eq!(rows::decode(&rows::encode(&record), content), Ok(record));
    }

    #[test]
    fn a_party_reads_back_as_it_was_written(
        who in name(),
        role in prop::sample::select(&Role::ALL[..]),
        notification in prop::option::of((name(), ".*", ".*")),
        times: (i64, i64),
    ) {
        let notification = notification
            .map(|(email, phone, push_token)| Notification { email, phone, push_token });
        let registration = Registration { party: party(&who), role, notification };
        let (registered_at, at) = (Millis(times.0), Millis(times.1));
        let row = rows::encode_party(&registration, registered_at, at);
        let record = DirectoryRecord::Registered { registration, registered_at, at };
        prop_assert_eq!(rows::decode_party(&row), Ok(record));
    }

    #[test]
    fn a_notice_reads_back_as_it_was_written(
        who in name(),
        session in name(),
        raised_at: i64,
        left in prop::collection::btree_set(prop::sample::select(&Channel::ALL[..]), 0..4),
    ) {
        let raised_at = Millis(raised_at);
        let row = rows::encode_notice(raised_at, &left);
        let (of, session_id) = (party(&who), SessionId::parse(&session).unwrap());
        let record =
            DirectoryRecord::Notice { party: of, session: session_id, raised_at, left };
        prop_assert_eq!(rows::decode_notice(&who, &session, &row), Ok(record));
    }

    #[test]
    fn whatever_stands_in_a_row_is_read_or_refused(
        record in record(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
    ) {
        let mut row = rows::encode(&record);
        for (at, byte) in flips {
            let at = at.index(row.len());
            row[at] = byte;
        }
        row.truncate(cut.index(row.len() + 1));
        if let Ok(record) = rows::decode(&row, Content::default()) {
            // And what is read breaks no session.
            Session::new(Policy::default()).handle_record(Position(1), &record);
        }
        let _ = rows::decode_party(&row);
    }
}

#[test]
fn notices_are_kept_until_their_party_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let unit = Arc::new(Unit::default());
    let notice = |who: &str, name: &str, left: &[Channel]| DirectoryRecord::Notice {
        party: party(who),
        session: session(name),
        raised_at: Millis(7),
        left: left.iter().copied().collect::<BTreeSet<_>>(),
    };
    let bob = Registration { party: party("bob"), role: Role::Delegate, notification: None };
    let at = Millis(1);
    let registered = DirectoryRecord::Registered { registration: bob, registered_at: at, at };
    let records = [
        notice("bob", "s", &Channel::ALL),
        notice("bob", "t", &[Channel::Email]),
        notice("bob", "s", &[]),
        registered.clone(),
        notice("bo", "s", &[Channel::Phone]),
        notice("bob\0", "s", &[Channel::PushToken]),
        notice("carol", "s", &[Channel::Email]),
        DirectoryRecord::Back { party: party("carol") },
    ];
    let append = |store: &Store, at: usize, record: DirectoryRecord| {
        let (record, position) = (UnitRecord::Directory(record), Position(at as u64));
        store.append(Entry { record, position, owner: Arc::downgrade(&unit) as _ });
        unit.wait(|told| told.committed >= position);
    };
    let read = |store: &Store| {
        let mut read = Vec::new();
        store.replay_directory(&mut |record| read.push(record.clone())).unwrap();
        read
    };
    {
        let store = Store::open(folder.path()).unwrap();
        for (at, record) in (1..).zip(records.clone()) {
            append(&store, at, record);
        }
    }
    let store = Store::open(folder.path()).unwrap();
    let [_, of_t, of_s, _, of_bo, of_another, ..] = records;
    assert_eq!(
        read(&store),
        [registered.clone(), of_bo.clone(), of_s, of_t, of_another.clone()],
        "parties first"
    );
    append(&store, 9, DirectoryRecord::Back { party: party("bob") });
    assert_eq!(read(&store), [registered, of_bo, of_another]);
    drop(store);
    assert_eq!(Store::check(folder.path()).unwrap().parties, 1);
}

#[test]
fn what_was_written_is_there_after_closing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/b");
    let unit = Arc::new(Unit::default());
    {
        let store = Store::open(&data).unwrap();
        assert!(kept(&store, "s").is_empty());
        for number in 1..=3 {
            append(&store, &unit, "s", number, routed(number, 100));
        }
        append(&store, &unit, "\u{0}/../s", 9, routed(9, 1));
        unit.wait(|told| told.committed >= Position(3));
    }
    let contents = Store::check(&data).unwrap();
    assert_eq!((contents.sessions, contents.records, contents.outstanding), (2, 4, 4));
    let store = Store::open(&data).unwrap();
    let expected = (1..=3).map(|number| (Position(number), routed(number, 100)));
    assert_eq!(kept(&store, "s"), expected.collect());
    assert_eq!(store.sessions().unwrap(), [session("\u{0}/../s"), session("s")]);
    assert!(store.latest() >= Millis(9), "HB-3");
}

#[test]
fn what_nobody_needs_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let unit = Arc::new(Unit::default());
    for number in 1..=4 {
        append(&store, &unit, "s", number, routed(number, 100));
    }
    append(&store, &unit, "t", 1, routed(1, 100));
    dispose(&store, "s", Disposal::Content(Position(2)));
    append(&store, &unit, "s", 5, routed(5, 100));
    unit.wait(|told| told.committed >= Position(5));
    let content = |record: &Record| match record {
        Record::Routed { content, .. } => content.len(),
        _ => 0,
    };
    assert_eq!(
        kept(&store, "s").values().map(content).collect::<Vec<_>>(),
        [100, 0, 100, 100, 100]
    );
    dispose(&store, "s", Disposal::Through(Position(3)));
    append(&store, &unit, "s", 6, routed(6, 100));
    unit.wait(|told| told.committed >= Position(6));
    assert_eq!(kept(&store, "s").into_keys().collect::<Vec<_>>(), [4, 5, 6].map(Position));
    dispose(&store, "s", Disposal::Session);
    dispose(&store, "never there", Disposal::Session);
    append(&store, &unit, "s", 7, routed(7, 100));
    unit.wait(|told| told.committed >= Position(7));
    assert_eq!(kept(&store, "s").into_keys().collect::<Vec<_>>(), [Position(7)]);
    assert_eq!(kept(&store, "t").len(), 1);
}

#[test]
fn one_process_has_it_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    let error = Store::check(folder.path()).unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(store);
    Store::open(folder.path()).unwrap();
}

#[test]
fn looking_at_what_is_not_there_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none");
    assert!(Store::check(&data).is_err());
    assert!(!data.exists());
}
