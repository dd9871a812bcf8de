//! The report for GitHub Actions: a summary on the page of a run, and annotations beside it.
//!
//! What is known to the baseline is in the summary, marked so, and is no annotation.

mod annotations;
mod markdown;
mod summary;

pub(crate) use annotations::{Annotation, annotations, commands};
pub(crate) use summary::{SUMMARY_LIMIT, render as summary};
