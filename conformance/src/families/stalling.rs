//! A reader that stalls.

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{MpcMessage, SubscribeMessagesRequest};
use tokio::sync::oneshot;
use tonic::transport::Channel;

use crate::feed::Feed;
use crate::party::Party;
use crate::trial::{Session, Trial};

/// How much the reader lets the target send unread. Bytes.
const WINDOW: u32 = 64 * 1024;

/// A stream on a connection of its own that is not read before it is told to.
pub(super) fn stalled(
    trial: &Trial,
    party: &Party,
    session: &Session,
) -> (Feed<MpcMessage>, oneshot::Sender<()>) {
    opened(trial, party, session, party.on_a_narrow_connection(WINDOW).channel())
}

/// The same, once its response headers have come; none if they do not. Something must be
/// outstanding for it: they come with that at the latest.
pub(super) async fn stalled_and_open(
    trial: &Trial,
    party: &Party,
    session: &Session,
) -> Option<(Feed<MpcMessage>, oneshot::Sender<()>)> {
    let (opened, is_open) = oneshot::channel();
    let channel = party.on_a_narrow_connection(WINDOW).channel();
    let (feed, reads) = opened_telling(trial, party, session, channel, opened);
    let is_open = tokio::time::timeout(trial.pace().patience(), is_open).await;
    is_open.is_ok().then_some((feed, reads))
}

/// The same, on a connection that it shares.
pub(super) fn stalled_on(
    trial: &Trial,
    party: &Party,
    session: &Session,
    shared: &Channel,
) -> (Feed<MpcMessage>, oneshot::Sender<()>) {
    opened(trial, party, session, sharing(party, shared).channel())
}

/// The party on a connection that it shares, where callers can.
pub(super) fn sharing(party: &Party, shared: &Channel) -> Party {
    party.on_shared(shared, WINDOW)
}

fn opened(
    trial: &Trial,
    party: &Party,
    session: &Session,
    channel: Channel,
) -> (Feed<MpcMessage>, oneshot::Sender<()>) {
    opened_telling(trial, party, session, channel, oneshot::channel().0)
}

fn opened_telling(
    trial: &Trial,
    party: &Party,
    session: &Session,
    channel: Channel,
    opened: oneshot::Sender<()>,
) -> (Feed<MpcMessage>, oneshot::Sender<()>) {
    let (reads, may_read) = oneshot::channel::<()>();
    let limit = trial.timers().receive_limit();
    let mut client = MessageRouterClient::new(channel).max_decoding_message_size(limit);
    let request =
        SubscribeMessagesRequest { session_id: session.id.clone(), party_id: party.id.clone() };
    let opening = async move {
        let response = client.subscribe_messages(request).await;
        // Nobody else may want to know.
        let _ = opened.send(());
        let _ = may_read.await;
        response
    };
    let call = format!("SubscribeMessages({}), unread at first", session.id);
    (Feed::open(trial.clone(), party.id.clone(), call, opening), reads)
}

/// A connection that several streams share, each of which lets the target send only so much unread.
pub(super) fn shared_connection(trial: &Trial) -> Channel {
    trial.door().connect_narrow_streams(WINDOW)
}
