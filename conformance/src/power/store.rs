//! A target's store as files.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files by name, with what is in them.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// A store as files.
pub trait Store: fmt::Debug + Send + Sync {
    /// Every file with its length in bytes.
    ///
    /// # Errors
    /// If it cannot be looked at.
    fn list(&self) -> io::Result<BTreeMap<String, u64>>;

    /// All that is in it.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&self) -> io::Result<Contents>;

    /// Replaces one file.
    ///
    /// # Errors
    /// If it cannot be written.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes it hold exactly this.
    ///
    /// # Errors
    /// If it cannot be written.
    fn restore(&self, contents: &Contents) -> io::Result<()>;
}

/// A store in a folder. Links and whatever else is no file are left alone.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    fn paths(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let mut files = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let (path, kind) = (entry.path(), entry.file_type()?);
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let name = path.strip_prefix(&self.0).unwrap_or(&path);
                    files.push((name.to_string_lossy().into_owned(), path));
                }
            }
        }
        Ok(files)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(Path::new(name))
    }
}

impl Store for Folder {
    fn list(&self) -> io::Result<BTreeMap<String, u64>> {
        let length = |(name, path): (String, PathBuf)| Ok((name, fs::metadata(path)?.len()));
        self.paths()?.into_iter().map(length).collect()
    }

    fn read(&self) -> io::Result<Contents> {
        let bytes = |(name, path): (String, PathBuf)| Ok((name, fs::read(path)?));
        self.paths()?.into_iter().map(bytes).collect()
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write(self.at(name), bytes)
    }

    fn restore(&self, contents: &Contents) -> io::Result<()> {
        for (name, path) in self.paths()? {
            if !contents.contains_key(&name) {
                fs::remove_file(path)?;
            }
        }
        for (name, bytes) in contents {
            let path = self.at(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_put_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder(folder.path().into());
        fs::create_dir(folder.path().join("deep")).unwrap();
        store.replace("one", b"1").unwrap();
        store.replace("deep/two", b"22").unwrap();
        let before = store.read().unwrap();
        assert_eq!(store.list().unwrap()["deep/two"], 2);
        store.replace("one", b"other").unwrap();
        store.replace("three", b"3").unwrap();
        fs::remove_dir_all(folder.path().join("deep")).unwrap();
        store.restore(&before).unwrap();
        assert_eq!(store.read().unwrap(), before);
    }
}
