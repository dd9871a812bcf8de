//! Whoever is away is told of what waits.

use std::collections::BTreeSet;

use mpc_router_core::*;

use super::{CROWD, HEARTBEAT_TIMEOUT, World, party};

/// As many sessions may a party be told of.
const NOTICES: usize = 3;

pub(super) struct Waking {
    channels: BTreeSet<Channel>,
    session: SessionId,
    log: Vec<DirectoryRecord>,
    held: Vec<(Position, DirectoryRecord)>,
    pub(super) holds: bool,
    /// What is being tried.
    errands: Vec<Errand>,
}

impl Waking {
    pub(super) fn new() -> Self {
        Self {
            channels: BTreeSet::new(),
            session: SessionId::parse("s").unwrap(),
            log: Vec::new(),
            held: Vec::new(),
            holds: false,
            errands: Vec::new(),
        }
    }
}

impl World {
    pub(super) fn wake(&mut self, words: &[&str]) {
        let now = self.now;
        match words {
            ["notify", "by", channels @ ..] => {
                self.waking.channels = channels.iter().map(|word| channel(word)).collect();
            }
            ["session", name] => self.waking.session = SessionId::parse(name).unwrap(),
            ["errands"] => {
                while let Some(errand) = self.directory.handle_take(now, &Channel::ALL.into()) {
                    let Errand { party, session, channel, address, failures, .. } = &errand;
                    let again =
                        if *failures > 0 { format!(", again {failures}") } else { "".into() };
                    let told = format!("{channel} of {party} to {address}: {session}{again}");
                    self.tell(told);
                    self.waking.errands.push(errand);
                }
                let due = Channel::ALL.into_iter().filter_map(|it| self.directory.poll_due(it));
                let next = due.min();
                self.tell(next.map_or("no more".into(), |next| format!("more at {next}")));
            }
            [who, by, "sent"] => {
                let errand = self.errand(who, by);
                self.directory.handle_told(errand.number);
            }
            [who, by, "failed", "until", at] => {
                let errand = self.errand(who, by);
                self.directory.handle_failed(errand.number, Millis(at.parse().unwrap()));
            }
            ["log", "refuses", "notices"] => {
                self.waking.held.clear();
                self.waking.holds = false;
                let mut read = Directory::new(HEARTBEAT_TIMEOUT, CROWD);
                for record in &self.waking.log {
                    read.handle_record(record);
                }
                read.handle_takeover(&mut self.directory);
                self.directory = read;
            }
            ["router", "restarts"] => {
                self.waking.held.clear();
                self.waking.errands.clear();
                self.directory = Directory::new(HEARTBEAT_TIMEOUT, CROWD);
                for record in &self.waking.log {
                    self.directory.handle_record(record);
                }
                self.directory.handle_start(now);
                let parties: Vec<_> = self.session.unattended().cloned().collect();
                for party in parties {
                    self.tell(format!("{party} has something unread"));
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn errand(&mut self, who: &str, by: &str) -> Errand {
        let party = party(who.strip_suffix("'s").unwrap());
        let is_it = |errand: &Errand| errand.party == party && errand.channel == channel(by);
        let at = self.waking.errands.iter().position(is_it);
        self.waking.errands.remove(at.expect("it is being tried"))
    }

    pub(super) fn unattended(&mut self, party: &PartyId) {
        let Waking { channels, session, .. } = &self.waking;
        self.directory.handle_unattended(self.now, party, session, channels, NOTICES);
    }

    pub(super) fn perform_notices(&mut self) {
        while let Some(DirectoryEffect::Append { position, record }) = self.directory.poll_effect()
        {
            match &record {
                DirectoryRecord::Registered { .. } => {}
                DirectoryRecord::Notice { party, session, left, .. } => {
                    let left: Vec<_> = left.iter().map(|channel| channel.as_str()).collect();
                    let left = if left.is_empty() { "all told".into() } else { left.join(" ") };
                    self.tell(format!("notes for {party} of {session}: {left}"));
                }
                DirectoryRecord::Back { party } => self.tell(format!("{party} is back")),
            }
            self.waking.held.push((position, record));
        }
        if !self.log_holds && !self.waking.holds {
            self.commit_notices();
        }
    }

    pub(super) fn commit_notices(&mut self) {
        self.waking.holds = false;
        for (position, record) in std::mem::take(&mut self.waking.held) {
            self.waking.log.push(record);
            self.directory.handle_committed(position);
        }
    }
}

fn channel(word: &str) -> Channel {
    Channel::ALL.into_iter().find(|channel| channel.as_str() == word).unwrap()
}
