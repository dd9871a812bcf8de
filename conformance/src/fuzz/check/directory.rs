//! What the directory says of each party, beside whether it is there.

use super::super::anomaly::Anomaly;
use super::super::history::{Answer, Asked, Call, Got, Listing, Moment, NEVER, Party};
use super::super::model::Model;
use super::super::wrong::Wrong;
use super::Findings;

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    let given = Given::of(model);
    // What was told of each party first.
    let mut registered_at: Vec<Option<i64>> = vec![None; model.history.parties as usize];
    for call in &model.history.calls {
        match (&call.asked, &call.got) {
            (Asked::Register(party, _), Got::Done(Answer::Registered(at))) => {
                moved(found, call, &mut registered_at, *party, *at);
            }
            (Asked::List { .. }, Got::Done(Answer::Listed(listing))) => {
                for entry in &listing.entries {
                    moved(found, call, &mut registered_at, entry.party, entry.registered_at);
                }
                given.holds(model, found, call, listing);
                counted(model, found, call, listing);
            }
            _ => {}
        }
    }
}

fn moved(found: &mut Findings, call: &Call, known: &mut [Option<i64>], party: Party, at: i64) {
    let known = *known[party.index()].get_or_insert(at);
    if known != at {
        found.add(Anomaly::RegisteredAtMoves, call.ended, party, None, || {
            format!("{at} after {known}")
        });
    }
}

fn counted(model: &Model<'_>, found: &mut Findings, call: &Call, listing: &Listing) {
    if listing.total != listing.all {
        found.add(Anomaly::TotalCount, call.ended, None, None, || {
            format!("total_count is {}, and {} are listed", listing.total, listing.all)
        });
    }
    // Who registers another one's name by mistake is told, not who lists it then.
    let may_be_there = model.history.calls.iter().any(|it| {
        let registers = matches!(
            it.asked,
            Asked::Wrong(
                Wrong::RegisterNobody
                    | Wrong::RegisterWithoutRole
                    | Wrong::RegisterUnknownRole
                    | Wrong::RegisterRoleInCapitals,
                _
            )
        );
        registers && it.got != Got::Refused && it.begun < call.ended
    });
    if listing.nobodies > 0 && !may_be_there {
        found.add(Anomaly::ListedWrongly, call.ended, None, None, || {
            "a name is listed that nobody registered".into()
        });
    }
}

/// What parties gave when they registered.
struct Given(Vec<Registrations>);

#[derive(Clone, Default)]
struct Registrations {
    /// Begin, end and address of each registration that was not refused.
    all: Vec<(Moment, Moment, u8)>,
    /// From when on another role may be in the directory.
    confused: Option<Moment>,
}

impl Given {
    fn of(model: &Model<'_>) -> Self {
        let mut all = vec![Registrations::default(); model.history.parties as usize];
        for call in model.history.calls.iter().filter(|it| it.got != Got::Refused) {
            match call.asked {
                Asked::Register(party, channel) => {
                    // One that nobody answered may come into effect at any time.
                    let done = if let Got::Done(_) = call.got { call.ended } else { NEVER };
                    all[party.index()].all.push((call.begun, done, channel));
                }
                Asked::Wrong(Wrong::RegisterOtherRole | Wrong::RegisterKnownUnknownRole, party) => {
                    all[party.index()].confused.get_or_insert(call.begun);
                }
                _ => {}
            }
        }
        Self(all)
    }

    fn holds(&self, model: &Model<'_>, found: &mut Findings, call: &Call, listing: &Listing) {
        let Asked::List { by, .. } = call.asked else { return };
        for entry in &listing.entries {
            let party = entry.party;
            let own = &self.0[party.index()];
            if own.confused.is_some_and(|it| it < call.ended) {
                continue;
            }
            if entry.role != Some(party.role()) {
                found.add(Anomaly::WrongRole, call.ended, party, None, || {
                    "it is listed with another role than its own".into()
                });
            }
            let is_over = |(_, done, _): &(Moment, Moment, u8)| {
                own.all.iter().any(|other| other.0 > *done && other.1 < call.begun)
            };
            let may_be = |channel| {
                let mut such = own.all.iter().filter(|it| it.2 == channel && it.0 <= call.ended);
                such.any(|it| !is_over(it))
            };
            let is_own = by.is_none_or(|it| it == party);
            if model.rules.secure && !is_own {
                if entry.channel != Some(0) {
                    found.add(Anomaly::ChannelShown, call.ended, party, None, || {
                        "its address is shown to another party".into()
                    });
                }
                continue;
            }
            if !entry.channel.is_some_and(may_be) {
                found.add(Anomaly::WrongChannel, call.ended, party, None, || {
                    "it is listed with another address than the one that it gave last".into()
                });
            }
        }
    }
}
