//! A message stream: a cursor into a party's mailbox, pulled one frame at a time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use mpc_router_core::{Content, NotAdmitted, PartyId, SessionId, StreamId};
use tonic::Status;

use crate::commits::Lost;
use crate::sessions::{Cell, Sessions};
use crate::wire;

/// What a party gets of one session. Closes itself when dropped.
///
/// It takes out of the mailbox what tonic puts into one frame, never more, so that what counts as
/// handed out has gone to the transport: what a slow reader holds back stays in the mailbox, and can
/// still be acknowledged away (ACK-9).
///
/// Answers are waited for from the first poll after a frame on. tonic asks again as soon as it has
/// handed a frame on; whoever reads the stream otherwise has to do the same, and not only when it is
/// woken, or the last message before a pause is never sent again.
#[derive(Debug)]
pub struct MessageStream {
    sessions: Arc<Sessions>,
    /// Some until dropped.
    cell: Option<Arc<Cell>>,
    id: StreamId,
    batch: VecDeque<Content>,
    frame: wire::Frame,
}

impl MessageStream {
    pub(crate) async fn open(
        sessions: Arc<Sessions>,
        session: &SessionId,
        party: PartyId,
    ) -> Result<Result<Self, NotAdmitted>, Lost> {
        let subscribed = sessions.subscribe(session, party).await?;
        Ok(subscribed.map(|(cell, id)| {
            let (batch, frame) = (VecDeque::new(), wire::Frame::default());
            Self { sessions, cell: Some(cell), id, batch, frame }
        }))
    }
}

impl Stream for MessageStream {
    type Item = Result<wire::MessageItem, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.batch.is_empty() {
            let Some(cell) = &this.cell else { return Poll::Ready(None) };
            let polled = {
                // A new frame is asked for once the one before has gone on its way.
                let sent = this.frame.is_new();
                cell.poll_pull(this.id, sent, this.frame.room(), &mut this.batch, context)
            };
            if polled.is_pending() {
                this.frame.close();
            }
            if let Err(end) = ready!(polled) {
                this.close();
                return Poll::Ready(Some(Err(wire::stream_end(end))));
            }
        }
        let content = this.batch.pop_front().expect("a pull that is ready gave something");
        this.frame.add(&content);
        Poll::Ready(Some(Ok(wire::message(content))))
    }
}

impl MessageStream {
    fn close(&mut self) {
        if let Some(cell) = self.cell.take() {
            self.sessions.unsubscribe(cell, self.id);
        }
    }
}

impl Drop for MessageStream {
    fn drop(&mut self) {
        self.close();
    }
}
