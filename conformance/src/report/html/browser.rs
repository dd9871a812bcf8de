//! The pages as a browser shows them. These tests need Chromium and its driver, and so are ignored
//! unless they are asked for, as `ci/run` does.

mod driver;
mod looks;
mod using;

use super::matrix::{self, Matrix};
use super::render;
use crate::report::samples;

/// The self-test's page, with one of each kind.
fn matrix() -> String {
    let (faults, variants) = matrix::tests::trials();
    Matrix { faults, variants, untested: &[], whole: true }.render()
}

/// A report with one of each kind.
fn failing() -> String {
    render(&samples::failing())
}

/// All kinds of pages.
fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("conformant", render(&samples::conformant())),
        ("failing", failing()),
        ("huge", render(&samples::huge())),
        ("hostile", render(&samples::hostile())),
        ("lost", render(&samples::lost())),
        ("repeated", render(&samples::repeated())),
        ("matrix", matrix()),
    ]
}
