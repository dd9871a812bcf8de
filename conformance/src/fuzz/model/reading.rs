//! What a history says of each unit, copy, stream and announcement.

use super::super::history::{Answer, Asked, Call, End, Got, History, Moment, NEVER};
use super::{Announcement, Copy, Fate, Way};

pub(super) fn fates(history: &History) -> Vec<Fate> {
    let unheard = Fate {
        begun: NEVER,
        accepted: NEVER,
        seen: NEVER,
        tried_until: 0,
        renamed: None,
        refused: true,
        message: None,
        first: 0,
        count: 0,
    };
    let mut fates = vec![unheard; history.units.len()];
    for call in &history.calls {
        let Asked::Route(unit) = call.asked else { continue };
        let fate = &mut fates[unit.index()];
        fate.begun = fate.begun.min(call.begun);
        fate.refused &= call.got == Got::Refused;
        fate.tried_until = fate.tried_until.max(call.ended);
        if let Got::Done(Answer::Routed(message)) = call.got {
            fate.accepted = fate.accepted.min(call.ended);
            if *fate.message.get_or_insert(message) != message {
                fate.renamed.get_or_insert((call.ended, message));
            }
        }
    }
    fates
}

pub(super) fn copies(history: &History) -> Vec<Copy> {
    let mut copies = Vec::with_capacity(history.items.len());
    for item in &history.items {
        let stream = &history.streams[item.stream.index()];
        copies.push(Copy {
            party: stream.party,
            at: item.at,
            opened: stream.begun,
            way: Way::Stream(item.stream),
            seen: item.seen,
        });
    }
    for (place, call) in history.calls.iter().enumerate() {
        if let (Asked::Poll(party, ..), Got::Done(Answer::Polled(listed))) =
            (&call.asked, &call.got)
        {
            copies.extend(listed.iter().map(|seen| Copy {
                party: *party,
                at: call.ended,
                opened: call.begun,
                way: Way::Poll(place),
                seen: *seen,
            }));
        }
    }
    // What came by one way stays in its order.
    copies.sort_by_key(|it| it.at);
    copies
}

/// Of each party and session, how many streams it had at once at most, as far as the target knew.
pub(super) fn crowds(history: &History, slack: Moment) -> Vec<u32> {
    let sessions = history.sessions as usize;
    let mut streams: Vec<_> = history.streams.iter().filter(|it| it.end != End::Refused).collect();
    streams.sort_by_key(|it| it.begun);
    let mut open: Vec<Vec<Moment>> = vec![Vec::new(); history.parties as usize * sessions];
    let mut crowds = vec![0; open.len()];
    for stream in streams {
        let own = stream.party.index() * sessions;
        let covered = match stream.session {
            Some(session) => own + session.index()..own + session.index() + 1,
            None => own..own + sessions,
        };
        for place in covered {
            open[place].retain(|ends| *ends > stream.begun);
            open[place].push(stream.over.saturating_add(slack));
            crowds[place] = crowds[place].max(open[place].len() as u32);
        }
    }
    crowds
}

pub(super) fn announcements(history: &History) -> Vec<Vec<Announcement>> {
    let mut all = vec![Vec::new(); history.sessions as usize];
    for call in &history.calls {
        let Call { asked: Asked::Publish(notice), begun, ended, got } = call else { continue };
        if *got == Got::Refused {
            continue;
        }
        let published = &history.notices[notice.index()];
        let mut selected = published.selected.clone();
        selected.sort_unstable();
        all[published.session.index()].push(Announcement {
            begun: *begun,
            accepted: if matches!(got, Got::Done(_)) { *ended } else { NEVER },
            kind: published.kind,
            selected,
            expires: published.expires,
        });
    }
    all
}
