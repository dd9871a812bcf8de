use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mpc_router_core::Millis;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use super::file::{Overlay, Watch, Watched};
use super::mark::Mark;
use super::tables::{TableError, View};
use crate::limits;

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system does not let us.
    #[error("cannot {what} {}", path.display())]
    Refused {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "{} is in use by another process: one data directory serves one router; stop the other one, or \
         choose another directory", .0.display()
    )]
    InUse(PathBuf),
    /// It is not what a router left there.
    #[error(
        "{} is damaged: {what}. Nothing was changed. Restore the directory from a copy, or move it away \
         to begin anew", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and how.
        what: String,
    },
    /// There was more in it than there is.
    #[error(
        "{} has lost what was accepted: it ends with commit {found}, and {} says that commit {expected} \
         was safe. Nothing was changed. Restore the directory from a copy; to go on without what is \
         lost, remove {} first", path.display(), mark.display(), mark.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// Who misses something.
        mark: PathBuf,
        /// The last commit in it.
        found: u64,
        /// The last commit that was in it.
        expected: u64,
    },
}

impl OpenError {
    pub(super) fn thread(source: io::Error) -> Self {
        Self::Refused { what: "start a thread for", path: PathBuf::from("the store"), source }
    }
}

/// Where a store lies.
pub(super) struct Place {
    path: PathBuf,
    mark: PathBuf,
    /// Gives the file each time it is opened.
    file: Box<dyn Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync>,
    /// Has the file read as the disk has it.
    settle: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
    /// What is known of the file, however often it is opened.
    watch: Arc<Watch>,
    /// Held as long as the store is.
    _lock: Option<File>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.path).finish()
    }
}

/// An open store.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) mark: Mark,
    pub(super) latest: Millis,
}

impl Place {
    /// A folder, which is ours from now on. Made if it is not there.
    pub(super) fn new(folder: &Path) -> Result<Self, OpenError> {
        create_folder(folder).map_err(refused("create", folder))?;
        let place = Self::locked(folder, private().create(true).truncate(false))?;
        if Mark::read(&place.mark).map_err(refused("read", &place.mark))? == 0 {
            place.begin()?;
        }
        Ok(place)
    }

    /// A folder that has a store in it, which is ours from now on.
    pub(super) fn existing(folder: &Path) -> Result<Self, OpenError> {
        Self::locked(folder, &private())
    }

