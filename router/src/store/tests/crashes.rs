use std::path::{Path, PathBuf};

use super::super::open::Place;
use super::disk::{Disk, Interval, Known, Operation};
use super::*;

fn place(disk: &Disk, mark: &Path) -> Place {
    let disk = disk.clone();
    Place::made_of(mark.to_owned(), move || Ok(Box::new(disk.clone())), || Ok(()))
}

/// All that was written and flushed while 30 messages were accepted in three commits or more.
fn history(folder: &Path) -> Vec<Interval> {
    let mark = folder.join("mark");
    let (disk, unit) = (Disk::formatted(), Arc::new(Unit::default()));
    disk.witnessed_by({
        let (unit, mark) = (Arc::clone(&unit), mark.clone());
        move || {
            let committed = unit.state.lock().unwrap_or_else(PoisonError::into_inner).committed;
            Known { committed, mark: std::fs::read(&mark).unwrap_or_default() }
        }
    });
    let store = Store::at(place(&disk, &mark)).unwrap();
    for round in 0..3 {
        for number in 10 * round + 1..=10 * round + 10 {
            append(&store, &unit, "s", number, routed(number, 300));
        }
        unit.wait(|told| told.committed >= Position(10 * round + 10));
    }
    disk.history()
}

/// A crash that left `done` of what was done in an interval.
struct Crash<'a> {
    interval: &'a Interval,
    done: Vec<Operation>,
    mark: PathBuf,
}

impl Crash<'_> {
    /// What was said to be safe is there, in order, and what comes after it is a beginning of the rest.
    fn check(self) {
        let Self { interval, done, mark } = self;
        let crashed = Disk::after(interval.safe.clone(), &done);
        std::fs::write(&mark, &interval.known.mark).unwrap();
        let mut kept = BTreeMap::new();
        let mut look = |view: &super::super::View| {
            view.records(&session("s"), &mut |position, record| {
                kept.insert(position, record.clone());
            })
        };
        place(&crashed, &mark).look(|view, _| look(view)).unwrap();
        let safe = interval.known.committed;
        assert!(kept.len() as u64 >= safe.0, "{} of {safe:?}", kept.len());
        let expected =
            (1..=kept.len() as u64).map(|number| (Position(number), routed(number, 300)));
        assert_eq!(kept, expected.collect());
    }
}

#[test]
fn a_crash_between_any_two_writes_loses_nothing_that_was_safe() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(folder.path());
    let mark = folder.path().join("copy");
    let mut tried = 0;
    for interval in &history {
        for whole in 0..=interval.done.len() {
            let next = interval.done.get(whole);
            let cuts: &[usize] = if next.is_some() { &[0, 1, 511, 3_000] } else { &[0] };
            for cut in cuts {
                let half = next.map(|operation| operation.cut(*cut));
                let done = interval.done[..whole].iter().cloned().chain(half).collect();
                Crash { interval, done, mark: mark.clone() }.check();
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried} crashes");
}

#[test]
fn a_disk_that_writes_in_any_order_loses_nothing_that_was_safe() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(folder.path());
    let mark = folder.path().join("copy");
    let mut random: u64 = 0x2545_f491_4f6c_dd1d;
    for interval in &history {
        for _ in 0..20 {
            let happens = |operation: &&Operation| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.is_multiple_of(2) || matches!(operation, Operation::SetLen(_))
            };
            let done = interval.done.iter().filter(happens).cloned().collect();
            Crash { interval, done, mark: mark.clone() }.check();
        }
    }
}

#[test]
fn the_last_write_may_be_cut_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(folder.path());
    let mark = folder.path().join("copy");
    let interval = history.iter().rfind(|interval| !interval.done.is_empty()).unwrap();
    let (last, before) = interval.done.split_last().unwrap();
    let Operation::Write(_, data) = last else { panic!("the header is written last") };
    for cut in 0..=data.len().min(4_096) {
        let done = before.iter().cloned().chain([last.cut(cut)]).collect();
        Crash { interval, done, mark: mark.clone() }.check();
    }
}
