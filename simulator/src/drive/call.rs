//! One call each.

use std::error::Error as _;
use std::time::Duration;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use super::{Wire, root};
use crate::action::{Call, CallError, Reply};

/// A call that takes longer is given up; whether it had its effect is unknown then.
const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// Makes a call, within its deadline.
pub(crate) async fn perform<T: Wire>(
    client: MessageRouterClient<T>,
    call: Call,
) -> Result<Reply, CallError> {
    let name = call.name();
    match tokio::time::timeout(CALL_DEADLINE, answer(client, call)).await {
        Ok(result) => result,
        Err(_) => {
            let seconds = CALL_DEADLINE.as_secs();
            Err(CallError::Unknown(format!("no answer to {name} within {seconds} s")))
        }
    }
}

async fn answer<T: Wire>(
    mut client: MessageRouterClient<T>,
    call: Call,
) -> Result<Reply, CallError> {
    let failed = |status: Status| error(&status);
    match call {
        Call::Register(request) => {
            let reply = client.register_party(timed(request)).await.map_err(failed)?.into_inner();
            done(reply.success, &reply.message)
        }
        Call::Heartbeat(request) => {
            let reply = client.heartbeat(timed(request)).await.map_err(failed)?.into_inner();
            done(reply.success, "")
        }
        Call::Route(request, key) => {
            let mut request = timed(request);
            // IDM-1: the same key for the same bytes, so that a repetition is not another message.
            if let Ok(key) = MetadataValue::try_from(key) {
                request.metadata_mut().insert("idempotency-key", key);
            }
            let reply = client.route_message(request).await.map_err(failed)?.into_inner();
            done(reply.success, "").map(|_| Reply::Routed(reply.message_id))
        }
        Call::Poll(request) => {
            let reply = client.get_pending_messages(timed(request)).await.map_err(failed)?;
            Ok(Reply::Pending(reply.into_inner().messages))
        }
        Call::Acknowledge(request) => {
            let reply = client.acknowledge_message(timed(request)).await.map_err(failed)?;
            let reply = reply.into_inner();
            done(reply.success, &reply.message)
        }
        Call::Publish(request) => {
            let reply = client.publish_session_event(timed(request)).await.map_err(failed)?;
            done(reply.into_inner().success, "")
        }
        Call::Discover(request) => {
            let reply = client.get_registered_parties(timed(request)).await.map_err(failed)?;
            Ok(Reply::Parties(reply.into_inner().parties))
        }
    }
}

fn timed<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_DEADLINE);
    request
}

/// A call is also rejected by `success = false`.
fn done(success: bool, message: &str) -> Result<Reply, CallError> {
    match (success, message) {
        (true, _) => Ok(Reply::Done),
        (false, "") => Err(CallError::Refused("success = false".into())),
        (false, message) => Err(CallError::Refused(message.into())),
    }
}

/// What a status says of a call's effect. A library makes some statuses itself, and others can come
/// after the deed: after these, the effect is unknown.
pub(crate) fn error(status: &Status) -> CallError {
    let told = match (status.message(), status.source()) {
        (_, Some(source)) => root(source),
        ("", None) => status.code().to_string(),
        (message, None) => message.to_owned(),
    };
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => CallError::Refused(told),
        Code::Unavailable => CallError::Unreachable(told),
        Code::Unimplemented => CallError::Unimplemented(told),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Internal
        | Code::Unauthenticated => CallError::Unknown(told),
    }
}
