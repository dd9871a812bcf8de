//! What is left of a container whose run did not come to its end.

use std::process::Child;
use std::time::Duration;

use mpc_conformance::target::LABEL;
use rustix::process::{Pid, Signal, kill_process};

use super::{Bench, Ended, containers_of, deaf, docker, until};

fn send(to: &Child, signal: Signal) {
    kill_process(Pid::from_child(to), signal).unwrap();
}

fn interrupted(bench: &Bench, begins: impl Fn(u32) -> bool, signal: Signal) {
    let suite = bench.command(&["run", "--target", &deaf()]).spawn().unwrap();
    let pid = suite.id();
    until("its beginning", || begins(pid));
    send(&suite, signal);
    Ended::of(suite.wait_with_output().unwrap()).with(130, "");
    assert_eq!(containers_of(pid), [""; 0], "{signal:?}");
    assert!(bench.is_clean(), "{signal:?}");
}

#[test]
fn a_container_goes_with_a_run_that_is_interrupted() {
    let Some(bench) = Bench::new() else { return };
    for signal in [Signal::INT, Signal::TERM] {
        interrupted(&bench, |suite| !containers_of(suite).is_empty(), signal);
    }
}

#[test]
fn a_container_goes_that_was_only_being_made() {
    let Some(bench) = Bench::new() else { return };
    for later in [0, 20, 60, 120, 250] {
        let begins = |_| {
            let has_begun = !bench.is_clean();
            if has_begun {
                // At another moment each time, between the request and the container.
                std::thread::sleep(Duration::from_millis(later));
            }
            has_begun
        };
        interrupted(&bench, begins, Signal::INT);
    }
}

#[test]
fn a_suite_that_was_killed_leaves_a_container_that_its_label_finds() {
    let Some(bench) = Bench::new() else { return };
    let mut suite = bench.command(&["run", "--target", &deaf()]).spawn().unwrap();
    let pid = suite.id();
    until("its container", || !containers_of(pid).is_empty());
    send(&suite, Signal::KILL);
    suite.wait().unwrap();
    let left = containers_of(pid);
    assert_eq!(left.len(), 1, "labelled {LABEL}={pid}: {left:?}");
    // As `run --help` says, with this suite's number so that others go on.
    docker(&["rm", "--force", "--volumes", &left[0]]).unwrap();
    assert_eq!(containers_of(pid), [""; 0]);
}
