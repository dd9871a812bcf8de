use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use mpc_router_proto::Encoded;
use mpc_router_proto::v1::MpcMessage;
use tonic::Status;

use super::FanOut;

/// The least that a server behind the generated service can do: a message is encoded once and added
/// to an arena that all share; a stream is a cursor into it, which reads without a lock, and sleeps
/// when it has reached the end.
#[derive(Debug, Default)]
pub struct Ceiling {
    tail: Arc<Mutex<Tail>>,
}

#[derive(Debug, Default)]
struct Tail {
    end: Place,
    /// Who reached the end; woken all at once.
    sleepers: Vec<Waker>,
    /// How often they were woken.
    wakings: u64,
}

/// A piece of the arena. It goes when the last cursor has left it.
#[derive(Debug)]
struct Segment {
    messages: [OnceLock<Encoded<MpcMessage>>; Self::MESSAGES],
    /// There as soon as the last message is.
    next: OnceLock<Arc<Segment>>,
}

/// A place for a message in the arena.
#[derive(Debug, Default, Clone)]
struct Place {
    segment: Arc<Segment>,
    slot: usize,
}

/// A stream's way through the arena.
#[derive(Debug)]
pub struct Cursor {
    at: Place,
    tail: Arc<Mutex<Tail>>,
    bed: Option<Bed>,
}

/// Which of the sleepers a cursor is, until the next waking. tonic asks once more before it lets a
/// stream sleep, which must not make two sleepers of one.
#[derive(Debug, Clone, Copy)]
struct Bed {
    wakings: u64,
    index: usize,
}

impl Segment {
    const MESSAGES: usize = 256;
}

impl Default for Segment {
    fn default() -> Self {
        Self { messages: [const { OnceLock::new() }; Self::MESSAGES], next: OnceLock::new() }
    }
}

impl Place {
    fn message(&self) -> Option<&Encoded<MpcMessage>> {
        self.segment.messages[self.slot].get()
    }

    /// The place after one that has a message.
    fn advance(&mut self) {
        self.slot += 1;
        if self.slot == Segment::MESSAGES {
            let next = self.segment.next.get().expect("a full segment has a next one");
            *self = Self { segment: Arc::clone(next), slot: 0 };
        }
    }
}

impl Tail {
    fn sleep(&mut self, bed: &mut Option<Bed>, waker: &Waker) {
        match bed {
            Some(Bed { wakings, index }) if *wakings == self.wakings => {
                self.sleepers[*index].clone_from(waker);
            }
            _ => {
                *bed = Some(Bed { wakings: self.wakings, index: self.sleepers.len() });
                self.sleepers.push(waker.clone());
            }
        }
    }
}

impl FanOut for Ceiling {
    type Messages = Cursor;

    async fn publish(&self, message: MpcMessage) {
        let message = Encoded::from(&message);
        let sleepers = {
            let mut tail = lock(&self.tail);
            if tail.end.slot == Segment::MESSAGES - 1 {
                let _ = tail.end.segment.next.set(Arc::default());
            }
            let slot = &tail.end.segment.messages[tail.end.slot];
            slot.set(message).expect("the end of the arena is free");
            tail.end.advance();
            tail.wakings += 1;
            std::mem::take(&mut tail.sleepers)
        };
        sleepers.into_iter().for_each(Waker::wake);
    }

    async fn subscribe(&self) -> Cursor {
        Cursor { at: lock(&self.tail).end.clone(), tail: Arc::clone(&self.tail), bed: None }
    }
}

impl Stream for Cursor {
    type Item = Result<Encoded<MpcMessage>, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.at.message().is_none() {
            let mut tail = lock(&this.tail);
            // Once more, now that nothing can be added meanwhile.
            if this.at.message().is_none() {
                tail.sleep(&mut this.bed, context.waker());
                return Poll::Pending;
            }
        }
        let message = this.at.message().expect("there is one").clone();
        this.at.advance();
        Poll::Ready(Some(Ok(message)))
    }
}

fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}
