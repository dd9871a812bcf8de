use mpc_router_proto::v1::*;
use tonic::Streaming;

use super::idle::connect;

/// How much waits for it, in MiB.
pub(super) const MIB: usize = 64;

/// A party whose stream is open and not read.
pub(super) struct Reader {
    stream: Streaming<MpcMessage>,
}

const NAMES: [&str; 2] = ["sender", "stalled"];

impl Reader {
    /// Opens a stream and sends it more than any buffer on the way takes.
    pub(super) async fn stall(address: &str) -> Self {
        let [mut sender, mut reader] = [connect(address).await, connect(address).await];
        for name in NAMES {
            let request = RegisterPartyRequest {
                party_id: name.into(),
                party_role: "temporary".into(),
                ..Default::default()
            };
            reader.register_party(request).await.unwrap();
        }
        let event = SessionEvent {
            session_id: "stalled".into(),
            event_type: "session_created".into(),
            selected_parties: NAMES.map(Into::into).into(),
            ..Default::default()
        };
        let request = PublishSessionEventRequest { event: Some(event) };
        sender.publish_session_event(request).await.unwrap();
        let request =
            SubscribeMessagesRequest { session_id: "stalled".into(), party_id: NAMES[1].into() };
        let stream = reader.subscribe_messages(request).await.unwrap().into_inner();
        for number in 0..MIB {
            let request = RouteMessageRequest {
                session_id: "stalled".into(),
                from_party: NAMES[0].into(),
                to_parties: vec![NAMES[1].into()],
                payload: vec![number as u8; 1 << 20].into(),
                ..Default::default()
            };
            sender.route_message(request).await.unwrap();
        }
        Self { stream }
    }

    /// Reads everything, in order (FLW-2).
    pub(super) async fn read_all(mut self) {
        for number in 0..MIB {
            let message = self.stream.message().await.unwrap().expect("it goes on");
            assert_eq!(message.payload.len(), 1 << 20);
            assert_eq!(message.payload[0], number as u8, "FLW-2");
        }
    }
}
