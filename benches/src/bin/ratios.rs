//! How the router's throughput compares to the least that its gRPC stack costs and to the usual code,
//! as one table of ratios.

use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::Context as _;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use mpc_router_benches::{Comparison, Contender, Drivers, Estimate, Load, Measure, Traffic};
use serde_json::{Value, json};

/// Measures the router beside two bare servers on the same gRPC stack, and prints the ratios.
///
/// Contenders, each a fresh server on loopback for every round:
///   router   the reference router, in memory
///   ceiling  the least that fan-out costs here: one encoding a message, a shared arena, and a
///            cursor for each stream; no status, no acknowledgement, no session
///   usual    what one writes first: a bounded channel and an encoding for each subscriber
///
/// Ratios are the router's rate by the other's: 0.80 to the ceiling means that the contract's
/// promises cost a fifth of what could be; 8.0 to the usual code means eight times as much as it.
/// Each is the median of neighbouring rounds with its 95 % bootstrap interval. A goal is met if the
/// interval is beyond it, not if the median is.
#[derive(Debug, Parser)]
#[command(name = "ratios", verbatim_doc_comment, after_help = AFTER_HELP)]
struct Options {
    /// How many pairs of rounds make a ratio, at least 7: with fewer an interval says nothing
    #[arg(long, value_name = "N", default_value_t = 9,
          value_parser = clap::value_parser!(u16).range(7..))]
    pairs: u16,

    /// Rounds a tenth as long: rough figures in half a minute
    #[arg(long)]
    quick: bool,

    /// Also write every round and every ratio into FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Only with these numbers of subscribers [fan_out: 1,10,100,1000; acknowledged: 10,100]
    #[arg(long, value_name = "LIST", value_delimiter = ',',
          value_parser = clap::value_parser!(u16).range(1..))]
    to: Vec<u16>,

    /// Only with payloads of these sizes in bytes [fan_out: 256,4096; acknowledged: 256]
    #[arg(long, value_name = "LIST", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(Load::MIN_PAYLOAD_BYTES as i64..=2 << 20))]
    payload: Vec<u32>,

    /// Only this traffic
    #[arg(long, value_parser = PossibleValuesParser::new(Traffic::ALL.map(Traffic::name))
          .map(|name| traffic(&name)))]
    traffic: Option<Traffic>,
}

const AFTER_HELP: &str = "\
Examples:
  cargo run --release -p mpc-router-benches                           everything, in a few minutes
  cargo run --release -p mpc-router-benches -- --quick                a first look
  cargo run --release -p mpc-router-benches -- --traffic fan_out --to 100 --pairs 21
                                                                      one row, with a narrow interval

Build with --release: an unoptimised server says nothing. Leave the machine alone meanwhile; what
else it does widens the intervals, and hits all contenders alike.";

fn traffic(name: &str) -> Traffic {
    let found = Traffic::ALL.into_iter().find(|traffic| traffic.name() == name);
    found.expect("the parser lets only names pass")
}

