use std::convert::Infallible;
use std::task::{Context, Poll};

use mpc_router_proto::v1::message_router_server::MessageRouterServer;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};

use super::*;
use crate::requirement::Capability;
use crate::specimen::{Fault, Settings, Specimen, Twist};

fn specimen(twist: impl Into<Twist>) -> Specimen {
    Specimen::new(Settings::default(), twist)
}

fn only(pattern: &str) -> Selection {
    Selection::new(&[pattern.to_owned()], &[], &[]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_right_router_is_conformant() {
    let report = InProcess::new(specimen(Twist::none())).selection(only("REG-*")).run().await;
    report.assert_conformant();
    assert!(report.target.name.contains("Specimen"), "{}", report.target.name);
}

#[tokio::test(start_paused = true)]
async fn what_the_profile_says_is_heard() {
    let mut profile = Profile::default();
    profile.target.name = Some("ours 1.0".into());
    profile.target.capabilities = vec![Capability::Redelivery];
    profile.timers.ack_timeout_ms = 400;
    let report = InProcess::new(specimen(Twist::none()))
        .profile(profile.clone())
        .seed(7)
        .selection(only("REG-1"))
        .run()
        .await;
    assert_eq!(report.target.name, "ours 1.0");
    assert_eq!(report.target.timers, profile.timers);
    assert_eq!(report.target.capabilities, [Capability::Core, Capability::Redelivery]);
    assert_eq!(report.seed, 7);
}

#[tokio::test]
async fn where_nobody_can_listen_notifications_are_not_checked() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut profile = Profile::default();
    profile.target.capabilities = vec![Capability::Offline];
    profile.notifications.listen = Some(address);
    let judged = InProcess::new(specimen(Twist::none())).profile(profile).selection(only("OFF-4"));
    let report = judged.run().await;
    let (outcome, detail) = (report.requirements[0].outcome, &report.requirements[0].detail);
    assert_eq!(outcome, Outcome::NotChecked);
    assert!(detail.contains(&format!("cannot listen for notifications at {address}")), "{detail}");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the router is not conformant")]
async fn a_wrong_router_is_not() {
    let wrong = specimen(Fault::TemporaryPartiesRefused);
    InProcess::new(wrong).selection(only("REG-1")).run().await.assert_conformant();
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "ack_timeout is 5 s")]
async fn what_could_not_be_checked_is_no_conformance() {
    InProcess::new(specimen(Twist::none()))
        .timer_limit(Duration::from_secs(1))
        .selection(only("ACK-9"))
        .run()
        .await
        .assert_conformant();
}

/// A service as layers leave it: with a body and an error of its own, and without a name.
#[derive(Clone)]
struct Layered {
    service: MessageRouterServer<Specimen>,
    registers: bool,
}

impl Service<http::Request<Body>> for Layered {
    type Response = http::Response<LayeredBody>;
    type Error = StdError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Service::<http::Request<Body>>::poll_ready(&mut self.service, cx)
            .map_err(|it: Infallible| match it {})
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if !self.registers && request.uri().path().ends_with("/RegisterParty") {
            return Box::pin(async { Err("the layer is out of order".into()) });
        }
        let answer = self.service.call(request);
        Box::pin(async move { Ok(answer.await?.map(LayeredBody)) })
    }
}

struct LayeredBody(Body);

impl http_body::Body for LayeredBody {
    type Data = bytes::Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, StdError>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx).map_err(Into::into)
    }
}

#[tokio::test(start_paused = true)]
async fn any_grpc_service_will_do() {
    let service = MessageRouterServer::new(specimen(Twist::none()));
    let right = Layered { service, registers: true };
    let wrong = Layered { registers: false, ..right.clone() };
    InProcess::of_service(right).selection(only("REG-*")).run().await.assert_conformant();
    let broken = InProcess::of_service(wrong).selection(only("REG-1")).run().await;
    let text = std::panic::catch_unwind(|| broken.assert_conformant()).unwrap_err();
    let text = text.downcast_ref::<String>().unwrap();
    assert!(text.contains("out of order"), "{text}");
    assert!(text.contains(r#"Selection::one("REG-1")"#), "{text}");
}

/// A service that does not answer any call.
#[derive(Clone)]
struct Silent;

impl Service<http::Request<Body>> for Silent {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        std::future::pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_router_that_does_not_answer_has_no_verdict() {
    let report = check_service(Silent).await;
    assert_eq!(report.verdict, OverallVerdict::Unreachable);
    assert_eq!(report.counts.get(Outcome::Inconclusive), report.requirements.len());
    assert!(report.requirements[0].detail.contains("no answer within"));
    assert!(std::panic::catch_unwind(|| report.assert_conformant()).is_err());
}
