//! Room: the judge of any MessageRouter.
//! In: a way to a target ([`connect::Door`]) and what is claimed of it ([`profile::Profile`]).
//! Out: a [`report::Report`]: every requirement with its outcome and the evidence for it.
//! Knows: the wire contract; the router and the simulator by their public faces only.
//! Blind to: how a router decides. What it expects is written from the contract alone.

pub mod answer;
mod brief;
pub mod calibrate;
mod causes;
pub mod ceremony;
pub mod cli;
pub mod clock;
pub mod connect;
pub mod contract;
mod ending;
pub mod families;
pub mod feed;
pub mod fuzz;
pub mod identity;
pub mod in_process;
pub mod journal;
mod keeping;
mod listening;
mod listing;
mod many;
pub mod means;
pub mod notices;
pub mod outcome;
pub mod pace;
pub mod party;
pub mod power;
mod presence;
pub mod printed;
pub mod profile;
mod remembering;
pub mod report;
pub mod requirement;
pub mod requirement_set;
pub mod run;
pub mod select;
pub mod selftest;
pub mod specimen;
pub mod target;
pub mod trial;
mod virtual_time;

pub use brief::Brief;
pub use in_process::{check, check_service};
