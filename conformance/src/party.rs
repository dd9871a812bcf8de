//! A party of a check: every RPC with a deadline, noted in the journal.

mod sent;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Response, Status};
use tonic_prost::ProstCodec;

use crate::answer::{Answer, Fate, is_lost, words};
use crate::brief::Brief;
use crate::feed::Feed;
use crate::outcome::Stop;
use crate::trial::{Session, Trial, registration};

pub use self::sent::Sent;

/// A party of a check.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its `party_id`.
    pub id: String,
    /// What it was called when it was made: where the target can see who calls, it sees this.
    calls_as: String,
    client: MessageRouterClient<Channel>,
    channel: Channel,
    trial: Trial,
}

impl Party {
    pub(crate) fn new(trial: Trial, id: String, channel: Channel) -> Self {
        let client = client(&trial, &channel);
        Self { calls_as: id.clone(), id, client, channel, trial }
    }

    /// The same, with a client of its connection.
    fn renewed(self) -> Self {
        Self { client: client(&self.trial, &self.channel), ..self }
    }

    /// The same party on a connection of its own.
    pub fn on_a_connection_of_its_own(&self) -> Self {
        Self { channel: self.trial.door_of(&self.calls_as).connect(), ..self.clone() }.renewed()
    }

    /// The same party on a connection that it shares; where the target can see who calls, on one of
    /// its own whose streams are as narrow. Bytes.
    pub(crate) fn on_shared(&self, shared: &Channel, window: u32) -> Self {
        let channel = match self.trial.door().tells_who_calls() {
            true => self.trial.door_of(&self.calls_as).connect_narrow_streams(window),
            false => shared.clone(),
        };
        Self { channel, ..self.clone() }.renewed()
    }

    /// The same party on a connection whose other side may send only so much unread. Bytes.
    pub(crate) fn on_a_narrow_connection(&self, window: u32) -> Self {
        let channel = self.trial.door_of(&self.calls_as).connect_narrow(window);
        Self { channel, ..self.clone() }.renewed()
    }

    /// Its connection, for calls that the generated client cannot make.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// RegisterParty, without a notification channel.
    pub async fn register(&self, role: &str) -> Answer<RegisterPartyResponse> {
        self.register_with(registration(&self.id, role)).await
    }

    /// RegisterParty.
    pub async fn register_with(
        &self,
        request: RegisterPartyRequest,
    ) -> Answer<RegisterPartyResponse> {
        let call =
            format!("RegisterParty({}, role {:?})", quote(&request.party_id), request.party_role);
        let mut client = self.client.clone();
        let answer = self.call(call, async move { client.register_party(request).await }).await;
        answer.declining(|it| (!it.success).then(|| it.message.clone()))
    }

    /// Heartbeat, with the suite's time.
    pub async fn heartbeat(&self) -> Answer<HeartbeatResponse> {
        self.heartbeat_at(self.trial.clock().now_ms()).await
    }

    /// Heartbeat, with a time of the party's own.
    pub async fn heartbeat_at(&self, timestamp: i64) -> Answer<HeartbeatResponse> {
        let request = HeartbeatRequest { party_id: self.id.clone(), timestamp };
        let call = format!("Heartbeat({})", quote(&self.id));
        let mut client = self.client.clone();
        let answer = self.call(call, async move { client.heartbeat(request).await }).await;
        answer.declining(|it| (!it.success).then(String::new))
    }

    /// RouteMessage.
    pub async fn route(&self, request: RouteMessageRequest) -> Answer<RouteMessageResponse> {
        self.route_as(request, None, None).await
    }

    /// RouteMessage with a deadline that the target is told.
    pub(crate) async fn route_within(
        &self,
        request: RouteMessageRequest,
        time: Duration,
    ) -> Answer<RouteMessageResponse> {
        self.route_as(request, None, Some(time)).await
    }

    /// RouteMessage with a key that makes it safe to try again.
    pub async fn route_keyed(
        &self,
        request: RouteMessageRequest,
        key: &str,
    ) -> Answer<RouteMessageResponse> {
        self.route_as(request, Some(key), None).await
    }

