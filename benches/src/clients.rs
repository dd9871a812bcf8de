//! The parties: one that publishes, on a connection of its own, and those that subscribe, spread
//! over a few connections.

use std::net::SocketAddr;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{
    AcknowledgeMessageRequest, HeartbeatRequest, MpcMessage, PublishSessionEventRequest,
    RegisterPartyRequest, RouteMessageRequest, SessionEvent, SubscribeMessagesRequest,
};
use tokio::task::JoinSet;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use crate::check::{Order, Payloads, Tally};
use crate::load::{CONNECTIONS, LANES, Load, Traffic};
use crate::round::RoundError;

/// Every round has a server of its own, and on it one session.
const SESSION: &str = "fan-out";
const PUBLISHER: &str = "publisher";

/// How much a subscriber takes before it has read it, on a stream and on a connection. Large, so that
/// it is the server that is measured, and not how it waits for the subscribers.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

type Client = MessageRouterClient<Channel>;

async fn connect(address: SocketAddr) -> Result<Client, RoundError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true);
    Ok(MessageRouterClient::new(endpoint.connect().await?))
}

async fn register(client: &mut Client, party_id: &str) -> Result<(), RoundError> {
    let (party_id, party_role) = (party_id.into(), "persistent".into());
    let request = RegisterPartyRequest { party_id, party_role, ..Default::default() };
    client.register_party(request).await?;
    Ok(())
}

/// The party that publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    client: Client,
    load: Load,
    payloads: Payloads,
}

impl Publisher {
    /// Connects, and announces the session with all its members.
    pub(crate) async fn open(address: SocketAddr, load: Load) -> Result<Self, RoundError> {
        let mut client = connect(address).await?;
        register(&mut client, PUBLISHER).await?;
        let subscribers = (0..load.subscribers).map(subscriber_name);
        let event = SessionEvent {
            event_type: "session_created".into(),
            session_id: SESSION.into(),
            selected_parties: subscribers.chain([PUBLISHER.into()]).collect(),
            ..Default::default()
        };
        client.publish_session_event(PublishSessionEventRequest { event: Some(event) }).await?;
        Ok(Self { client, load, payloads: Payloads::new(&load) })
    }

    /// Publishes everything: all messages but the last in lanes, each of which waits for its own
    /// calls; then the last.
    pub(crate) async fn publish(&self) -> Result<(), RoundError> {
        let last = self.load.messages as u64 - 1;
        let mut lanes: JoinSet<_> = (0..LANES as u64)
            .map(|lane| {
                let (mut client, payloads) = (self.client.clone(), self.payloads.clone());
                async move {
                    for number in (lane..last).step_by(LANES) {
                        route(&mut client, &payloads, number).await?;
                    }
                    Ok::<_, RoundError>(())
                }
            })
            .collect();
        while let Some(lane) = lanes.join_next().await {
            lane.expect("a lane is not cancelled")?;
        }
        route(&mut self.client.clone(), &self.payloads, last).await
    }
}

async fn route(client: &mut Client, payloads: &Payloads, number: u64) -> Result<(), RoundError> {
    let request = RouteMessageRequest {
        session_id: SESSION.into(),
        from_party: PUBLISHER.into(),
        message_type: "bench".into(),
        payload: payloads.payload(number),
        ..Default::default()
    };
    let response = client.route_message(request).await?.into_inner();
    if response.success { Ok(()) } else { Err(RoundError::NotAccepted) }
}

/// A party with a stream that is open.
#[derive(Debug)]
pub(crate) struct Subscriber {
    client: Client,
    name: String,
    traffic: Traffic,
    messages: Streaming<MpcMessage>,
    tally: Tally,
}

fn subscriber_name(index: usize) -> String {
    format!("party-{index:04}")
}

impl Subscriber {
    /// Registers and subscribes all of them.
    pub(crate) async fn open_all(address: SocketAddr, load: Load) -> Result<Vec<Self>, RoundError> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS.min(load.subscribers) {
            connections.push(connect(address).await?);
        }
        let payloads = Payloads::new(&load);
        let mut opening: JoinSet<_> = (0..load.subscribers)
            .map(|index| {
                let client = connections[index % connections.len()].clone();
                let tally = Tally::new(&load, payloads.clone());
                Self::open(client, subscriber_name(index), load.traffic, tally)
            })
            .collect();
        let mut subscribers = Vec::with_capacity(load.subscribers);
        while let Some(opened) = opening.join_next().await {
            subscribers.push(opened.expect("opening is not cancelled")?);
        }
        Ok(subscribers)
    }

    async fn open(
        mut client: Client,
        name: String,
        traffic: Traffic,
        tally: Tally,
    ) -> Result<Self, RoundError> {
        register(&mut client, &name).await?;
        let request =
            SubscribeMessagesRequest { session_id: SESSION.into(), party_id: name.clone() };
        let messages = client.subscribe_messages(request).await?.into_inner();
        Ok(Self { client, name, traffic, messages, tally })
    }

    /// Reads up to the last message, and acknowledges where that is asked for.
    pub(crate) async fn read(&mut self) -> Result<Order, RoundError> {
        while let Some(message) = self.messages.message().await? {
            let taken = self.tally.take(&message.payload)?;
            if self.traffic == Traffic::Acknowledged {
                self.acknowledge(message).await?;
            }
            if let Some(order) = taken {
                return Ok(order);
            }
        }
        Err(RoundError::Ended)
    }

    async fn acknowledge(&mut self, message: MpcMessage) -> Result<(), RoundError> {
        let request = AcknowledgeMessageRequest {
            message_id: message.message_id,
            party_id: self.name.clone(),
            session_id: message.session_id,
            success: true,
            ..Default::default()
        };
        let response = self.client.acknowledge_message(request).await?.into_inner();
        if response.success { Ok(()) } else { Err(RoundError::NotAcknowledged) }
    }

    /// Makes sure that the server took the acknowledgements for what they are.
    pub(crate) async fn settle(mut self) -> Result<(), RoundError> {
        if self.traffic == Traffic::Acknowledged {
            let request = HeartbeatRequest { party_id: self.name, timestamp: 0 };
            let outstanding = self.client.heartbeat(request).await?.into_inner().pending_messages;
            if outstanding != 0 {
                return Err(RoundError::Outstanding(outstanding));
            }
        }
        Ok(())
    }
}
