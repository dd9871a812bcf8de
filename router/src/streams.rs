//! A message stream: a cursor into a party's mailbox, or all its mailboxes, pulled one frame at a time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use mpc_router_core::{Content, NotAdmitted, PartyId, SessionId, StreamId};
use tonic::Status;

use crate::commits::Lost;
use crate::metrics::{Open, StreamKind};
use crate::sessions::{Cell, Sessions, StreamSlot, WildcardReader};
use crate::wire;

/// What a party gets of one session, or of all its sessions. Closes itself when dropped.
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
    /// Some until it ends.
    source: Option<Source>,
    batch: VecDeque<Content>,
    frame: wire::Frame,
    _slot: StreamSlot,
    _open: Open,
}

/// Where messages come from.
#[derive(Debug)]
enum Source {
    Session(Arc<Cell>, StreamId),
    All(WildcardReader),
}

impl MessageStream {
    /// Opens a stream of a session, or of all the party's sessions (SUB-9).
    pub(crate) async fn open(
        sessions: Arc<Sessions>,
        session: Option<&SessionId>,
        party: PartyId,
        slot: StreamSlot,
    ) -> Result<Result<Self, NotAdmitted>, Lost> {
        let source = match session {
            Some(session) => match sessions.subscribe(session, party).await? {
                Ok((cell, id)) => Source::Session(cell, id),
                Err(error) => return Ok(Err(error)),
            },
            None => Source::All(sessions.subscribe_to_all(party)?),
        };
        let kind = match source {
            Source::Session(..) => StreamKind::Session,
            Source::All(_) => StreamKind::AllSessions,
        };
        let open = sessions.metrics().stream(kind);
        let (batch, frame) = (VecDeque::new(), wire::Frame::default());
        Ok(Ok(Self { sessions, source: Some(source), batch, frame, _slot: slot, _open: open }))
    }
}

impl Stream for MessageStream {
    type Item = Result<wire::MessageItem, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.batch.is_empty() {
            // A new frame is asked for once the one before has gone on its way.
            let (sent, room) = (this.frame.is_new(), this.frame.room());
            let polled = match &mut this.source {
                None => return Poll::Ready(None),
                Some(Source::Session(cell, id)) => {
                    cell.poll_pull(*id, sent, room, &mut this.batch, context)
                }
                Some(Source::All(reader)) => reader.poll_pull(sent, room, &mut this.batch, context),
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
        match self.source.take() {
            None => {}
            Some(Source::Session(cell, id)) => self.sessions.unsubscribe(&cell, id),
            Some(Source::All(reader)) => self.sessions.unsubscribe_from_all(&reader),
        }
    }
}

impl Drop for MessageStream {
    fn drop(&mut self) {
        self.close();
    }
}