impl Options {
    fn loads(&self) -> Vec<Load> {
        let mut loads = Vec::new();
        for traffic in Traffic::ALL {
            let (payloads, subscribers): (&[u32], &[u16]) = match traffic {
                Traffic::FanOut => (&[256, 4096], &[1, 10, 100, 1000]),
                Traffic::Acknowledged => (&[256], &[10, 100]),
            };
            let payloads = if self.payload.is_empty() { payloads } else { &self.payload };
            let subscribers = if self.to.is_empty() { subscribers } else { &self.to };
            if self.traffic.is_none_or(|only| only == traffic) {
                for &payload in payloads {
                    for &to in subscribers {
                        let load = Load::standard(traffic, payload as usize, usize::from(to));
                        loads.push(if self.quick { load.shortened() } else { load });
                    }
                }
            }
        }
        loads
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let turns = usize::from(options.pairs);
    let cores = available_parallelism().map_or(0, usize::from);
    println!("{}\n\n{}", explanation(turns, cores), heading());
    let drivers = Drivers::new().context("cannot start the clients' threads")?;
    let mut rows = Vec::new();
    for load in options.loads() {
        let comparison = Comparison::run(&drivers, load, turns)
            .with_context(|| format!("{} {load} is not measured", load.traffic.name()))?;
        println!("{}", row(&comparison));
        rows.push(data(&comparison));
    }
    if let Some(file) = options.json {
        let all = json!({ "cores": cores, "pairs": turns, "quick": options.quick, "loads": rows });
        std::fs::write(&file, format!("{all:#}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn explanation(turns: usize, cores: usize) -> String {
    format!(
        "One publisher (32 calls under way) broadcasts over gRPC on loopback; a round counts only if \
         every subscriber decoded every message, once and in order.\n\
         Server (2 threads) and clients (2 threads, up to 8 connections and the publisher's) are one \
         process and share this machine's {cores} cores.\n\
         Ratios of the router's rate to the other's, median of {turns} pairs [95 % interval]: by the \
         clock, clients' work included; and by the server threads' CPU time alone."
    )
}

fn heading() -> String {
    format!(
        "{:<24}{:^44}{:^44}{:>28}\n{:<24}{:^22}{:^22}{:^22}{:^22}{:>14}{:>14}",
        "",
        "router / ceiling",
        "router / usual",
        "router, for orientation",
        "traffic/payload/to",
        "clock",
        "server CPU",
        "clock",
        "server CPU",
        "deliveries/s",
        "CPU µs each",
    )
}

const PAIRS: [(Contender, Measure); 4] = [
    (Contender::Ceiling, Measure::Clock),
    (Contender::Ceiling, Measure::Server),
    (Contender::Usual, Measure::Clock),
    (Contender::Usual, Measure::Server),
];

fn row(comparison: &Comparison) -> String {
    let load = comparison.load();
    let mut row = format!("{:<24}", format!("{}/{load}", load.traffic.name()));
    for (to, by) in PAIRS {
        let ratio = comparison.ratio(to, by);
        row += &format!("{:^22}", ratio.map_or("not known".into(), |ratio| ratio.to_string()));
    }
    let median = |values: Option<Vec<f64>>| Estimate::of(&values?).map(|values| values.median);
    let rounds = || comparison.rounds(Contender::Router);
    let rate = median(Some(rounds().map(|round| round.rate()).collect()));
    let cost = median(rounds().map(|round| Some(1e6 / round.cpu_rate()?)).collect());
    row += &rate.map_or_else(String::new, |rate| format!("{rate:>14.0}"));
    row += &cost.map_or_else(String::new, |cost| format!("{cost:>14.2}"));
    row
}

fn data(comparison: &Comparison) -> Value {
    let load = comparison.load();
    let rounds = |of| {
        let rounds = comparison.rounds(of).map(|round| {
            json!({
                "seconds": round.elapsed.as_secs_f64(),
                "server_cpu_seconds": round.server_cpu.map(|spent| spent.as_secs_f64()),
            })
        });
        rounds.collect::<Vec<_>>()
    };
    let ratio = |to, by| {
        comparison
            .ratio(to, by)
            .map(|ratio| json!({ "median": ratio.median, "low": ratio.low, "high": ratio.high }))
    };
    let ratios = |to| json!({ "clock": ratio(to, Measure::Clock), "server_cpu": ratio(to, Measure::Server) });
    json!({
        "traffic": load.traffic.name(),
        "payload_bytes": load.payload_bytes,
        "subscribers": load.subscribers,
        "messages": load.messages,
        "deliveries": load.deliveries(),
        "router_to_ceiling": ratios(Contender::Ceiling),
        "router_to_usual": ratios(Contender::Usual),
        "rounds": {
            "router": rounds(Contender::Router),
            "ceiling": rounds(Contender::Ceiling),
            "usual": rounds(Contender::Usual),
        },
    })
}
