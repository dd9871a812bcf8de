//! Runs on a target that breaks a MUST.

use mpc_conformance::outcome::Outcome;

use super::*;

/// What a profile says besides, so that RTE-9 is broken: the reference router takes more.
pub(super) const TOO_SMALL: &str = "timers.max_payload_bytes = 4096\n\
                                    target.capabilities = ['flow']\n";

#[tokio::test]
async fn fail_fast_ends_at_the_first_failure_and_the_target_in_order() {
    let bench = Bench::new();
    let script = "(trap 'sleep 0.3; touch \"$0/clean\"; exit' TERM; touch \"$0/started\"; \
                  while :; do sleep 0.05; done) & wait";
    let (target, place) = (bench.target(script), Place::new());
    let (profile, json) = (bench.profile_with(place.address, TOO_SMALL), bench.file("report.json"));
    // FLW-2 runs alone, after all that can run side by side.
    let selected = ["--only", "RTE-9,FLW-2", "--fail-fast"];
    let options = ["--profile", &profile, "--json", json.to_str().unwrap()];
    let suite = bench.start(&[&["run", "--target", &target][..], &selected, &options].concat());
    bench.appears("started").await;
    serve(place.address).await;
    let ended = Ended::of(suite).await;
    ended.with(1, "");
    assert!(bench.file("clean").exists(), "it was killed before it had ended");
    bench.nothing_is_left();

    let report = bench.report("report.json");
    let of = |id: &str| report.requirements.iter().find(|it| it.id == id).unwrap();
    assert_eq!(of("RTE-9").outcome, Outcome::Failed);
    assert_eq!(of("FLW-2").outcome, Outcome::NotChecked);
    assert_eq!(of("FLW-2").detail, "the run ended at the first failure");
    assert!(ended.stdout.contains("the run ended at the first failure"), "{ended:?}");
}

#[tokio::test]
async fn fail_fast_goes_on_where_nothing_is_broken() {
    let bench = Bench::new();
    let ended = bench.run(&["run", "--only", "REG-1,FLW-2", "--fail-fast"]).await;
    ended.with(0, "");
    assert!(ended.stdout.contains("2 requirements hold"), "{ended:?}");
}
