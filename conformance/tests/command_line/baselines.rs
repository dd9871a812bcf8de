//! Runs held against what is known.

use super::failing::TOO_SMALL;
use super::*;

const KNOWN: [&str; 3] = ["run", "--only", "REG-1,RTE-9"];

#[tokio::test]
async fn what_is_known_does_not_fail_a_run_until_something_is_worse_or_better() {
    let bench = Bench::new();
    let address = serve(ANYWHERE).await;
    let profile = bench.profile_with(address, TOO_SMALL);
    let (file, junit) = (bench.file("baseline.json"), bench.file("junit.xml"));
    let (file, junit) = (file.to_str().unwrap(), junit.to_str().unwrap());
    let run = [&KNOWN[..], &["--profile", &profile, "--junit", junit]].concat();
    let with = |more: &[&'static str]| {
        let more = more.iter().map(|it| if *it == "FILE" { file } else { it });
        run.iter().copied().chain(more).collect::<Vec<_>>()
    };

    let ended = bench.run(&with(&["--write-baseline", "FILE"])).await;
    ended.with(1, "knows 1 that do not hold");
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written.contains("\"RTE-9\": \"failed\"") && written.lines().count() == 7, "{written}");

    // Also where it would end at what is new.
    let ended = bench.run(&with(&["--baseline", "FILE", "--fail-fast"])).await;
    ended.with(0, "");
    assert!(ended.stdout.contains("RTE-9  MUST broken, known to the baseline"), "{ended:?}");
    assert!(ended.stdout.contains("BASELINE: nothing is worse than"), "{ended:?}");
    assert!(std::fs::read_to_string(junit).unwrap().contains("failures=\"0\""));

    std::fs::write(file, written.replace("RTE-9", "REG-1")).unwrap();
    let ended = bench.run(&with(&["--baseline", "FILE"])).await;
    ended.with(1, "");
    for part in [
        "worse        RTE-9: failed, in the baseline passed",
        "better       REG-1: passed, in the baseline failed",
        "write it anew: --write-baseline",
        "baseline.json: RTE-9",
    ] {
        assert!(ended.stdout.contains(part), "{part:?} in {}", ended.stdout);
    }
    // It is read before it is written.
    let ended = bench.run(&with(&["--baseline", "FILE", "--write-baseline", "FILE"])).await;
    ended.with(1, "");
    assert_eq!(std::fs::read_to_string(file).unwrap(), written);
}

#[tokio::test]
async fn a_baseline_that_cannot_be_used_is_a_wrong_command() {
    let bench = Bench::new();
    let file = bench.file("baseline.json");
    let file = file.to_str().unwrap();
    bench.run(&["run", "--baseline", file]).await.with(5, "cannot read the baseline");
    std::fs::write(file, "[]").unwrap();
    bench.run(&["run", "--baseline", file]).await.with(5, "is no baseline");
    let fail_fast = ["run", "--write-baseline", file, "--fail-fast"];
    bench.run(&fail_fast).await.with(5, "cannot be used with");
}

#[tokio::test]
async fn a_lost_target_is_no_baseline() {
    let bench = Bench::new();
    let file = bench.file("baseline.json");
    let target = bench.target("exit 3; : {port}");
    let options = ["--target", &target, "--write-baseline", file.to_str().unwrap()];
    let ended = bench.run(&[&["run"][..], &options].concat()).await;
    ended.with(4, "was not written: the target was lost");
    assert!(!file.exists());
}