    async fn route_as(
        &self,
        request: RouteMessageRequest,
        key: Option<&str>,
        time: Option<Duration>,
    ) -> Answer<RouteMessageResponse> {
        let to = match request.to_parties.as_slice() {
            [] => "everybody".to_owned(),
            [one] => quote(one),
            several if several.len() > 4 => format!("{} parties", several.len()),
            several => several.iter().map(|id| quote(id)).collect::<Vec<_>>().join(", "),
        };
        let call = format!(
            "RouteMessage({} to {to}, round {}{}, {} bytes{}{})",
            quote(&request.session_id),
            request.round_number,
            self.unless_own("from", &request.from_party),
            request.payload.len(),
            key.map(|key| format!(", key {key}")).unwrap_or_default(),
            time.map(|time| format!(", deadline {} us", time.as_micros())).unwrap_or_default()
        );
        let mut request = tonic::Request::new(request);
        if let Some(key) = key {
            let key = key.parse().expect("the suite's keys are plain ASCII");
            request.metadata_mut().insert("idempotency-key", key);
        }
        if let Some(time) = time {
            request.set_timeout(time);
        }
        let mut client = self.client.clone();
        let began = Instant::now();
        let answer = self.call(call, async move { client.route_message(request).await }).await;
        let answer = answer.declining(|it| (!it.success).then(String::new));
        if let Fate::Accepted(accepted) = &answer.fate {
            self.trial.remembering().accepted(&accepted.message_id, began);
        }
        answer
    }

    /// RouteMessage, of which the target gets nothing but the beginning until `rest` is done.
    pub(crate) async fn route_held_back(
        &self,
        request: RouteMessageRequest,
        rest: impl Future<Output = ()> + Send + 'static,
    ) -> Answer<RouteMessageResponse> {
        let call = format!(
            "RouteMessage({}, {} bytes, the second half sent later)",
            quote(&request.session_id),
            request.payload.len()
        );
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        let answer = self.call(call, async move {
            client.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let (sender, held_back) = mpsc::channel(1);
            tokio::spawn(async move {
                rest.await;
                // Where the call has ended already, nobody waits for it.
                let _ = sender.send(request).await;
            });
            let requests = tonic::Request::new(ReceiverStream::new(held_back));
            let path = PathAndQuery::from_static("/mpc.router.v1.MessageRouter/RouteMessage");
            client.client_streaming(requests, path, ProstCodec::default()).await
        });
        answer.await.declining(|it: &RouteMessageResponse| (!it.success).then(String::new))
    }

    /// What it would route in `session` to the parties given, or to everybody if there are none.
    pub fn outgoing(
        &self,
        session: &Session,
        to: &[&Party],
        payload: impl Into<Bytes>,
    ) -> RouteMessageRequest {
        RouteMessageRequest {
            session_id: session.id.clone(),
            from_party: self.id.clone(),
            to_parties: to.iter().map(|party| party.id.clone()).collect(),
            round_number: 1,
            message_type: "check".into(),
            payload: payload.into(),
        }
    }

    /// Routes a message that must be accepted.
    ///
    /// # Errors
    /// A finding if it is rejected.
    pub async fn sends(
        &self,
        session: &Session,
        to: &[&Party],
        payload: impl Into<Bytes>,
    ) -> Result<Sent, Stop> {
        self.sends_this(self.outgoing(session, to, payload)).await
    }

    /// Routes a message that must be accepted.
    ///
    /// # Errors
    /// A finding if it is rejected.
    pub async fn sends_this(&self, request: RouteMessageRequest) -> Result<Sent, Stop> {
        let id = self.route(request.clone()).await.accepted()?.message_id;
        Ok(Sent { id, request })
    }

    /// Routes a message that a check needs and is not about.
    ///
    /// # Errors
    /// Without the message the requirement cannot be checked.
    pub async fn has_sent(
        &self,
        session: &Session,
        to: &[&Party],
        payload: impl Into<Bytes>,
    ) -> Result<Sent, Stop> {
        self.has_sent_this(self.outgoing(session, to, payload)).await
    }

    /// Routes a message that a check needs and is not about.
    ///
    /// # Errors
    /// Without the message the requirement cannot be checked.
    pub async fn has_sent_this(&self, request: RouteMessageRequest) -> Result<Sent, Stop> {
        let id = self.route(request.clone()).await.prepared()?.message_id;
        Ok(Sent { id, request })
    }

    /// SubscribeMessages. It returns at once: what comes of it shows on the feed.
    pub fn subscribe(&self, session: &Session) -> Feed<MpcMessage> {
        self.subscribe_with(SubscribeMessagesRequest {
            session_id: session.id.clone(),
            party_id: self.id.clone(),
        })
    }

