//! A store whose tables hold anything: looking at it and opening it end with what it holds or with an
//! error, and a router that opens it serves.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mpc_router::store::Store;
use mpc_router::{Config, Router};
use redb::{Database, TableDefinition};

type Place = (u64, u64);

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const SESSIONS: TableDefinition<&str, u64> = TableDefinition::new("sessions");
const PLACED: [TableDefinition<Place, &[u8]>; 3] = [
    TableDefinition::new("records"),
    TableDefinition::new("events"),
    TableDefinition::new("contents"),
];
const PARTIES: TableDefinition<&str, &[u8]> = TableDefinition::new("parties");

fn fill(folder: &Path, mut input: &[u8]) -> Result<(), redb::Error> {
    let database = Database::create(folder.join("router.redb"))?;
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", 1)?;
        meta.insert("commits", 1)?;
        let mut sessions = transaction.open_table(SESSIONS)?;
        let mut parties = transaction.open_table(PARTIES)?;
        sessions.insert("s", 1)?;
        let mut placed = [
            transaction.open_table(PLACED[0])?,
            transaction.open_table(PLACED[1])?,
            transaction.open_table(PLACED[2])?,
        ];
        while let [kind, position, length, rest @ ..] = input {
            let (row, rest) = rest.split_at(usize::from(*length).min(rest.len()));
            input = rest;
            match kind % 8 {
                0 => drop(parties.insert("p", row)?),
                1 => drop(meta.insert("latest", u64::from(*position) << (kind >> 3))?),
                2 => drop(sessions.insert(&*String::from_utf8_lossy(row), u64::from(*position))?),
                table => {
                    let place = (1, u64::from(*position));
                    drop(placed[usize::from(table % 3)].insert(place, row)?);
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.exists() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder");
    fill(folder.path(), input).expect("a database takes anything");
    std::fs::File::create(folder.path().join("lock")).expect("a lock");
    let checked = Store::check(folder.path());
    let opened = Store::open(folder.path()).expect("its pages are whole");
    let router = Router::with_log(Config::default(), Arc::new(opened));
    if checked.is_ok() {
        router.expect("what was checked can be read");
    }
});
