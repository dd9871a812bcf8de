//! What holds whatever happens.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod deliveries;
mod notices;
mod polls;
mod records;
mod steps;
