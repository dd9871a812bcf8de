//! A router as its callers see it: over real gRPC, on a port or over pipes.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod events;
mod frames;
mod late_log;
mod membership;
mod parties;
mod polls;
mod redelivery;
mod routing;
mod serving;
mod streams;
mod support;
mod virtual_time;
