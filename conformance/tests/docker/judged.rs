//! The right router, in a container, with all that it claims.

use mpc_conformance::outcome::Outcome;
use mpc_conformance::report::Report;

use super::image::IMAGE;
use super::{Bench, root};

/// How often what has no verdict is asked for again: the machine may be busy with other tests.
const AGAIN: usize = 4;

/// What a container makes a difference to; all of it would take ten times as long.
const ONLY: &str = "DUR-*,OFF-1,OFF-2,SEC-1,SEC-2,REG-1,RTE-1,SUB-3,HB-3";

const SERVE: &str = "serve --listen 0.0.0.0:{port} --data {data} --notify-url {notify} --log warn
    --tls-cert {certs}/server.pem --tls-key {certs}/server.key --tls-client-ca {certs}/ca.pem
    --heartbeat-timeout 1500ms --ack-timeout 400ms --max-retries 7 --message-ttl 7s
    --stop-timeout 3s";

#[test]
fn the_reference_router_is_conformant_with_a_store_notifications_and_certificates() {
    let Some(bench) = Bench::new() else { return };
    let profile = root().join("ci/whole-secure.toml");
    let (target, json) = (format!("docker:{IMAGE} {SERVE}"), bench.file("report.json"));
    let options = ["run", "--target", &target, "--profile", profile.to_str().unwrap()];
    let options = [&options[..], &["--quiet", "--json", json.to_str().unwrap()]].concat();
    let mut ended = bench.run(&[&options[..], &["--only", ONLY]].concat());
    for _ in 0..AGAIN {
        let report: Report = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        let unchecked = report.requirements.iter().find(|it| it.outcome == Outcome::NotChecked);
        assert!(unchecked.is_none(), "{unchecked:?}");
        let undecided = report.requirements.iter();
        let undecided = undecided.filter(|it| it.outcome == Outcome::Inconclusive);
        let undecided: Vec<_> = undecided.map(|it| it.id.clone()).collect();
        if ended.code != Some(2) || undecided.is_empty() {
            break;
        }
        ended = bench.run(&[&options[..], &["--only", &undecided.join(",")]].concat());
    }
    let report = std::fs::read_to_string(&json).unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}\n{report}");
    assert!(bench.is_clean());
}

#[test]
fn an_image_that_says_its_port_and_is_set_by_its_environment_needs_no_places() {
    let Some(bench) = Bench::new() else { return };
    let target = format!("docker:--env MPC_ROUTER_LISTEN=0.0.0.0:50051 {IMAGE} serve");
    // The profile names it as well as the command line does.
    let profile = bench.file("profile.toml");
    let text = format!("target.start = '{target}'\ntarget.capabilities = ['durable']\n");
    std::fs::write(&profile, format!("{text}target.data = '/store'\n")).unwrap();
    let profile = profile.to_str().unwrap();
    let only = ["--only", "REG-1,DUR-9", "--quiet"];
    let ended = bench.run(&[&["run", "--profile", profile][..], &only].concat());
    // It was told of no store, so there is nothing in it that could be damaged.
    ended.with(2, "");
    let with_store = target.replace(" mpc-conf", " --env MPC_ROUTER_DATA={data} mpc-conf");
    let with = ["run", "--profile", profile, "--target", &with_store];
    bench.run(&[&with[..], &only].concat()).with(0, "");
    assert!(bench.is_clean());
}
