//! What a run leaves for the pipeline that it is a step of.

use super::failing::TOO_SMALL;
use super::*;

/// What the runs here are about: a requirement that holds, and one that [`TOO_SMALL`] breaks.
const SELECTED: [&str; 4] = ["--only", "REG-1,RTE-9", "--seed", "7"];

/// A run as a step on GitHub, with a summary from another step.
async fn github(bench: &Bench, more: &[&str]) -> Ended {
    let mut command = bench.command(&[&["run", "--github"][..], &SELECTED, more].concat());
    command.env("GITHUB_STEP_SUMMARY", bench.file("summary.md"));
    Ended::of(command.spawn().unwrap()).await
}

/// What is printed while GitHub takes commands, and while it takes none.
fn heard_and_muted(printed: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut heard, mut muted) = (Vec::new(), Vec::new());
    let mut token = None;
    for line in printed.lines() {
        match token {
            None => match line.strip_prefix("::stop-commands::") {
                Some(given) => token = Some(format!("::{given}::")),
                None => heard.push(line),
            },
            Some(ref end) if line == end => token = None,
            Some(_) => muted.push(line),
        }
    }
    assert!(token.is_none(), "it hears again in the end: {printed}");
    (heard, muted)
}

#[tokio::test]
async fn github_gets_annotations_and_a_summary_more() {
    let bench = Bench::new();
    let profile = bench.profile_with(serve(ANYWHERE).await, TOO_SMALL);
    std::fs::write(bench.file("summary.md"), "another step's\n").unwrap();
    let ended = github(&bench, &["--profile", &profile]).await;
    ended.with(1, "");
    let (heard, muted) = heard_and_muted(&ended.stdout);
    assert_eq!(heard.len(), 1, "{ended:?}");
    assert!(heard[0].starts_with("::error title=RTE-9 MUST broken::"), "{ended:?}");
    assert!(heard[0].contains("%0Areplay: mpc-conformance run "), "{ended:?}");
    assert!(muted.iter().any(|it| it.starts_with("NOT CONFORMANT: ")), "{ended:?}");

    let summary = std::fs::read_to_string(bench.file("summary.md")).unwrap();
    assert!(summary.starts_with("another step's\n## ✗ MessageRouter conformance: "), "{summary}");
    for part in ["| ✗ **RTE-9** MUST broken<br>", "--only RTE-9 --seed 7", "- seed 7, "] {
        assert!(summary.contains(part), "{part} in {summary}");
    }
}

#[tokio::test]
async fn a_token_that_the_target_could_know_is_none() {
    let bench = Bench::new();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let ended = github(&bench, &["--quiet"]).await;
        ended.with(0, "");
        let (heard, muted) = heard_and_muted(&ended.stdout);
        assert!(heard.is_empty() && muted.is_empty(), "{ended:?}");
        let first = ended.stdout.lines().next().unwrap();
        tokens.push(first.strip_prefix("::stop-commands::").unwrap().to_owned());
    }
    assert_ne!(tokens[0], tokens[1]);
    assert!(tokens.iter().all(|it| it.len() == 32), "{tokens:?}");
    // With a summary for each run.
    let summary = std::fs::read_to_string(bench.file("summary.md")).unwrap();
    assert_eq!(summary.matches("## ✓ ").count(), 2, "{summary}");
}

#[tokio::test]
async fn what_is_known_is_no_error_on_github() {
    let bench = Bench::new();
    let profile = bench.profile_with(serve(ANYWHERE).await, TOO_SMALL);
    let known = bench.file("known.json");
    let known = known.to_str().unwrap();
    let ended = github(&bench, &["--profile", &profile, "--write-baseline", known]).await;
    ended.with(1, "");
    std::fs::remove_file(bench.file("summary.md")).unwrap();
    let ended = github(&bench, &["--profile", &profile, "--baseline", known]).await;
    ended.with(0, "");
    assert!(heard_and_muted(&ended.stdout).0.is_empty(), "{ended:?}");
    let summary = std::fs::read_to_string(bench.file("summary.md")).unwrap();
    assert!(summary.contains("**RTE-9** MUST broken, known to the baseline<br>"), "{summary}");
    assert!(summary.contains("- **baseline**: nothing is worse than "), "{summary}");
}

