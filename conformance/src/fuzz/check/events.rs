//! What subscribers to events heard, and what they did not.

use super::super::anomaly::Anomaly;
use super::super::history::{Answer, Asked, Got, Heard, Listening, Moment, NEVER, Notice, Party};
use super::super::model::{Model, Truth};
use super::Findings;

/// When an event was published.
#[derive(Clone, Copy)]
struct Tried {
    begun: Moment,
    accepted: Moment,
    refused: bool,
}

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    let history = model.history;
    let mut tried =
        vec![Tried { begun: NEVER, accepted: NEVER, refused: true }; history.notices.len()];
    for call in &history.calls {
        let Asked::Publish(notice) = call.asked else { continue };
        let tried = &mut tried[notice.index()];
        tried.begun = tried.begun.min(call.begun);
        tried.refused &= call.got == Got::Refused;
        if let Got::Done(_) = call.got {
            tried.accepted = tried.accepted.min(call.ended);
        }
    }
    let selects = |notice: Notice, party: Party| {
        let selected = &history.notices[notice.index()].selected;
        selected.is_empty() || selected.contains(&party)
    };
    let wants = |listener: &Listening, notice: Notice| {
        listener.only == 0 || listener.only & history.notices[notice.index()].event != 0
    };

    // Of each listener: what came, in its order.
    let mut came: Vec<Vec<(Moment, Notice)>> = vec![Vec::new(); history.listeners.len()];
    for heard in &history.heard {
        let listener = &history.listeners[heard.listener.index()];
        let mut add = |anomaly, words: &str| {
            found.add(anomaly, heard.at, listener.party, None, || words.into());
        };
        let Some(notice) = heard.notice else {
            add(Anomaly::EventPhantom, "an event that is nothing that was published");
            continue;
        };
        let tried = &tried[notice.index()];
        if tried.begun > heard.at || tried.refused {
            add(Anomaly::EventPhantom, "an event that was not published, or refused");
        }
        if !heard.whole {
            add(Anomaly::EventAltered, "an event that is not as it was published");
        }
        if !selects(notice, listener.party) {
            add(Anomaly::EventToOthers, "an event that selects others");
        }
        if model.rules.secure && heard.has_others_tokens {
            add(Anomaly::TokensShown, "an event with join tokens of others");
        }
        if !wants(listener, notice) {
            add(Anomaly::EventUnasked, "an event of a type that was not asked for");
        }
        let is_old = tried.accepted.saturating_add(model.rules.slack) < listener.begun;
        let selects_nobody = history.notices[notice.index()].selected.is_empty();
        if model.rules.replays_events && is_old && selects_nobody {
            add(Anomaly::EventReplayed, "an event from long before the subscription");
        }
        came[heard.listener.index()].push((heard.at, notice));
    }

    let mut order: Vec<_> = (0..tried.len()).filter(|it| tried[*it].accepted != NEVER).collect();
    order.sort_by_key(|it| tried[*it].begun);
    let mut on_it = vec![usize::MAX; tried.len()];
    for (number, (listener, came)) in history.listeners.iter().zip(&came).enumerate() {
        let mut latest = 0;
        for (at, notice) in came {
            if std::mem::replace(&mut on_it[notice.index()], number) == number {
                found.add(Anomaly::EventTwice, *at, listener.party, None, || {
                    format!("event {} came twice on one stream", notice.0)
                });
                continue;
            }
            // What was replayed from before may have an order of its own.
            let tried = &tried[notice.index()];
            let is_old = tried.begun < listener.begun;
            // Nothing is said of what was published before a restart.
            if is_old && (!model.rules.replays_events || model.was_out(tried.begun, *at)) {
                continue;
            }
            if tried.accepted < latest {
                found.add(Anomaly::EventOrder, *at, listener.party, None, || {
                    format!("event {} came behind one that was published later", notice.0)
                });
            }
            latest = latest.max(tried.begun);
        }
        let from = order.partition_point(|it| tried[*it].begun <= listener.alive);
        for notice in &order[from..] {
            let (due, own) = (&tried[*notice], Notice(*notice as u32));
            let latest = due.accepted.saturating_add(model.rules.slack);
            if due.begun > listener.sound {
                break;
            }
            let is_due = latest < listener.sound
                && selects(own, listener.party)
                && wants(listener, own)
                && on_it[*notice] != number;
            if is_due {
                found.add(Anomaly::EventLost, latest, listener.party, None, || {
                    format!("event {notice} was accepted at {}, and did not come", due.accepted)
                });
            }
        }
        let replayed = listener.alive.saturating_add(model.rules.slack);
        if !model.rules.replays_events || replayed >= listener.sound {
            continue;
        }
        for notice in &order {
            let (due, own) = (&tried[*notice], Notice(*notice as u32));
            let published = &history.notices[*notice];
            let is_due = due.accepted < listener.begun
                && published.selected.contains(&listener.party)
                && wants(listener, own)
                && on_it[*notice] != number
                // Events need not survive a restart.
                && !model.was_out(due.begun, listener.sound)
                && model.is_open(published.session, listener.begun, listener.sound) == Truth::Yes;
            if is_due {
                found.add_as(Anomaly::EventLost, "EVT-13", replayed, listener.party, None, || {
                    format!("event {notice} was accepted before, and was not replayed")
                });
            }
        }
    }
    counts(model, found);
}

/// EVT-5: as many parties as had a stream, for sure or perhaps.
fn counts(model: &Model<'_>, found: &mut Findings) {
    let history = model.history;
    let whose = |it: &Heard| history.listeners[it.listener.index()].party;
    let heard = history.heard.iter().filter_map(|it| Some((it.notice?, whose(it))));
    let mut heard: Vec<_> = heard.collect();
    heard.sort_unstable();
    for call in &history.calls {
        let (Asked::Publish(notice), Got::Done(Answer::Published(count))) =
            (&call.asked, &call.got)
        else {
            continue;
        };
        let published = &history.notices[notice.index()];
        let (mut may, mut must) = (Vec::new(), Vec::new());
        for listener in &history.listeners {
            let party = listener.party;
            let is_selected = (published.selected.is_empty()
                || published.selected.contains(&party))
                && (listener.only == 0 || listener.only & published.event != 0);
            // That others do not get it is a SHOULD (EVT-12): who did may be counted.
            let may_have_it = is_selected
                || listener.sound <= call.ended
                || heard.binary_search(&(*notice, party)).is_ok();
            if listener.begun <= call.ended && may_have_it {
                may.push(party);
            }
            if listener.alive < call.begun && listener.sound > call.ended && is_selected {
                must.push(party);
            }
        }
        for list in [&mut may, &mut must] {
            list.sort_unstable();
            list.dedup();
        }
        // Others may listen as well, where there are any.
        let most = if model.rules.is_alone { may.len() as i64 } else { i64::MAX };
        let range = must.len() as i64..=most;
        if !range.contains(count) {
            found.add(Anomaly::SubscriberCount, call.ended, None, None, || {
                format!("subscriber_count is {count}, and not in {range:?}")
            });
        }
    }
}
