//! Any calls with any requests, at any time: the router breaks none of its invariants, and the same
//! parties go on being served.

#![no_main]

use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mpc_router::{Config, Router};
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::*;
use prost::Message;
use tokio_stream::StreamExt as _;
use tonic::{Request, Status};

/// Reads the input from its front, and zeros after its end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// One of a few names, so that calls have to do with each other; or any.
    fn name(&mut self, few: &[&str]) -> String {
        match usize::from(self.byte()) {
            255 => String::from_utf8_lossy(self.bytes()).into_owned(),
            number => few[number % few.len()].to_owned(),
        }
    }

    fn party(&mut self) -> String {
        self.name(&["alice", "bob", "carol", ""])
    }

    fn session(&mut self) -> String {
        self.name(&["s", "t", ""])
    }

    fn parties(&mut self) -> Vec<String> {
        (0..self.byte() % 4).map(|_| self.party()).collect()
    }

    fn number(&mut self) -> i64 {
        match self.byte() {
            0 => 0,
            1 => i64::MAX,
            2 => i64::MIN,
            3 => i64::from(self.byte()) * 1_000_000_000_000_000,
            other => i64::from(other),
        }
    }

    /// A request that is put together, or whatever the bytes decode to.
    fn request<T: Message + Default>(&mut self, made: impl FnOnce(&mut Self) -> T) -> Request<T> {
        let mut request = Request::new(match self.byte() {
            0 => T::decode(self.bytes()).unwrap_or_default(),
            _ => made(self),
        });
        if self.byte() % 8 == 0
            && let Ok(key) = String::from_utf8_lossy(self.bytes()).parse()
        {
            request.metadata_mut().insert("idempotency-key", key);
        }
        request
    }
}

async fn call(
    router: &Router,
    input: &mut Input<'_>,
    open: &mut Vec<<Router as MessageRouter>::SubscribeMessagesStream>,
    events: &mut Vec<<Router as MessageRouter>::SubscribeSessionEventsStream>,
    messages: &mut Vec<String>,
) -> Result<(), Status> {
    match input.byte() % 16 {
        0 => {
            let request = input.request(|input| RegisterPartyRequest {
                party_id: input.party(),
                party_role: input.name(&["persistent", "delegate", "temporary"]),
                ..Default::default()
            });
            router.register_party(request).await?;
        }
        1 => {
            let request = input.request(|input| HeartbeatRequest {
                party_id: input.party(),
                timestamp: input.number(),
            });
            router.heartbeat(request).await?;
        }
        2..=5 => {
            let request = input.request(|input| RouteMessageRequest {
                session_id: input.session(),
                from_party: input.party(),
                to_parties: input.parties(),
                round_number: input.number() as i32,
                message_type: input.name(&["m"]),
                payload: vec![7; usize::from(input.byte()) * 300].into(),
            });
            messages.push(router.route_message(request).await?.into_inner().message_id);
        }
        6 => {
            let request = input.request(|input| SubscribeMessagesRequest {
                session_id: input.session(),
                party_id: input.party(),
            });
            open.push(router.subscribe_messages(request).await?.into_inner());
        }
        7 => {
            let request = input.request(|input| GetPendingMessagesRequest {
                session_id: input.session(),
                party_id: input.party(),
                after_timestamp: input.number(),
            });
            router.get_pending_messages(request).await?;
        }
        8 | 9 => {
            let known = usize::from(input.byte());
            let message_id = messages.get(known % messages.len().max(1)).cloned();
            let request = input.request(|input| AcknowledgeMessageRequest {
                message_id: message_id.unwrap_or_else(|| input.name(&["m"])),
                party_id: input.party(),
                session_id: input.session(),
                success: input.byte() % 4 > 0,
                error_message: String::new(),
            });
            router.acknowledge_message(request).await?;
        }
        10 => {
            let known = usize::from(input.byte());
            let message_id = messages.get(known % messages.len().max(1)).cloned();
            let request = input.request(|input| GetMessageStatusRequest {
                message_id: message_id.unwrap_or_else(|| input.name(&["m"])),
                session_id: input.session(),
            });
            router.get_message_status(request).await?;
        }
        11 => {
            let request = input.request(|input| PublishSessionEventRequest {
                event: Some(SessionEvent {
                    session_id: input.session(),
                    event_id: input.name(&["", "e", "f"]),
                    event_type: input.name(&[
                        "session_created",
                        "session_started",
                        "session_completed",
                        "session_expired",
                    ]),
                    selected_parties: input.parties(),
                    expires_at: input.number(),
                    threshold_t: input.number() as i32,
                    threshold_n: input.number() as i32,
                    ..Default::default()
                }),
            });
            router.publish_session_event(request).await?;
        }
        12 => {
            let request = input.request(|input| SubscribeSessionEventsRequest {
                party_id: input.party(),
                event_types: (0..input.byte() % 3).map(|_| input.name(&["session_created"])).collect(),
            });
            events.push(router.subscribe_session_events(request).await?.into_inner());
        }
        13 => {
            let request = input.request(|input| GetRegisteredPartiesRequest {
                role_filter: input.name(&["", "delegate"]),
                only_online: input.byte() % 2 == 0,
            });
            router.get_registered_parties(request).await?;
        }
        14 => {
            // Readers read, or go.
            let moment = Duration::from_millis(1);
            for stream in &mut *open {
                while let Ok(Some(_)) = tokio::time::timeout(moment, stream.next()).await {}
            }
            for stream in &mut *events {
                while let Ok(Some(_)) = tokio::time::timeout(moment, stream.next()).await {}
            }
            if input.byte() % 4 == 0 {
                open.clear();
                events.clear();
            }
        }
        _ => {
            let milliseconds = 1_u64 << (input.byte() % 20);
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
    }
    Ok(())
}

async fn play(input: &[u8]) {
    let mut input = Input(input);
    let flags = input.byte();
    let router = Router::new(Config {
        membership: flags & 1 == 0,
        message_ttl: Duration::from_secs(1 + u64::from(flags >> 4)),
        ack_timeout: Duration::from_millis(100),
        max_retries: u32::from(flags >> 6),
        max_payload: 60_000,
        max_outstanding: 1 << 20,
        ..Config::default()
    });
    let (mut open, mut events, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..200 {
        if input.0.is_empty() {
            break;
        }
        let _ = call(&router, &mut input, &mut open, &mut events, &mut messages).await;
    }
    drop((open, events));
    // Whatever happened, it serves.
    for party in ["somebody that no call has named", "nor this one, who comes after"] {
        let request = RegisterPartyRequest {
            party_id: party.into(),
            party_role: "temporary".into(),
            ..Default::default()
        };
        router.register_party(Request::new(request)).await.expect("a new party is welcome");
    }
}

fuzz_target!(|input: &[u8]| {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime")
    });
    runtime.block_on(play(input));
});
