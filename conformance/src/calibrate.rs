//! Whether there is a MessageRouter at all, and how fast machine and connection are.

use std::time::Duration;

use mpc_router_proto::v1::GetRegisteredPartiesRequest;
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use tokio::time::Instant;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::answer::{is_lost, words};
use crate::connect::Door;
use crate::report::Calibration;

/// How long the target may take to answer for the first time.
pub(crate) const FIRST_ANSWER_LIMIT: Duration = Duration::from_secs(8);

/// Idle calls that are timed.
const CALLS: usize = 20;

/// Naps that are timed, and how long each is.
const NAPS: usize = 10;
const NAP: Duration = Duration::from_millis(5);

/// Why a target cannot be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Nobody answers.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It answers, but it is no MessageRouter.
    #[error("answers, but is no MessageRouter: {0}")]
    NoRouter(String),
}

/// Makes sure that a MessageRouter answers, and measures.
///
/// # Errors
/// If nobody answers in 8 s, or if what answers is no MessageRouter.
pub async fn calibrate(door: &Door) -> Result<Calibration, Unfit> {
    let channel = door.connect();
    let within = |result: Result<Result<(), Unfit>, _>| {
        result.unwrap_or_else(|_| {
            let limit = FIRST_ANSWER_LIMIT.as_secs();
            Err(Unfit::Unreachable(format!("no answer within {limit} s")))
        })
    };
    within(tokio::time::timeout(FIRST_ANSWER_LIMIT, known_method(&channel)).await)?;
    within(tokio::time::timeout(FIRST_ANSWER_LIMIT, unknown_method(&channel)).await)?;

    let mut round_trips = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        within(tokio::time::timeout(FIRST_ANSWER_LIMIT, known_method(&channel)).await)?;
        round_trips.push(began.elapsed());
    }
    round_trips.sort_unstable();
    let mut slack = Duration::ZERO;
    for _ in 0..NAPS {
        let began = Instant::now();
        tokio::time::sleep(NAP).await;
        slack = slack.max(began.elapsed().saturating_sub(NAP));
    }
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Ok(Calibration {
        round_trip_us: us(round_trips[CALLS / 2]),
        round_trip_max_us: us(round_trips[CALLS - 1]),
        timer_slack_us: us(slack),
    })
}

/// Whether the target answers an idle call at all.
pub(crate) async fn answers(door: &Door) -> bool {
    let channel = door.connect();
    let answer = tokio::time::timeout(FIRST_ANSWER_LIMIT, known_method(&channel));
    matches!(answer.await, Ok(Ok(())))
}

async fn known_method(channel: &Channel) -> Result<(), Unfit> {
    // Few parties are both, so that the answer stays small on a target that has many.
    let request =
        GetRegisteredPartiesRequest { role_filter: "temporary".into(), only_online: true };
    match MessageRouterClient::new(channel.clone()).get_registered_parties(request).await {
        Ok(_) => Ok(()),
        Err(status) if is_lost(&status) => Err(Unfit::Unreachable(cause(&status))),
        Err(status) if status.code() == Code::Unimplemented => Err(Unfit::NoRouter(format!(
            "mpc.router.v1.MessageRouter/GetRegisteredParties is not served there ({})",
            words(&status)
        ))),
        // It answers; what its answers are worth the checks will tell.
        Err(_) => Ok(()),
    }
}

/// A server that takes calls it cannot know would pass checks it should not.
///
/// UNIMPLEMENTED is the right answer, but any refusal lets the run begin: a router may ask who is
/// calling before it looks at what is called, and a proxy before it may have a status of its own.
/// Whoever refuses everything passes no check that something is accepted.
async fn unknown_method(channel: &Channel) -> Result<(), Unfit> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Unfit::Unreachable(error.to_string()))?;
    let path = PathAndQuery::from_static("/mpc.router.v1.MessageRouter/NoSuchMethod");
    let codec = tonic_prost::ProstCodec::<
        GetRegisteredPartiesRequest,
        mpc_router_proto::v1::GetRegisteredPartiesResponse,
    >::default();
    let request = Request::new(GetRegisteredPartiesRequest::default());
    match client.unary(request, path, codec).await {
        Ok(_) => Err(Unfit::NoRouter("it accepts a method that does not exist".into())),
        Err(status) if is_lost(&status) => Err(Unfit::Unreachable(cause(&status))),
        Err(_) => Ok(()),
    }
}

/// The innermost reason why a connection failed.
fn cause(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    while let Some(source) = error.source() {
        error = source;
    }
    let error = error.to_string();
    // The first bytes of an HTTP/1 answer and of a TLS alert, read as the length of a frame.
    if error.contains("frame with invalid size") {
        format!("what listens there speaks HTTP/1 or TLS, not gRPC over plain HTTP/2 ({error})")
    } else {
        error
    }
}
