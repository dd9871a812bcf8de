//! One call at the router's face.

use std::pin::Pin;

use mpc_router::Router;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::{
    GetMessageStatusRequest, GetMessageStatusResponse, HeartbeatResponse, MpcMessage,
    RegisteredParty, SubscribeMessagesRequest, SubscribeSessionEventsRequest,
};
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

use crate::action::{Call, CallError, Reply, Stream};

/// What is asked of the router.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Call(Call),
    Open(Stream),
    Status(GetMessageStatusRequest),
}

/// What it answers.
pub(super) enum Answer {
    Done,
    Beat(HeartbeatResponse),
    Routed(String),
    Pending(Vec<MpcMessage>),
    Parties(Vec<RegisteredParty>),
    Messages(<Router as MessageRouter>::SubscribeMessagesStream),
    Events(<Router as MessageRouter>::SubscribeSessionEventsStream),
    Status(GetMessageStatusResponse),
    /// A call is also rejected by `success = false`.
    Rejected(String),
}

impl Answer {
    /// As a machine wants to know it.
    pub(super) fn reply(&self) -> Result<Reply, CallError> {
        Ok(match self {
            Self::Routed(id) => Reply::Routed(id.clone()),
            Self::Pending(messages) => Reply::Pending(messages.clone()),
            Self::Parties(parties) => Reply::Parties(parties.clone()),
            Self::Rejected(why) => return Err(CallError::Refused(why.clone())),
            Self::Done | Self::Beat(_) | Self::Messages(_) | Self::Events(_) | Self::Status(_) => {
                Reply::Done
            }
        })
    }
}

/// A call under way in the router.
pub(super) type Working = Pin<Box<dyn Future<Output = Result<Answer, Status>> + Send>>;

/// Has the router begin with a call, once it is polled.
pub(super) fn begin(router: Router, ask: Ask) -> Working {
    Box::pin(async move {
        Ok(match ask {
            Ask::Call(call) => return answer(&router, call).await,
            Ask::Status(request) => {
                let reply = router.get_message_status(Request::new(request)).await?;
                Answer::Status(reply.into_inner())
            }
            Ask::Open(Stream::Messages { party, session }) => {
                let request = SubscribeMessagesRequest { session_id: session, party_id: party };
                let stream = router.subscribe_messages(Request::new(request)).await?;
                Answer::Messages(stream.into_inner())
            }
            Ask::Open(Stream::Events { party }) => {
                let request =
                    SubscribeSessionEventsRequest { party_id: party, event_types: Vec::new() };
                let stream = router.subscribe_session_events(Request::new(request)).await?;
                Answer::Events(stream.into_inner())
            }
        })
    })
}

async fn answer(router: &Router, call: Call) -> Result<Answer, Status> {
    let done = |success: bool| {
        if success { Answer::Done } else { Answer::Rejected("success = false".into()) }
    };
    Ok(match call {
        Call::Register(request) => {
            done(router.register_party(Request::new(request)).await?.get_ref().success)
        }
        Call::Heartbeat(request) => {
            Answer::Beat(router.heartbeat(Request::new(request)).await?.into_inner())
        }
        Call::Route(request, key) => {
            let mut request = Request::new(request);
            // IDM-1: the same key for the same bytes.
            if let Ok(key) = MetadataValue::try_from(key) {
                request.metadata_mut().insert("idempotency-key", key);
            }
            Answer::Routed(router.route_message(request).await?.into_inner().message_id)
        }
        Call::Poll(request) => {
            let reply = router.get_pending_messages(Request::new(request)).await?.into_inner();
            match reply.decode() {
                Ok(pending) => Answer::Pending(pending.messages),
                Err(error) => Answer::Rejected(error.to_string()),
            }
        }
        Call::Acknowledge(request) => {
            done(router.acknowledge_message(Request::new(request)).await?.get_ref().success)
        }
        Call::Publish(request) => {
            done(router.publish_session_event(Request::new(request)).await?.get_ref().success)
        }
        Call::Discover(request) => {
            let reply = router.get_registered_parties(Request::new(request)).await?;
            Answer::Parties(reply.into_inner().parties)
        }
    })
}
