//! Room: what the router's throughput is measured with, and what it is measured against.
//! In: a contender, and a load to put on it.
//! Out: how long it took and what the server's threads spent on it, if every message arrived.
//! Knows: the router through its public face, the wire contract, tonic.
//! Blind to: how the router decides; the load is the same for every server of the contract.
//!
//! Absolute figures say more about the machine than about the server: what counts is the ratio to a
//! bare server that was measured in the same minute. There are two of these, behind the same
//! generated service as the router and driven by the same clients. [`Ceiling`] is the least that a
//! server on tonic can do to fan a message out; [`Usual`] is what one writes who follows the
//! examples. Neither keeps any of the contract's promises beyond fan-out and order.
//!
//! Every round begins with a fresh server, so that rounds are alike and what a server keeps of
//! unacknowledged messages goes with it.

mod bare;
mod check;
mod clients;
mod comparison;
mod contender;
mod load;
mod round;
mod running;
mod statistics;

pub use bare::{Bare, Ceiling, FanOut, Usual};
pub use check::Fault;
pub use comparison::{Comparison, Measure};
pub use contender::Contender;
pub use load::{Load, Traffic};
pub use round::{Drivers, Round, RoundError};
pub use running::Running;
pub use statistics::Estimate;
