//! Ceremonies over gRPC: through the reference router, through one that does wrong, and from the
//! command line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;
mod meddler;
mod meddling;
mod router;
