use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// How many parties share a connection, as behind a gateway.
const PARTIES_PER_CONNECTION: u64 = 50;

/// How often each of them sends a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

pub(super) async fn connect(address: &str) -> MessageRouterClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    MessageRouterClient::new(endpoint.tcp_nodelay(true).connect().await.unwrap())
}

/// Parties that listen, send heartbeats, and have nothing to do.
pub(super) struct Parties {
    tasks: JoinSet<()>,
    beats: Arc<AtomicU64>,
}

impl Parties {
    /// Registers them, and opens two streams for each.
    pub(super) async fn settle(address: &str, count: u64) -> Self {
        let beats = Arc::new(AtomicU64::new(0));
        let mut settling = JoinSet::new();
        for first in (0..count).step_by(PARTIES_PER_CONNECTION as usize) {
            let last = count.min(first + PARTIES_PER_CONNECTION);
            let (address, beats) = (address.to_owned(), Arc::clone(&beats));
            settling.spawn(async move {
                let client = connect(&address).await;
                let mut settled = Vec::new();
                for number in first..last {
                    settled.push(Party::settle(client.clone(), format!("idle-{number}")).await);
                }
                (settled, beats)
            });
        }
        let mut tasks = JoinSet::new();
        while let Some(settled) = settling.join_next().await {
            let (settled, beats) = settled.unwrap();
            for (number, party) in settled.into_iter().enumerate() {
                let offset =
                    HEARTBEAT_INTERVAL.mul_f64(number as f64 / PARTIES_PER_CONNECTION as f64);
                tasks.spawn(party.live(offset, Arc::clone(&beats)));
            }
        }
        Self { tasks, beats }
    }

    /// Ends them, each of which has to be well. Tells how many heartbeats there were.
    pub(super) async fn end(mut self) -> u64 {
        while let Some(ended) = self.tasks.try_join_next() {
            ended.expect("an idle party came to grief");
        }
        self.tasks.shutdown().await;
        self.beats.load(Ordering::Relaxed)
    }
}

struct Party {
    name: String,
    client: MessageRouterClient<Channel>,
    messages: tonic::Streaming<MpcMessage>,
    events: tonic::Streaming<SessionEvent>,
}

impl Party {
    async fn settle(mut client: MessageRouterClient<Channel>, name: String) -> Self {
        let request = RegisterPartyRequest {
            party_id: name.clone(),
            party_role: "persistent".into(),
            ..Default::default()
        };
        client.register_party(request).await.unwrap();
        // Of all its sessions: none has anything for it.
        let request =
            SubscribeMessagesRequest { session_id: String::new(), party_id: name.clone() };
        let messages = client.subscribe_messages(request).await.unwrap().into_inner();
        let request =
            SubscribeSessionEventsRequest { party_id: name.clone(), ..Default::default() };
        let events = client.subscribe_session_events(request).await.unwrap().into_inner();
        Self { name, client, messages, events }
    }

    async fn live(mut self, offset: Duration, beats: Arc<AtomicU64>) {
        let mut interval =
            tokio::time::interval_at(tokio::time::Instant::now() + offset, HEARTBEAT_INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => {
                    let request = HeartbeatRequest { party_id: self.name.clone(), timestamp: 0 };
                    let beat = self.client.heartbeat(request).await.unwrap().into_inner();
                    assert_eq!(beat.pending_messages, 0);
                    beats.fetch_add(1, Ordering::Relaxed);
                }
                message = self.messages.message() => panic!("{message:?} for an idle party"),
                // The ceremonies select others.
                event = self.events.message() => panic!("{event:?} for an idle party"),
            }
        }
    }
}
