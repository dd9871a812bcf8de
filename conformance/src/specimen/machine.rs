//! A specimen that can be stopped, killed and started again on the same disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::{Duration, Instant, sleep, timeout};

use super::clock::Clock;
use super::disk::{Damage, Disk};
use super::{Fault, Settings, Specimen, Twist, Variant, ahead};
use crate::connect::Door;
use crate::notices::Notices;
use crate::power::{Engine, Halt, HowEnded, NotStarted, Store};
use crate::printed::Printed;

/// How long calls under way and stalled streams are waited for when it stops.
const FAREWELL: Duration = Duration::from_millis(800);

/// How long what was written last may be on its way.
const LINGER: Duration = Duration::from_millis(20);

/// How often it is looked whether there are still calls under way.
const LOOK: Duration = Duration::from_millis(1);

/// What reading the log takes, at each start.
const START: Duration = Duration::from_millis(40);

/// What a slow start takes.
const SLOW_START: Duration = Duration::from_millis(400);

/// A specimen's machine, with its disk. Clones are the same machine.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Rack>);

#[derive(Debug)]
struct Rack {
    door: Door,
    disk: Disk,
    clock: Clock,
    settings: Settings,
    twist: Arc<Twist>,
    notices: Notices,
    printed: Printed,
    running: Mutex<Option<Specimen>>,
}

impl Machine {
    /// A machine with an empty disk, on which a specimen serves whose clock shows `unix` now, and
    /// which sends notifications there. Call it within a tokio runtime.
    pub fn at(
        unix: SystemTime,
        settings: Settings,
        twist: impl Into<Twist>,
        notices: Notices,
    ) -> Self {
        let twist = Arc::new(twist.into());
        let clock = Clock::showing(unix + ahead(&twist));
        let door = Door::closed(settings.secure);
        let machine = Self(Arc::new(Rack {
            door,
            disk: Disk::default(),
            clock,
            settings,
            twist,
            notices,
            printed: Printed::default(),
            running: Mutex::default(),
        }));
        machine.serve().expect("an empty disk is whole");
        machine
    }

    /// The way to what is served.
    pub fn door(&self) -> Door {
        self.0.door.clone()
    }

    /// All that it prints.
    pub fn printed(&self) -> Printed {
        self.0.printed.clone()
    }

    fn serve(&self) -> Result<(), Damage> {
        let Rack { door, disk, clock, settings, twist, notices, printed, .. } = &*self.0;
        let specimen = Specimen::on(disk, clock.clone(), settings.clone(), twist.clone())?;
        let specimen = specimen.notifying(notices.clone()).printing(printed.clone());
        door.serve(specimen.clone().into_service());
        *self.running() = Some(specimen);
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Option<Specimen>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, fault: Fault) -> bool {
        self.0.twist.has(fault)
    }

    /// DUR-7: streams end, calls under way are finished or refused.
    async fn farewell(&self, specimen: &Specimen, limit: Duration) -> Option<HowEnded> {
        let listened = specimen.has_streams();
        if self.has(Fault::StopClosesStoreFirst) {
            self.0.disk.close(&self.0.twist);
        }
        let cuts_streams = self.has(Fault::StopCutsStreams);
        if !cuts_streams {
            specimen.stop();
        }
        let mut patience = FAREWELL.min(limit);
        let stalled = self.has(Fault::StopWaitsForStalledStream) && specimen.has_queues();
        if self.has(Fault::StopWaitsForStreams) || stalled {
            patience = limit;
        }
        let quiet = async {
            while (specimen.has_calls() && !self.has(Fault::StopCutsCalls))
                || (specimen.has_streams() && !cuts_streams)
            {
                sleep(LOOK).await;
            }
        };
        let in_time = timeout(patience, quiet).await.is_ok();
        if !cuts_streams {
            sleep(LINGER).await;
        }
        if !in_time && (self.has(Fault::StopWaitsForStreams) || stalled) {
            return None;
        }
        let failed = self.has(Fault::StopExitsWithOne)
            || (listened && self.has(Fault::StopExitsWithOneAfterStreams));
        Some(HowEnded::Code(i32::from(failed)))
    }
}

#[tonic::async_trait]
impl Engine for Machine {
    async fn stop(&self, limit: Duration) -> Halt {
        let began = Instant::now();
        let specimen = self.running().clone();
        let ended = match specimen {
            Some(specimen) => self.farewell(&specimen, limit).await,
            None => Some(HowEnded::Code(0)),
        };
        match ended {
            Some(_) => self.0.disk.close(&self.0.twist),
            None => self.0.disk.cut_off(&self.0.twist),
        }
        self.0.door.close();
        *self.running() = None;
        Halt { ended, took: began.elapsed(), wrapped: false, said: String::new() }
    }

    async fn kill(&self) {
        if self.running().take().is_some() {
            self.0.disk.cut_off(&self.0.twist);
            self.0.door.close();
        }
    }

    async fn start(&self) -> Result<(), NotStarted> {
        if self.0.twist.is(Variant::SlowStart) {
            sleep(SLOW_START).await;
        }
        // DUR-2: what is killed meanwhile has changed nothing.
        match self.has(Fault::RecoveryNotRestartable) {
            true => self.0.disk.moves_within(START).await,
            false => sleep(START).await,
        }
        self.serve().map_err(|Damage { at }| {
            let code = i32::from(!self.has(Fault::DamageExitsWithZero));
            let printed = !self.has(Fault::DamageUntold);
            let said = if printed { format!("the log is damaged at byte {at}") } else { "".into() };
            NotStarted {
                ended: Some(HowEnded::Code(code)),
                printed,
                is_excused: false,
                words: format!("ended with exit code {code} and said {said:?}"),
            }
        })
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.0.disk.clone()))
    }
}
