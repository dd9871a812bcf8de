use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The bounds of buckets, upwards, in whole units of which one is `unit` of what is shown.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) bounds: &'static [u64],
    pub(super) unit: f64,
}

const MICROSECOND: f64 = 1e-6;

/// For what takes fifty microseconds with nothing to wait for, and some milliseconds with a disk.
pub(super) static SECONDS: Bounds = Bounds {
    bounds: &[
        50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
        1_000_000, 10_000_000,
    ],
    unit: MICROSECOND,
};

/// For how many of something come together.
pub(super) static COUNT: Bounds =
    Bounds { bounds: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096], unit: 1.0 };

/// How often something was how large. Where it is told to, no lock is taken, which that of
/// `prometheus-client` does. A clone is the same.
#[derive(Clone)]
pub(crate) struct Histogram(Arc<Shared>);

struct Shared {
    bounds: &'static Bounds,
    /// One more than bounds: the last is for what is above them all.
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Default for Histogram {
    /// Of times, in seconds.
    fn default() -> Self {
        Self::new(&SECONDS)
    }
}

impl Histogram {
    pub(super) fn new(bounds: &'static Bounds) -> Self {
        let buckets = (0..=bounds.bounds.len()).map(|_| AtomicU64::default()).collect();
        Self(Arc::new(Shared { bounds, buckets, sum: AtomicU64::default() }))
    }

    pub(crate) fn count(&self, value: u64) {
        let Shared { bounds, buckets, sum } = &*self.0;
        let bucket = bounds.bounds.partition_point(|bound| *bound < value);
        buckets[bucket].fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn took(&self, time: Duration) {
        self.count(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Histogram").field(&self.0.buckets).finish()
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Shared { bounds, buckets, sum } = &*self.0;
        let upper = bounds.bounds.iter().map(|bound| *bound as f64 * bounds.unit);
        let upper = upper.chain([f64::INFINITY]);
        let buckets: Vec<_> =
            upper.zip(buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = sum.load(Ordering::Relaxed) as f64 * bounds.unit;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn each_value_is_in_the_bucket_with_the_first_bound_that_it_does_not_exceed() {
        static BOUNDS: Bounds = Bounds { bounds: &[1, 10], unit: 0.5 };
        let (mut registry, histogram) = (Registry::default(), Histogram::new(&BOUNDS));
        registry.register("h", "help", histogram.clone());
        for value in [0, 1, 2, 10, 11, 100] {
            histogram.count(value);
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "h_sum 62.0",
            "h_count 6",
            "h_bucket{le=\"0.5\"} 2",
            "h_bucket{le=\"5.0\"} 4",
            "h_bucket{le=\"+Inf\"} 6",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }
}
