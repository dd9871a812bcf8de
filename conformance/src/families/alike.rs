//! Names that are alike for long.

use crate::trial::Trial;

/// So much of a name is kept by columns and buffers of common sizes. Bytes.
const KEPT: [usize; 2] = [64, 256];

/// Labels of pairs whose names differ only after so much, or after a NUL: a router may refuse them.
///
/// None where the target can see who calls, since certificates hold no such names.
pub(super) fn labels_that_end_differently(trial: &Trial) -> Vec<String> {
    if trial.door().tells_who_calls() {
        return Vec::new();
    }
    let given = trial.name("").len();
    let long = KEPT.map(|kept| "n".repeat(kept.saturating_sub(given)));
    let begin = long.into_iter().chain(["nul\0".to_owned()]);
    begin.flat_map(|begin| ["a", "b"].map(|end| format!("{begin}{end}"))).collect()
}
