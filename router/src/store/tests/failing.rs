use std::io;

use redb::StorageBackend;
use tokio::sync::watch;

use super::super::open::Place;
use super::disk::{Disk, Failure};
use super::*;
use crate::log::Health;

fn open(disk: &Disk) -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (disk, settled) = (disk.clone(), disk.clone());
    let mark = folder.path().join("mark");
    let file = move || -> io::Result<Box<dyn StorageBackend>> { Ok(Box::new(disk.clone())) };
    let store = Store::at(Place::made_of(mark, file, move || settled.settle()));
    (store.unwrap(), folder)
}

async fn until(health: &mut watch::Receiver<Health>, suits: impl Fn(&Health) -> bool) -> Health {
    health.wait_for(suits).await.unwrap().clone()
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_and_loses_nothing() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem] {
        let disk = Disk::formatted();
        let (store, _folder) = open(&disk);
        let mut health = store.health();
        let unit = Arc::new(Unit::default());
        append(&store, &unit, "s", 1, routed(1, 100));
        unit.wait(|told| told.committed >= Position(1));

        disk.fail(Some(Failure::Writes(kind)));
        append(&store, &unit, "s", 2, routed(2, 100));
        unit.wait(|told| told.refused == 1);
        let failing = until(&mut health, |health| *health != Health::Fine).await;
        assert!(
            matches!(&failing, Health::Failing(why) if why.contains("try again")),
            "{failing:?}"
        );
        // What follows from it is refused as well; what binds nobody is not asked for.
        assert_eq!(append(&store, &unit, "s", 3, routed(3, 100)), Appended::Refused);
        let nobody: std::sync::Weak<Unit> = std::sync::Weak::new();
        assert!(!store.dispose(&session("s"), Disposal::Session, nobody));
        let delivered = Record::Delivered {
            recipient: party("bob"),
            messages: vec![MessageId(1)],
            again: vec![],
            at: Millis(1),
        };
        assert_eq!(append(&store, &unit, "s", 4, delivered), Appended::Committed);

        disk.fail(None);
        until(&mut health, |health| *health == Health::Fine).await;
        assert_eq!(kept(&store, "s"), [(Position(1), routed(1, 100))].into());
        append(&store, &unit, "s", 2, routed(2, 50));
        unit.wait(|told| told.committed >= Position(2));
        drop(store);
        let (store, _folder) = open(&disk);
        assert_eq!(kept(&store, "s").into_keys().collect::<Vec<_>>(), [1, 2].map(Position));
    }
}

#[tokio::test]
async fn after_a_flush_that_failed_nothing_is_accepted_any_more() {
    let disk = Disk::formatted();
    let (store, _folder) = open(&disk);
    let mut health = store.health();
    let unit = Arc::new(Unit::default());
    append(&store, &unit, "s", 1, routed(1, 100));
    unit.wait(|told| told.committed >= Position(1));
    disk.fail(Some(Failure::Flushes));
    append(&store, &unit, "s", 2, routed(2, 100));
    let time = store.keep_time(Millis(5));
    unit.wait(|told| told.refused == 1);
    if let Some(time) = time {
        time.await.expect_err("what is not on the disk is not kept");
    }
    assert!(store.keep_time(Millis(6)).is_none(), "nobody waits for a disk that failed");
    disk.fail(None);
    let failing = until(&mut health, |health| *health != Health::Fine).await;
    assert!(
        matches!(&failing, Health::Failing(why) if why.contains("restart the router")),
        "{failing:?}"
    );
    // However long it is waited: the system may have dropped what it could not flush.
    assert!(!store.writer.reopen());
    assert_eq!(append(&store, &unit, "s", 2, routed(2, 100)), Appended::Refused);
    drop(store);
    // A restart sees what the disk has, and not what the system would show of it.
    let (store, _folder) = open(&disk);
    assert_eq!(kept(&store, "s"), [(Position(1), routed(1, 100))].into());
    append(&store, &unit, "s", 2, routed(2, 50));
    unit.wait(|told| told.committed >= Position(2));
    drop(store);
    let (store, _folder) = open(&disk.without_power());
    assert_eq!(kept(&store, "s").into_keys().collect::<Vec<_>>(), [1, 2].map(Position), "DUR-2");
}

#[test]
fn what_waits_shares_a_flush() {
    let disk = Disk::formatted();
    let (store, _folder) = open(&disk);
    let before = disk.flushes();
    let units: Vec<_> = (0..1_000).map(|_| Arc::new(Unit::default())).collect();
    for (number, unit) in units.iter().enumerate() {
        append(&store, unit, &format!("s{number}"), 1, routed(1, 10));
    }
    for unit in &units {
        unit.wait(|told| told.committed >= Position(1));
    }
    let flushes = disk.flushes() - before;
    assert!(flushes < 500, "{flushes} flushes for 1000 sessions");
}
