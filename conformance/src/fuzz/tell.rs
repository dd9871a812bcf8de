//! Tells what was seen while a program was played: as a story, with a lane for each party.

use std::fmt::Write as _;

use super::attempt::Attempt;
use super::check::Finding;
use super::history::{
    Answer, Asked, Call, End, Got, History, Message, Moment, NEVER, Party, Phase, Seen, Session,
};
use super::program::party_name;
use crate::families;

/// At most so many lines are told of what was seen.
const LINES: usize = 60;

/// What a finding is, and what it breaks.
pub fn headline(finding: &Finding) -> String {
    let anomaly = finding.anomaly;
    let sentence = families::find(anomaly.breaks()).map_or("", |it| it.says);
    format!("{} {}\nbreaks {}: {sentence}", anomaly.name(), anomaly.says(), anomaly.breaks())
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

/// What was seen, line by line, up to shortly after the finding.
pub fn story(attempt: &Attempt, finding: &Finding) -> String {
    let history = &attempt.history;
    let mut lines: Vec<Line> = Vec::new();
    for call in &history.calls {
        lines.push(Line {
            at: call.begun,
            party: caller(history, call),
            text: of_call(history, call),
        });
    }
    for (number, stream) in history.streams.iter().enumerate() {
        let session =
            stream.session.map_or_else(|| "all sessions".into(), |it| format!("s{}", it.0));
        let text = format!("SubscribeMessages {session}, stream {number}");
        lines.push(Line { at: stream.begun, party: Some(stream.party), text: (Mark::Call, text) });
        let end = match stream.end {
            End::Ours => continue,
            End::Lost => "broke",
            End::Theirs => "was ended by the router",
            End::Refused => "was refused",
        };
        let at = stream.sound.max(stream.begun) + 1;
        let text = (Mark::Failed, format!("stream {number} {end}"));
        lines.push(Line { at, party: Some(stream.party), text });
    }
    for item in &history.items {
        let party = Some(history.streams[item.stream.index()].party);
        let text = format!("{} came on stream {}", of_copy(&item.seen), item.stream.0);
        lines.push(Line { at: item.at, party, text: (Mark::Came, text) });
    }
    for (number, listener) in history.listeners.iter().enumerate() {
        let text = (Mark::Call, format!("SubscribeSessionEvents, listener {number}"));
        lines.push(Line { at: listener.begun, party: Some(listener.party), text });
    }
    for heard in &history.heard {
        let party = Some(history.listeners[heard.listener.index()].party);
        let what =
            heard.notice.map_or_else(|| "an unknown event".into(), |it| format!("e{}", it.0));
        let altered = if heard.whole { "" } else { ", altered" };
        let text = format!("{what} came on listener {}{altered}", heard.listener.0);
        lines.push(Line { at: heard.at, party, text: (Mark::Came, text) });
    }
    for (from, to) in &history.outages {
        let text = format!("the router was down until {} ms", ms(*to));
        lines.push(Line { at: *from, party: None, text: (Mark::Failed, text) });
    }
    if history.drain > 0 {
        let text = (Mark::None, "what waits is fetched".to_owned());
        lines.push(Line { at: history.drain, party: None, text });
    }
    lines.sort_by_key(|it| it.at);
    drawn(history, &lines, finding)
}

struct Line {
    at: Moment,
    party: Option<Party>,
    text: (Mark, String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Call,
    Failed,
    Came,
    None,
}

/// The lines, the last ones before the finding if there are too many.
fn drawn(history: &History, lines: &[Line], finding: &Finding) -> String {
    let until = lines.partition_point(|it| it.at <= finding.at);
    let from = until.saturating_sub(LINES);
    let mut text = String::new();
    let lanes: String = (0..history.parties).map(|it| format!("{:<3}", party_name(it))).collect();
    let _ = writeln!(text, "{:>10}  {lanes}", "ms");
    if from > 0 {
        let _ = writeln!(text, "{:>10}  {from} earlier lines", "…");
    }
    for line in &lines[from..until] {
        let mut row = String::new();
        for party in 0..history.parties {
            let mark = match line.text.0 {
                _ if line.party != Some(Party(party)) => "│",
                Mark::Call => "●",
                Mark::Failed => "○",
                Mark::Came => "◆",
                Mark::None => "│",
            };
            let _ = write!(row, "{mark}  ");
        }
        let _ = writeln!(text, "{:>10}  {row} {}", ms(line.at), line.text.1);
    }
    text
}

fn ms(at: Moment) -> String {
    format!("{}.{:03}", at / 1_000, at % 1_000)
}

fn caller(history: &History, call: &Call) -> Option<Party> {
    match &call.asked {
        Asked::Register(party) | Asked::Heartbeat(party) | Asked::Poll(party, ..) => Some(*party),
        Asked::Acknowledge { party, .. } => Some(*party),
        Asked::Route(unit) => Some(history.units[unit.index()].sender),
        Asked::Status(..) | Asked::Publish(_) | Asked::List { .. } => None,
    }
}

fn of_call(history: &History, call: &Call) -> (Mark, String) {
    let name = |message: Message| {
        let is_it = |seen: &Seen| seen.message == message;
        let by_copy = history.items.iter().map(|it| &it.seen).find(|it| is_it(it));
        let by_poll = || {
            history.calls.iter().find_map(|it| match (&it.asked, &it.got) {
                (Asked::Route(unit), Got::Done(Answer::Routed(it))) if *it == message => {
                    Some(*unit)
                }
                (_, Got::Done(Answer::Polled(all))) => all.iter().find(|it| is_it(it))?.unit,
                _ => None,
            })
        };
        let unit = by_copy.and_then(|it| it.unit).or_else(by_poll);
        unit.map_or_else(|| format!("message {}", message.0), |it| format!("m{}", it.0))
    };
    let session =
        |it: Option<Session>| it.map_or_else(|| "all sessions".into(), |it| format!("s{}", it.0));
    let asked = match &call.asked {
        Asked::Register(_) => "RegisterParty".into(),
        Asked::Heartbeat(_) => "Heartbeat".into(),
        Asked::Route(unit) => {
            let routed = &history.units[unit.index()];
            let to: Vec<_> = routed.to.iter().map(|it| party_name(it.0)).collect();
            let to = if to.is_empty() { "everybody".into() } else { to.join(", ") };
            format!("RouteMessage m{} to {to} in s{}", unit.0, routed.session.0)
        }
        Asked::Poll(_, of, after) => {
            let after = if *after > 0 { format!(" after {after}") } else { String::new() };
            format!("GetPendingMessages {}{after}", session(*of))
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
        Asked::List { only_online: true } => "GetRegisteredParties, only_online".into(),
        Asked::List { only_online: false } => "GetRegisteredParties".into(),
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
        Answer::Listed(all) => {
            let of = |online| if online { "online" } else { "offline" };
            let all = all.iter().map(|it| format!("{} {}", party_name(it.party.0), of(it.online)));
            all.collect::<Vec<_>>().join(", ")
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
