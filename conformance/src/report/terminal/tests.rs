use std::io::Write as _;

use expect_test::expect_file;

use super::*;
use crate::report::samples;

/// What is printed where colours are not wanted.
fn plain(report: &Report, options: &Options) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    write(report, options, &mut out).unwrap();
    out.flush().unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

fn options() -> Options {
    Options { verbose: false, files: Vec::new(), width: 100 }
}

#[test]
fn a_report_reads_as_recorded() {
    let files =
        vec![(Form::Json, "out/report.json".into()), (Form::Html, "out/report.html".into())];
    let text = plain(&samples::small(), &Options { files, ..options() });
    expect_file!["tests/failing.txt"].assert_eq(&text);
}

#[test]
fn verbose_lists_every_requirement() {
    let text = plain(&samples::small(), &Options { verbose: true, ..options() });
    for requirement in &samples::small().requirements {
        let id = &requirement.id;
        let listed = text.lines().any(|it| {
            let words: Vec<_> = it.split_whitespace().take(3).collect();
            matches!(words[..], [_, second, "MUST" | "SHOULD"] if second == id)
        });
        assert!(listed, "{id} in\n{text}");
    }
}

#[test]
fn the_last_line_is_the_verdict() {
    let last = |report: &Report| {
        let text = plain(report, &options());
        text.rsplit("\n\n").next().unwrap().trim_end().replace('\n', " ")
    };
    assert_eq!(
        last(&samples::small()),
        "NOT CONFORMANT: 1 MUST broken (ORD-1), 3 requirements hold, 1 warned (REG-6), \
         1 inconclusive, 2 not checked, 3 not claimed"
    );
    let conformant = samples::conformant();
    let expected = format!("CONFORMANT: {} requirements hold", conformant.requirements.len());
    assert_eq!(last(&conformant), expected);
    let mut part = conformant;
    let all = part.requirements.len();
    part.requirements.truncate(1);
    part.counts = crate::report::Counts::of([Outcome::Passed]);
    let expected = format!("CONFORMANT: 1 requirement holds, 1 of {all} were selected");
    assert_eq!(last(&part), expected);
    assert!(last(&samples::incomplete()).starts_with(
        "INCOMPLETE: nothing broken, but 1 inconclusive and 2 not checked, 3 requirements hold"
    ));
    assert!(plain(&samples::lost(), &options()).contains("\nTARGET LOST: the target died"));
}

#[test]
fn a_ceremony_that_failed_is_in_the_verdict() {
    let mut report = samples::conformant();
    report.verdict = crate::report::OverallVerdict::NotConformant;
    let ceremony = report.ceremony.as_mut().unwrap();
    ceremony.verdict[2].passed = false;
    ceremony.verdict[2].detail = "c42-p2 applied m-3 twice".into();
    let text = plain(&report, &options());
    let name = "applied once";
    assert!(text.contains(&format!("✗ {name}: p2 applied m-3 twice")), "{text}");
    assert!(text.contains(&format!("NOT CONFORMANT: the ceremony failed ({name})")), "{text}");
}

#[test]
fn lines_are_as_wide_as_the_terminal_at_most() {
    for report in samples::all() {
        for width in [60, 300] {
            let text = plain(&report, &Options { verbose: true, width, ..options() });
            for line in text.lines().filter(|it| !it.trim_start().starts_with("replay ")) {
                assert!(columns(line) <= width.min(100), "{width}: {line}");
            }
        }
    }
}

#[test]
fn the_target_cannot_write_to_the_terminal() {
    let mut out = Vec::new();
    write(&samples::hostile(), &options(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(r"\u{1b}[2J\u{202e}"), "it is shown as text");
    assert!(!text.contains('\u{202e}') && !text.contains("\u{1b}[2J"));
}

#[test]
fn a_timeline_is_short_and_says_so() {
    let text = plain(&samples::huge(), &options());
    let (_, evidence) = text.split_once("! ORD-5").unwrap();
    let (_, evidence) = evidence.split_once("timeline").unwrap();
    let (evidence, _) = evidence.split_once("  replay").unwrap();
    let entries = evidence.lines().filter(|it| it.contains("  p")).count();
    assert_eq!(entries, TIMELINE_LINES);
    assert!(evidence.contains("19988 other lines left out"), "{evidence}");
}
