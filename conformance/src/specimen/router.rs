//! The ten calls: each takes the lock, decides, and answers.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::task::{Context, Poll};

use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::{
    AcknowledgeMessageRequest, AcknowledgeMessageResponse, GetMessageStatusRequest,
    GetMessageStatusResponse, GetPendingMessagesRequest, GetPendingMessagesResponse,
    GetRegisteredPartiesRequest, GetRegisteredPartiesResponse, HeartbeatRequest, HeartbeatResponse,
    MpcMessage, PublishSessionEventRequest, PublishSessionEventResponse, RegisterPartyRequest,
    RegisterPartyResponse, RouteMessageRequest, RouteMessageResponse, SessionEvent,
    SubscribeMessagesRequest, SubscribeSessionEventsRequest,
};
use tokio::time::{Duration, Sleep, sleep, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::delivery::Next;
use super::identity::{Act, Call};
use super::load::HELD_UP;
use super::refusal::answer;
use super::routing::Arrival;
use super::state::State;
use super::{Fault, Specimen, Variant};
use crate::connect::Opened;

/// How long the right specimen's one moment takes where a fault cuts it in two.
const RACE: Duration = Duration::from_millis(3);

/// What a slow router takes for every answer.
const SLOW: Duration = Duration::from_millis(20);

type Items<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl MessageRouter for Specimen {
    async fn route_message(
        &self,
        request: Request<RouteMessageRequest>,
    ) -> Result<Response<RouteMessageResponse>, Status> {
        let from = &request.get_ref().from_party;
        let key = request.metadata().get("idempotency-key").and_then(|key| key.to_str().ok());
        let again = self.lock().knows(request.get_ref(), key);
        let act = if again { Act::RouteAgain } else { Act::Route };
        self.admit(request.extensions(), Call::Of(from, act))
            .inspect_err(|_| self.note_impostor(request.get_ref()))?;
        let (metadata, extensions, request) = request.into_parts();
        let key = metadata.get("idempotency-key").and_then(|key| key.to_str().ok());
        let _under_way = self.begins(&request).await;
        self.waits_for_room(&request).await;
        let connection = extensions.get::<Opened>().map_or(0, |it| it.number);
        let arrival = Arrival { connection, ..self.lock().arrival(&request, key) };
        if self.twist.has(Fault::CreatedAtBeforeTheQueue) {
            sleep(Duration::from_millis(request.payload.len() as u64 % 7)).await;
        }
        if self.lock().stops {
            if self.twist.is(Variant::StopRefusesCalls) {
                return Err(Status::unavailable("the router stops"));
            }
            if self.twist.has(Fault::StopCancelsCalls) {
                return Err(Status::cancelled("the context was cancelled"));
            }
        }
        let races = [
            Fault::LosesConcurrentSends,
            Fault::KeyRace,
            Fault::KeyInProgressRefused,
            Fault::ToldRace,
        ];
        if races.into_iter().any(|fault| self.twist.has(fault)) {
            sleep(RACE).await;
        }
        let result = if self.twist.has(Fault::DeadlineLeavesHalfBroadcast) {
            self.route_by_halves(request, key, &arrival).await
        } else {
            self.lock().route(request, key, &arrival)
        };
        let awaited = self.lock().awaited_errands();
        for errand in awaited {
            if self.twist.has(Fault::GatewayFailurePassedOn) {
                if !errand.begins().await {
                    return Err(Status::unavailable("the gateway does not answer, try again"));
                }
                continue;
            }
            let brought = errand.runs_once().await;
            if !brought && self.twist.has(Fault::RoutingFailsWithNotification) {
                return Err(Status::internal("a notification was not brought"));
            }
        }
        if self.twist.has(Fault::RecipientsWrittenLater)
            && let Ok(answer) = &result
        {
            sleep(RACE).await;
            self.lock().note_other_recipients(&answer.message_id);
        }
        self.take_time().await;
        answer(result, &self.twist).map(Response::new)
    }

    type SubscribeMessagesStream = Items<Encoded<MpcMessage>>;

    async fn subscribe_messages(
        &self,
        request: Request<SubscribeMessagesRequest>,
    ) -> Result<Response<Self::SubscribeMessagesStream>, Status> {
        let SubscribeMessagesRequest { party_id: party, session_id } = request.get_ref();
        let act = if session_id.is_empty() { Act::SubscribeToAll } else { Act::Subscribe };
        self.admit(request.extensions(), Call::Of(party, act))?;
        let request = request.into_inner();
        let mut unless = None;
        if self.twist.has(Fault::SubscribeGap) {
            unless = Some(self.lock().messages.len());
            sleep(RACE).await;
        }
        let id = self.lock().subscribe(&request, unless).map_err(|no| no.status(&self.twist))?;
        let stream = Open { specimen: self.clone(), id, kind: Kind::MESSAGES, timer: None };
        self.take_time().await;
        let late = self.twist.is(Variant::HeadersWithFirstItem);
        Ok(Response::new(with_headers(stream, late).await))
    }

    async fn get_pending_messages(
        &self,
        request: Request<GetPendingMessagesRequest>,
    ) -> Result<Response<Encoded<GetPendingMessagesResponse>>, Status> {
        let GetPendingMessagesRequest { party_id: party, session_id, .. } = request.get_ref();
        let act = if session_id.is_empty() { Act::PollAll } else { Act::Poll };
        self.admit(request.extensions(), Call::Of(party, act))?;
        let result = self.lock().poll(&request.into_inner());
        self.take_time().await;
        let pending = result.map_err(|refusal| refusal.status(&self.twist))?;
        Ok(Response::new(Encoded::from(pending)))
    }

    async fn acknowledge_message(
        &self,
        request: Request<AcknowledgeMessageRequest>,
    ) -> Result<Response<AcknowledgeMessageResponse>, Status> {
        let party = &request.get_ref().party_id;
        self.admit(request.extensions(), Call::Of(party, Act::Acknowledge))?;
        let request = request.into_inner();
        let result = if self.twist.has(Fault::AckRace) {
            let verdict = self.lock().judge(&request);
            sleep(RACE).await;
            verdict.map(|verdict| self.lock().carry_out(verdict))
        } else {
            self.lock().acknowledge(&request)
        };
        if self.twist.has(Fault::LosingAckWritten) && result.is_ok() {
            sleep(RACE).await;
            self.lock().answered(&request);
        }
        self.take_time().await;
        answer(result, &self.twist).map(Response::new)
    }

    async fn get_message_status(
        &self,
        request: Request<GetMessageStatusRequest>,
    ) -> Result<Response<GetMessageStatusResponse>, Status> {
        let caller = self.admit(request.extensions(), Call::Status)?;
        let result = self.lock().status(&request.into_inner(), &caller);
        self.take_time().await;
        result.map(Response::new).map_err(|refusal| refusal.status(&self.twist))
    }

    async fn register_party(
        &self,
        request: Request<RegisterPartyRequest>,
    ) -> Result<Response<RegisterPartyResponse>, Status> {
        let party = &request.get_ref().party_id;
        self.admit(request.extensions(), Call::Of(party, Act::Register))?;
        let request = request.into_inner();
        let result = if self.twist.has(Fault::RegisteringRacesWithRouting) {
            let party = request.party_id.clone();
            let taken = self.lock().take_mailboxes(&party);
            sleep(RACE).await;
            let mut state = self.lock();
            let result = state.register(request);
            state.put_mailboxes_back(&party, taken);
            result
        } else {
            self.lock().register(request)
        };
        self.take_time().await;
        answer(result, &self.twist).map(Response::new)
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let party = &request.get_ref().party_id;
        self.admit(request.extensions(), Call::Of(party, Act::Heartbeat))?;
        let result = self.lock().heartbeat(&request.into_inner());
        self.take_time().await;
        answer(result, &self.twist).map(Response::new)
    }

    type SubscribeSessionEventsStream = Items<SessionEvent>;

    async fn subscribe_session_events(
        &self,
        request: Request<SubscribeSessionEventsRequest>,
    ) -> Result<Response<Self::SubscribeSessionEventsStream>, Status> {
        let party = &request.get_ref().party_id;
        self.admit(request.extensions(), Call::Of(party, Act::Listen))?;
        let id = self
            .lock()
            .listen(request.into_inner())
            .map_err(|refusal| refusal.status(&self.twist))?;
        let stream = Open { specimen: self.clone(), id, kind: Kind::EVENTS, timer: None };
        if self.twist.has(Fault::ReplayOverlapsLive) {
            sleep(RACE).await;
            self.lock().replay_events(id);
        }
        self.take_time().await;
        let late =
            self.twist.is(Variant::HeadersWithFirstItem) || self.twist.has(Fault::EventHeadersLate);
        Ok(Response::new(with_headers(stream, late).await))
    }

    async fn publish_session_event(
        &self,
        request: Request<PublishSessionEventRequest>,
    ) -> Result<Response<PublishSessionEventResponse>, Status> {
        let event = request.get_ref().event.as_ref();
        self.admit(request.extensions(), Call::Publish(event))?;
        let event = request.into_inner().event;
        let waits = self.lock().waits_for_ended(event.as_ref());
        if !waits.is_zero() {
            sleep(waits).await;
        }
        while self.lock().waits_for_reader(event.as_ref()) {
            sleep(HELD_UP).await;
        }
        let result = self.lock().publish(event.clone());
        self.take_time().await;
        let answer = answer(result, &self.twist).map(Response::new);
        answer.map_err(|status| self.told(event.as_ref(), status))
    }

    async fn get_registered_parties(
        &self,
        request: Request<GetRegisteredPartiesRequest>,
    ) -> Result<Response<GetRegisteredPartiesResponse>, Status> {
        let caller = self.admit(request.extensions(), Call::Directory)?;
        let result = self.lock().directory(&request.into_inner(), &caller);
        self.take_time().await;
        result.map(Response::new).map_err(|refusal| refusal.status(&self.twist))
    }
}

impl Specimen {
    /// The one lock. What is due by time alone is done first.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic is the finding of another thread, not the end of this one.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.expire();
        state.reap();
        state.count_by_presence();
        state.sweep_expired_sessions();
        state.notice_who_went_offline();
        state
    }

    /// Lets it come to an end (DUR-7).
    pub(super) fn stop(&self) {
        self.lock().stop();
    }

    /// Whether there are open streams.
    pub(super) fn has_streams(&self) -> bool {
        let state = self.lock();
        !(state.subscriptions.is_empty() && state.listeners.is_empty())
    }

    /// Whether a stream has something that it could not hand out yet.
    pub(super) fn has_queues(&self) -> bool {
        self.lock().subscriptions.iter().any(|stream| !stream.queue.is_empty())
    }

    /// Whether there are calls under way.
    pub(super) fn has_calls(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    async fn take_time(&self) {
        if self.twist.is(Variant::SlowAnswers) {
            sleep(SLOW).await;
        }
    }
}

/// SUB-10: the response headers leave when this returns, and so at once.
async fn with_headers<T: Send + 'static>(stream: Open<T>, late: bool) -> Items<T> {
    let mut stream: Items<T> = Box::pin(stream);
    if !late {
        return stream;
    }
    let first = stream.next().await;
    Box::pin(tokio_stream::iter(first).chain(stream))
}

