use std::time::{Duration, Instant};

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tokio::task::JoinSet;

use super::idle::connect;

const PARTIES: usize = 5;
const ROUNDS: i32 = 5;

/// Rounds in which each of five parties sends to all others, and answers everything that it gets.
/// Tells how long that took.
pub(super) async fn run(address: &str, session: &'static str) -> Duration {
    let names: Vec<_> = (0..PARTIES).map(|number| format!("{session}-{number}")).collect();
    let mut clients = Vec::new();
    for name in &names {
        let mut client = connect(address).await;
        let request = RegisterPartyRequest {
            party_id: name.clone(),
            party_role: "delegate".into(),
            ..Default::default()
        };
        client.register_party(request).await.unwrap();
        clients.push(client);
    }
    let event = SessionEvent {
        session_id: session.into(),
        event_type: "session_started".into(),
        selected_parties: names.clone(),
        ..Default::default()
    };
    clients[0]
        .publish_session_event(PublishSessionEventRequest { event: Some(event) })
        .await
        .unwrap();
    let began = Instant::now();
    let mut running: JoinSet<_> =
        clients.into_iter().zip(names).map(|(client, name)| party(client, session, name)).collect();
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    began.elapsed()
}

async fn party(
    mut client: MessageRouterClient<tonic::transport::Channel>,
    session: &'static str,
    name: String,
) {
    let request = SubscribeMessagesRequest { session_id: session.into(), party_id: name.clone() };
    let mut stream = client.subscribe_messages(request).await.unwrap().into_inner();
    // Who is quick may send the next round before this one is over.
    let mut early = 0;
    for round in 1..=ROUNDS {
        let request = RouteMessageRequest {
            session_id: session.into(),
            from_party: name.clone(),
            round_number: round,
            message_type: "share".into(),
            payload: vec![round as u8; 1_000].into(),
            ..Default::default()
        };
        client.route_message(request).await.unwrap();
        let mut heard = std::mem::take(&mut early);
        while heard < PARTIES - 1 {
            let message = stream.message().await.unwrap().expect("the ceremony goes on");
            let request = AcknowledgeMessageRequest {
                message_id: message.message_id,
                party_id: name.clone(),
                session_id: session.into(),
                success: true,
                error_message: String::new(),
            };
            client.acknowledge_message(request).await.unwrap();
            match message.round_number - round {
                0 => heard += 1,
                1 => early += 1,
                other => panic!("round {round} has a message that is {other} ahead"),
            }
        }
    }
}
