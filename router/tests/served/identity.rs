//! Who may do what: SEC-2 to SEC-6 and SEC-9, over mutual TLS.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use mpc_router::{Caller, Identity, IdentityError, Router};
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use rcgen::DnType;
use tonic::{Code, Request, Status};

use crate::pki::*;
use crate::support::*;

/// Makes every call that names the caller, and tells how each ended.
async fn act(party: &mut Party) -> Vec<(&'static str, Result<(), Status>)> {
    vec![
        ("RegisterParty", party.register("persistent").await.map(drop)),
        ("Heartbeat", party.beat().await.map(drop)),
        ("RouteMessage", party.send("s", &["carol"], "payload").await.map(drop)),
        ("SubscribeMessages", party.open("s").await.map(drop)),
        ("GetPendingMessages", party.poll("s", 0).await.map(drop)),
        ("SubscribeSessionEvents", party.hear(&[]).await.map(drop)),
    ]
}

/// The same connection, calling in another's name.
fn posing_as(party: &Party, name: &str) -> Party {
    Party { name: name.into(), ..party.clone() }
}

#[tokio::test]
async fn a_party_acts_in_its_own_name() {
    let secure = Secure::start().await;
    let ([mut alice, mut carol], mut coordinator) = secure.parties(["alice", "carol"]).await;
    coordinator.announce("s", &["alice", "carol"]).await;
    for (call, ended) in act(&mut alice).await {
        assert!(ended.is_ok(), "{call}: {ended:?}");
    }
    let message = carol.poll("s", 0).await.unwrap().remove(0);
    carol.ack("s", &message.message_id).await.unwrap();
}

#[tokio::test]
async fn nobody_acts_in_another_partys_name() {
    let secure = Secure::start().await;
    let ([mut alice, mut bob, mut carol], mut coordinator) =
        secure.parties(["alice", "bob", "carol"]).await;
    coordinator.announce("s", &["alice", "bob", "carol"]).await;
    let message = carol.send("s", &["alice"], "payload").await.unwrap();
    let before = alice.list("", false).await.unwrap();
    for other in [&bob, &coordinator] {
        let mut posing = posing_as(other, "alice");
        let mut acts = act(&mut posing).await;
        acts.push(("AcknowledgeMessage", posing.ack("s", &message).await));
        for (call, ended) in acts {
            let code = ended.as_ref().err().map(Status::code);
            assert_eq!(
                code,
                Some(Code::PermissionDenied),
                "SEC-2, SEC-9: {call} by {}",
                other.name
            );
        }
    }
    // Nothing of it has happened.
    assert_eq!(alice.list("", false).await.unwrap(), before);
    assert!(carol.poll("s", 0).await.unwrap().is_empty());
    let status = carol.status("s", &message).await.unwrap();
    assert_eq!(status.deliveries[0].status, "pending");
    // The connection of who tried works on, in its own name.
    bob.beat().await.unwrap();
}

