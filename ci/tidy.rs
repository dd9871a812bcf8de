//! What the architecture promises and no compiler checks: who may know whom, and that every
//! requirement that the code speaks of exists.

#![expect(clippy::unwrap_used, reason = "a tree that cannot be read is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and the folders of their sources.
const ROOMS: [(&str, &str); 6] = [
    ("mpc-router-proto", "."),
    ("mpc-router-core", "router/core"),
    ("mpc-router", "router"),
    ("mpc-simulator", "simulator"),
    ("mpc-conformance", "conformance"),
    ("mpc-router-benches", "benches"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tracked files with one of these endings, by their path from the root.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with("target") && name != ".git" && name != "mpc-report" {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let from_root = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((from_root, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 5, "the tree was not found: {found:?}");
    found
}

/// The dependencies of a room on other crates: those it is built with, and those of its tests.
fn dependencies(folder: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let names = |table: &str| -> BTreeSet<String> {
        let table = manifest.get(table).and_then(toml::Value::as_table);
        table.into_iter().flat_map(|it| it.keys().cloned()).collect()
    };
    (names("dependencies"), names("dev-dependencies"))
}

#[test]
fn rooms_know_only_whom_they_may() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("mpc-router-proto", [].as_slice()),
        ("mpc-router-core", &[]),
        ("mpc-router", &["mpc-router-core", "mpc-router-proto"]),
        ("mpc-simulator", &["mpc-router", "mpc-router-core", "mpc-router-proto"]),
        ("mpc-conformance", &["mpc-router", "mpc-router-proto", "mpc-simulator"]),
        ("mpc-router-benches", &["mpc-router", "mpc-router-core", "mpc-router-proto"]),
    ]);
    for (room, folder) in ROOMS {
        let (dependencies, _) = dependencies(folder);
        let ours = dependencies.iter().filter(|it| ROOMS.iter().any(|(room, _)| room == it));
        for known in ours {
            assert!(may[room].contains(&known.as_str()), "{room} must not know {known}");
        }
    }
}

#[test]
fn the_core_depends_on_bytes_alone() {
    let (dependencies, _) = dependencies("router/core");
    assert_eq!(dependencies, BTreeSet::from(["bytes".to_owned()]));
}

#[test]
fn only_the_wall_names_both_wire_and_core() {
    for (path, text) in files(&[".rs"]) {
        if path.starts_with("router/src/") && !path.ends_with("tests.rs") {
            // Examples in documentation are calls from outside.
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let text: String = code.collect();
            let both = text.contains("mpc_router_core") && text.contains("mpc_router_proto");
            assert!(!both || path == "router/src/wire.rs", "{path} names both");
        }
    }
}

#[test]
fn of_the_simulator_only_worlds_know_the_router() {
    for (path, text) in files(&[".rs"]) {
        let knows = text.contains("mpc_router::") || text.contains("mpc_router_core");
        if path.starts_with("simulator/src/") && !path.contains("tests") && knows {
            assert!(path.starts_with("simulator/src/world/"), "{path} knows the router");
        }
    }
}

#[test]
fn every_room_opens_with_its_card() {
    for (room, folder) in ROOMS {
        let path =
            if folder == "." { "proto/lib.rs".into() } else { format!("{folder}/src/lib.rs") };
        let text = fs::read_to_string(root().join(path)).unwrap();
        let lines: Vec<_> = text.lines().take(5).collect();
        let card = ["//! Room: ", "//! In: ", "//! Out: ", "//! Knows: ", "//! Blind to: "];
        for (line, opening) in lines.iter().zip(card) {
            assert!(line.starts_with(opening), "{room}: {line:?} should begin with {opening:?}");
        }
    }
}

/// The identifiers that the suite states, such as `ORD-1`.
fn contract() -> BTreeSet<String> {
    files(&[".rs"])
        .iter()
        .filter(|(path, _)| path.starts_with("conformance/src/families/"))
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .filter(|it| {
            it.split_once('-').is_some_and(|(family, number)| {
                family.bytes().all(|it| it.is_ascii_uppercase()) && number.parse::<u32>().is_ok()
            })
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_requirement_that_is_spoken_of_exists() {
    let contract = contract();
    assert_eq!(contract.len(), 150, "the contract has 150 requirements");
    let families: BTreeSet<&str> = contract.iter().filter_map(|it| it.split('-').next()).collect();
    for (path, text) in files(&[".rs", ".md", ".proto", ".toml"]) {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        for word in words {
            let Some((family, number)) = word.split_once('-') else { continue };
            if families.contains(family) && number.parse::<u32>().is_ok_and(|it| it < 90) {
                assert!(contract.contains(word), "{path} speaks of {word}, which does not exist");
            }
        }
    }
}

#[test]
fn nothing_is_tied_to_one_machine() {
    for (path, text) in files(&[".rs", ".md", ".proto", ".toml", ".yml", "run"]) {
        for home in ["root", "home", "Users"].map(|folder| format!("/{folder}/")) {
            assert!(!text.contains(&home), "{path} has a path in {home}");
        }
    }
}
