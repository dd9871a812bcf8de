//! Room: the reference MessageRouter; it acts on what the core decides.
//! In: the ten RPCs of `mpc.router.v1.MessageRouter`.
//! Out: answers and streams, once the log has what they tell of.
//! Knows: the core, the wire contract, gRPC, the clock, the log.
//! Blind to: the simulator and the conformance suite; and it decides nothing about deliveries.
//!
//! A message's way, module by module: `rpc` takes the call; `wire` turns it into the core's terms;
//! `sessions` finds its session and lets the core decide; [`log`] keeps the record; `streams` brings
//! it to who listens. Beside it: `events` and `directory` for the two units that are no session,
//! [`notify`] for parties that are away, and `identity` for who may do what, which the wall asks before
//! the core sees a call.
//!
//! ```no_run
//! use mpc_router::{Config, Router, serve::Server};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::bind("127.0.0.1:0".parse()?).await?;
//! println!("listening on {}", server.local_addr());
//! let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
//! server.serve(Router::new(Config::default()), shutdown).await?;
//! # Ok(())
//! # }
//! ```

mod alarms;
mod clock;
mod commits;
mod config;
mod directory;
mod events;
mod identity;
mod ids;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod operations;
mod rpc;
pub mod serve;
mod sessions;
pub mod stepped;
pub mod store;
mod streams;
mod wire;

pub use config::Config;
pub use identity::{Caller, Identity, IdentityError};
pub use rpc::{CALLS, Router};
