//! Faults as they come and go, and what they do to what is on its way.

use super::traffic::Stage;
use super::{BEGINNING, Event, World};
use crate::action::{CallError, Millis};
use crate::world::fault::Fault;

/// A connection that is silent for longer is given up.
const KEEP_ALIVE_MS: Millis = 25_000;

impl World<'_> {
    fn since(&self, at: Millis) -> Millis {
        at.saturating_sub(BEGINNING)
    }

    /// The faults that last at that time.
    fn lasting(&self, at: Millis) -> impl Iterator<Item = &Fault> {
        let since = self.since(at);
        let faults = self.scenario.faults.iter();
        faults.filter(move |fault| fault.begins() <= since && since < fault.ends())
    }

    /// When what a client and the router send each other now arrives.
    pub(super) fn arrival(&mut self, who: u16) -> Millis {
        let slow = self.lasting(self.now).filter_map(|fault| match fault {
            Fault::SlowNetwork { latency_ms, .. } => Some(*latency_ms),
            _ => None,
        });
        let [low, high] = self.scenario.latency_ms;
        let high = slow.max().unwrap_or_default().max(high);
        let mut at = self.now + self.network.between([low, high]);
        // What a partition holds up comes soon after it.
        while let Some(end) = self.cut_until(who, at) {
            at = end + self.network.between([1, 50]);
        }
        at
    }

    /// The end of a partition that keeps a client from the router.
    fn cut_until(&self, who: u16, at: Millis) -> Option<Millis> {
        let ends = self.lasting(at).filter_map(|fault| match fault {
            Fault::Partition { parties, .. } if parties.contains(&who) => Some(fault.ends()),
            _ => None,
        });
        ends.max().map(|end| end + BEGINNING)
    }

    /// Whether a call that is made now is lost: its request (`true`), or its answer.
    pub(super) fn loss(&mut self) -> Option<bool> {
        let percent = self.lasting(self.now).filter_map(|fault| match fault {
            Fault::LoseCalls { percent, .. } => Some(*percent),
            _ => None,
        });
        let percent = percent.max().unwrap_or_default();
        (percent > 0 && self.network.percent(percent)).then(|| self.network.percent(50))
    }

    /// How late a party reads its streams, if it does.
    pub(super) fn reads_late(&self, who: u16) -> Option<Millis> {
        let late = self.lasting(self.now).filter_map(|fault| match fault {
            Fault::SlowReader { party, every_ms, .. } if *party == who => Some(*every_ms),
            _ => None,
        });
        late.max()
    }

    /// A fault begins.
    pub(super) fn fault(&mut self, number: usize) {
        let Some(fault) = self.scenario.faults.get(number) else { return };
        self.trace.tell(self.now, format_args!("fault: {}", self.told(fault)));
        *self.faults.entry(fault.kind()).or_default() += 1;
        let ends = BEGINNING + fault.ends();
        self.tell_time();
        match fault {
            Fault::LoseConnection { parties, .. } => {
                let everybody = (0..=self.scenario.parties).filter(|_| parties.is_empty());
                for who in everybody.chain(parties.iter().copied()).collect::<Vec<_>>() {
                    self.lose_connection(who);
                }
            }
            Fault::Partition { for_ms, .. } => {
                if *for_ms > KEEP_ALIVE_MS {
                    self.queue.push(self.now + KEEP_ALIVE_MS, Event::Over(number));
                }
            }
            Fault::SlowReader { party, .. } => {
                self.hold_streams(*party, true);
                self.queue.push(ends, Event::Over(number));
            }
            Fault::CrashRouter { torn, clock_ms, .. } => {
                let waiting = self.host.log().map_or(0, |log| log.waiting() as u64);
                let survive = if *torn { self.disk.below(waiting + 1) } else { 0 };
                self.trace.tell(self.now, format_args!("{survive} of {waiting} changes survive"));
                self.host.kill(survive as usize);
                self.host.set_ahead(*clock_ms);
                self.lose_all_connections();
                self.queue.push(ends, Event::Start);
            }
            Fault::StopRouter { clock_ms, .. } => {
                self.host.stop();
                self.host.set_ahead(*clock_ms);
                self.queue.push(self.now + 1, Event::Down(self.host.run()));
            }
            Fault::ClockJump { by_ms, .. } => {
                self.host.leap(i64::try_from(*by_ms).unwrap_or(i64::MAX));
                self.tell_time();
            }
            Fault::FailDisk { .. } => {
                self.disk_failures += 1;
                if let Some(log) = self.host.log().cloned() {
                    let survive = self.disk.below(log.waiting() as u64 + 1);
                    log.fail(survive as usize);
                }
                self.queue.push(ends, Event::Over(number));
            }
            Fault::CrashParty { party, .. } => {
                self.pause(*party);
                self.queue.push(ends, Event::Over(number));
            }
            Fault::LoseParty { party, .. } => self.vanish(*party),
            Fault::LoseCalls { .. }
            | Fault::SlowNetwork { .. }
            | Fault::SlowDisk { .. }
            | Fault::Skew { .. }
            | Fault::Away { .. } => {}
        }
        self.drain();
    }

    /// A fault is over, or has lasted so long that it has an effect.
    pub(super) fn fault_over(&mut self, number: usize) {
        let Some(fault) = self.scenario.faults.get(number) else { return };
        self.tell_time();
        match fault {
            Fault::Partition { parties, .. } => {
                for who in parties {
                    self.lose_connection(*who);
                }
            }
            Fault::SlowReader { party, .. } if self.reads_late(*party).is_none() => {
                self.hold_streams(*party, false);
            }
            Fault::FailDisk { .. } => {
                if let Some(log) = self.host.log() {
                    log.recover();
                }
            }
            Fault::CrashParty { party, .. } if !self.is_crashed(*party) => self.resume(*party),
            _ => {}
        }
        self.drain();
    }

    /// Whether another crash of the party lasts.
    fn is_crashed(&self, who: u16) -> bool {
        self.lasting(self.now)
            .any(|fault| matches!(fault, Fault::CrashParty { party, .. } if *party == who))
    }

    fn hold_streams(&mut self, who: u16, held: bool) {
        let mine = self.readings.iter().filter(|(_, reading)| reading.who == who);
        for key in mine.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.host.hold(key, held);
        }
    }

    /// A router that stops has ended once all that is under way is safe.
    pub(super) fn router_ended(&mut self, run: u64) {
        if self.host.run() != run {
            return;
        }
        self.tell_time();
        if self.host.log().is_some_and(|log| log.is_behind()) {
            self.queue.push(self.now + 1, Event::Down(run));
            return;
        }
        let stops = self.scenario.faults.iter().filter_map(|fault| match fault {
            Fault::StopRouter { at_ms, down_ms, .. } => Some((*at_ms, *down_ms)),
            _ => None,
        });
        let now = self.since(self.now);
        let last = stops.filter(|(at, _)| *at <= now).max();
        let down = last.map_or(0, |(_, down)| down);
        self.host.kill(0);
        self.lose_all_connections();
        self.queue.push(self.now + down, Event::Start);
    }

    pub(super) fn start_router(&mut self) {
        if self.host.is_up() {
            return;
        }
        if self.host.start(self.now) {
            let run = self.host.run();
            self.trace.tell(self.now, format_args!("the router runs, for the {run}. time"));
            self.due_at = None;
            self.drain();
        } else {
            self.checks.found("durable", "the router cannot read its log (DUR-8)".into());
            self.done = true;
        }
    }

    fn lose_all_connections(&mut self) {
        for who in 0..=self.scenario.parties {
            self.lose_connection(who);
        }
        self.idle.handle_router_gone();
        // What was asked of the run that is gone has no answer.
        self.asked.clear();
        self.flights.retain(|_, flight| flight.stage != Stage::There);
    }

    fn told(&self, fault: &Fault) -> String {
        let names: Vec<&str> = fault.names().iter().map(|who| self.name(*who)).collect();
        match names[..] {
            [] => fault.kind().to_owned(),
            _ => format!("{} of {}", fault.kind(), names.join(", ")),
        }
    }

    /// How long the next commit takes.
    pub(super) fn commit_time(&mut self) -> Millis {
        let slow = self.lasting(self.now).filter_map(|fault| match fault {
            Fault::SlowDisk { commit_ms, .. } => Some(*commit_ms),
            _ => None,
        });
        match slow.max() {
            Some(slow) => slow,
            None => self.disk.between(self.scenario.commit_ms),
        }
    }

    /// A stream ended as the router says.
    pub(super) fn ends(&mut self, key: crate::world::host::Key, status: &tonic::Status) {
        let Some(reading) = self.readings.get(&key) else { return };
        let name = self.name(reading.who).to_owned();
        let said = status.message().to_owned();
        self.trace.tell(self.now, format_args!("{name}'s stream ends: {said}"));
        let why = if status.code() == tonic::Code::Ok {
            CallError::Unknown("the router ended it".into())
        } else {
            crate::drive::call_error(status)
        };
        self.send_end(key, why);
    }
}
