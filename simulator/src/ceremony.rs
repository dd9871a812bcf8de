//! A whole ceremony through a router.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mpc_simulator::ceremony::{self, Plan};
//!
//! let connect = ceremony::dial("http://127.0.0.1:50051")?;
//! let report = ceremony::run(connect, &Plan::default(), |_| {}).await?;
//! assert!(report.passed(), "{:?}", report.reason);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use mpc_router_proto::v1::SessionEvent;
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use crate::action::Action;
use crate::coordinator::{Ending, Phase};
use crate::drive::{Clock, Hands, Input, Lines, Wire, root, run_party};
use crate::party::{Habits, Party};
use crate::plan::Cast;
pub use crate::plan::{MAX_DEADLINE, MAX_PARTIES, Plan, PlanError, Protocol};
use crate::record::{Deed, Record};
use crate::report::Remains;
pub use crate::report::{Ended, PartyReport, PhaseReport, Report, SignatureReport};
use crate::roster::Roster;
pub use crate::verdict::Item;

/// Something that happened, for a live display.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Since the ceremony began.
    pub elapsed: Duration,
    /// What.
    pub what: What,
}

/// See [`Progress`].
#[derive(Debug, Clone)]
pub enum What {
    /// A phase began: `gathering`, `keygen`, `signing`, `flow`, `parting`, `judging`.
    Phase(&'static str),
    /// A party did or saw something.
    Party {
        /// Its `party_id`.
        id: String,
        /// What.
        deed: Deed,
    },
}

/// How much longer than the ceremony parties may take to acknowledge what is left.
const PARTING: Duration = Duration::from_secs(10);

/// Until when to wait for what parties still have under way, once a ceremony took so long to end;
/// both since it began.
pub(crate) fn patience(ending: &Ending, took: Duration, deadline: Duration) -> Duration {
    match ending {
        Ending::Unreachable(_) => took,
        Ending::Failed(_) | Ending::Interrupted => took + PARTING,
        Ending::Completed => deadline + PARTING,
    }
}

/// The receive limit that clients of a router set: an answer to a poll is no longer (PND-4).
const RECEIVE_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// What a message needs besides its payload.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// Why a target cannot be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{target}` is no address of a router, such as http://127.0.0.1:50051: {why}")]
pub struct BadTarget {
    target: String,
    why: String,
}

/// A way to open connections to a router at `target`, such as `http://127.0.0.1:50051`. They connect
/// when they are first used, and again when they broke.
///
/// # Errors
/// If the target is no such address. Whether anybody answers there turns out in the ceremony.
pub fn dial(target: &str) -> Result<impl Fn(&str) -> Channel + Clone + use<>, BadTarget> {
    let bad = |why: String| BadTarget { target: target.into(), why };
    let address =
        if target.contains("://") { target.to_owned() } else { format!("http://{target}") };
    let endpoint = Endpoint::from_shared(address).map_err(|error| bad(root(&error)))?;
    let uri = endpoint.uri();
    if uri.scheme_str() != Some("http") {
        return Err(bad("it must begin with http://".into()));
    }
    if uri.port().is_none() {
        return Err(bad("the port is missing".into()));
    }
    let endpoint = endpoint
        .connect_timeout(Duration::from_secs(10))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(20))
        .keep_alive_while_idle(true);
    Ok(move |_: &str| endpoint.connect_lazy())
}

/// Runs a ceremony. `connect` opens a connection for each party, by its `party_id`, and one for
/// `coordinator`; `progress` hears what happens.
///
/// # Errors
/// If the plan cannot be run. Whatever goes wrong later is in the report.
pub async fn run<T: Wire>(
    connect: impl Fn(&str) -> T,
    plan: &Plan,
    progress: impl FnMut(Progress),
) -> Result<Report, PlanError> {
    run_until(connect, plan, progress, std::future::pending()).await
}

/// Runs a ceremony until it ends, or until `stop` does: then its sessions fail, and every party is
/// told.
///
/// # Errors
/// If the plan cannot be run.
pub async fn run_until<T: Wire>(
    connect: impl Fn(&str) -> T,
    plan: &Plan,
    progress: impl FnMut(Progress),
    stop: impl Future<Output = ()>,
) -> Result<Report, PlanError> {
    run_with(connect, plan, progress, stop, |_| Habits::default()).await
}

