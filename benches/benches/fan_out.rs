//! Fan-out and acknowledged traffic through the router and the two bare servers, as criterion groups
//! such as `fan_out/256B/100`. One iteration is one round on a fresh server; throughput is in
//! deliveries.
//!
//! `cargo bench -p mpc-router-benches` measures everything, in some minutes;
//! `cargo bench -p mpc-router-benches -- --test` does each round once and a tenth as long, to see
//! that all of them are right, in less than a minute. For ratios, which is what counts, use
//! `cargo run --release -p mpc-router-benches`.

use std::time::Duration;

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use mpc_router_benches::{Contender, Drivers, Load, Traffic};

fn fan_out(criterion: &mut Criterion) {
    for payload_bytes in [256, 4096] {
        for subscribers in [1, 10, 100, 1000] {
            group(criterion, Load::standard(Traffic::FanOut, payload_bytes, subscribers));
        }
    }
}

fn acknowledged(criterion: &mut Criterion) {
    for subscribers in [10, 100] {
        group(criterion, Load::standard(Traffic::Acknowledged, 256, subscribers));
    }
}

fn group(criterion: &mut Criterion, load: Load) {
    let only_tested = std::env::args().any(|argument| argument == "--test");
    let load = if only_tested { load.shortened() } else { load };
    let drivers = Drivers::new().expect("threads for the clients");
    let mut group = criterion.benchmark_group(format!("{}/{load}", load.traffic.name()));
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(load.deliveries()));
    for contender in Contender::ALL {
        group.bench_function(BenchmarkId::from_parameter(contender.name()), |bencher| {
            bencher.iter_custom(|rounds| {
                let round = || drivers.round(contender, load).expect("a right round").elapsed;
                (0..rounds).map(|_| round()).sum::<Duration>()
            });
        });
    }
    group.finish();
}

fn configured() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4))
}

criterion_group! { name = all; config = configured(); targets = fan_out, acknowledged }
criterion_main!(all);