    /// SubscribeMessages. It returns at once: what comes of it shows on the feed.
    pub fn subscribe_with(&self, request: SubscribeMessagesRequest) -> Feed<MpcMessage> {
        let whose = self.unless_own("for", &request.party_id);
        let call = format!("SubscribeMessages({}{whose})", quote(&request.session_id));
        let mut client = self.client.clone();
        let opening = async move { client.subscribe_messages(request).await };
        Feed::open(self.trial.clone(), self.id.clone(), call, opening)
    }

    /// SubscribeSessionEvents. It returns at once: what comes of it shows on the feed.
    pub fn subscribe_events(&self, types: &[&str]) -> Feed<SessionEvent> {
        let request = SubscribeSessionEventsRequest {
            party_id: self.id.clone(),
            event_types: types.iter().map(|&it| it.to_owned()).collect(),
        };
        let whose = self.unless_own("for", &self.id);
        let call = format!("SubscribeSessionEvents({}{whose})", types.join(", "));
        let mut client = self.client.clone();
        let opening = async move { client.subscribe_session_events(request).await };
        Feed::open(self.trial.clone(), self.id.clone(), call, opening)
    }

    /// GetPendingMessages.
    pub async fn poll_after(
        &self,
        session: &Session,
        after_timestamp: i64,
    ) -> Answer<GetPendingMessagesResponse> {
        let request = GetPendingMessagesRequest {
            session_id: session.id.clone(),
            party_id: self.id.clone(),
            after_timestamp,
        };
        let (session, whose) = (quote(&session.id), self.unless_own("for", &self.id));
        let call = format!("GetPendingMessages({session} after {after_timestamp}{whose})");
        let mut client = self.client.clone();
        self.call(call, async move { client.get_pending_messages(request).await }).await
    }

    /// Polls for everything; the poll must be accepted.
    ///
    /// # Errors
    /// A finding if it is rejected.
    pub async fn polls(&self, session: &Session) -> Result<Vec<MpcMessage>, Stop> {
        Ok(self.poll_after(session, 0).await.accepted()?.messages)
    }

    /// AcknowledgeMessage.
    pub async fn acknowledge(
        &self,
        request: AcknowledgeMessageRequest,
    ) -> Answer<AcknowledgeMessageResponse> {
        let call = format!(
            "AcknowledgeMessage({} of {}{}, success = {})",
            quote(&request.message_id),
            quote(&request.session_id),
            self.unless_own("for", &request.party_id),
            request.success
        );
        let (id, party) = (request.message_id.clone(), request.party_id.clone());
        let success = request.success;
        self.trial.remembering().may_end(&id, &party);
        let mut client = self.client.clone();
        let answer =
            self.call(call, async move { client.acknowledge_message(request).await }).await;
        let mut answer = answer.declining(|it| (!it.success).then(|| it.message.clone()));
        answer.excuse = self.trial.remembering().given_up(&id);
        // What has failed by itself can perhaps be refused long after.
        if success && answer.was_accepted() == Some(true) {
            self.trial.remembering().was_acknowledged(&id, &party);
        }
        answer
    }

    /// Acknowledges a message as used; that must be accepted.
    ///
    /// # Errors
    /// A finding if it is rejected.
    pub async fn acks(&self, sent: &Sent) -> Result<(), Stop> {
        self.acknowledge(sent.acknowledgement(self, true)).await.accepted().map(drop)
    }

    /// Acknowledges a message as not usable; that must be accepted.
    ///
    /// # Errors
    /// A finding if it is rejected.
    pub async fn nacks(&self, sent: &Sent) -> Result<(), Stop> {
        self.acknowledge(sent.acknowledgement(self, false)).await.accepted().map(drop)
    }

    /// GetMessageStatus.
    pub async fn status_of(
        &self,
        session_id: &str,
        message_id: &str,
    ) -> Answer<GetMessageStatusResponse> {
        let request = GetMessageStatusRequest {
            message_id: message_id.into(),
            session_id: session_id.into(),
        };
        let call = format!("GetMessageStatus({} of {})", quote(message_id), quote(session_id));
        let mut client = self.client.clone();
        self.call(call, async move { client.get_message_status(request).await }).await
    }

