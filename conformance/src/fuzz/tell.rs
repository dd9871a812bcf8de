//! Tells what was seen while a program was played: as a story, with a lane for each party.

use std::fmt::Write as _;

use super::attempt::Attempt;
use super::check::Finding;
use super::history::{
    Answer, Asked, Call, End, Got, History, Message, Moment, NEVER, Party, Phase, Seen, Session,
    Unit,
};
use super::program::{party_name, role_name};
use crate::families;

/// At most so many lines are told of what was seen.
const LINES: usize = 60;

/// What a finding is, and what it breaks.
pub fn headline(finding: &Finding) -> String {
    let anomaly = finding.anomaly;
    let sentence = families::find(finding.breaks).map_or("", |it| it.says);
    format!("{} {}\nbreaks {}: {sentence}", anomaly.name(), anomaly.says(), finding.breaks)
}

/// Where a finding showed.
pub fn place(finding: &Finding) -> String {
    let mut text = format!("after {} ms", ms(finding.at));
    if let Some(unit) = finding.unit {
        let _ = write!(text, ", m{}", unit.0);
    }
    if let Some(party) = finding.party {
        let _ = write!(text, ", party {}", party_name(party.0));
    }
    format!("{text}: {}", finding.words)
}

/// What was seen, line by line, up to the finding.
pub fn story(attempt: &Attempt, finding: &Finding) -> String {
    let history = &attempt.history;
    let mut lines = Lines::default();
    let units = units(history);
    for call in &history.calls {
        let (mark, text) = of_call(history, &units, call);
        let unit = match &call.asked {
            Asked::Route(unit) => Some(*unit),
            Asked::Acknowledge { message, .. } | Asked::Status(_, message) => {
                units[message.index()]
            }
            _ => None,
        };
        lines.add(call.begun, caller(history, call), unit, mark, text);
    }
    for (number, stream) in history.streams.iter().enumerate() {
        let party = Some(stream.party);
        let text = format!("SubscribeMessages {}, stream {number}", of_session(stream.session));
        lines.add(stream.begun, party, None, Mark::Call, text);
        let end = match stream.end {
            End::Ours => continue,
            End::Lost => "broke",
            End::Theirs => "was ended by the router",
            End::Refused => "was refused",
        };
        let at = stream.sound.max(stream.begun) + 1;
        lines.add(at, party, None, Mark::Failed, format!("stream {number} {end}"));
    }
    for item in &history.items {
        let party = Some(history.streams[item.stream.index()].party);
        let text = format!("{} came on stream {}", of_copy(&item.seen), item.stream.0);
        lines.add(item.at, party, item.seen.unit, Mark::Came, text);
    }
    for (number, listener) in history.listeners.iter().enumerate() {
        let text = format!("SubscribeSessionEvents, listener {number}");
        lines.add(listener.begun, Some(listener.party), None, Mark::Call, text);
    }
    for heard in &history.heard {
        let party = Some(history.listeners[heard.listener.index()].party);
        let event =
            heard.notice.map_or_else(|| "an unknown event".into(), |it| format!("e{}", it.0));
        let altered = if heard.whole { "" } else { ", altered" };
        let text = format!("{event} came on listener {}{altered}", heard.listener.0);
        lines.add(heard.at, party, None, Mark::Came, text);
    }
    for (from, to) in &history.outages {
        let text = format!("the router was down until {} ms", ms(*to));
        lines.add(*from, None, None, Mark::None, text);
    }
    if history.drain > 0 {
        lines.add(history.drain, None, None, Mark::None, "what waits is fetched".into());
    }
    lines.drawn(history, finding)
}

#[derive(Default)]
struct Lines(Vec<Line>);

struct Line {
    at: Moment,
    party: Option<Party>,
    /// What it is about, if that is one message.
    unit: Option<Unit>,
    mark: Mark,
    text: String,
}

#[derive(Clone, Copy)]
enum Mark {
    Call,
    Failed,
    Came,
    None,
}

impl Lines {
    fn add(
        &mut self,
        at: Moment,
        party: Option<Party>,
        unit: Option<Unit>,
        mark: Mark,
        text: String,
    ) {
        self.0.push(Line { at, party, unit, mark, text });
    }

    /// With a lane for each party. If there are too many lines, those about other messages are left
    /// out, and then the earlier ones.
    fn drawn(mut self, history: &History, finding: &Finding) -> String {
        self.0.sort_by_key(|it| it.at);
        self.0.retain(|it| it.at <= finding.at);
        let all = self.0.len();
        if all > LINES && finding.unit.is_some() {
            self.0.retain(|it| it.unit.is_none() || it.unit == finding.unit);
        }
        let lines = &self.0[self.0.len().saturating_sub(LINES)..];
        let mut text = String::new();
        let names = (0..history.parties).map(|it| format!("{:<3}", party_name(it)));
        let _ = writeln!(text, "{:>10}  {}", "ms", names.collect::<String>());
        if lines.len() < all {
            let _ = writeln!(text, "{:>10}  {} other lines", "…", all - lines.len());
        }
        for line in lines {
            let lane = |party| match line.mark {
                _ if line.party != Some(Party(party)) => "│  ",
                Mark::Call => "●  ",
                Mark::Failed => "○  ",
                Mark::Came => "◆  ",
                Mark::None => "│  ",
            };
            let lanes: String = (0..history.parties).map(lane).collect();
            let _ = writeln!(text, "{:>10}  {lanes} {}", ms(line.at), line.text);
        }
        text
    }
}

