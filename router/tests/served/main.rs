//! A router as its callers see it: over real gRPC, on a port or over pipes.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod bad_log;
mod captured;
mod durable;
mod events;
mod frames;
mod gateways;
mod identity;
mod late_log;
mod membership;
mod notify;
mod operations;
mod overload;
mod parties;
mod pki;
mod polls;
mod redelivery;
mod routing;
mod secrets;
mod serving;
mod streams;
mod support;
mod tls;
mod virtual_time;
mod wildcards;
