use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// How many commits there were, written down beside the store after each of them and never waited for.
///
/// The store goes back to the commit before the last one if that is broken, which is right after a
/// crash that cut it off, and would lose what was accepted after damage. The mark tells them apart: it
/// never counts a commit that is not safe.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
}

const BYTES: usize = 16;

impl Mark {
    /// Opens the mark of a store, or begins one.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file })
    }

    /// How many commits there were at least; 0 if that was never written down, or only half.
    pub(super) fn read(path: &Path) -> io::Result<u64> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::decode(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&mut self, commits: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&Self::encode(commits))
    }

    fn encode(commits: u64) -> [u8; BYTES] {
        (u128::from(commits) << 64 | u128::from(!commits)).to_be_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<u64> {
        let whole = u128::from_be_bytes(bytes.try_into().ok()?);
        let (commits, complement) = ((whole >> 64) as u64, whole as u64);
        (commits == !complement).then_some(commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_mark_is_none() {
        let whole = Mark::encode(7);
        assert_eq!(Mark::decode(&whole), Some(7));
        for cut in 0..BYTES {
            assert_eq!(Mark::decode(&whole[..cut]), None);
            let mut mixed = Mark::encode(8);
            mixed[..cut].copy_from_slice(&whole[..cut]);
            // Each half is whole, or the mark is none.
            assert!(matches!(Mark::decode(&mixed), None | Some(8)), "{cut}");
        }
    }
}
