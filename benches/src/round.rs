use std::io;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::check::{Fault, Order, agree};
use crate::clients::{Publisher, Subscriber};
use crate::contender::Contender;
use crate::load::Load;
use crate::running::Running;

/// How many threads the clients have, all of them together.
const CLIENT_THREADS: usize = 2;

/// How long a round may take before it counts as stuck.
const ROUND_TIMEOUT: Duration = Duration::from_secs(120);

/// What one round took: from the first call to publish until every subscriber has all messages, and
/// has acknowledged them where that was asked for. Setting up and taking down are not in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// How many messages arrived, in all.
    pub deliveries: u64,
    /// By the clock.
    pub elapsed: Duration,
    /// What the server's threads spent, where the system tells.
    pub server_cpu: Option<Duration>,
}

impl Round {
    /// Deliveries a second.
    pub fn rate(&self) -> f64 {
        self.deliveries as f64 / self.elapsed.as_secs_f64()
    }

    /// Deliveries a second of the server's processor time.
    pub fn cpu_rate(&self) -> Option<f64> {
        self.server_cpu.map(|spent| self.deliveries as f64 / spent.as_secs_f64())
    }
}

/// A round that counts for nothing.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// Something was not delivered as it should have been.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A stream ended before the last message.
    #[error("a stream ended before the last message")]
    Ended,
    /// The server refused a message.
    #[error("the server did not accept a message")]
    NotAccepted,
    /// The server refused an acknowledgement.
    #[error("the server did not accept an acknowledgement")]
    NotAcknowledged,
    /// Something is outstanding though all was acknowledged.
    #[error("{0} messages of a party are outstanding, and it has acknowledged all of them")]
    Outstanding(i32),
    /// Nothing came of it.
    #[error("not every message has arrived within {} s", ROUND_TIMEOUT.as_secs())]
    Stuck,
    /// A call failed.
    #[error("a call failed: {0}")]
    Call(#[from] tonic::Status),
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// There is no server.
    #[error("cannot start a server: {0}")]
    Start(#[from] io::Error),
}

/// All clients of all rounds, on threads of their own.
#[derive(Debug)]
pub struct Drivers {
    runtime: Runtime,
}

impl Drivers {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(CLIENT_THREADS)
            .thread_name("clients")
            .enable_all()
            .build()?;
        Ok(Self { runtime })
    }

    /// Puts a load on a fresh server.
    ///
    /// # Errors
    /// If anything went wrong; a round that is not right is not measured.
    pub fn round(&self, contender: Contender, load: Load) -> Result<Round, RoundError> {
        self.round_on(&contender.start()?, load)
    }

    /// Puts a load on a server that nobody has called before.
    ///
    /// # Errors
    /// If anything went wrong; a round that is not right is not measured.
    ///
    /// # Panics
    /// If there is no message or no room for what is checked; see [`Load`].
    pub fn round_on(&self, server: &Running, load: Load) -> Result<Round, RoundError> {
        assert!(load.messages > 0, "a round has at least one message");
        self.runtime.block_on(async {
            let round = tokio::time::timeout(ROUND_TIMEOUT, measure(server, load)).await;
            round.map_err(|_| RoundError::Stuck)?
        })
    }
}

async fn measure(server: &Running, load: Load) -> Result<Round, RoundError> {
    let publisher = Publisher::open(server.address(), load).await?;
    let subscribers = Subscriber::open_all(server.address(), load).await?;

    let spent_before = server.cpu();
    let began = Instant::now();
    let ((), read) = tokio::try_join!(publisher.publish(), read_all(subscribers))?;
    let elapsed = began.elapsed();
    let spent = server.cpu();

    agree(read.iter().map(|(order, _)| *order))?;
    for (_, subscriber) in read {
        subscriber.settle().await?;
    }
    let server_cpu = spent.zip(spent_before).map(|(after, before)| after.saturating_sub(before));
    Ok(Round { deliveries: load.deliveries(), elapsed, server_cpu })
}

async fn read_all(subscribers: Vec<Subscriber>) -> Result<Vec<(Order, Subscriber)>, RoundError> {
    let mut reading: JoinSet<_> = subscribers
        .into_iter()
        .map(|mut subscriber| async move {
            let order = subscriber.read().await?;
            Ok::<_, RoundError>((order, subscriber))
        })
        .collect();
    let mut read = Vec::with_capacity(reading.len());
    while let Some(reader) = reading.join_next().await {
        read.push(reader.expect("reading is not cancelled")?);
    }
    Ok(read)
}
