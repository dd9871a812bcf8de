//! Programs that once showed something wrong, as files: they are played first, and again by `replay`.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::program::Program;

/// The form of these files.
const FORMAT: u32 = 1;

/// A program, and what it once showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The form of the file: 1.
    pub format: u32,
    /// The anomaly's name.
    pub anomaly: String,
    /// The requirement that it breaks.
    pub breaks: String,
    /// The router that showed it.
    pub target: String,
    /// The seed of the run that found it.
    pub seed: u64,
    /// The case in that run.
    pub case: u64,
    /// The program.
    pub program: Program,
}

/// Why a file holds no program.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// It cannot be read or written.
    #[error("cannot {what} {file}: {source}", file = .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What was to be done with it.
        what: &'static str,
        /// Why that does not work.
        source: io::Error,
    },
    /// It is something else.
    #[error("{file} is no saved program: {why}", file = .file.display())]
    Form {
        /// Which.
        file: PathBuf,
        /// How that shows.
        why: String,
    },
}

impl Saved {
    /// Reads one.
    ///
    /// # Errors
    /// If there is none in the file.
    pub fn read(file: &Path) -> Result<Self, CorpusError> {
        let text = std::fs::read_to_string(file).map_err(|source| CorpusError::File {
            file: file.into(),
            what: "read",
            source,
        })?;
        let saved: Self = serde_json::from_str(&text)
            .map_err(|error| CorpusError::Form { file: file.into(), why: error.to_string() })?;
        let why = match () {
            () if saved.format != FORMAT => format!("its format is {}", saved.format),
            () => match saved.program.nonsense() {
                Some(why) => why,
                None => return Ok(saved),
            },
        };
        Err(CorpusError::Form { file: file.into(), why })
    }

    /// Writes it into a folder, under a name that says what it shows, and returns that. What is there
    /// under this name is the same program, and stays.
    ///
    /// # Errors
    /// If that does not work.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, CorpusError> {
        let program = serde_json::to_vec(&self.program).unwrap_or_default();
        let digest = Sha256::digest(program);
        let file = folder.join(format!(
            "{}-{:02x}{:02x}{:02x}{:02x}.json",
            self.anomaly, digest[0], digest[1], digest[2], digest[3]
        ));
        if file.exists() {
            return Ok(file);
        }
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|source| CorpusError::File { file: file.clone(), what: "write", source })?;
        Ok(file)
    }

    /// What was found just now.
    pub fn new(
        anomaly: super::anomaly::Anomaly,
        target: String,
        of: (u64, u64),
        program: Program,
    ) -> Self {
        Self {
            format: FORMAT,
            anomaly: anomaly.name().into(),
            breaks: anomaly.breaks().into(),
            target,
            seed: of.0,
            case: of.1,
            program,
        }
    }
}

/// The files of a corpus, in the order of their names; none if there is no such folder.
///
/// # Errors
/// If it cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let failed = |source| CorpusError::File { file: folder.into(), what: "read", source };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|it| it == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