/// Runs a ceremony of parties with these habits.
///
/// # Errors
/// If the plan cannot be run.
pub async fn run_with<T: Wire>(
    connect: impl Fn(&str) -> T,
    plan: &Plan,
    progress: impl FnMut(Progress),
    stop: impl Future<Output = ()>,
    habits: impl Fn(u16) -> Habits,
) -> Result<Report, PlanError> {
    let Cast { roster, parties, mut coordinator, agendas } = plan.cast(habits)?;
    let clock = Clock::start();
    let limit = receive_limit(plan);
    let client =
        |name: &str| MessageRouterClient::new(connect(name)).max_decoding_message_size(limit);
    let mut stage = Stage {
        clock,
        progress,
        roster: &roster,
        records: Vec::new(),
        phases: Vec::new(),
        phase: "gathering",
        phase_began: Duration::ZERO,
    };
    stage.tell(What::Phase("gathering"));

    let (notices, mut told) = mpsc::unbounded_channel();
    let (records, mut written) = mpsc::unbounded_channel();
    let (over, is_over) = watch::channel(None);
    let mut mailboxes: BTreeMap<u16, mpsc::UnboundedSender<SessionEvent>> = BTreeMap::new();
    let mut tasks: JoinSet<Party> = JoinSet::new();
    for party in parties {
        let (mail, mailbox) = mpsc::unbounded_channel();
        mailboxes.insert(party.member().number, mail);
        let lines = Lines {
            notices: notices.clone(),
            records: records.clone(),
            mailbox,
            over: is_over.clone(),
        };
        let client = client(&party.member().id);
        tasks.spawn(run_party(party, client, clock, lines));
    }
    drop(records);

    let (mut hands, mut arrivals) = Hands::new(client("coordinator"));
    let mut stop = std::pin::pin!(stop);
    let mut stopped = false;
    coordinator.handle_start(clock.now());
    loop {
        while let Some(action) = coordinator.poll_action(clock.now()) {
            match action {
                Action::Call(ticket, call) => hands.call(ticket, call),
                Action::Bring(to, event) => {
                    if let Some(mailbox) = mailboxes.get(&to) {
                        drop(mailbox.send(event));
                    }
                }
                // A coordinator holds no streams and tells itself nothing.
                Action::Open(..) | Action::Close(_) | Action::Tell(_) => {}
            }
        }
        match coordinator.phase() {
            Phase::Gathering => {}
            Phase::Step(step) => stage.enter(plan.step_names()[step]),
            Phase::Over => break,
        }
        tokio::select! {
            Some(record) = written.recv() => stage.write(record),
            Some(notice) = told.recv() => coordinator.handle_notice(notice, clock.now()),
            Some(input) = arrivals.recv() => {
                if let Input::Reply(ticket, result) = input {
                    coordinator.handle_reply(ticket, result, clock.now());
                }
            }
            () = clock.sleep_until(coordinator.poll_timeout()) => {
                coordinator.handle_timeout(clock.now());
            }
            () = &mut stop, if !stopped => {
                stopped = true;
                coordinator.handle_interrupt(clock.now());
            }
        }
        hands.reap();
    }

    stage.enter("parting");
    let ending = coordinator.ending().cloned().unwrap_or(Ending::Interrupted);
    let until = patience(&ending, clock.elapsed(), plan.deadline);
    over.send_replace(Some(clock.at(until)));
    let mut parties = Vec::new();
    loop {
        tokio::select! {
            Some(record) = written.recv() => stage.write(record),
            party = tasks.join_next() => match party {
                Some(Ok(party)) => parties.push(party),
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                None => break,
            },
            () = &mut stop, if !stopped => {
                stopped = true;
                over.send_replace(Some(Instant::now()));
            }
        }
    }
    while let Ok(record) = written.try_recv() {
        stage.write(record);
    }
    parties.sort_by_key(|party| party.member().number);
    stage.enter("judging");
    let Stage { records, phases, .. } = stage;
    let remains = Remains {
        plan,
        roster: &roster,
        agendas: &agendas,
        parties: &parties,
        records: &records,
        ending,
        phases,
        held_up: 0,
    };
    Ok(remains.report())
}

/// What is told and written down as a ceremony goes on.
struct Stage<'a, P> {
    clock: Clock,
    progress: P,
    roster: &'a Roster,
    records: Vec<Record>,
    phases: Vec<PhaseReport>,
    phase: &'static str,
    phase_began: Duration,
}

impl<P: FnMut(Progress)> Stage<'_, P> {
    fn tell(&mut self, what: What) {
        (self.progress)(Progress { elapsed: self.clock.elapsed(), what });
    }

    fn write(&mut self, record: Record) {
        let id = self.roster.name(record.party).to_owned();
        self.tell(What::Party { id, deed: record.deed.clone() });
        self.records.push(record);
    }

    fn enter(&mut self, phase: &'static str) {
        if self.phase == phase {
            return;
        }
        let now = self.clock.elapsed();
        let milliseconds = (now - self.phase_began).as_millis() as u64;
        self.phases.push(PhaseReport { name: self.phase, milliseconds });
        (self.phase, self.phase_began) = (phase, now);
        self.tell(What::Phase(phase));
    }
}

fn receive_limit(plan: &Plan) -> usize {
    let Protocol::Flow(flow) = &plan.protocol else { return RECEIVE_LIMIT_BYTES };
    let largest = flow.largest(plan.parties, plan.threshold) as usize;
    RECEIVE_LIMIT_BYTES.max(largest + ENVELOPE_BYTES)
}
