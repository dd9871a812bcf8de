//! Looks for programs that show something wrong, and makes them small.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::attempt::{Attempt, Terms};
use super::check::Finding;
use super::draw::draw;
use super::program::Program;
use super::shrink::Shrinking;

/// At most so many programs are tried to make one smaller.
pub const SHRINKING: usize = 200;

/// The program of a case: the same for the same seed and terms.
pub fn program_of(terms: &Terms, seed: u64, case: u64) -> Program {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    random.set_stream(case);
    draw(&mut random, &terms.bounds)
}

/// The finding that a program is made small by: what breaks a MUST goes before what breaks a SHOULD.
pub fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().min_by_key(|it| (it.is_warning(), it.at))
}

/// A program that was made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The program.
    pub program: Program,
    /// What it shows.
    pub attempt: Attempt,
    /// How many programs were played for it.
    pub played: usize,
}

/// Makes a program that shows something like this small, by playing smaller ones.
pub fn shrink(
    program: Program,
    shown: Attempt,
    like: &Finding,
    mut play: impl FnMut(&Program) -> Attempt,
) -> Shrunk {
    let shows = |it: &Attempt| it.findings.iter().find(|it| it.is_like(like)).cloned();
    let Some(finding) = shows(&shown) else {
        return Shrunk { program, attempt: shown, played: 0 };
    };
    let mut shrinking = Shrinking::new(program, &finding, SHRINKING);
    let mut smallest = shown;
    while let Some(next) = shrinking.next_program() {
        let attempt = play(&next);
        let is_shown = shows(&attempt).is_some();
        if is_shown {
            smallest = attempt;
        }
        shrinking.tell(is_shown);
    }
    Shrunk { program: shrinking.best().clone(), attempt: smallest, played: shrinking.played() }
}
