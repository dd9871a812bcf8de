//! Routing.

use std::time::Duration;

use bytes::Bytes;
use mpc_router_proto::v1::{RouteMessageRequest, RouteMessageResponse};
use tokio::time::sleep;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::super::world::{MIB, World, message};
use super::Story;
use crate::specimen::Twist;

/// Sends what is no `RouteMessageRequest` of this version.
#[derive(Default)]
struct Later;

impl Codec for Later {
    type Encode = Bytes;
    type Decode = RouteMessageResponse;
    type Encoder = AsItIs;
    type Decoder = Answers;

    fn encoder(&mut self) -> AsItIs {
        AsItIs
    }

    fn decoder(&mut self) -> Answers {
        Answers
    }
}

struct AsItIs;

impl Encoder for AsItIs {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, buf: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        bytes::BufMut::put(buf, item);
        Ok(())
    }
}

struct Answers;

impl Decoder for Answers {
    type Item = RouteMessageResponse;
    type Error = tonic::Status;

    fn decode(
        &mut self,
        buf: &mut DecodeBuf<'_>,
    ) -> Result<Option<RouteMessageResponse>, tonic::Status> {
        <RouteMessageResponse as prost::Message>::decode(buf)
            .map(Some)
            .map_err(|error| tonic::Status::internal(error.to_string()))
    }
}

/// Routes with an unknown field before all known ones.
async fn route_later_version(story: &mut Story, world: &World, request: &RouteMessageRequest) {
    let mut bytes = vec![0x82, 0x7d, 1, b'x'];
    bytes.extend(prost::Message::encode_to_vec(request));
    let mut client = tonic::client::Grpc::new(world.channel.clone());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/mpc.router.v1.MessageRouter/RouteMessage");
    let answer = client.unary(tonic::Request::new(Bytes::from(bytes)), path, Later).await;
    let answer = answer.map(|answer| answer.into_inner().message_id);
    story.routed("with an unknown field", &answer.map_err(|status| Some(status.code())));
}

/// Names that are equal when they are cut or glued together, and messages with equal labels.
async fn alike(story: &mut Story, world: &World) {
    let long = ["a", "b"].map(|end| format!("{}{end}", "n".repeat(64)));
    let [one, other] = &long.each_ref().map(String::as_str);
    for party in ["b:c", one, other] {
        world.register(party, "persistent", None).await.unwrap();
    }
    for session in ["q", "q:b", one, other] {
        world.announce(session, &["a", "b", "c", "b:c", one, other]).await;
    }
    for (session, to) in
        [("q", "b:c"), ("q:b", "c"), ("q", one), ("q", other), (one, "b"), (other, "b")]
    {
        let what = format!("in {session:?} to {to:?}");
        story.routed(&what, &world.route(session, "a", &[to], to.to_owned()).await);
    }
    for (session, party) in [("q", "b:c"), ("q:b", "c"), ("q", one), (one, "b"), (other, "b")] {
        story.polled("alike", &world.poll(session, party, 0).await);
    }
    for (from, byte) in [("a", 1), ("a", 2), ("b", 3)] {
        story.routed("equal labels", &world.route("q", from, &["c"], vec![byte; 70_000]).await);
    }
    for _ in 0..2 {
        story.polled("equal labels", &world.poll("q", "c", 0).await);
    }
}

pub(super) async fn routing(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "b2", "c"]).await;
    for session in ["s ", "s2"] {
        world.announce(session, &["a", "b", "b2", "c"]).await;
    }
    world.announce("alone", &["a"]).await;
    let mut streams = Vec::new();
    for party in ["a", "b", "b2", "c"] {
        streams.push((party, world.open("s", party).await.unwrap()));
    }
    let mut see = async |story: &mut Story| {
        for (party, stream) in &mut streams {
            story.stream(party, stream).await;
        }
    };

    for to in [&["b"][..], &["b2", "b"], &[], &["b", "b"]] {
        let id = story.routed(&format!("to {to:?}"), &world.route("s", "a", to, "text").await);
        story.status("its status", &world.status("s", &id).await);
        see(&mut story).await;
    }
    story.routed("the same again", &world.route("s", "a", &["b"], "text").await);
    story.routed("at the same time", &world.route("s", "a", &["b"], "text").await);
    for (session, from, to) in [
        ("", "a", &["b"][..]),
        ("s", "", &["b"]),
        ("s", "a", &["b", ""]),
        ("s", "a", &["", "b"]),
        ("s", "a", &["a"]),
        ("alone", "a", &[]),
        ("s ", "a", &["b"]),
    ] {
        let what = format!("{session:?} from {from:?} to {to:?}");
        story.routed(&what, &world.route(session, from, to, "text").await);
    }
    see(&mut story).await;

    for length in [0, 2 * MIB, 2 * MIB + 1, 2 * MIB + 2] {
        let what = format!("{length} bytes");
        story.routed(&what, &world.route("s", "a", &["c"], vec![200; length]).await);
    }
    see(&mut story).await;
    for (round_number, message_type) in [(70_000, " x "), (3, ""), (2, "y"), (-1, "z")] {
        let message_type = message_type.to_owned();
        let request =
            RouteMessageRequest { round_number, message_type, ..message("s", "b", &["c"], "5") };
        story.routed("a round", &world.send(request).await);
    }
    see(&mut story).await;
    route_later_version(&mut story, &world, &message("s", "b", &["c"], "6")).await;
    story.polled("poll", &world.poll("s2", "c", 0).await);
    drop(streams);
    story.routed("in s2", &world.route("s2", "b", &["c"], "7").await);
    story.polled("poll", &world.poll("s2", "c", 0).await);
    let mut again = world.open("s", "c").await.unwrap();
    story.stream("c again", &mut again).await;

    alike(&mut story, &world).await;
    let (one, other) = tokio::join!(
        world.route("s2", "a", &["b"], "at once"),
        world.route("s2", "c", &["b"], "with it")
    );
    story.tell("both", (one.is_ok(), other.is_ok()));
    story.tell("b", world.poll("s2", "b", 0).await.unwrap().len());

    // Nobody is online any more.
    sleep(Duration::from_secs(2)).await;
    let id = story.routed("to nobody online", &world.route("s2", "a", &[], "8").await);
    story.status("to nobody online", &world.status("s2", &id).await);
    story
}
