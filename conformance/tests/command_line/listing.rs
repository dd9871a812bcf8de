//! What is told without a target.

use super::*;

#[tokio::test]
async fn the_digest_that_is_listed_is_that_of_reports() {
    let bench = Bench::new();
    let ended = bench.run(&["list", "--digest"]).await;
    ended.with(0, "");
    let digest = ended.stdout.trim();
    assert_eq!(digest.len(), 64, "{ended:?}");
    let json = bench.file("report.json");
    let ended = bench.run(&["run", "--only", "REG-1", "--json", json.to_str().unwrap()]).await;
    ended.with(0, "");
    assert_eq!(bench.report("report.json").requirement_set.as_deref(), Some(digest));
    assert!(ended.stdout.contains(&digest[..12]), "{ended:?}");
}

#[tokio::test]
async fn the_digest_is_that_of_everything() {
    let bench = Bench::new();
    bench.run(&["list", "--digest", "--only", "ORD-*"]).await.with(5, "cannot be used with");
}

#[tokio::test]
async fn completions_know_every_command_and_option() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = bench.run(&["completions", shell]).await;
        ended.with(0, "");
        for word in [
            "fail-fast",
            "repeat",
            "write-baseline",
            "baseline",
            "init",
            "force",
            "report",
            "diff",
            "digest",
            "schema",
            "badge",
            "outputs",
            "github",
        ] {
            assert!(ended.stdout.contains(word), "{word} is missing for {shell}");
        }
    }
}

#[tokio::test]
async fn help_tells_the_exit_codes() {
    let bench = Bench::new();
    for command in
        [&["run"][..], &["init"], &["report", "diff"], &["report", "schema"], &["selftest"]]
    {
        let ended = bench.run(&[command, &["--help"]].concat()).await;
        ended.with(0, "");
        assert!(ended.stdout.contains("Exit codes: 0 "), "{command:?}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn the_self_test_writes_a_page() {
    let bench = Bench::new();
    let page = bench.file("a folder/matrix.html");
    let only = ["--only", "empty-party-registered,coarse-clock", "--check", "REG-2"];
    let html = ["--html", page.to_str().unwrap()];
    bench.run(&[&["selftest"][..], &only, &html].concat()).await.with(0, "");
    let page = std::fs::read_to_string(page).unwrap();
    for part in ["1 of 1 faults found, 1 of 1 variants clean", "fault-empty-party-registered"] {
        assert!(page.contains(part), "{part} is missing");
    }
    let ended = bench
        .run(&["selftest", "--only", "coarse-clock", "--check", "REG-2", "--html", "/dev/null/x"])
        .await;
    ended.with(5, "cannot write /dev/null/x");
}
