use super::*;

#[test]
fn probe() {
    let from: u64 = std::env::var("FROM").ok().and_then(|x| x.parse().ok()).unwrap_or(1);
    let n: u64 = std::env::var("SEEDS").ok().and_then(|x| x.parse().ok()).unwrap_or(1);
    for seed in from..from + n {
        let mut scenario = draw(seed, &Drawing::default());
        if std::env::var("CALM").is_ok() {
            scenario.faults.clear();
        }
        let begun = std::time::Instant::now();
        let tell = std::env::var("TELL").is_ok();
        let mut listener = |at: u64, line: &str| {
            if tell {
                println!("{:>9.3} {line}", at as f64 / 1e3)
            }
        };
        let outcome =
            play_before(&scenario, Audience { listener: Some(&mut listener), stop: None }).unwrap();
        println!(
            "seed {seed} {} n={} t={} {:?} events {} lasted {} healed {:?} trace {} excuse {:?} took {:?}",
            scenario.flow,
            scenario.parties,
            scenario.threshold,
            outcome.faults,
            outcome.events,
            outcome.lasted_ms,
            outcome.healed_ms,
            outcome.trace,
            outcome.excuse,
            begun.elapsed()
        );
        for trouble in &outcome.troubles {
            println!("   TROUBLE {}: {}", trouble.check, trouble.what);
        }
    }
}
