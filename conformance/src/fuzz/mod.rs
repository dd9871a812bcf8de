//! Finds what no example shows: programs of calls whose history is held against the contract.

pub mod anomaly;
pub mod attempt;
mod calls;
pub mod check;
pub mod corpus;
pub mod draw;
pub mod history;
pub mod model;
pub mod names;
pub mod play;
pub mod program;
mod record;
pub mod rehearsal;
pub mod search;
pub mod shrink;
pub mod specimens;
pub mod tell;
#[cfg(test)]
mod tests;
pub mod wrong;

pub use names::Names;