    /// The status of a message, which must be known.
    ///
    /// # Errors
    /// A finding if it is not; inconclusive once the target may have forgotten it.
    pub async fn status(&self, sent: &Sent) -> Result<GetMessageStatusResponse, Stop> {
        let answer = self.status_of(&sent.request.session_id, &sent.id).await;
        if answer.was_accepted() == Some(false) {
            self.trial.remembering().lasts(&sent.id)?;
        }
        answer.accepted()
    }

    /// The entry of `recipient` in the status of a message, which must be there.
    ///
    /// # Errors
    /// A finding if it is not.
    pub async fn delivery(
        &self,
        sent: &Sent,
        recipient: &Party,
    ) -> Result<MessageDeliveryStatus, Stop> {
        let status = self.status(sent).await?;
        status.deliveries.into_iter().find(|it| it.party_id == recipient.id).ok_or_else(|| {
            Stop::broken(
                format!("the status of {} has no entry for {}", sent.id, recipient.id),
                "one entry per recipient",
            )
        })
    }

    /// PublishSessionEvent.
    pub async fn publish(&self, event: SessionEvent) -> Answer<PublishSessionEventResponse> {
        self.publish_with(PublishSessionEventRequest { event: Some(event) }).await
    }

    /// PublishSessionEvent.
    pub async fn publish_with(
        &self,
        request: PublishSessionEventRequest,
    ) -> Answer<PublishSessionEventResponse> {
        let call = match &request.event {
            Some(event) => format!(
                "PublishSessionEvent({} of {})",
                quote(&event.event_type),
                quote(&event.session_id)
            ),
            None => "PublishSessionEvent(nothing)".into(),
        };
        let mut client = self.client.clone();
        let answer =
            self.call(call, async move { client.publish_session_event(request).await }).await;
        answer.declining(|it| (!it.success).then(String::new))
    }

    /// GetRegisteredParties.
    pub async fn list(
        &self,
        role: &str,
        only_online: bool,
    ) -> Answer<GetRegisteredPartiesResponse> {
        let request = GetRegisteredPartiesRequest { role_filter: role.into(), only_online };
        let call = format!("GetRegisteredParties(role {role:?}, only_online = {only_online})");
        // It also lists the parties of all earlier runs, and their number has no limit.
        let mut client = self.client.clone().max_decoding_message_size(usize::MAX);
        self.call(call, async move { client.get_registered_parties(request).await }).await
    }

    /// The party that a call names, where it is not the one that calls, or none at all.
    fn unless_own(&self, what: &str, name: &str) -> String {
        match name == self.id && !name.is_empty() {
            true => String::new(),
            false => format!(", {what} {}", quote(name)),
        }
    }

    /// Makes a unary call: with a deadline, noted in the journal.
    pub async fn call<T: Brief>(
        &self,
        call: String,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Answer<T> {
        let who = if self.id.is_empty() { &self.calls_as } else { &self.id };
        let noted = self.trial.journal().begin(who, call.clone());
        let wait = self.trial.pace().wait();
        let fate = match tokio::time::timeout_at(wait.deadline(), answer).await {
            Ok(Ok(response)) => Fate::Accepted(response.into_inner()),
            Ok(Err(status)) if is_lost(&status) => Fate::Lost(words(&status)),
            Ok(Err(status)) => Fate::Refused(status),
            Err(_) => match self.trial.excuse(&wait).await {
                Some(why) => Fate::Lost(why),
                None => Fate::Unanswered(wait.elapsed()),
            },
        };
        noted.end(match &fate {
            Fate::Accepted(answer) => answer.brief(),
            fate => fate.words(),
        });
        Answer { call, fate, trial: self.trial.clone(), excuse: None }
    }
}

fn client(trial: &Trial, channel: &Channel) -> MessageRouterClient<Channel> {
    MessageRouterClient::new(channel.clone())
        .max_decoding_message_size(trial.timers().receive_limit())
        .max_encoding_message_size(usize::MAX)
}

impl<T> Answer<T> {
    /// Takes an OK answer for a rejection where `declined` finds one in it.
    fn declining(mut self, declined: impl FnOnce(&T) -> Option<String>) -> Self {
        if let Fate::Accepted(answer) = &self.fate
            && let Some(text) = declined(answer)
        {
            self.fate = Fate::Declined(text);
        }
        self
    }
}

/// A name as findings show it.
pub(crate) fn quote(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_graphic() && !matches!(it, '"' | ',' | '(' | ')');
    match name.chars().all(is_plain) && !name.is_empty() {
        true => name.into(),
        false => format!("{name:?}"),
    }
}