#[tokio::test]
async fn an_empty_name_is_no_other_partys() {
    let secure = Secure::start().await;
    let mut nobody = posing_as(&secure.party("alice").await, "");
    assert_eq!(nobody.register("persistent").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(nobody.poll("s", 0).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(nobody.beat().await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_coordinator_is_a_party_under_its_own_name() {
    let secure = Secure::start().await;
    let ([mut carol], mut coordinator) = secure.parties(["carol"]).await;
    coordinator.announce("s", &["coordinator", "carol"]).await;
    for (call, ended) in act(&mut coordinator).await {
        assert!(ended.is_ok(), "{call}: {ended:?}");
    }
    assert_eq!(carol.poll("s", 0).await.unwrap()[0].from_party, "coordinator");
}

#[tokio::test]
async fn only_a_coordinator_publishes_events() {
    let secure = Secure::start().await;
    let ([mut alice, mut bob], mut coordinator) = secure.parties(["alice", "bob"]).await;
    let mut heard = bob.hear(&[]).await.unwrap();
    let refused = alice.publish(event("s", "session_created", &["alice", "bob"])).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied, "SEC-3");
    let refused = alice.send("s", &["bob"], "payload").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "the session was never announced");
    assert_eq!(coordinator.announce("t", &["alice", "bob"]).await, 1);
    assert_eq!(next(&mut heard).await.session_id, "t", "SEC-3");
}

#[tokio::test]
async fn a_status_is_for_those_whom_it_concerns() {
    let secure = Secure::start().await;
    let ([mut alice, mut bob, mut carol], mut coordinator) =
        secure.parties(["alice", "bob", "carol"]).await;
    coordinator.announce("s", &["alice", "bob", "carol"]).await;
    let message = alice.send("s", &["bob"], "payload").await.unwrap();
    for party in [&mut alice, &mut bob, &mut coordinator] {
        let status = party.status("s", &message).await.unwrap();
        assert_eq!(status.deliveries.len(), 1, "SEC-4: {}", party.name);
    }
    let foreign = carol.status("s", &message).await.unwrap_err();
    let unknown = "00000000-0000-7000-8000-000000000000";
    let unknown = carol.status("s", unknown).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound, "SEC-4");
    assert_eq!(foreign.message(), unknown.message(), "it does not even tell that there is one");
}

fn tokens(parties: &[&str]) -> HashMap<String, String> {
    parties.iter().map(|&party| (party.to_owned(), format!("token of {party}"))).collect()
}

#[tokio::test]
async fn a_party_sees_its_own_join_token_alone() {
    let secure = Secure::start().await;
    let ([mut alice, mut bob, mut carol], mut coordinator) =
        secure.parties(["alice", "bob", "carol"]).await;
    coordinator.register("persistent").await.unwrap();
    let everybody = ["alice", "bob", "carol", "coordinator"];
    let join_tokens = tokens(&["alice", "bob"]);
    let created = SessionEvent { join_tokens, ..event("s", "session_created", &everybody) };
    let mut live = [alice.hear(&[]).await.unwrap(), alice.hear(&[]).await.unwrap()];
    assert_eq!(coordinator.publish(created).await.unwrap(), 1);
    for stream in &mut live {
        assert_eq!(next(stream).await.join_tokens, tokens(&["alice"]), "SEC-5");
    }
    // Whoever subscribes later gets the same, no more.
    for (party, own) in [
        (&mut alice, &["alice"][..]),
        (&mut bob, &["bob"]),
        (&mut carol, &[]),
        (&mut coordinator, &[]),
    ] {
        let mut replayed = party.hear(&[]).await.unwrap();
        let seen = next(&mut replayed).await.join_tokens;
        assert_eq!(seen, tokens(own), "SEC-5, EVT-13: {}", party.name);
    }
}

#[tokio::test]
async fn a_notification_channel_is_for_its_party_and_for_coordinators() {
    let secure = Secure::start().await;
    let ([mut alice, mut bob], mut coordinator) = secure.parties(["alice", "bob"]).await;
    for party in [&mut alice, &mut bob] {
        let email = format!("{}@example.org", party.name);
        let request = RegisterPartyRequest {
            party_id: party.name.clone(),
            party_role: "persistent".into(),
            notification: Some(NotificationChannel { email, ..Default::default() }),
            ..Default::default()
        };
        party.client.register_party(request).await.unwrap();
    }
    for (party, shown) in [
        (&mut alice, &["alice@example.org"][..]),
        (&mut bob, &["bob@example.org"]),
        (&mut coordinator, &["alice@example.org", "bob@example.org"]),
    ] {
        let listed = party.list("", false).await.unwrap();
        assert_eq!(listed.len(), 2, "DIR-1");
        let channels = listed.into_iter().filter_map(|listed| listed.notification);
        let seen: Vec<_> = channels.map(|channel| channel.email).collect();
        assert_eq!(seen, shown, "SEC-6: {}", party.name);
    }
}

#[tokio::test]
async fn a_router_that_has_to_know_its_callers_refuses_strangers() {
    let served = Served::on_port(identified()).await;
    let mut alice = served.stranger("alice").await;
    let mut acts = act(&mut alice).await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    acts.push(("AcknowledgeMessage", alice.ack("s", unknown).await));
    acts.push(("GetMessageStatus", alice.status("s", unknown).await.map(drop)));
    acts.push(("PublishSessionEvent", alice.publish(event("s", "x", &[])).await.map(drop)));
    acts.push(("GetRegisteredParties", alice.list("", false).await.map(drop)));
    for (call, ended) in acts {
        assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated, "{call}");
    }
}

