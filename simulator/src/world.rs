//! The virtual world: the reference router and parties that run ceremonies through it, in virtual
//! time, with whatever goes wrong, from one seed.
//!
//! Nothing in it asks the system for the time or for chance, and nothing runs beside it: the same
//! [`Scenario`] goes the same way each time, which its [trace](Outcome::trace) shows. The router is
//! the real one, on a log whose commits take virtual time and whose tail a crash tears off; the
//! parties and their coordinator are those that run over a network, too.
//!
//! What leaves the router is checked at every step; that ceremonies end well is checked once the
//! faults are over. A party that crashes goes on with what it kept: its machine stands still
//! meanwhile, and what was on its way to it and from it is lost.

#[cfg(test)]
mod bugs;
mod call;
mod checks;
mod dice;
mod draw;
mod fault;
mod host;
mod log;
mod outcome;
mod play;
mod queue;
mod scenario;
#[cfg(test)]
mod tests;
mod trace;

pub use checks::Trouble;
pub use draw::{Drawing, draw};
pub use fault::{COORDINATOR, Fault};
pub use outcome::Outcome;
pub use play::{Audience, play, play_before};
pub use scenario::{MAX_HOURS, MAX_IDLE_PARTIES, Scenario, ScenarioError};
