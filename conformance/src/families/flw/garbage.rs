//! FLW-4: clients that mean no good, and the others beside them.

use std::time::Duration;

use prost::Message as _;
use rand_core::RngCore as _;
use tokio::time::Instant;

use super::super::prelude::*;
use super::exchange::{Exchange, Times, Trouble};
use super::raw::{self, Raw};
use crate::many::each;
use crate::trial::Session;

/// Connections that send each kind of garbage, and how many of them at a time.
const CONNECTIONS: usize = 12;

/// Calls of one connection that are reset together: a server may end it if they are many more.
const BURST: u32 = 15;
const BURSTS: u32 = 20;

/// Calls of one connection that are reset in a flood, without a pause: more each time, up to what
/// keeps the target busy for a moment.
const FLOODS: [u32; 4] = [40, 120, 360, 1_000];

/// With how much a target is busy. A flood that is three times as large must not take others many
/// times as long.
const BUSY: Duration = Duration::from_millis(300);

/// How long a target has to begin with what is reset then.
const BEGINS: Duration = Duration::from_millis(5);

/// How long a connection stays open at most after its garbage.
const HEARD: Duration = Duration::from_millis(50);

/// Messages of others by which the usual time is found, and at least beside each kind of garbage.
const ROUNDS: usize = 10;

/// What somebody sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Garbage {
    Nothing,
    Noise,
    Http1,
    PrefaceAlone,
    NoiseInFrames,
    HalfAFrame,
    HalfARequest,
    LongClaim,
    NoProtobuf,
    Resets,
    Flood(u32),
}

impl Garbage {
    const ALL: [Self; 14] = [
        Self::Nothing,
        Self::Noise,
        Self::Http1,
        Self::PrefaceAlone,
        Self::NoiseInFrames,
        Self::HalfAFrame,
        Self::HalfARequest,
        Self::LongClaim,
        Self::NoProtobuf,
        Self::Resets,
        Self::Flood(FLOODS[0]),
        Self::Flood(FLOODS[1]),
        Self::Flood(FLOODS[2]),
        Self::Flood(FLOODS[3]),
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Nothing => "connections on which nothing comes",
            Self::Noise => "bytes that are no HTTP",
            Self::Http1 => "requests of HTTP/1",
            Self::PrefaceAlone => "connections that begin with HTTP/2 and are silent then",
            Self::NoiseInFrames => "frames of HTTP/2 that make no sense",
            Self::HalfAFrame => "half frames",
            Self::HalfARequest => "half requests",
            Self::LongClaim => "requests that claim to have 4 GiB",
            Self::NoProtobuf => "requests that are no protobuf",
            Self::Resets => "hundreds of calls that are reset",
            Self::Flood(_) => "a flood of calls that are reset at once",
        }
    }

    /// Sends it on a connection, which stays open as long as what this gives.
    async fn send(self, trial: Trial, whole: Vec<u8>, number: usize) -> Option<Raw> {
        let mut noise = vec![0; 10_000];
        trial.random(&format!("noise {number} {self:?}")).fill_bytes(&mut noise);
        let mut connection = Raw::connect(trial.door()).await?;
        let greeting = raw::greeting();
        let route = || raw::call(1, "RouteMessage", None);
        match self {
            Self::Nothing => {}
            Self::Noise => connection.send(&noise).await,
            Self::Http1 => connection.send(b"GET / HTTP/1.1\r\nHost: router\r\n\r\n").await,
            Self::PrefaceAlone => connection.send(raw::PREFACE).await,
            Self::NoiseInFrames => connection.send(&[&greeting, &noise[..]].concat()).await,
            Self::HalfAFrame => connection.send(&[greeting, raw::half_a_frame()].concat()).await,
            Self::HalfARequest => {
                let half = raw::data(1, &whole[..whole.len() / 2]);
                connection.send(&[greeting, route(), half].concat()).await;
            }
            Self::LongClaim => {
                let claim = raw::claims(u32::MAX, &noise[..5_000]);
                connection.send(&[greeting, route(), raw::data(1, &claim)].concat()).await;
            }
            Self::NoProtobuf => {
                let garbage = raw::claims(5_000, &noise[..5_000]);
                connection.send(&[greeting, route(), raw::last_data(1, &garbage)].concat()).await;
            }
            Self::Resets => {
                connection.send(&greeting).await;
                for burst in 0..BURSTS {
                    let streams = (0..BURST).map(|it| (burst * BURST + it) * 2 + 1);
                    let calls = streams.clone().map(|it| raw::call(it, "RouteMessage", None));
                    connection.send(&calls.collect::<Vec<_>>().concat()).await;
                    trial.sleep(BEGINS).await;
                    let resets: Vec<_> = streams.map(raw::reset).collect();
                    connection.send(&resets.concat()).await;
                    trial.sleep(BEGINS).await;
                }
            }
            Self::Flood(size) => {
                let calls = (0..size).map(|number| {
                    let stream = number * 2 + 1;
                    [raw::call(stream, "RouteMessage", None), raw::reset(stream)].concat()
                });
                connection.send(&[greeting, calls.collect::<Vec<_>>().concat()].concat()).await;
            }
        }
        if !self.stays() {
            // Who hangs up at once may not have been heard at all.
            connection.hears_of(1, Instant::now() + HEARD).await;
        }
        Some(connection)
    }

    /// Whether it does harm as long as the connection is there.
    fn stays(self) -> bool {
        matches!(
            self,
            Self::Nothing
                | Self::PrefaceAlone
                | Self::HalfAFrame
                | Self::HalfARequest
                | Self::LongClaim
        )
    }

    /// Whether it is work for the target, so that others may have to wait for a moment.
    fn is_work(self) -> bool {
        matches!(self, Self::Resets | Self::Flood(_))
    }
}