#[tokio::test]
async fn an_identity_that_is_there_counts_even_where_none_is_needed() {
    let files = Files::new();
    let tls = files.load();
    let secure = Secure::serve(open_sessions(), files, tls).await;
    let mut posing = posing_as(&secure.party("bob").await, "alice");
    let refused = posing.register("persistent").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

/// A heartbeat of alice's, by somebody with this certificate.
async fn beat(router: &Router, identity: Identity) -> Result<(), Status> {
    let mut request = Request::new(HeartbeatRequest { party_id: "alice".into(), timestamp: 0 });
    request.extensions_mut().insert(Caller::Identified(identity));
    router.heartbeat(request).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn an_identity_lasts_as_long_as_its_certificate() {
    let router = Router::new(open_sessions());
    register(&router, "alice").await;
    let signed = Authority::new().client("alice");
    let identity = Identity::of_certificate(&signed.der, &BTreeSet::new()).unwrap();
    beat(&router, identity.clone()).await.unwrap();
    tokio::time::advance(Duration::from_hours(1) - Duration::from_secs(60)).await;
    beat(&router, identity.clone()).await.unwrap();
    tokio::time::advance(Duration::from_secs(62)).await;
    assert_eq!(beat(&router, identity).await.unwrap_err().code(), Code::Unauthenticated, "SEC-8");
}

#[test]
fn the_common_name_is_the_party() {
    let authority = Authority::new();
    let coordinators = BTreeSet::from(["carol".to_owned()]);
    let of = |params| Identity::of_certificate(&authority.sign(&params).der, &coordinators);
    for (name, coordinator) in [("alice", false), ("carol", true), (" Zo\u{eb}/1 ", false)] {
        let identity = of(client(&[name])).unwrap();
        assert_eq!((identity.party(), identity.is_coordinator()), (name, coordinator));
    }
    let mut among_others = client(&[]);
    among_others.distinguished_name.push(DnType::OrganizationName, "mallory");
    among_others.distinguished_name.push(DnType::CommonName, "alice");
    assert_eq!(of(among_others).unwrap().party(), "alice");
}

#[test]
fn a_certificate_of_nobody_is_no_identity() {
    let authority = Authority::new();
    let of = |der: &[u8]| Identity::of_certificate(der, &BTreeSet::new()).unwrap_err();
    let mut no_text = client(&[]);
    no_text.distinguished_name.push(DnType::CommonName, crate::pki::no_text());
    let mut nameless = client(&[]);
    nameless.distinguished_name.push(DnType::OrganizationName, "alice");
    for params in [client(&[]), client(&[""]), no_text, nameless] {
        assert_eq!(of(&authority.sign(&params).der), IdentityError::Nameless);
    }
    assert_eq!(of(b"no certificate"), IdentityError::Malformed);
    assert_eq!(of(&two_names(&authority)), IdentityError::Ambiguous);
}

/// A certificate with two common names. What makes certificates here does not make such, so another
/// name of the same length is turned into one.
fn two_names(authority: &Authority) -> Vec<u8> {
    let mut params = client(&["alice"]);
    params.distinguished_name.push(DnType::OrganizationName, "bob");
    let mut der = authority.sign(&params).der;
    let organization = [0x06, 0x03, 0x55, 0x04, 0x0a];
    let at = der.windows(5).position(|bytes| bytes == organization).unwrap();
    der[at + 4] = 0x03;
    der
}
