use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use mpc_router_proto::Encoded;
use mpc_router_proto::v1::MpcMessage;
use tokio::sync::{Mutex, mpsc};
use tonic::Status;

use super::FanOut;

/// The usual code: a bounded channel for each subscriber, a copy of the message into each of them,
/// and an encoding for each copy.
///
/// The generated service wants messages that are encoded, so a copy is encoded into a buffer of its
/// own rather than into tonic's. That is one allocation and one copying of its bytes more than the
/// usual code has, some hundredths of the whole.
#[derive(Debug, Default)]
pub struct Usual {
    /// Locked while a message is sent, so that all get messages in one order.
    subscribers: Mutex<Vec<mpsc::Sender<MpcMessage>>>,
}

/// As in tonic's examples.
const CHANNEL_MESSAGES: usize = 128;

/// The receiving end of one subscriber's channel.
#[derive(Debug)]
pub struct Channel(mpsc::Receiver<MpcMessage>);

impl FanOut for Usual {
    type Messages = Channel;

    async fn publish(&self, message: MpcMessage) {
        for subscriber in &*self.subscribers.lock().await {
            // Whoever has gone is not sent to.
            let _ = subscriber.send(message.clone()).await;
        }
    }

    async fn subscribe(&self) -> Channel {
        let (subscriber, channel) = mpsc::channel(CHANNEL_MESSAGES);
        self.subscribers.lock().await.push(subscriber);
        Channel(channel)
    }
}

impl Stream for Channel {
    type Item = Result<Encoded<MpcMessage>, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = ready!(self.get_mut().0.poll_recv(context));
        Poll::Ready(message.map(|message| Ok(Encoded::from(&message))))
    }
}
