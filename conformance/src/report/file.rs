//! Reports as files.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Report, badge, html, json, junit};

/// A form in which a report is written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// For programs.
    Json,
    /// For CI systems.
    Junit,
    /// For people.
    Html,
    /// The verdict alone, as an SVG to show on a page.
    Badge,
}

impl Form {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Junit => "JUnit",
            Self::Html => "HTML",
            Self::Badge => "badge",
        }
    }

    /// The report in this form.
    pub fn render(self, report: &Report) -> String {
        match self {
            Self::Json => json::render(report),
            Self::Junit => junit::render(report),
            Self::Html => html::render(report),
            Self::Badge => badge::render(report),
        }
    }

    /// Writes the report in this form to `path`, and makes the folders that are missing on the way.
    ///
    /// # Errors
    /// If a folder cannot be made or the file cannot be written.
    pub fn write(self, report: &Report, path: &Path) -> Result<(), WriteError> {
        let error = |path: &Path, source| WriteError { form: self, path: path.into(), source };
        match path.parent() {
            None => {}
            Some(folder) if folder.as_os_str().is_empty() => {}
            Some(folder) => fs::create_dir_all(folder).map_err(|it| error(folder, it))?,
        }
        fs::write(path, self.render(report)).map_err(|it| error(path, it))
    }
}

/// Adds lines at the end of a file, made if it is not there. A last line without an end gets
/// it first.
///
/// # Errors
/// If the file cannot be read or written.
pub(crate) fn append(path: &Path, lines: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    // What is no file, such as a pipe, has nothing to look at.
    let is_file = file.metadata()?.is_file();
    let is_open = is_file && fs::read(path)?.last().is_some_and(|it| *it != b'\n');
    file.write_all(format!("{}{lines}", if is_open { "\n" } else { "" }).as_bytes())
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the {} to {}: {source}; {}", self.what(), path.display(), self.advice())]
pub struct WriteError {
    form: Form,
    /// What could not be written: the file, or a folder on the way to it.
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    fn what(&self) -> String {
        match self.form {
            Form::Badge => self.form.name().into(),
            form => format!("{form} report"),
        }
    }

    fn advice(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::IsADirectory => "name a file, not a folder",
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "a file stands where a folder is needed: name another path"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room, or name a path on another disk"
            }
            _ => "name a path that you may write to",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, Folder};

    #[test]
    fn folders_on_the_way_are_made() {
        let folder = Folder::new("folders");
        let path = folder.path().join("a/b/report.json");
        Form::Json.write(&samples::failing(), &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), json::render(&samples::failing()));
    }

    #[test]
    fn lines_are_added_and_nothing_is_lost() {
        let folder = Folder::new("append");
        let path = folder.path().join("lines");
        append(&path, "a=1\n").unwrap();
        append(&path, "b=2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a=1\nb=2\n");
        fs::write(&path, "mine").unwrap();
        append(&path, "a=1\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine\na=1\n");
    }

    #[test]
    fn errors_name_the_path_and_what_to_do() {
        let folder = Folder::new("errors");
        let error = Form::Html.write(&samples::failing(), folder.path()).unwrap_err().to_string();
        let path = folder.path().display();
        assert!(error.starts_with(&format!("cannot write the HTML report to {path}: ")), "{error}");
        assert!(error.ends_with("; name a file, not a folder"), "{error}");

        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error =
            Form::Junit.write(&samples::failing(), &file.join("a/x.xml")).unwrap_err().to_string();
        assert!(error.contains("cannot write the JUnit report to"), "{error}");
        assert!(error.contains(&file.display().to_string()), "{error}");
        assert!(error.contains("a file stands where a folder is needed"), "{error}");
        let error = Form::Badge.write(&samples::failing(), folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the badge to "), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}
