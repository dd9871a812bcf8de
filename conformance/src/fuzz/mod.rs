//! Finds what no example shows: programs of calls whose history is held against the contract.

pub mod anomaly;
pub mod check;
pub mod history;
pub mod model;
