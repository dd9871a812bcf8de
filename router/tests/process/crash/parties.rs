use std::sync::{Arc, Mutex};

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::books::{Books, Outcome, Sent};

const NAMES: [&str; 4] = ["p0", "p1", "p2", "p3"];

/// How many sessions run at the same time.
const SESSIONS: usize = 3;

fn sessions(crash: u64) -> [String; SESSIONS] {
    std::array::from_fn(|number| format!("s{crash}.{number}"))
}

/// The parties' connections to one run of the router.
pub(super) struct Parties {
    clients: Vec<MessageRouterClient<Channel>>,
}

impl Parties {
    pub(super) async fn connect(address: &str) -> Self {
        let mut clients = Vec::new();
        for _ in NAMES {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let channel = endpoint.tcp_nodelay(true).connect().await.unwrap();
            clients.push(MessageRouterClient::new(channel).max_decoding_message_size(8 << 20));
        }
        Self { clients }
    }

    pub(super) async fn register(&mut self) {
        for (client, name) in self.clients.iter_mut().zip(NAMES) {
            let request = RegisterPartyRequest {
                party_id: name.into(),
                party_role: "persistent".into(),
                ..Default::default()
            };
            client.register_party(request).await.unwrap();
        }
    }

    /// Announces the sessions of this round.
    pub(super) async fn announce(&mut self, crash: u64) {
        for session in sessions(crash) {
            let event = SessionEvent {
                session_id: session,
                event_type: "session_created".into(),
                selected_parties: NAMES.map(Into::into).into(),
                ..Default::default()
            };
            let request = PublishSessionEventRequest { event: Some(event) };
            self.clients[0].publish_session_event(request).await.unwrap();
        }
    }

    /// Holds what the router has after a crash against the books.
    pub(super) async fn audit(mut self, books: &mut Books, crash: u64) {
        // Some that were looked at before, too: a later crash must not bring anything back.
        let earlier = crash.checked_sub(1).into_iter().chain(crash.checked_sub(7));
        for session in earlier.chain([crash]).flat_map(sessions) {
            for (client, name) in self.clients.iter_mut().zip(NAMES) {
                let polled = poll(client, &session, name).await;
                books.polled(&session, name, &polled);
            }
            for (message_id, acknowledged) in books.settled(&session) {
                let session_id = session.clone();
                let request = GetMessageStatusRequest { message_id, session_id };
                let status = self.clients[0].get_message_status(request).await.unwrap();
                for delivery in status.into_inner().deliveries {
                    let is_sure = acknowledged.contains(&delivery.party_id);
                    assert!(!is_sure || delivery.status == "acknowledged", "DUR-6: {delivery:?}");
                }
            }
        }
        let request = GetRegisteredPartiesRequest::default();
        let listed = self.clients[0].get_registered_parties(request).await.unwrap();
        assert_eq!(listed.into_inner().total_count as usize, NAMES.len(), "DUR-3");
    }
}

/// All that a party still has to get of a session.
async fn poll(
    client: &mut MessageRouterClient<Channel>,
    session: &str,
    party: &str,
) -> Vec<MpcMessage> {
    let mut polled: Vec<MpcMessage> = Vec::new();
    loop {
        let request = GetPendingMessagesRequest {
            session_id: session.into(),
            party_id: party.into(),
            after_timestamp: polled.last().map_or(0, |newest| newest.created_at),
        };
        let answer = client.get_pending_messages(request).await.unwrap().into_inner().messages;
        let known = polled.len();
        for message in answer {
            if polled.iter().all(|it| it.message_id != message.message_id) {
                polled.push(message);
            }
        }
        if polled.len() == known {
            return polled;
        }
    }
}

/// Parties at work until the router is gone.
pub(super) struct Working {
    tasks: JoinSet<Vec<Answer>>,
    books: Arc<Mutex<Books>>,
}

/// What a party answered to a message, and what the router said to that.
struct Answer {
    message: MpcMessage,
    party: &'static str,
    outcome: Outcome,
}

impl Working {
    /// Each party sends to the others in every session, one message after the other; and each
    /// acknowledges two of three that it gets.
    pub(super) fn begin(parties: &Parties, crash: u64, books: Books) -> Self {
        let books = Arc::new(Mutex::new(books));
        let mut tasks = JoinSet::new();
        for session in sessions(crash) {
            for (client, name) in parties.clients.iter().zip(NAMES) {
                let books = Arc::clone(&books);
                tasks.spawn(send(client.clone(), session.clone(), name, books));
                tasks.spawn(acknowledge(client.clone(), session.clone(), name));
            }
        }
        Self { tasks, books }
    }

    /// Waits until everybody has noticed that the router is gone.
    pub(super) async fn end(mut self) -> Books {
        let mut answers = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            answers.extend(ended.unwrap());
        }
        let books = Arc::into_inner(self.books).expect("nobody works any more");
        let mut books = books.into_inner().unwrap();
        // Now that all that was sent is in the books, whatever became of the sender's call.
        for Answer { message, party, outcome } in answers {
            books.acknowledged(&message, party, outcome);
        }
        books
    }
}

async fn send(
    mut client: MessageRouterClient<Channel>,
    session: String,
    name: &'static str,
    books: Arc<Mutex<Books>>,
) -> Vec<Answer> {
    let others: Vec<_> = NAMES.into_iter().filter(|other| *other != name).collect();
    for number in 0.. {
        let sent = Sent { session: session.clone(), from: name.into(), number };
        let to = match number % 3 {
            0 => &[][..],
            1 => &others[..1],
            _ => &others[1..],
        };
        let request = RouteMessageRequest {
            session_id: session.clone(),
            from_party: name.into(),
            to_parties: to.iter().map(|&party| party.into()).collect(),
            round_number: 1,
            message_type: "share".into(),
            payload: sent.payload().into(),
        };
        let routed = client.route_message(request).await;
        let recipients = if to.is_empty() { &others } else { to };
        let id = routed.map(|answer| answer.into_inner().message_id).ok();
        let is_over = id.is_none();
        books.lock().unwrap().sent(sent, recipients, id);
        if is_over {
            break;
        }
    }
    Vec::new()
}

async fn acknowledge(
    mut client: MessageRouterClient<Channel>,
    session: String,
    party: &'static str,
) -> Vec<Answer> {
    let mut answers = Vec::new();
    let request = SubscribeMessagesRequest { session_id: session.clone(), party_id: party.into() };
    let Ok(stream) = client.subscribe_messages(request).await else { return answers };
    let mut stream = stream.into_inner();
    let mut count = 0;
    while let Ok(Some(message)) = stream.message().await {
        count += 1;
        if count % 3 == 0 {
            continue;
        }
        let request = AcknowledgeMessageRequest {
            message_id: message.message_id.clone(),
            party_id: party.into(),
            session_id: session.clone(),
            success: true,
            error_message: String::new(),
        };
        let outcome = match client.acknowledge_message(request).await {
            Ok(_) => Outcome::Accepted,
            Err(_) => Outcome::Unknown,
        };
        answers.push(Answer { message, party, outcome });
    }
    answers
}
