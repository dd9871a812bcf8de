//! Two reports side by side.

use super::failing::TOO_SMALL;
use super::*;

#[tokio::test]
async fn what_changed_between_two_runs_is_told() {
    let bench = Bench::new();
    let address = serve(ANYWHERE).await;
    let (old, new) = (bench.file("old.json"), bench.file("new.json"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    for (more, file, code) in [("", old, 0), (TOO_SMALL, new, 1)] {
        let profile = bench.profile_with(address, more);
        let options = ["--only", "REG-1,RTE-9", "--profile", &profile, "--json", file];
        bench.run(&[&["run"][..], &options].concat()).await.with(code, "");
    }
    let ended = bench.run(&["report", "diff", old, new]).await;
    ended.with(1, "");
    assert!(ended.stdout.contains("RTE-9   MUST  passed → failed: "), "{ended:?}");
    assert!(ended.stdout.ends_with("REGRESSION: 1 newly broken (RTE-9)\n"), "{ended:?}");

    let ended = bench.run(&["report", "diff", new, old, "--json"]).await;
    ended.with(0, "");
    let diff: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(diff["regression"], false);
    assert_eq!(diff["mended"][0]["id"], "RTE-9");
    assert_eq!(diff["mended"][0]["old"], "failed");
    assert_eq!(diff["same_requirement_set"], true);

    std::fs::write(new, "{}").unwrap();
    bench.run(&["report", "diff", old, new]).await.with(5, "is no JSON report");
    bench.run(&["report", "diff", "/nowhere.json", old]).await.with(5, "cannot read the report");
}
