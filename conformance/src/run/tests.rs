use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::*;
use crate::selftest::judge_with;
use crate::specimen::{Fault, Settings, Specimen, Twist};

#[test]
fn a_run_that_checked_nothing_is_no_conformance() {
    let mut counts = Counts { not_applicable: 9, ..Counts::default() };
    assert_eq!(verdict(&counts), OverallVerdict::Incomplete);
    counts.warned = 1;
    assert_eq!(verdict(&counts), OverallVerdict::Conformant);
}

/// On virtual time, what is under way when the run ends is left where it is.
#[test]
fn a_run_that_ends_at_the_first_failure_leaves_the_rest() {
    let selection = Selection::new(&["REG-*".into(), "HB-6".into()], &[], &[]).expect("they exist");
    let options = Options { selection, fail_fast: true, ..Options::default() };
    let report = judge_with(Fault::EmptyPartyRegistered.into(), options);
    assert_eq!(report.verdict, OverallVerdict::NotConformant);
    let of = |id: &str| report.requirements.iter().find(|it| it.id == id).expect("selected");
    assert_eq!(of("REG-2").outcome, Outcome::Failed);
    assert_eq!((of("HB-6").outcome, &*of("HB-6").detail), (Outcome::NotChecked, ENDED_EARLY));
}

/// Of a check's time, the hundredths in which this process does not run.
static STALLED: AtomicU64 = AtomicU64::new(0);
static TRIED: AtomicU32 = AtomicU32::new(0);

async fn passes() {
    TRIED.fetch_add(1, Ordering::Relaxed);
    let stalled = STALLED.load(Ordering::Relaxed);
    tokio::time::advance(Duration::from_millis(stalled * 10)).await;
    tokio::time::sleep(Duration::from_millis((100 - stalled) * 10)).await;
}

async fn blames(_: Trial) -> Verdict {
    passes().await;
    Err(Stop::broken("the sky was green", "blue"))
}

async fn warns(trial: Trial) -> Verdict {
    passes().await;
    trial.warn("the sky was grey".into(), "blue".into());
    Ok(())
}

/// What becomes of this check, and how often it was tried.
async fn examined(stalled: u64, check: Check) -> (RequirementReport, u32) {
    let ground = Ground {
        door: Door::memory(Specimen::new(Settings::default(), Twist::none()).into_service()),
        timers: Timers::short(),
        capabilities: Vec::new(),
        means: Means::default(),
        is_long: true,
        timer_limit: Duration::from_secs(60),
        pace: Pace::new(&Calibration {
            round_trip_us: 100,
            round_trip_max_us: 100,
            timer_slack_us: 100,
        }),
        clock: Clock::new(),
        seed: 0,
        run: "run".into(),
    };
    STALLED.store(stalled, Ordering::Relaxed);
    TRIED.store(0, Ordering::Relaxed);
    let requirement = families::find("ORD-1").expect("it exists");
    let report =
        examine(&ground, &Semaphore::new(SIDE_BY_SIDE), requirement, check, "again".into(), |_| {})
            .await;
    (report, TRIED.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn who_hardly_ran_blames_nobody() {
    // With a third, the machine is busy, which is no reason not to believe.
    for stalled in [0, 33] {
        let (report, tried) = examined(stalled, |trial| Box::pin(blames(trial))).await;
        assert_eq!((report.outcome, tried), (Outcome::Failed, 1));
        let (report, tried) = examined(stalled, |trial| Box::pin(warns(trial))).await;
        assert_eq!((report.outcome, tried), (Outcome::Warned, 1));
    }
    let (report, tried) = examined(80, |trial| Box::pin(blames(trial))).await;
    assert_eq!((report.outcome, tried), (Outcome::Inconclusive, ATTEMPTS_WHILE_BUSY));
    assert!(report.detail.ends_with("it does not count that the sky was green"), "{report:?}");
    let (report, tried) = examined(80, |trial| Box::pin(warns(trial))).await;
    assert_eq!((report.outcome, tried), (Outcome::Inconclusive, ATTEMPTS_WHILE_BUSY));
}
