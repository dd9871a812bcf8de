//! What can be done to a container: it is stopped, killed, held, cut off, and started again.

use std::time::Duration;

use mpc_conformance::power::HowEnded;
use mpc_conformance::profile::Profile;
use mpc_conformance::target::{Spec, Target};
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{GetRegisteredPartiesRequest, RegisterPartyRequest};
use tokio::time::timeout;
use tonic::transport::Channel;

use super::Bench;
use super::image::IMAGE;

/// Nobody answers who takes so long, and who can, does.
const PATIENCE: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(60);

type Client = MessageRouterClient<Channel>;

async fn open() -> Target {
    let target = format!("docker:{IMAGE} serve --listen 0.0.0.0:{{port}} --data {{data}}");
    let spec: Spec = target.parse().unwrap();
    Target::open(&spec, &Profile::default()).await.unwrap()
}

fn client(target: &Target) -> Client {
    MessageRouterClient::new(target.subject.door.connect())
}

async fn registers(client: &mut Client, party: &str) {
    let request = RegisterPartyRequest {
        party_id: party.into(),
        party_role: "persistent".into(),
        ..RegisterPartyRequest::default()
    };
    client.register_party(request).await.unwrap();
}

/// Who is registered; nobody answers in time if it is none.
async fn parties(client: &mut Client, limit: Duration) -> Option<Vec<String>> {
    let listed =
        timeout(limit, client.get_registered_parties(GetRegisteredPartiesRequest::default())).await;
    let listed = listed.ok()?.ok()?.into_inner().parties;
    Some(listed.into_iter().map(|it| it.party_id).collect())
}

#[tokio::test]
async fn it_is_stopped_and_killed_and_has_what_it_had() {
    if Bench::new().is_none() {
        return;
    }
    let target = open().await;
    let power = target.subject.means.power.clone().unwrap();
    registers(&mut client(&target), "alice").await;
    let halt = power.stop(Duration::from_secs(20)).await;
    assert_eq!(halt.ended, Some(HowEnded::Code(0)), "{halt:?}");
    assert!(power.fate().await.is_some());
    assert!(parties(&mut client(&target), PATIENCE).await.is_none());
    let files = power.store().unwrap().list().unwrap();
    assert!(!files.is_empty(), "its store is where the suite can damage it");
    power.start().await.unwrap();
    assert_eq!(parties(&mut client(&target), LIMIT).await.unwrap(), ["alice"]);
    assert!(power.fate().await.is_none());

    power.kill().await;
    let fate = power.fate().await.unwrap();
    assert_eq!(fate.ended, Some(HowEnded::Code(137)), "{fate:?}");
    power.start().await.unwrap();
    assert_eq!(parties(&mut client(&target), LIMIT).await.unwrap(), ["alice"]);
    target.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_held_and_goes_on() {
    if Bench::new().is_none() {
        return;
    }
    let target = open().await;
    let power = target.subject.means.power.clone().unwrap();
    let mut calling = client(&target);
    registers(&mut calling, "alice").await;
    power.pause().await.unwrap();
    assert!(parties(&mut calling, PATIENCE).await.is_none());
    power.resume().await.unwrap();
    // On the same connection.
    assert_eq!(parties(&mut calling, LIMIT).await.unwrap(), ["alice"]);

    // Held, it can be killed and started all the same.
    power.pause().await.unwrap();
    power.comes_back().await.unwrap();
    assert_eq!(parties(&mut client(&target), LIMIT).await.unwrap(), ["alice"]);
    power.pause().await.unwrap();
    target.close().await;
}

#[tokio::test]
async fn it_is_cut_off_and_is_there_again() {
    if Bench::new().is_none() {
        return;
    }
    let target = open().await;
    let power = target.subject.means.power.clone().unwrap();
    registers(&mut client(&target), "alice").await;
    power.cut().await.unwrap();
    assert!(parties(&mut client(&target), PATIENCE).await.is_none());
    assert!(power.fate().await.is_none(), "it runs");
    power.mend().await.unwrap();
    assert_eq!(parties(&mut client(&target), LIMIT).await.unwrap(), ["alice"]);

    // Cut off, it is started with its network.
    power.cut().await.unwrap();
    power.comes_back().await.unwrap();
    assert_eq!(parties(&mut client(&target), LIMIT).await.unwrap(), ["alice"]);
}
