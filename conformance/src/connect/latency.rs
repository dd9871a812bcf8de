//! A long way to the target: what is sent on a connection takes time to arrive.

use std::io;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What is read at once, and travels together. Bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// How many pieces are on their way at the same time, each way.
const PIECES_UNDER_WAY: usize = 1024;

/// The near end of a connection whose pieces take up to `most` each way: each another time, and none
/// overtakes another. Must be called within a tokio runtime.
pub(super) fn lengthened<S>(far: S, most: Duration, pipe_bytes: usize) -> DuplexStream
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (near, here) = tokio::io::duplex(pipe_bytes);
    let (far_in, far_out) = tokio::io::split(far);
    let (here_in, here_out) = tokio::io::split(here);
    tokio::spawn(async move {
        tokio::join!(travel(here_in, far_out, most, 0), travel(far_in, here_out, most, 1))
    });
    near
}

/// One way. Ends when either side does: where one is broken off, there is nobody to tell.
async fn travel(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    most: Duration,
    seed: u64,
) {
    let (pieces, arriving) = mpsc::channel(PIECES_UNDER_WAY);
    // What breaks off is seen by whoever reads or writes next.
    let _ = tokio::join!(departs(from, pieces, most, seed), arrives(to, arriving));
}

async fn departs(
    mut from: impl AsyncRead + Unpin,
    pieces: mpsc::Sender<(Instant, Vec<u8>)>,
    most: Duration,
    seed: u64,
) -> io::Result<()> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut last = Instant::now();
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        tokio::select! {
            read = from.read_buf(&mut piece) => if read? == 0 { return Ok(()) },
            () = pieces.closed() => return Ok(()),
        }
        let share = f64::from(random.next_u32()) / f64::from(u32::MAX);
        last = last.max(Instant::now() + most.mul_f64(share));
        if pieces.send((last, piece)).await.is_err() {
            return Ok(());
        }
    }
}

async fn arrives(
    mut to: impl AsyncWrite + Unpin,
    mut pieces: mpsc::Receiver<(Instant, Vec<u8>)>,
) -> io::Result<()> {
    while let Some((due, piece)) = pieces.recv().await {
        tokio::time::sleep_until(due).await;
        to.write_all(&piece).await?;
        to.flush().await?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(200);

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_arrives_late_whole_and_in_order() {
        let (far, mut other) = tokio::io::duplex(1024);
        let mut near = lengthened(far, MOST, 1024);
        let began = Instant::now();
        let (mut took, mut read) = (Vec::new(), [0; 3]);
        for number in 0..50_u8 {
            near.write_all(&[number; 3]).await.unwrap();
            other.read_exact(&mut read).await.unwrap();
            assert_eq!(read, [number; 3]);
            took.push(began.elapsed());
        }
        let each: Vec<_> = took.windows(2).map(|it| it[1] - it[0]).collect();
        assert!(each.iter().all(|it| *it <= MOST + Duration::from_millis(2)), "{each:?}");
        assert!(each.iter().max().unwrap().as_millis() > 150, "{each:?}");
        assert!(each.iter().min().unwrap().as_millis() < 50, "{each:?}");

        // Much at once needs no longer than one piece does.
        let (began, much) = (Instant::now(), vec![7; 500_000]);
        let sent = async { near.write_all(&much).await.unwrap() };
        let received = async {
            let mut all = vec![0; 500_000];
            other.read_exact(&mut all).await.unwrap();
            all
        };
        assert!(tokio::join!(sent, received).1 == much);
        assert!(began.elapsed() < MOST * 3, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_either_side_arrives_too() {
        let (far, mut other) = tokio::io::duplex(1024);
        let mut near = lengthened(far, MOST, 1024);
        near.write_all(b"last").await.unwrap();
        near.shutdown().await.unwrap();
        let mut read = Vec::new();
        other.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"last");
        other.write_all(b"answer").await.unwrap();
        drop(other);
        let mut read = Vec::new();
        near.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"answer");

        let (far, mut other) = tokio::io::duplex(1024);
        drop(lengthened(far, MOST, 1024));
        assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0, "whoever leaves is gone there");
    }
}
