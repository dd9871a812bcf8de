//! Several runs on one target.

use super::failing::TOO_SMALL;
use super::*;

#[tokio::test]
async fn runs_follow_each_other_with_the_next_seeds() {
    let bench = Bench::new();
    let json = bench.file("report.json");
    let options = ["--only", "REG-*", "--seed", "41", "--json", json.to_str().unwrap()];
    let ended = bench.run(&[&["run", "--repeat", "3"][..], &options].concat()).await;
    ended.with(0, "run 2 of 3\n");
    ended.with(0, "run 3 of 3: conformant, 8 requirements hold");
    assert!(ended.stdout.contains("3 runs: conformant 3"), "{ended:?}");
    assert!(ended.stdout.contains("ended the same way every time"), "{ended:?}");
    let repeats = bench.report("report.json").repeats.unwrap();
    assert_eq!((repeats.asked, repeats.worst), (3, 1));
    assert_eq!(repeats.runs.iter().map(|it| it.seed).collect::<Vec<_>>(), [41, 42, 43]);
    assert!(repeats.unsteady.is_empty(), "{repeats:?}");
}

#[tokio::test]
async fn one_run_tells_nothing_of_repeats() {
    let bench = Bench::new();
    let json = bench.file("report.json");
    bench.run(&["run", "--only", "REG-1", "--json", json.to_str().unwrap()]).await.with(0, "");
    assert!(!std::fs::read_to_string(json).unwrap().contains("repeats"));
    bench.run(&["run", "--repeat", "0"]).await.with(5, "0 is not in 1..");
}

#[tokio::test]
async fn no_run_follows_the_first_failure_if_that_is_asked_for() {
    let bench = Bench::new();
    let address = serve(ANYWHERE).await;
    let (profile, json) = (bench.profile_with(address, TOO_SMALL), bench.file("report.json"));
    let options = ["--only", "RTE-9", "--profile", &profile, "--json", json.to_str().unwrap()];
    let ended = bench.run(&[&["run", "--repeat", "3"][..], &options].concat()).await;
    ended.with(1, "");
    assert_eq!(bench.report("report.json").repeats.unwrap().runs.len(), 3);
    let options = [&options[..], &["--fail-fast"]].concat();
    let ended = bench.run(&[&["run", "--repeat", "3"][..], &options].concat()).await;
    ended.with(1, "");
    assert_eq!(bench.report("report.json").repeats.unwrap().runs.len(), 1);
    assert!(ended.stdout.contains("1 of 3 runs: not conformant 1"), "{ended:?}");
}

#[tokio::test]
async fn a_target_that_is_gone_ends_all_runs() {
    let bench = Bench::new();
    let place = Place::new();
    let listener = place.listener().await;
    let (target, json) = (place.url(), bench.file("report.json"));
    let options = ["--only", "REG-1", "--json", json.to_str().unwrap()];
    let suite =
        bench.start(&[&["run", "--target", &target, "--repeat", "9"][..], &options].concat());
    lose_router(listener).await;
    Ended::of(suite).await.with(4, "");
    let report = bench.report("report.json");
    assert_eq!(report.verdict, OverallVerdict::Unreachable);
    assert_eq!(report.repeats.unwrap().runs.len(), 1);
}
