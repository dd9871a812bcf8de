//! What cannot be judged, and how it is told.

use super::image::{BROKEN, IMAGE, TWO_PORTS};
use super::{Bench, containers_of, deaf};

#[track_caller]
fn told(bench: &Bench, target: &str, code: i32, said: &str) {
    let suite = bench.command(&["run", "--target", target, "--only", "REG-1"]).spawn().unwrap();
    let pid = suite.id();
    let ended = super::Ended::of(suite.wait_with_output().unwrap());
    ended.with(code, said);
    assert_eq!(ended.stdout.contains("TARGET LOST"), code == 4, "{ended:?}");
    assert_eq!(containers_of(pid), [""; 0], "{target}");
    assert!(bench.is_clean(), "{target}");
}

#[test]
fn an_image_that_is_not_here_is_told_and_not_pulled() {
    let Some(bench) = Bench::new() else { return };
    let said =
        "there is no local image no.such/image: the suite pulls none, so build it or pull it";
    told(&bench, "docker:no.such/image serve {port}", 4, said);
}

#[test]
fn a_container_that_ends_at_once_is_told_with_its_last_words() {
    let Some(bench) = Bench::new() else { return };
    let target = format!("docker:{IMAGE} serve --no-such-option {{port}}");
    let said = format!(
        "the container of {IMAGE} ended before it listened on its port 50051: it ended with exit \
         code 2; it printed last:\n  | error: unexpected argument '--no-such-option'"
    );
    told(&bench, &target, 4, &said);
}

#[test]
fn a_container_in_which_nobody_listens_for_others_is_told() {
    let Some(bench) = Bench::new() else { return };
    let said = format!("the container of {IMAGE} did not listen on its port 50051 within 20 s");
    told(&bench, &deaf(), 4, &said);
}

#[test]
fn a_program_that_does_not_exist_in_its_container_is_told() {
    let Some(bench) = Bench::new() else { return };
    let target = format!("docker:{BROKEN} serve");
    told(&bench, &target, 4, &format!("the container of {BROKEN} cannot be started: "));
    told(&bench, &target, 4, "/no-such-program");
}

#[test]
fn what_makes_no_sense_is_a_wrong_command() {
    let Some(bench) = Bench::new() else { return };
    let target = format!("docker:{TWO_PORTS} serve");
    told(&bench, &target, 5, &format!("the image {TWO_PORTS} exposes 2 ports"));
    told(&bench, &format!("docker:--publish 1:1 {IMAGE} {{port}}"), 5, "is no option of docker");
    told(&bench, "docker:", 5, "docker: has no image");
}
