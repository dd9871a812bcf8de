//! The reference router keeps the contract, requirement by requirement.

use std::net::Ipv4Addr;
use std::sync::Arc;

use mpc_conformance::in_process::InProcess;
use mpc_conformance::notices::Notices;
use mpc_conformance::outcome::Outcome;
use mpc_conformance::profile::Profile;
use mpc_conformance::report::OverallVerdict;
use mpc_conformance::requirement::Capability;
use mpc_conformance::select::Selection;
use mpc_router::notify::{Gateways, HttpGateway};
use mpc_router::{Config, Router};

/// The router with the timers that it has as the built-in target.
async fn router() -> InProcess {
    let profile = Profile::built_in();
    let timers = &profile.timers;
    let router = Router::new(Config {
        heartbeat_timeout: timers.heartbeat_timeout(),
        ack_timeout: timers.ack_timeout(),
        max_retries: timers.max_retries,
        message_ttl: timers.message_ttl(),
        ..Config::default()
    });
    let listened = Notices::listen((Ipv4Addr::LOCALHOST, 0).into()).await;
    let (notices, listening) = listened.expect("there is a free port");
    let url = notices.url().expect("it listens");
    let gateway = HttpGateway::new(url).expect("it is a URL");
    let notifying = router.notify(Gateways::new(vec![Arc::new(gateway)]));
    tokio::spawn(async move {
        notifying.await;
        drop(listening);
    });
    InProcess::new(router).profile(profile).notices(notices)
}

mpc_conformance::one_test_per_requirement!(router().await);

/// How often what has no verdict is asked for again: the machine may be busy with other tests.
const AGAIN: usize = 5;

/// What it claims besides `core`, all at once: most of it is waiting.
#[tokio::test]
async fn it_keeps_what_it_claims() {
    let claimed = Profile::built_in().target.capabilities;
    assert!(!claimed.contains(&Capability::Core) && !claimed.is_empty());
    let selection = Selection::new(&[], &[], &claimed).expect("they have requirements");
    let mut report = router().await.selection(selection).run().await;
    for _ in 0..AGAIN {
        if report.verdict != OverallVerdict::Incomplete || report.counts.not_checked > 0 {
            break;
        }
        let undecided = report.requirements.iter();
        let undecided = undecided.filter(|it| it.outcome == Outcome::Inconclusive);
        let undecided: Vec<_> = undecided.map(|it| it.id.clone()).collect();
        let selection = Selection::new(&undecided, &[], &[]).expect("some have no verdict");
        report = router().await.selection(selection).run().await;
    }
    report.assert_conformant();
}
