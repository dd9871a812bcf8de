//! `mpc-simulator world` as a process.

#![expect(clippy::unwrap_used, reason = "a process that cannot be started is a test that fails")]

use std::process::{Command, Output};

fn world(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpc-simulator"));
    command.arg("world").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const SMALL: [&str; 4] = ["--flow", "gg18-sign", "--parties", "3"];

#[test]
fn a_seed_is_played_and_told() {
    let play = |more: &[&str]| world(&[&["--seed", "4"], &SMALL[..], more].concat());
    let told = play(&[]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let told = text(&told.stdout);
    assert!(told.contains("gg18-sign among 3 parties") && told.contains("well:"), "{told}");
    let quiet = text(&play(&["--quiet"]).stdout);
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    let json: serde_json::Value = serde_json::from_slice(&play(&["--json", "-"]).stdout).unwrap();
    assert_eq!(json["scenario"]["seed"], 4);
    assert_eq!(json["troubles"], serde_json::json!([]));
    assert!(told.contains(json["trace"].as_str().unwrap()), "the same way twice");
    let story = text(&play(&["--trace", "-"]).stdout);
    assert!(story.contains("0.000 the router runs, for the 1. time"), "{story}");
}

#[test]
fn a_scenario_is_printed_and_played_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let printed = world(&["--seed", "8", "--print-scenario"]);
    assert_eq!(printed.status.code(), Some(0));
    std::fs::write(&file, &printed.stdout).unwrap();
    let file = file.to_str().unwrap();
    let [drawn, read] =
        [world(&["--seed", "8", "--json", "-"]), world(&["--scenario", file, "--json", "-"])];
    assert_eq!(text(&drawn.stdout), text(&read.stdout));
    std::fs::write(file, "seed = 1\n[[fault]]\nkind = \"none\"\n").unwrap();
    let wrong = world(&["--scenario", file]);
    assert_eq!(wrong.status.code(), Some(5));
    assert!(text(&wrong.stderr).contains("mine.toml:3: fault.kind: unknown variant"), "{wrong:?}");
}

#[test]
fn many_are_played_from_a_range_a_time_or_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("seeds.txt");
    std::fs::write(&list, "# none fails\n3 # one\n5\n").unwrap();
    for (which, count) in [
        (["--seeds", "1..6"], Some(5)),
        (["--seed-list", list.to_str().unwrap()], Some(2)),
        (["--minutes", "0.01"], None),
    ] {
        let played = world(&[&which, &SMALL[..]].concat());
        let told = text(&played.stdout);
        assert_eq!(played.status.code(), Some(0), "{told}");
        let begins = count.map(|count| format!("well: {count} worlds, "));
        assert!(told.starts_with(begins.as_deref().unwrap_or("well: ")), "{told}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (args, says) in [
        (["--seeds", "5..5"].as_slice(), "write it as"),
        (&["--seeds", "1..5", "--seed", "1"], "cannot be used with"),
        (&["--minutes", "0"], "write it as"),
        (&["--parties", "3", "--threshold", "4"], "the threshold is 2 to 3"),
        (&["--flow", "none"], "no flow of this name"),
        (&["--hours", "99999999"], "is not in"),
        (&["--scenario", "no-such-file"], "cannot read no-such-file"),
    ] {
        let refused = world(args);
        assert_eq!(refused.status.code(), Some(5), "{args:?}");
        let told = text(&refused.stderr);
        assert!(told.contains(says), "{args:?}: {told}");
    }
}