    fn locked(folder: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        let (path, lock) = (folder.join("router.redb"), folder.join("lock"));
        let held = options.open(&lock).map_err(refused("open", &lock))?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(refused("lock", &lock)(error)),
        }
        let file = {
            let path = path.clone();
            move || -> io::Result<Box<dyn StorageBackend>> {
                Ok(Box::new(FileBackend::new(private().open(&path)?).map_err(io::Error::other)?))
            }
        };
        let settle = {
            let path = path.clone();
            move || settle(&path)
        };
        let (mark, watch) = (folder.join("mark"), Arc::default());
        let (file, settle) = (Box::new(file), Box::new(settle));
        Ok(Self { path, mark, file, settle, watch, _lock: Some(held) })
    }

    /// A store whose file is what `file` gives, once `settle` was called.
    #[cfg(test)]
    pub(super) fn made_of(
        mark: PathBuf,
        file: impl Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync + 'static,
        settle: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (path, watch) = (PathBuf::from("router.redb"), Arc::default());
        let (file, settle) = (Box::new(file), Box::new(settle));
        Self { path, mark, file, settle, watch, _lock: None }
    }

    /// What is known of the file.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// How much room its disk has, in bytes, if that can be told.
    pub(super) fn room(&self) -> Option<u64> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
        room(folder)
    }

    /// Begins a store where there is none. It gets its name once it is whole, so that no crash leaves
    /// half of one.
    fn begin(&self) -> Result<(), OpenError> {
        let exists = self.path.try_exists().map_err(refused("look for", &self.path))?;
        if exists {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let file = private().create(true).truncate(true).open(&new);
        let file = file.map_err(refused("create", &new))?;
        let unusable = |error: redb::Error| {
            let (path, source) = (new.clone(), io::Error::other(error));
            OpenError::Refused { what: "write", path, source }
        };
        let file = FileBackend::new(file).map_err(|error| unusable(error.into()))?;
        let database =
            builder().create_with_backend(file).map_err(|error| unusable(error.into()))?;
        database.close().map_err(|error| unusable(error.into()))?;
        fs::rename(&new, &self.path).map_err(refused("rename", &new))?;
        // So that the name is safe as well.
        let folder = self.path.parent().unwrap_or(&self.path);
        File::open(folder).and_then(|it| it.sync_all()).map_err(refused("flush", folder))
    }

    /// Opens it, if it is whole: what a crash cut off is repaired.
    pub(super) fn open(&self) -> Result<Opened, OpenError> {
        // Looked at first in memory: damage must not be repaired away.
        let looked_at = self.look(|_, _| Ok(()))?;
        let mut mark = Mark::open(&self.mark).map_err(refused("open", &self.mark))?;
        let file = (self.file)().map_err(refused("open", &self.path))?;
        let watched = Watched { file, watch: Arc::clone(&self.watch) };
        let database = builder()
            .create_with_backend(watched)
            .map_err(|error| self.unusable(error, &self.watch))?;
        mark.write(looked_at.commits).map_err(refused("write", &self.mark))?;
        Ok(Opened { database, mark, latest: looked_at.latest })
    }

    /// Reads the whole store as it would be opened, without changing it, and lets `read` look further.
    pub(super) fn look<T>(
        &self,
        read: impl FnOnce(&View, &Watch) -> Result<T, TableError>,
    ) -> Result<LookedAt<T>, OpenError> {
        let expected = Mark::read(&self.mark).map_err(refused("read", &self.mark))?;
        let lost = |found| {
            let (path, mark) = (self.path.clone(), self.mark.clone());
            OpenError::Lost { path, mark, found, expected }
        };
        // What is not on the disk must not count as safe, though the system may show it.
        (self.settle)().map_err(refused("flush", &self.path))?;
        let watch = Arc::new(Watch::default());
        let file = (self.file)().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if expected > 0 => lost(0),
            _ => refused("open", &self.path)(error),
        })?;
        let watched = Box::new(Watched { file, watch: Arc::clone(&watch) });
        let overlay = Overlay::over(watched).map_err(refused("read", &self.path))?;
        let database = builder()
            .set_check_integrity_on_open(true)
            .create_with_backend(overlay)
            .map_err(|error| self.unusable(error, &watch))?;
        let unreadable = |error: TableError| self.unreadable(&error, &watch);
        let view = View::of(&database).map_err(unreadable)?;
        let found = view.commits().map_err(unreadable)?;
        if found < expected {
            return Err(lost(found));
        }
        let latest = view.latest().map_err(unreadable)?;
        let read = read(&view, &watch).map_err(unreadable)?;
        Ok(LookedAt { commits: found, latest, read })
    }

    fn unusable(&self, error: DatabaseError, watch: &Watch) -> OpenError {
        match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(self.path.clone()),
            DatabaseError::Storage(StorageError::Io(source))
                if !matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                OpenError::Refused { what: "use", path: self.path.clone(), source }
            }
            error => self.damaged(&error, watch),
        }
    }

    pub(super) fn unreadable(&self, error: &TableError, watch: &Watch) -> OpenError {
        self.damaged(error, watch)
    }

    fn damaged(&self, error: &dyn fmt::Display, watch: &Watch) -> OpenError {
        let at = watch.last_read();
        let what = format!("{error} (found while reading from byte {at} on)");
        OpenError::Damaged { path: self.path.clone(), what }
    }
}

fn refused(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Refused { what, path, source }
}

/// What was seen of a store.
pub(super) struct LookedAt<T> {
    pub(super) commits: u64,
    pub(super) latest: Millis,
    pub(super) read: T,
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(limits::STORE_CACHE_BYTES);
    builder
}

/// Has the disk take what the system holds of a file for it, and the system forget what it holds,
/// so that what is read next is what the disk has. The two differ after a flush that failed: the
/// system then takes what it could not write for written, and shows it until the machine is started
/// anew.
fn settle(path: &Path) -> io::Result<()> {
    let file = match private().open(path) {
        Ok(file) => file,
        // Whoever needs it says what that means.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // Only what is flushed can be forgotten.
    file.sync_all()?;
    #[cfg(target_os = "linux")]
    {
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        // All of it is looked at soon, here and there: a disk is faster from one end to the other.
        io::copy(&mut io::BufReader::with_capacity(1 << 20, file), &mut io::sink())?;
    }
    Ok(())
}

/// Payloads, tokens and addresses are nobody else's business.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(unix)]
fn room(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<u64> {
    None
}