/// Two parties that talk to each other, with garbage beside them.
#[derive(Debug)]
struct Beside {
    trial: Trial,
    exchange: Exchange,
    /// How long their messages take without it.
    usual: Times,
    whole: Vec<u8>,
}

impl Beside {
    /// Tells how long the longest message took, or nothing if there was no connection at all.
    async fn garbage(&mut self, garbage: Garbage) -> Result<Option<Duration>, Stop> {
        let first = self.once(garbage).await;
        let Err(Stop::Broken(_)) = &first else { return first };
        if !garbage.is_work() || !self.recovers().await {
            return first;
        }
        // It may have been busy with something else.
        self.once(garbage).await
    }

    async fn once(&mut self, garbage: Garbage) -> Result<Option<Duration>, Stop> {
        let wait = self.trial.pace().wait();
        let when = format!("beside {}", garbage.words());
        let (sent, others) = tokio::join!(
            sends(&self.trial, garbage, &self.whole),
            goes_on(&self.trial, &mut self.exchange, &when, ROUNDS),
        );
        // A target may have a limit for connections, so they are held no longer than needed.
        let Some(held) = sent? else {
            others?;
            return Ok(None);
        };
        let mut times = others?;
        // While what is half or silent is still there.
        times.extend(goes_on(&self.trial, &mut self.exchange, &when, ROUNDS / 2).await?);
        drop(held);
        let longest = times.longest();
        let seen = |now, usual| format!("a message took {now} {when}, and {usual} without");
        times.show_no_delay(&self.usual, &self.trial, &wait, seen).await?;
        Ok(Some(longest))
    }

    /// Whether the others come through again.
    async fn recovers(&mut self) -> bool {
        self.exchange.reconnect();
        goes_on(&self.trial, &mut self.exchange, "after it", 1).await.is_ok()
    }
}

