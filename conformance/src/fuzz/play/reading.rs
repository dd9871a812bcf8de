//! Subscriptions: opened, read, and ended.

use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};

use super::*;

impl Play {
    pub(super) async fn subscribes(&self, number: u32, party: u8, session: Option<u8>) {
        let request = {
            let recorder = self.recorder();
            let names = recorder.names();
            SubscribeMessagesRequest {
                session_id: session.map(|it| names.session(it)).unwrap_or_default(),
                party_id: names.party(party),
            }
        };
        let stream = self.recorder().opens(self.now(), party, session);
        let open = Open { number: stream, party, end: CancellationToken::new() };
        lock(&self.streams).insert(number, open.clone());
        let (play, mut stub) = (self.clone(), self.client(party).stub.clone());
        let (opened, is_open) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move {
            let ended = open.end.clone();
            let reading = async {
                let end = match stub.subscribe_messages(request).await {
                    Ok(stream) => play.reads(&open, stream.into_inner(), opened).await,
                    Err(status) if refused(&status) == Got::Refused => End::Refused,
                    Err(_) => End::Lost,
                };
                // Who ends it knows of it first.
                let was_open = lock(&play.streams).remove(&number);
                if let Some(open) = was_open {
                    play.closes(&open, end);
                }
            };
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = reading => {}
            }
        });
        let _ = tokio::time::timeout(self.stage.opening, is_open).await;
    }

    async fn reads(
        &self,
        open: &Open<Stream>,
        mut stream: Streaming<MpcMessage>,
        _opened: tokio::sync::oneshot::Sender<()>,
    ) -> End {
        let client = self.client(open.party);
        client.lived(self.recorder().is_alive(self.now(), open.number));
        drop(_opened);
        loop {
            match stream.message().await {
                Ok(Some(copy)) => {
                    let mut recorder = self.recorder();
                    // What comes after its end is not read any more.
                    if open.end.is_cancelled() {
                        return End::Ours;
                    }
                    client.lived(recorder.came(self.now(), open.number, &copy));
                    drop(recorder);
                    self.news.notify_waiters();
                }
                Ok(None) => return End::Theirs,
                Err(status) => {
                    let is_theirs = refused(&status) == Got::Refused
                        || matches!(status.code(), Code::ResourceExhausted);
                    return if is_theirs { End::Theirs } else { End::Lost };
                }
            }
        }
    }

    /// A subscription ends: until the target last answered on its connection it was surely there.
    pub(super) fn closes(&self, open: &Open<Stream>, end: End) {
        let mut recorder = self.recorder();
        open.end.cancel();
        recorder.closes(self.now(), open.number, self.client(open.party).life(), end);
    }

    pub(super) async fn listens(&self, number: u32, party: u8) {
        let party_id = self.recorder().names().party(party);
        let request = SubscribeSessionEventsRequest { party_id, event_types: Vec::new() };
        let listener = self.recorder().listens(self.now(), party);
        let open = Open { number: listener, party, end: CancellationToken::new() };
        lock(&self.listeners).insert(number, open.clone());
        let (play, mut stub) = (self.clone(), self.client(party).stub.clone());
        let (opened, is_open) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move {
            let ended = open.end.clone();
            let reading = async {
                if let Ok(stream) = stub.subscribe_session_events(request).await {
                    play.hears(&open, stream.into_inner(), opened).await;
                }
                let was_open = lock(&play.listeners).remove(&number);
                if let Some(open) = was_open {
                    play.stops_listening(&open);
                }
            };
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = reading => {}
            }
        });
        let _ = tokio::time::timeout(self.stage.opening, is_open).await;
    }

    async fn hears(
        &self,
        open: &Open<Listener>,
        mut stream: Streaming<SessionEvent>,
        _opened: tokio::sync::oneshot::Sender<()>,
    ) {
        let client = self.client(open.party);
        client.lived(self.recorder().hears(self.now(), open.number));
        drop(_opened);
        while let Ok(Some(event)) = stream.message().await {
            let mut recorder = self.recorder();
            if open.end.is_cancelled() {
                return;
            }
            client.lived(recorder.heard(self.now(), open.number, &event));
            drop(recorder);
            self.news.notify_waiters();
        }
    }

    pub(super) fn stops_listening(&self, open: &Open<Listener>) {
        let mut recorder = self.recorder();
        open.end.cancel();
        recorder.deaf(open.number, self.client(open.party).life.load(Ordering::Relaxed));
    }
}
