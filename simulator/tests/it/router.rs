//! Through the reference router, over the network.

use std::net::SocketAddr;
use std::time::Duration;

use mpc_router::serve::Server;
use mpc_router::{Config, Router};
use mpc_simulator::ceremony::{self, Plan, Protocol, What};
use mpc_simulator::flow::Flow;
use tokio::sync::oneshot;

/// A router that serves until `stop` is sent or dropped.
pub(crate) async fn serve() -> (String, oneshot::Sender<()>) {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(any).await.unwrap();
    let target = format!("http://{}", server.local_addr());
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(server.serve(Router::new(Config::default()), async {
        drop(stopped.await);
    }));
    (target, stop)
}

/// Busy machines take their time.
fn plan() -> Plan {
    Plan { deadline: Duration::from_secs(600), ..Plan::default() }
}

#[tokio::test]
async fn a_ceremony_is_verified() {
    let (target, _stop) = serve().await;
    let plan = plan();
    let mut phases = Vec::new();
    let report = ceremony::run(ceremony::dial(&target).unwrap(), &plan, |news| {
        if let What::Phase(phase) = news.what {
            phases.push(phase);
        }
    });
    let report = report.await.unwrap();
    assert!(report.passed(), "{report:#?}");
    assert_eq!(phases, ["gathering", "keygen", "signing", "parting", "judging"]);
    let told: Vec<_> = report.phases.iter().map(|phase| phase.name).collect();
    assert_eq!(told, ["gathering", "keygen", "signing", "parting"]);
    assert_eq!(report.signatures.len(), 2);
    assert!(report.signatures.iter().all(|signed| signed.signers.len() == 3));
    assert_eq!(report.parties.len(), 5);
    // Each sends its round-1 package, echo, four shares and confirmation, and signs.
    assert!(report.parties.iter().all(|party| party.sent >= 8 && party.finished.len() >= 2));
}

#[tokio::test]
async fn two_ceremonies_on_one_router_do_not_meet() {
    let (target, _stop) = serve().await;
    let connect = ceremony::dial(&target).unwrap();
    let flow = Flow::find("gg18-sign").unwrap();
    let (one, two) = (
        Plan { parties: 3, threshold: 2, ..plan() },
        Plan { parties: 4, protocol: Protocol::Flow(flow), ..plan() },
    );
    let (one, two) =
        tokio::join!(ceremony::run(&connect, &one, |_| {}), ceremony::run(&connect, &two, |_| {}));
    assert!(one.as_ref().unwrap().passed(), "{one:#?}");
    assert!(two.as_ref().unwrap().passed(), "{two:#?}");
}

#[tokio::test]
async fn large_payloads_come_through() {
    let (target, _stop) = serve().await;
    let flow = Flow::find("cggmp24-aux").unwrap();
    let plan = Plan { parties: 3, protocol: Protocol::Flow(flow), ..plan() };
    let report = ceremony::run(ceremony::dial(&target).unwrap(), &plan, |_| {}).await.unwrap();
    assert!(report.passed(), "{report:#?}");
    assert_eq!(report.group_public_key, None);
}

#[test]
fn targets_are_addresses() {
    for good in ["http://127.0.0.1:50051", "127.0.0.1:50051", "http://[::1]:50051", "router:1"] {
        assert!(ceremony::dial(good).is_ok(), "{good}");
    }
    for bad in ["", "127.0.0.1", "https://127.0.0.1:50051", "http://", "ftp://x:1", "a b:1"] {
        let why = ceremony::dial(bad).map(|_| ()).unwrap_err().to_string();
        assert!(why.contains("such as http://127.0.0.1:50051"), "{bad}: {why}");
    }
}
