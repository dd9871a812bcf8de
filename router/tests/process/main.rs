//! A router that runs as a process of its own.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod crash;
mod flood;
mod process;

fn from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(number) => number.parse().expect("a number"),
        Err(_) => default,
    }
}