/// A request that would be right if it came as a whole.
async fn whole_request(trial: &Trial) -> Result<Vec<u8>, Stop> {
    let [mallory, victim] = trial.parties(["mallory", "victim"]).await?;
    let session: Session = trial.session("garbage", &[&mallory, &victim]).await?;
    let request = mallory.outgoing(&session, &[&victim], trial.payload(4_000));
    let bytes = request.encode_to_vec();
    Ok(raw::claims(u32::try_from(bytes.len()).expect("a few thousand"), &bytes))
}

pub(super) async fn garbage_disturbs_nobody(trial: Trial) -> Verdict {
    let whole = whole_request(&trial).await?;
    let mut exchange = Exchange::new(&trial, "others").await?;
    let mut usual = Times::default();
    for _ in 0..ROUNDS {
        let wait = trial.pace().wait();
        let time = exchange.once("before any garbage").await.map_err(Trouble::stop)?;
        usual.add(time, &wait);
    }
    let mut beside = Beside { trial: trial.clone(), exchange, usual, whole };
    let mut unheard = Vec::new();
    let mut is_busy = false;
    for garbage in Garbage::ALL {
        if is_busy && matches!(garbage, Garbage::Flood(size) if size > FLOODS[0]) {
            break;
        }
        match beside.garbage(garbage).await? {
            None => unheard.push(garbage.words()),
            Some(longest) => is_busy = longest > BUSY,
        }
    }
    let Beside { mut exchange, .. } = beside;
    let when = "after all the garbage, on new connections";
    exchange.reconnect();
    goes_on(&trial, &mut exchange, when, ROUNDS).await?;
    let mut new = Exchange::new(&trial, "later").await?;
    goes_on(&trial, &mut new, when, ROUNDS).await?;
    if unheard.is_empty() {
        return Ok(());
    }
    let why = format!("the target took no connection for {}", unheard.join(", nor for "));
    Err(Stop::NotChecked(why))
}

/// Sends garbage of one kind on several connections, of which some stay open. None if there was no
/// connection at all.
async fn sends(trial: &Trial, garbage: Garbage, whole: &[u8]) -> Result<Option<Vec<Raw>>, Stop> {
    // Of what is silent a few are enough: a target may have a limit.
    let connections = match garbage {
        Garbage::Nothing | Garbage::PrefaceAlone => CONNECTIONS / 3,
        _ => CONNECTIONS,
    };
    let sent = each(0..connections, |number| {
        let sending = garbage.send(trial.clone(), whole.to_vec(), number);
        async move { Ok(sending.await) }
    })
    .await?;
    let stay = if garbage.stays() { CONNECTIONS / 3 } else { 0 };
    let sent: Vec<_> = sent.into_iter().flatten().collect();
    Ok((!sent.is_empty()).then(|| sent.into_iter().take(stay).collect()))
}

/// Others go on, and tell how long their messages take. If their connections break they make new
/// ones, once.
async fn goes_on(
    trial: &Trial,
    exchange: &mut Exchange,
    when: &str,
    rounds: usize,
) -> Result<Times, Stop> {
    let mut times = Times::default();
    let mut lost = None;
    let wait = trial.pace().wait();
    while times.len() < rounds {
        let once = trial.pace().wait();
        match exchange.once(when).await {
            Ok(time) => times.add(time, &once),
            Err(Trouble::Stopped(stop)) => return Err(stop),
            Err(Trouble::Lost(why)) => {
                if let Some(stall) = wait.stalled() {
                    let seconds = stall.as_secs_f64();
                    let why =
                        format!("this machine kept the suite from running for {seconds:.1} s");
                    return Err(Stop::Inconclusive(why));
                }
                if let Some(before) = lost.replace(why.clone()) {
                    let seen = format!("the connections of others broke {when}: {before}, {why}");
                    let accepted = "others go on: only who sends garbage may be hung up on";
                    return Err(Stop::broken(seen, accepted));
                }
                let since = Instant::now();
                exchange.reconnect();
                trial.sleep(trial.pace().quiet().saturating_sub(since.elapsed())).await;
            }
        }
    }
    Ok(times)
}
