//! Room: simulated parties that run threshold ceremonies through a MessageRouter.
//! In: a seed, a plan, a way to open connections.
//! Out: [`ceremony`] (a report with a verdict), and the machines it is made of; [`world`].
//! Knows: the wire contract; in [`drive`] alone, tokio; in [`world`] alone, the reference router.
//! Blind to: what is inside any other router, and to the conformance suite.

pub mod action;
mod calls;
pub mod ceremony;
pub mod coordinator;
pub mod drive;
mod encoding;
pub mod flow;
mod inbox;
pub mod ledger;
pub mod party;
mod plan;
pub mod protocol;
#[cfg(test)]
mod pump;
pub mod record;
mod report;
pub mod roster;
pub mod seal;
mod seat;
pub mod seed;
pub mod terms;
pub mod verdict;
pub mod world;

#[cfg(test)]
mod ceremony_tests;

pub use encoding::Digest;
