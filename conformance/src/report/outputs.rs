//! What a run comes to, for the next step of a pipeline: lines of `key=value`, as GitHub's
//! `GITHUB_OUTPUT`, GitLab's dotenv reports and shells read them.

use std::path::PathBuf;

use super::{Form, Report};
use crate::outcome::Outcome;

/// The lines: the verdict, the requirements by outcome, and the files that were written.
pub fn render(report: &Report, files: &[(Form, PathBuf)]) -> String {
    let mut lines = format!("verdict={}\n", report.verdict.name());
    for outcome in Outcome::ALL {
        lines += &format!("{}={}\n", outcome.name(), report.counts.get(outcome));
    }
    for (form, path) in files {
        lines += &format!("{}={}\n", form.name().to_ascii_lowercase(), path.display());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_line_has_a_key_and_a_value() {
        let files = [(Form::Json, "out/a report.json".into()), (Form::Badge, "badge.svg".into())];
        assert_eq!(
            render(&samples::small(), &files),
            "verdict=not_conformant\n\
             passed=3\n\
             failed=1\n\
             warned=1\n\
             inconclusive=1\n\
             not_checked=2\n\
             not_applicable=3\n\
             json=out/a report.json\n\
             badge=badge.svg\n"
        );
    }

    #[test]
    fn the_verdict_is_that_of_the_json_report() {
        for report in samples::all() {
            let json = serde_json::to_value(report.verdict).unwrap();
            assert_eq!(json, report.verdict.name());
        }
    }
}