/// The unit of each message, as the first who was told or saw it has it.
fn units(history: &History) -> Vec<Option<Unit>> {
    let mut units = vec![None; history.messages as usize];
    let mut note = |message: Message, unit: Option<Unit>| {
        let known = &mut units[message.index()];
        *known = known.or(unit);
    };
    for call in &history.calls {
        match (&call.asked, &call.got) {
            (Asked::Route(unit), Got::Done(Answer::Routed(message))) => note(*message, Some(*unit)),
            (_, Got::Done(Answer::Polled(all))) => {
                all.iter().for_each(|it| note(it.message, it.unit))
            }
            _ => {}
        }
    }
    history.items.iter().for_each(|it| note(it.seen.message, it.seen.unit));
    units
}

fn of_session(session: Option<Session>) -> String {
    session.map_or_else(|| "all sessions".into(), |it| format!("s{}", it.0))
}

fn ms(at: Moment) -> String {
    format!("{}.{:03}", at / 1_000_000, at / 1_000 % 1_000)
}

fn caller(history: &History, call: &Call) -> Option<Party> {
    match &call.asked {
        Asked::Register(party, _)
        | Asked::Heartbeat(party)
        | Asked::Poll(party, ..)
        | Asked::Wrong(_, party) => Some(*party),
        Asked::Acknowledge { party, .. } => Some(*party),
        Asked::Route(unit) => Some(history.units[unit.index()].sender),
        Asked::List { by, .. } => *by,
        Asked::Status(..) | Asked::Publish(_) => None,
    }
}

fn of_call(history: &History, units: &[Option<Unit>], call: &Call) -> (Mark, String) {
    let name = |message: Message| {
        let unit = units[message.index()];
        unit.map_or_else(|| format!("message {}", message.0), |it| format!("m{}", it.0))
    };
    let asked = match &call.asked {
        Asked::Register(_, 0) => "RegisterParty".into(),
        Asked::Register(_, channel) => format!("RegisterParty with address {channel}"),
        Asked::Wrong(what, _) => what.to_string(),
        Asked::Heartbeat(_) => "Heartbeat".into(),
        Asked::Route(unit) => {
            let routed = &history.units[unit.index()];
            let to: Vec<_> = routed.to.iter().map(|it| party_name(it.0)).collect();
            let to = if to.is_empty() { "everybody".into() } else { to.join(", ") };
            format!("RouteMessage m{} to {to} in s{}", unit.0, routed.session.0)
        }
        Asked::Poll(_, of, after) => {
            let after = if *after > 0 { format!(" after {after}") } else { String::new() };
            format!("GetPendingMessages {}{after}", of_session(*of))
        }
        Asked::Acknowledge { session, message, success, .. } => {
            let success = if *success { "" } else { " as of no use" };
            format!("AcknowledgeMessage {} of s{}{success}", name(*message), session.0)
        }
        Asked::Status(session, message) => {
            format!("GetMessageStatus {} of s{}", name(*message), session.0)
        }
        Asked::Publish(notice) => {
            let published = &history.notices[notice.index()];
            let selected: Vec<_> = published.selected.iter().map(|it| party_name(it.0)).collect();
            let selected = if selected.is_empty() { "nobody".into() } else { selected.join(", ") };
            format!("PublishSessionEvent e{} of s{} for {selected}", notice.0, published.session.0)
        }
        Asked::List { only_online, role, .. } => {
            let role = role.map_or_else(String::new, |it| format!(" {}", role_name(it)));
            let online = if *only_online { ", only_online" } else { "" };
            format!("GetRegisteredParties{role}{online}")
        }
    };
    let took = match call.ended {
        NEVER => String::new(),
        ended => format!(" at {} ms", ms(ended)),
    };
    let (mark, got) = match &call.got {
        Got::Refused => (Mark::Failed, format!("refused{took}")),
        Got::Unknown => (Mark::Failed, "no answer".into()),
        Got::Done(answer) => (Mark::Call, format!("{}{took}", of_answer(answer))),
    };
    (mark, format!("{asked} → {got}"))
}

fn of_answer(answer: &Answer) -> String {
    match answer {
        Answer::Accepted => "accepted".into(),
        Answer::Registered(at) => format!("registered_at {at}"),
        Answer::Nonsense => "what makes no sense".into(),
        Answer::Heartbeat { pending, .. } => format!("pending_messages {pending}"),
        Answer::Routed(message) => format!("accepted as message {}", message.0),
        Answer::Polled(all) if all.is_empty() => "nothing".into(),
        Answer::Polled(all) if all.len() > 8 => format!("{} messages", all.len()),
        Answer::Polled(all) => all.iter().map(of_copy).collect::<Vec<_>>().join(", "),
        Answer::Status { deliveries, .. } => {
            let of = |phase| match phase {
                Phase::Pending => "pending",
                Phase::Delivered => "delivered",
                Phase::Acknowledged => "acknowledged",
                Phase::Failed => "failed",
            };
            let all =
                deliveries.iter().map(|it| format!("{} {}", party_name(it.party.0), of(it.phase)));
            all.collect::<Vec<_>>().join(", ")
        }
        Answer::Published(count) => format!("subscriber_count {count}"),
        Answer::Listed(listing) => {
            let of = |online| if online { "online" } else { "offline" };
            let all = listing.entries.iter();
            let all = all.map(|it| format!("{} {}", party_name(it.party.0), of(it.online)));
            let others = (listing.nobodies > 0).then(|| "a name that nobody registered".into());
            all.chain(others).collect::<Vec<_>>().join(", ")
        }
    }
}

fn of_copy(seen: &Seen) -> String {
    let name = match seen.unit {
        Some(unit) => format!("m{}", unit.0),
        None => format!("message {} with a payload that nobody sent", seen.message.0),
    };
    if seen.whole { name } else { format!("{name} (altered)") }
}
