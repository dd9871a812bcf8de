use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

/// What is known of a file besides its bytes: enough to say where it is damaged, and what it failed of.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last_read: AtomicU64,
    sync_failed: AtomicBool,
    failure: Mutex<Option<io::Error>>,
}

impl Watch {
    /// Where the last read began.
    pub(super) fn last_read(&self) -> u64 {
        self.last_read.load(Ordering::Relaxed)
    }

    /// Whether the system could not say that what was written is on the disk. From then on nobody knows
    /// what is, and asking again does not help: the system may have dropped what it could not write.
    pub(super) fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Relaxed)
    }

    /// What failed first since the last call.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let same = match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
            failure.get_or_insert(same);
        }
        done
    }
}

/// A file that is watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) file: Box<dyn StorageBackend>,
    pub(super) watch: Arc<Watch>,
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.watch.note(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.watch.last_read.store(offset, Ordering::Relaxed);
        self.watch.note(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watch.note(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.watch.note(self.file.sync_data());
        if synced.is_err() {
            self.watch.sync_failed.store(true, Ordering::Relaxed);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.watch.note(self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// A file that stays as it is: what is written goes to memory. So a store can be looked at, and
/// repaired for that, before anybody has decided to go on with it.
#[derive(Debug)]
pub(super) struct Overlay {
    file: Box<dyn StorageBackend>,
    state: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    /// Nothing beyond it is the file's any more: the shortest that it was cut to.
    cut: u64,
    /// By number; what lies beyond the file is zero.
    pages: BTreeMap<u64, Box<[u8]>>,
}

const PAGE_BYTES: u64 = 4096;

impl Overlay {
    pub(super) fn over(file: Box<dyn StorageBackend>) -> io::Result<Self> {
        let len = file.len()?;
        let written = Written { len, cut: len, pages: BTreeMap::new() };
        Ok(Self { file, state: Mutex::new(written) })
    }

    /// Calls `act` for each piece that lies in one page: its page, where it begins in that, and where
    /// in the whole.
    fn pieces(
        offset: u64,
        len: usize,
    ) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < len).then(|| {
                let place = offset + at as u64;
                let begin = (place % PAGE_BYTES) as usize;
                let end = len.min(at + PAGE_BYTES as usize - begin);
                let piece = (place / PAGE_BYTES, begin, at..end);
                at = end;
                piece
            })
        })
    }

    /// A page as the file has it, as far as it was not cut.
    fn page(&self, number: u64, cut: u64) -> io::Result<Box<[u8]>> {
        let mut page = vec![0; PAGE_BYTES as usize];
        let begin = number * PAGE_BYTES;
        let there = cut.saturating_sub(begin).min(PAGE_BYTES);
        if there > 0 {
            self.file.read(begin, &mut page[..there as usize])?;
        }
        Ok(page.into())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if offset + out.len() as u64 > state.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if state.pages.is_empty() && offset + out.len() as u64 <= state.cut {
            return self.file.read(offset, out);
        }
        for (number, begin, piece) in Self::pieces(offset, out.len()) {
            let piece = &mut out[piece];
            match state.pages.get(&number) {
                Some(page) => piece.copy_from_slice(&page[begin..begin + piece.len()]),
                None => {
                    let page = self.page(number, state.cut)?;
                    piece.copy_from_slice(&page[begin..begin + piece.len()]);
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if len < state.len {
            // What is cut off is zero if the file grows again.
            state.cut = state.cut.min(len);
            drop(state.pages.split_off(&len.div_ceil(PAGE_BYTES)));
            if let Some(last) = state.pages.get_mut(&(len / PAGE_BYTES)) {
                last[(len % PAGE_BYTES) as usize..].fill(0);
            }
        }
        state.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, begin, piece) in Self::pieces(offset, data.len()) {
            let piece = &data[piece];
            let page = match state.pages.remove(&number) {
                Some(page) => state.pages.entry(number).or_insert(page),
                None => {
                    let page = self.page(number, state.cut)?;
                    state.pages.entry(number).or_insert(page)
                }
            };
            page[begin..begin + piece.len()].copy_from_slice(piece);
        }
        state.len = state.len.max(offset + data.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        SetLen(u64),
        Write(u64, Vec<u8>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let place = || 0..5 * PAGE_BYTES;
        prop_oneof![
            place().prop_map(Step::SetLen),
            (place(), prop::collection::vec(1..=u8::MAX, 0..6_000))
                .prop_map(|(offset, data)| Step::Write(offset, data)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_a_file_and_leaves_the_one_below_alone(
            below in prop::collection::vec(any::<u8>(), 0..3 * PAGE_BYTES as usize),
            steps in prop::collection::vec(step(), 0..12),
        ) {
            let file = InMemoryBackend::new();
            file.set_len(below.len() as u64).unwrap();
            file.write(0, &below).unwrap();
            let overlay = Overlay::over(Box::new(file)).unwrap();
            let mut model = below.clone();
            for step in steps {
                match step {
                    Step::SetLen(len) => {
                        overlay.set_len(len).unwrap();
                        model.resize(len as usize, 0);
                    }
                    Step::Write(offset, data) => {
                        overlay.write(offset, &data).unwrap();
                        let end = offset as usize + data.len();
                        if model.len() < end {
                            model.resize(end, 0);
                        }
                        model[offset as usize..end].copy_from_slice(&data);
                    }
                }
                let mut seen = vec![7; model.len()];
                prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
                overlay.read(0, &mut seen).unwrap();
                prop_assert!(seen == model);
            }
            let mut untouched = vec![0; below.len()];
            overlay.file.read(0, &mut untouched).unwrap();
            prop_assert!(untouched == below);
        }
    }
}