#[tokio::test]
async fn why_there_is_no_verdict_is_an_error_on_github() {
    let bench = Bench::new();
    let ended = github(&bench, &["--baseline", "/nowhere/known.json"]).await;
    ended.with(5, "cannot read the baseline");
    let (heard, _) = heard_and_muted(&ended.stdout);
    let [told] = heard[..] else { panic!("{ended:?}") };
    assert!(told.starts_with("::error title=mpc-conformance::cannot read the baseline"), "{told}");

    let target = bench.target("echo ::warning::no such store >&2; exit 3; : {port}");
    let outputs = bench.file("outputs");
    let options = ["--target", &target, "--outputs", outputs.to_str().unwrap()];
    let ended = github(&bench, &options).await;
    ended.with(4, "");
    let (heard, muted) = heard_and_muted(&ended.stdout);
    // On the stream on which it is muted.
    assert!(muted.contains(&"  | ::warning::no such store"), "{ended:?}");
    assert!(!ended.stderr.contains("no such store"), "{ended:?}");
    assert!(heard[0].starts_with("::error title=target lost::"), "{ended:?}");
    assert!(heard[0].contains("%0A  | ::warning::no such store%0A"), "{ended:?}");
    assert!(
        heard.iter().all(|it| it.starts_with("::error ") || it.starts_with("::warning title="))
    );
    let outputs = std::fs::read_to_string(outputs).unwrap();
    assert!(outputs.starts_with("verdict=unreachable\npassed=0\n"), "{outputs}");
}

#[tokio::test]
async fn without_being_asked_nothing_is_told_github() {
    let bench = Bench::new();
    let mut command = bench.command(&["run", "--only", "REG-1"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", bench.file("summary.md"));
    let ended = Ended::of(command.spawn().unwrap()).await;
    ended.with(0, "");
    assert!(!ended.stdout.contains("::stop-commands::"), "{ended:?}");
    assert!(!bench.file("summary.md").exists());
    // Nor is a summary missed where there is no place for one.
    let mut command = bench.command(&["run", "--only", "REG-1", "--github"]);
    command.env_remove("GITHUB_STEP_SUMMARY");
    Ended::of(command.spawn().unwrap()).await.with(0, "");
}

#[tokio::test]
async fn outputs_are_added_and_name_what_was_written() {
    let bench = Bench::new();
    let (outputs, badge, html) =
        (bench.file("outputs"), bench.file("badge.svg"), bench.file("a page.html"));
    std::fs::write(&outputs, "before=1").unwrap();
    let files = [
        "--outputs",
        outputs.to_str().unwrap(),
        "--badge",
        badge.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
    ];
    let ended = bench.run(&[&["run"][..], &SELECTED, &files].concat()).await;
    ended.with(0, "");
    assert_eq!(
        std::fs::read_to_string(&outputs).unwrap(),
        format!(
            "before=1\nverdict=conformant\npassed=2\nfailed=0\nwarned=0\ninconclusive=0\n\
             not_checked=0\nnot_applicable=0\nhtml={}\nbadge={}\n",
            html.display(),
            badge.display()
        )
    );
    let badge = std::fs::read_to_string(badge).unwrap();
    assert!(badge.contains(">conformant: 2 hold, 2 of 150 selected</text>"), "{badge}");

    let two_lines = bench.file("a\nverdict=fine");
    let files = ["--outputs", outputs.to_str().unwrap(), "--json", two_lines.to_str().unwrap()];
    let ended = bench.run(&[&["run"][..], &SELECTED, &files].concat()).await;
    ended.with(5, "more than one line");
    let folder = bench.folder.path().to_str().unwrap();
    bench.run(&["run", "--outputs", folder]).await.with(5, "cannot write");
}

#[tokio::test]
async fn the_schema_is_that_of_the_repository() {
    let bench = Bench::new();
    let ended = bench.run(&["report", "schema"]).await;
    ended.with(0, "");
    assert_eq!(ended.stdout, include_str!("../../report.schema.json"));
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(schema["properties"]["format"]["const"], mpc_conformance::report::FORMAT);
}
