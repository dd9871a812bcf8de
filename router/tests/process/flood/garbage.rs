use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mpc_router_proto::v1::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::idle::connect;

/// Clients that mean no good, or know no better.
pub(super) struct Clients {
    tasks: JoinSet<()>,
    /// How often each kind came to its end.
    done: [Arc<AtomicU64>; 4],
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A SETTINGS frame that sets nothing.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

impl Clients {
    pub(super) fn begin(address: &str) -> Self {
        let done: [Arc<AtomicU64>; 4] = Default::default();
        let mut tasks = JoinSet::new();
        for (kind, done) in done.iter().enumerate() {
            tasks.spawn(send(kind, address.to_owned(), Arc::clone(done)));
        }
        Self { tasks, done }
    }

    /// Waits until each kind of garbage was sent so often, and ends.
    pub(super) async fn done(mut self, times: u64) {
        while self.done.iter().any(|done| done.load(Ordering::Relaxed) < times) {
            assert!(self.tasks.try_join_next().is_none(), "a client gave up");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.tasks.shutdown().await;
    }
}

async fn send(kind: usize, address: String, done: Arc<AtomicU64>) {
    let mut noise: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut held = Vec::new();
    loop {
        match kind {
            // Bytes that are no HTTP.
            0 => drop(pour(&address, &[&noisy(&mut noise, 10_000)]).await),
            // Frames of any kind, on streams that are not open.
            1 => drop(pour(&address, &[PREFACE, SETTINGS, &noisy(&mut noise, 10_000)]).await),
            // Half a frame, and then nothing for long.
            2 => {
                let half = [0, 1, 0, 0, 0, 0, 0, 0, 1, 42];
                held.push(pour(&address, &[PREFACE, SETTINGS, &half]).await);
                if held.len() > 200 {
                    held.clear();
                }
            }
            // Calls that are reset as soon as they are made.
            _ => resets(&address).await,
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn noisy(noise: &mut u64, bytes: usize) -> Vec<u8> {
    let mut next = || {
        *noise ^= *noise << 13;
        *noise ^= *noise >> 7;
        *noise ^= *noise << 17;
        *noise as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// Sends these bytes, and sees whether the router hangs up on that.
async fn pour(address: &str, pieces: &[&[u8]]) -> Option<TcpStream> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    for piece in pieces {
        connection.write_all(piece).await.ok()?;
    }
    let mut answer = [0; 1_024];
    let reading = connection.read(&mut answer);
    let _ = tokio::time::timeout(Duration::from_millis(20), reading).await;
    Some(connection)
}

async fn resets(address: &str) {
    let client = connect(address).await;
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        let mut client = client.clone();
        calls.spawn(async move {
            let request = RouteMessageRequest {
                session_id: "garbage".into(),
                from_party: "garbage".into(),
                payload: vec![0; 10_000].into(),
                ..Default::default()
            };
            let _ = client.route_message(request).await;
        });
    }
    tokio::task::yield_now().await;
    calls.shutdown().await;
}
