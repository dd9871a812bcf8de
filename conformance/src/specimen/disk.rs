//! The specimen's stand-in for a disk: one file in memory, a log of framed records with checksums.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message as _;
use tokio::time::{Duration, Instant, sleep};

use super::journal::{Entry, Fact};
use super::{Fault, Twist};
use crate::power::{Contents, Store};

/// The name of the only file.
const FILE: &str = "log";

/// A frame's head: the length of what follows, its checksum, and that of the head itself.
const HEAD: usize = 12;

/// How long one fault collects what it writes.
const BATCH: Duration = Duration::from_millis(100);

/// A block that one fault looks for. Bytes.
const BLOCK: usize = 4096;

/// What one fault takes for a record without a payload. Bytes.
const SMALL: usize = 400;

/// How many records one fault leaves unwritten when it stops.
const BUFFERED: usize = 3;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    bytes: Vec<u8>,
    /// Whose turn it is to write: what has been cut off writes in vain.
    owner: u64,
    /// Where each record of this owner begins, and when it was written.
    written: Vec<(usize, Instant)>,
    /// Where the latest key of this owner begins.
    latest_key: Option<usize>,
}

/// What one run of the specimen writes with, until it is cut off.
#[derive(Clone, Debug)]
pub(super) struct Pen {
    disk: Disk,
    owner: u64,
}

impl Pen {
    pub(super) fn write(&self, entry: &Entry) {
        let mut platter = self.disk.lock();
        if platter.owner != self.owner {
            return;
        }
        let at = platter.bytes.len();
        if matches!(entry.fact, Some(Fact::Keyed(_))) {
            platter.latest_key = Some(at);
        }
        platter.written.push((at, Instant::now()));
        let frame = framed(&entry.encode_to_vec());
        platter.bytes.extend_from_slice(&frame);
    }
}

/// Why the log cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damage {
    pub(super) at: usize,
}

impl Disk {
    /// The right to write, from now on, for one run.
    pub(super) fn pen(&self) -> Pen {
        let mut platter = self.lock();
        platter.owner += 1;
        platter.written.clear();
        platter.latest_key = None;
        Pen { disk: self.clone(), owner: platter.owner }
    }

    /// The run that writes ends in order: all that it has written is there.
    pub(super) fn close(&self, twist: &Twist) {
        let mut platter = self.lock();
        platter.owner += 1;
        if twist.has(Fault::StopLosesBuffer) {
            platter.cut_after(|count, _| count > BUFFERED);
        }
    }

    /// The run that writes is killed: what it was writing just then is there by half.
    pub(super) fn cut_off(&self, twist: &Twist) {
        let mut platter = self.lock();
        platter.owner += 1;
        if twist.has(Fault::KillLosesLastRecord) {
            platter.cut_after(|count, _| count > 1);
        }
        if twist.has(Fault::KillLosesBatch) {
            let now = Instant::now();
            platter.cut_after(|_, at| now - at >= BATCH);
        }
        if twist.has(Fault::KillLosesLatestKey) {
            platter.lose_latest_key();
        }
        let torn = framed(&[0x5a; 200]);
        platter.bytes.extend_from_slice(&torn[..torn.len() / 2]);
    }

    /// Moves all that was written into a new log, in this time. Only a fault does, and what it has not
    /// moved when it is cut off is gone.
    pub(super) async fn moves_within(&self, time: Duration) {
        let old = std::mem::take(&mut self.lock().bytes);
        let steps = (old.len() / BLOCK).clamp(1, 40);
        let mut moved = 0;
        for step in 1..=steps {
            sleep(time / u32::try_from(steps).unwrap_or(1)).await;
            while moved < old.len() && (step == steps || moved < old.len() / steps * step) {
                let length = match record(&old[moved..]) {
                    Record::Whole(body) => HEAD + body.len(),
                    _ => old.len() - moved,
                };
                self.lock().bytes.extend_from_slice(&old[moved..moved + length]);
                moved += length;
            }
        }
    }