/// An open stream of either kind. Dropping it, which is what a cancel or a lost connection comes
/// to, ends the subscription.
struct Open<T> {
    specimen: Specimen,
    id: u64,
    kind: Kind<T>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What sets the two kinds of stream apart.
struct Kind<T> {
    next: fn(&mut State, u64, &Context<'_>) -> Next<T>,
    close: fn(&mut State, u64),
}

impl Kind<Encoded<MpcMessage>> {
    const MESSAGES: Self = Self {
        next: |state, id, cx| match state.next_item(id, cx.waker()) {
            Next::Item(message) => Next::Item(Encoded::from(message)),
            Next::Wait { until } => Next::Wait { until },
            Next::End(status) => Next::End(status),
        },
        close: State::unsubscribe,
    };
}

impl Kind<SessionEvent> {
    const EVENTS: Self = Self {
        next: |state, id, cx| state.next_event(id, cx.waker()),
        close: State::stop_listening,
    };
}

impl<T> Stream for Open<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let next = (this.kind.next)(&mut this.specimen.lock(), this.id, cx);
            let until = match next {
                Next::Item(item) => return Poll::Ready(Some(Ok(item))),
                Next::End(status) => return Poll::Ready(status.map(Err)),
                Next::Wait { until } => until,
            };
            let Some(until) = until else {
                this.timer = None;
                return Poll::Pending;
            };
            let timer = this.timer.insert(Box::pin(sleep_until(until)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<T> Drop for Open<T> {
    fn drop(&mut self) {
        (self.kind.close)(&mut self.specimen.lock(), self.id);
    }
}
