use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// A median and where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Half of the values are not over it, half of them not under.
    pub median: f64,
    /// Where the interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// How often the values are drawn anew.
const RESAMPLES: usize = 10_000;

impl Estimate {
    /// The median of `values`, with a percentile-bootstrap interval: the middle 95 % of the medians
    /// of samples that are drawn from the values, as many as there are, each any number of times.
    /// The same values give the same interval. None without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::resampled(values, RESAMPLES)
    }

    fn resampled(values: &[f64], times: usize) -> Option<Self> {
        let median = median(&mut values.to_vec())?;
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut draw = || values[random.next_u64() as usize % values.len()];
        let mut sample = vec![0.0; values.len()];
        let mut medians: Vec<_> = (0..times)
            .filter_map(|_| {
                sample.fill_with(&mut draw);
                self::median(&mut sample)
            })
            .collect();
        medians.sort_unstable_by(f64::total_cmp);
        let low = medians[times * 25 / 1000];
        let high = medians[times * 975 / 1000 - 1];
        Some(Self { median, low, high })
    }
}

/// As in `0.93 [0.90, 0.97]`.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = self;
        f.pad(&format!("{median:.2} [{low:.2}, {high:.2}]"))
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let (lower, upper) = (values.get(values.len().checked_sub(1)? / 2)?, values[values.len() / 2]);
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let median_of = |values: &[f64]| Estimate::of(values).map(|estimate| estimate.median);
        assert_eq!(median_of(&[]), None);
        assert_eq!(median_of(&[3.0]), Some(3.0));
        assert_eq!(median_of(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median_of(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn the_interval_leaves_outliers_out_and_is_reproducible() {
        let values = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.01, 7.0];
        let estimate = Estimate::of(&values).unwrap();
        assert_eq!(estimate, Estimate::of(&values).unwrap());
        assert!(estimate.low < estimate.median && estimate.median < estimate.high);
        assert!(estimate.low >= 0.9 && estimate.high < 7.0, "{estimate}");
        assert_eq!(Estimate::of(&[2.0; 7]).unwrap().to_string(), "2.00 [2.00, 2.00]");
    }

    /// Of the samples of nine values, the 95 % interval of the median covers the true one about as
    /// often as it says: that is what makes it worth printing.
    #[test]
    fn the_interval_covers_the_truth() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut uniform = || random.next_u32() as f64 / f64::from(u32::MAX);
        let covered = (0..200)
            .filter(|_| {
                let values: [f64; 9] = std::array::from_fn(|_| uniform());
                let Estimate { low, high, .. } = Estimate::resampled(&values, 400).unwrap();
                low <= 0.5 && 0.5 <= high
            })
            .count();
        assert!((180..200).contains(&covered), "{covered} of 200");
    }
}
