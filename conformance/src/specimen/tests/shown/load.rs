//! Readers that stall, too much at once, and clients that mean no good.

use std::time::Duration;

use mpc_router_proto::v1::{RegisterPartyResponse, RouteMessageRequest, RouteMessageResponse};
use tokio::time::{Instant, timeout};
use tonic::Request;
use tonic::codegen::http::uri::PathAndQuery;

use super::super::world::{MIB, World, drain};
use super::Story;
use crate::specimen::Twist;

const ROUTE: &str = "/mpc.router.v1.MessageRouter/RouteMessage";
const SOON: Duration = Duration::from_millis(100);

pub(super) async fn load(twist: Twist) -> Story {
    let mut story = Story::default();
    stalled(&mut story, twist.clone()).await;
    overloaded(&mut story, twist.clone()).await;
    broken_off(&mut story, twist).await;
    story
}

async fn stalled(story: &mut Story, twist: Twist) {
    let world = World::with(twist, &["a", "b", "c"]).await;
    let mut unread = world.open("s", "b").await.unwrap();
    let mut read = world.open("s", "c").await.unwrap();
    for number in 0..1_300 {
        let payload = if (80..=1_250).contains(&number) { vec![1] } else { vec![0; MIB / 16] };
        if timeout(SOON, world.route("s", "a", &["b"], payload)).await.is_err() {
            story.tell("stops at", number);
            break;
        }
    }
    let routed = timeout(SOON, world.route("s", "a", &[], "to all")).await;
    story.tell("routed", routed.is_ok());
    let came = drain(&mut read).await;
    story.messages("beside", &came);
    let came = drain(&mut unread).await;
    story.messages("at last", &came);
}

async fn overloaded(story: &mut Story, twist: Twist) {
    let world = World::with(twist, &["a", "b", "c"]).await;
    for _ in 0..68 {
        let began = Instant::now();
        let routed = world.route("s", "a", &["b"], vec![0; MIB / 4]).await.is_ok();
        story.tell("accepted", (routed, began.elapsed() > SOON));
    }
    tokio::time::sleep(SOON).await;
    story.tell("waiting", world.pending("b").await);
    let calls: Vec<_> = (0..120)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.route("s", "a", &["c"], "at once").await.is_ok() })
        })
        .collect();
    for call in calls {
        story.tell("at once", call.await.unwrap());
    }
    tokio::time::sleep(SOON).await;
    story.tell("waiting", world.pending("c").await);
}

async fn broken_off(story: &mut Story, twist: Twist) {
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).chain(["a"]).collect();
    let world = World::with(twist, &names).await;
    let _ = timeout(Duration::from_millis(4), world.route("s", "a", &[], "cut off")).await;
    for name in &names {
        story.tell("waiting", world.pending(name).await);
    }
    for _ in 0..210 {
        let _ = timeout(Duration::from_millis(2), half_a_call(&world, None)).await;
    }
    let half = tokio::spawn({
        let world = world.clone();
        async move { half_a_call(&world, None).await }
    });
    tokio::time::sleep(SOON).await;
    story.tell("beside half a call", timeout(SOON, world.heartbeat("a", 0)).await.is_ok());
    half.abort();
    let ends = timeout(2 * SOON, half_a_call(&world, Some(SOON))).await.is_ok();
    story.tell("half a call ends by its deadline", ends);

    let mut client = tonic::client::Grpc::new(world.channel.clone());
    let codec = tonic_prost::ProstCodec::<RegisterPartyResponse, RouteMessageResponse>::default();
    let garbage = RegisterPartyResponse { success: true, ..Default::default() };
    let calls = async {
        client.ready().await.unwrap();
        let answer = client.unary(Request::new(garbage), PathAndQuery::from_static(ROUTE), codec);
        answer.await.is_ok()
    };
    story.tell("garbage", timeout(SOON, calls).await.ok());
    let after = timeout(SOON, world.route("s", "a", &["n1"], "after it")).await;
    story.tell("after garbage", after.map(|it| it.is_ok()).ok());
}

/// A call whose request never comes.
async fn half_a_call(world: &World, deadline: Option<Duration>) {
    let mut client = tonic::client::Grpc::new(world.channel.clone());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<RouteMessageRequest, RouteMessageResponse>::default();
    let mut never = Request::new(tokio_stream::pending());
    if let Some(deadline) = deadline {
        never.set_timeout(deadline);
    }
    let _ = client.client_streaming(never, PathAndQuery::from_static(ROUTE), codec).await;
}
