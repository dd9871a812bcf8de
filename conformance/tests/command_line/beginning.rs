//! A profile to begin with.

use mpc_conformance::profile::Profile;

use super::*;

#[tokio::test]
async fn a_profile_is_written_and_nothing_is_written_over() {
    let bench = Bench::new();
    let file = bench.file("acme router.toml");
    let name = file.to_str().unwrap();
    let ended = bench.run(&["init", name]).await;
    ended.with(0, &format!("mpc-conformance run --profile '{name}'"));
    assert_eq!(Profile::read(&file).unwrap(), Profile::default());

    std::fs::write(&file, "mine").unwrap();
    bench.run(&["init", name]).await.with(5, "is there already");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    bench.run(&["init", name, "--force"]).await.with(0, "");
    assert_eq!(Profile::read(&file).unwrap(), Profile::default());

    let ended = bench.run(&["init", "-"]).await;
    ended.with(0, "");
    assert_eq!(ended.stdout, std::fs::read_to_string(&file).unwrap());
}

#[tokio::test]
async fn a_profile_without_a_name_lies_here() {
    let bench = Bench::new();
    let mut command = bench.command(&["init"]);
    command.current_dir(bench.folder.path());
    Ended::of(command.spawn().unwrap()).await.with(0, "wrote mpc-conformance.toml");
    assert!(bench.file("mpc-conformance.toml").exists());
}
