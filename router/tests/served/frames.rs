//! What counts as handed out is what the transport has got: a stream takes as much out of its mailbox
//! as one frame holds, and no more.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use mpc_router::Router;
use mpc_router_proto::v1::message_router_server::{MessageRouter as _, MessageRouterServer};
use mpc_router_proto::v1::*;
use tonic::Request;
use tonic::body::Body;
use tonic::codegen::{Body as _, http};
use tower::Service as _;

use crate::support::{open_sessions, register, route};

/// The answer to a subscription, frame by frame, with nobody between the service and the test.
async fn subscribe(router: &Router) -> Body {
    let (session, party) = ("s", "bob");
    // Fields 1 and 2, each of one length; and gRPC's five bytes before them.
    let message = format!("\x0a\x01{session}\x12\x03{party}");
    let length = char::from(u8::try_from(message.len()).unwrap());
    let request = http::Request::post("/mpc.router.v1.MessageRouter/SubscribeMessages")
        .header("content-type", "application/grpc")
        .body(Body::new(format!("\0\0\0\0{length}{message}")))
        .unwrap();
    MessageRouterServer::new(router.clone()).call(request).await.unwrap().into_body()
}

/// How many messages the next frame has, if there is one already.
async fn next_frame(body: &mut Body) -> Option<usize> {
    let frame = poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(frame),
        Poll::Pending => Poll::Ready(None),
    });
    let data = frame.await?.unwrap().into_data().unwrap();
    let (mut rest, mut messages) = (&data[..], 0);
    while let Some((header, after)) = rest.split_first_chunk::<5>() {
        let length = u32::from_be_bytes(*header.last_chunk().unwrap());
        rest = &after[length as usize..];
        messages += 1;
    }
    assert!(rest.is_empty(), "a frame holds whole messages");
    Some(messages)
}

struct Sender {
    router: Router,
    sent: Vec<String>,
}

impl Sender {
    async fn send(&mut self, size: usize) {
        self.sent.push(route(&self.router, "alice", &["bob"], size).await);
    }

    /// How many messages count as handed out.
    async fn delivered(&self) -> usize {
        let mut delivered = 0;
        for message_id in self.sent.clone() {
            let request = GetMessageStatusRequest { message_id, session_id: "s".into() };
            let status = self.router.get_message_status(Request::new(request)).await.unwrap();
            delivered += usize::from(status.into_inner().deliveries[0].status == "delivered");
        }
        delivered
    }
}

#[tokio::test]
async fn a_frame_is_taken_when_it_is_sent() {
    let router = Router::new(open_sessions());
    register(&router, "bob").await;
    let mut sender = Sender { router: router.clone(), sent: Vec::new() };
    let mut body = subscribe(&router).await;
    assert_eq!(next_frame(&mut body).await, None);

    // Sizes with no common measure, so that frames end anywhere; some fill several by themselves.
    for number in 0..400 {
        sender.send(if number % 50 == 7 { 100_000 } else { number * number % 3_001 }).await;
    }
    let (mut received, mut frames) = (0, 0);
    while let Some(messages) = next_frame(&mut body).await {
        received += messages;
        frames += 1;
        assert_eq!(sender.delivered().await, received, "after frame {frames}");
        // What comes meanwhile does not count towards the frame that is gone.
        if frames % 3 == 0 && sender.sent.len() < 500 {
            sender.send(10).await;
        }
    }
    assert_eq!(received, sender.sent.len());
    assert!(frames < received / 5, "messages share frames: {received} in {frames}");

    for size in [1, 40_000, 1] {
        sender.send(size).await;
        assert_eq!(next_frame(&mut body).await, Some(1));
        assert_eq!(next_frame(&mut body).await, None);
    }
}
