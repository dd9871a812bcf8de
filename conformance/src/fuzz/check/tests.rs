mod planted;
mod right;

use self::right::{RULES, right};
use super::check;

#[test]
fn a_right_history_has_no_anomaly() {
    for seed in 0..300 {
        let history = right(seed, 150);
        let found = check(&history, RULES);
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}