    /// All that was written. A record that is there by half at the end is cut off: nobody was told
    /// that it was written. Damage before it is an error.
    pub(super) fn read(&self, twist: &Twist) -> Result<Vec<Entry>, Damage> {
        let mut platter = self.lock();
        let mut entries = Vec::new();
        let mut at = 0;
        let mut before = 0;
        if twist.has(Fault::ZerosEndLog) {
            platter.end_at_zeros();
        }
        while at < platter.bytes.len() {
            match record(&platter.bytes[at..]) {
                Record::Whole(body) => {
                    let length = HEAD + body.len();
                    entries.push(Entry::decode(body).map_err(|_| Damage { at })?);
                    before = at;
                    at += length;
                }
                Record::Torn if twist.has(Fault::TornTailRefused) => return Err(Damage { at }),
                Record::Torn => {
                    if twist.has(Fault::TornTailTakesOneMore) {
                        entries.pop();
                        at = before;
                    }
                    break;
                }
                // DUR-9
                Record::Altered(body) if twist.has(Fault::DamageSkipped) => at += HEAD + body.len(),
                Record::Altered(body) if twist.has(Fault::PayloadsUnchecked) => {
                    entries.extend(Entry::decode(body));
                    at += HEAD + body.len();
                }
                Record::Altered(_) | Record::Headless
                    if twist.has(Fault::DamagedAckSkipped)
                        && next_whole(&platter.bytes[at..]).is_some() =>
                {
                    at += next_whole(&platter.bytes[at..]).unwrap_or_default();
                }
                Record::Altered(_) | Record::Headless
                    if twist.has(Fault::DamageEndsLog)
                        || twist.has(Fault::DamageSkipped)
                        || twist.has(Fault::TornTailStays) =>
                {
                    break;
                }
                Record::Altered(_) | Record::Headless => return Err(Damage { at }),
            }
        }
        if !twist.has(Fault::TornTailStays) {
            platter.bytes.truncate(at);
        }
        Ok(entries)
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    /// Drops the records of this owner from the first one on that is not `kept`, asked with how many
    /// there are from it on, and when it was written.
    fn cut_after(&mut self, kept: impl Fn(usize, Instant) -> bool) {
        let all = self.written.len();
        let lost = |(place, (_, at)): &(usize, &(usize, Instant))| !kept(all - place, *at);
        if let Some((_, (at, _))) = self.written.iter().enumerate().find(lost) {
            self.bytes.truncate(*at);
        }
    }

    /// Cuts off what stands behind the last record before a block of zeros.
    fn end_at_zeros(&mut self) {
        let blocks = self.bytes.chunks_exact(BLOCK);
        let zeros = blocks.enumerate().find(|(_, block)| block.iter().all(|byte| *byte == 0));
        let Some((number, _)) = zeros else { return };
        let mut end = 0;
        while let Record::Whole(body) = record(&self.bytes[end..])
            && end + HEAD + body.len() <= number * BLOCK
        {
            end += HEAD + body.len();
        }
        self.bytes.truncate(end);
    }

    fn lose_latest_key(&mut self) {
        if let Some(at) = self.latest_key.take()
            && let Record::Whole(body) = record(&self.bytes[at..])
        {
            let end = at + HEAD + body.len();
            self.bytes.drain(at..end);
        }
    }
}

/// What stands at the beginning of some bytes.
enum Record<'a> {
    Whole(&'a [u8]),
    /// It was never written to its end.
    Torn,
    /// It is not what was written.
    Altered(&'a [u8]),
    /// Not even its length is known.
    Headless,
}

fn record(bytes: &[u8]) -> Record<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Record::Torn };
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if number(8) != checksum(&head[..8]) {
        return Record::Headless;
    }
    let Some(body) = rest.get(..number(0) as usize) else { return Record::Torn };
    if number(4) == checksum(body) { Record::Whole(body) } else { Record::Altered(body) }
}

/// How far it is to the next whole record, if that is so near that nothing large can lie between.
fn next_whole(bytes: &[u8]) -> Option<usize> {
    (1..SMALL.min(bytes.len())).find(|at| matches!(record(&bytes[*at..]), Record::Whole(_)))
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + body.len());
    let length = u32::try_from(body.len()).expect("no record is that long");
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&checksum(body).to_le_bytes());
    frame.extend_from_slice(&checksum(&frame).to_le_bytes());
    frame.extend_from_slice(body);
    frame
}

/// Sees every change of one byte, and nearly every other one.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum: u64 = bytes.len() as u64;
    let mut mix = |word: u64| {
        sum = (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    };
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    rest.iter().for_each(|byte| mix(u64::from(*byte)));
    (sum ^ (sum >> 32)) as u32
}

impl Store for Disk {
    fn list(&self) -> io::Result<BTreeMap<String, u64>> {
        Ok(BTreeMap::from([(FILE.to_owned(), self.lock().bytes.len() as u64)]))
    }

    fn read(&self) -> io::Result<Contents> {
        Ok(Contents::from([(FILE.to_owned(), self.lock().bytes.clone())]))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if name == FILE {
            bytes.clone_into(&mut self.lock().bytes);
        }
        Ok(())
    }

    fn restore(&self, contents: &Contents) -> io::Result<()> {
        let bytes = contents.get(FILE).cloned().unwrap_or_default();
        self.lock().bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64) -> Entry {
        Entry { at, fact: Some(Fact::Began(true)) }
    }

    #[tokio::test]
    async fn a_torn_tail_is_cut_and_damage_is_refused() {
        let (disk, right) = (Disk::default(), Twist::none());
        let pen = disk.pen();
        (1..=3).for_each(|at| pen.write(&entry(at)));
        disk.cut_off(&right);
        pen.write(&entry(4));
        let read = |disk: &Disk| disk.read(&right).map(|it| it.iter().map(|it| it.at).sum::<u64>());
        assert_eq!(read(&disk).unwrap(), 6);
        disk.pen().write(&entry(5));
        assert_eq!(read(&disk).unwrap(), 11, "what was torn is gone");
        let whole = Store::read(&disk).unwrap();
        for at in 0..whole[FILE].len() {
            let mut bytes = whole[FILE].clone();
            bytes[at] ^= 1;
            disk.replace(FILE, &bytes).unwrap();
            assert!(disk.read(&right).is_err(), "a byte was changed at {at}");
        }
    }
}
