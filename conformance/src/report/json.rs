//! The report for programs: the data as it is, with a version.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{FORMAT, Form, Report, WriteError};

/// The report as JSON.
pub fn render(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("a report has no keys but strings");
    text.push('\n');
    text
}

/// Writes the report to `path`.
///
/// # Errors
/// If a folder on the way cannot be made or the file cannot be written.
pub fn write(report: &Report, path: &Path) -> Result<(), WriteError> {
    Form::Json.write(report, path)
}

/// Why a file was not read as a report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the report {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no report.
    #[error("{} is no JSON report of mpc-conformance: {why}", path.display())]
    NoReport {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong, with the line.
        why: String,
    },
    /// It is one of another version.
    #[error(
        "the report {} has format {format}, and this version reads format {FORMAT}: use \
         mpc-conformance {written_by}, which wrote it",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        format: u32,
        /// The version of the suite that wrote it.
        written_by: String,
    },
}

/// What every version of the format begins with.
#[derive(Deserialize)]
struct Head {
    format: u32,
    suite_version: String,
}

/// Reads a report that [`write()`] wrote.
///
/// # Errors
/// If the file cannot be read, is no report, or is one of another version.
pub fn read(path: &Path) -> Result<Report, ReadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ReadError::Unreadable { path: path.into(), source })?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Report, ReadError> {
    let wrong = |why: serde_json::Error| ReadError::NoReport {
        path: path.into(),
        why: if text.trim().is_empty() { "it is empty".into() } else { why.to_string() },
    };
    // The version first: what another one means by its fields is not known.
    let head: Head = serde_json::from_str(text).map_err(wrong)?;
    if head.format != FORMAT {
        let (format, written_by) = (head.format, head.suite_version);
        return Err(ReadError::OtherFormat { path: path.into(), format, written_by });
    }
    serde_json::from_str(text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, Folder};

    #[test]
    fn what_is_written_is_read() {
        let folder = Folder::new("json");
        let path = folder.path().join("report.json");
        for report in samples::all() {
            write(&report, &path).unwrap();
            assert_eq!(read(&path).unwrap(), report);
        }
    }

    #[test]
    fn scripts_find_the_requirements_by_id() {
        let value: serde_json::Value = serde_json::from_str(&render(&samples::failing())).unwrap();
        assert_eq!(value["format"], 1);
        assert_eq!(value["verdict"], "not_conformant");
        assert_eq!(value["seed"], 42);
        assert_eq!(value["target"]["timers"]["ack_timeout_ms"], 400);
        let requirements = value["requirements"].as_array().unwrap();
        let ord_1 = requirements.iter().find(|it| it["id"] == "ORD-1").unwrap();
        assert_eq!(ord_1["level"], "MUST");
        assert_eq!(ord_1["capability"], "core");
        assert_eq!(ord_1["outcome"], "failed");
        assert!(!ord_1["detail"].as_str().unwrap().is_empty());
        assert_eq!(ord_1["replay"], "mpc-conformance run --only ORD-1 --seed 42");
        assert_eq!(value["ceremony"]["verdict"][0]["passed"], true);
        assert_eq!(value["requirement_set"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn a_report_from_before_there_was_a_digest_is_read() {
        let mut value: serde_json::Value =
            serde_json::from_str(&render(&samples::small())).unwrap();
        value.as_object_mut().unwrap().remove("requirement_set").unwrap();
        let read = parse(&value.to_string(), Path::new("a.json")).unwrap();
        assert_eq!(read, Report { requirement_set: None, ..samples::small() });
    }

    #[test]
    fn what_is_no_report_is_told_so() {
        let error = |text: &str| parse(text, Path::new("a.json")).unwrap_err().to_string();
        assert_eq!(error(" \n"), "a.json is no JSON report of mpc-conformance: it is empty");
        let text = error("{\"format\": 1}");
        assert!(text.contains("missing field `suite_version`"), "{text}");
        let text = error("<html>");
        assert!(text.contains("line 1"), "{text}");
        let broken = render(&samples::failing()).replace("\"failed\",", "\"fell\",");
        let text = error(&broken);
        assert!(text.contains("unknown variant `fell`") && text.contains("line "), "{text}");
        let newer = render(&samples::failing()).replacen("\"format\": 1", "\"format\": 2", 1);
        let text = error(&newer);
        assert!(text.starts_with("the report a.json has format 2, and this version"), "{text}");
        let text = read(Path::new("/nowhere/a.json")).unwrap_err().to_string();
        assert!(text.starts_with("cannot read the report /nowhere/a.json: "), "{text}");
    }
}
