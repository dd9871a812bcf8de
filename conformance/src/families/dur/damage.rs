//! DUR-9: damage in the middle of the store.

use std::sync::Arc;

use memchr::memmem;
use rand_core::RngCore as _;

use super::ledger::{Entry, Ledger};
use crate::families::prelude::*;
use crate::families::restarting::{comes_up, starts, stops};
use crate::party::Party;
use crate::power::{Contents, HowEnded, NotStarted, Power, Store};
use crate::trial::{Session, Trial};

/// What the check needs to find its own messages in the store, and the damage them.
const MESSAGES: usize = 40;
const MESSAGE_BYTES: usize = 24 * 1024;

/// Stores that are larger are not read into memory. Bytes.
const LARGEST_STORE: u64 = 512 * 1024 * 1024;

/// Bytes that are changed at each place.
const DAMAGED_BYTES: usize = 12;

/// Messages of this check's own whose payload is damaged where the store shows it.
const OWN_PLACES: usize = 3;

/// Places anywhere in the middle.
const OTHER_PLACES: usize = 3;

/// What a file has at least that holds more than one record. Bytes.
const NOT_SMALL: usize = 16 * 1024;

/// Files beside the largest one in which something is changed.
const OTHER_FILES: usize = 3;

/// What file systems lose at a time. Bytes.
const PAGE: usize = 4096;

/// So much at the end of a file may be what was being written when a crash came. Bytes.
const TAIL: usize = 64;

/// What is behind the last payload is only looked at if there is more than this. Bytes.
const RECORDS: usize = 256;

/// How far before a payload there is what belongs to it. Bytes.
const HEAD: usize = DAMAGED_BYTES + 4;

/// What tells a payload from whatever else there is in a store. Bytes.
const NEEDLE_BYTES: usize = 16;

pub(super) async fn damage_is_told(trial: Trial) -> Verdict {
    let power = trial.power()?;
    let store = power.store().ok_or_else(|| {
        Stop::NotChecked(
            "it takes the folder of the target's store: put {data} where its command takes the folder, \
             or name it as target.data in the profile"
                .into(),
        )
    })?;
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let mut ledger = Ledger::new(&trial);
    for number in 0..MESSAGES {
        let to: &[&Party] = if number % 3 == 0 { &[] } else { &[&bob, &carol] };
        let payload = trial.payload(MESSAGE_BYTES);
        ledger.routes(&alice, &session, to, &[&bob, &carol], payload).await?;
    }
    let some: Vec<_> = ledger.entries.iter().skip(1).step_by(5).map(|it| it.sent.clone()).collect();
    for sent in &some {
        ledger.ends(&bob, sent, true).await?;
    }
    ledger.learn().await?;

    stops(&trial, &power).await?;
    let whole = contents(&*store)?;
    power.keeps(whole.clone());
    let scene = Scene { trial, power, store, session, parties: [alice, bob, carol], ledger };
    let verdict = scene.each_place(&whole).await;
    // Whatever was found: the target goes on with what it had.
    scene.power.puts_back().await.map_err(|error| unreadable(&error))?;
    let when = "with its store put back as it was";
    let back = comes_up(&scene.trial, &scene.power, when).await;
    verdict?;
    back?;
    scene.has_all(when).await
}

struct Scene {
    trial: Trial,
    power: Power,
    store: Arc<dyn Store>,
    session: Session,
    parties: [Party; 3],
    ledger: Ledger,
}

impl Scene {
    /// Damages one place after the other, each time a store that was whole.
    async fn each_place(&self, whole: &Contents) -> Verdict {
        let places = self.places(whole);
        if places.is_empty() {
            return Err(Stop::NotChecked("there is nothing in the folder of its store".into()));
        }
        for (number, Place { name, at, zeros }) in places.into_iter().enumerate() {
            let bytes = &whole[name];
            self.ledger.judged(Ok(()), "")?;
            if number > 0 {
                self.store.restore(whole).map_err(|error| unreadable(&error))?;
            }
            let mut damaged = bytes.clone();
            let length = if zeros { PAGE } else { DAMAGED_BYTES };
            let bytes_there = &mut damaged[at..at + length];
            bytes_there.iter_mut().for_each(|byte| *byte = if zeros { 0 } else { *byte ^ 0xa5 });
            self.store.replace(name, &damaged).map_err(|error| unreadable(&error))?;
            let (end, how) = (at + length - 1, if zeros { " (zeros)" } else { "" });
            let told = format!("bytes {at} to {end}{how} of {name}, which has {}", bytes.len());
            match starts(&self.trial, &self.power).await {
                Err(error) => stopped_clearly(&error, &told)?,
                Ok(()) => {
                    let when = format!("with damage at {told}, it serves, and");
                    let verdict = self.has_all(&when).await;
                    // Some read it only when they are asked for what is there.
                    let fate = self.power.fate().await;
                    self.power.kill().await;
                    match (verdict, fate) {
                        (Err(Stop::Inconclusive(_)), Some(fate)) => stopped_clearly(&fate, &told)?,
                        (verdict, _) => verdict?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Places in files: payloads, where the store shows them as they were sent, what stands around them,
    /// and any others in the middle.
    fn places<'a>(&self, whole: &'a Contents) -> Vec<Place<'a>> {
        let open = |entry: &&Entry| entry.sent.request.payload.len() == MESSAGE_BYTES;
        let payloads = self.ledger.entries.iter().filter(open).map(|it| &it.sent.request.payload);
        let middle = MESSAGE_BYTES / 2;
        let needles: Vec<&[u8]> =
            payloads.map(|payload| &payload[middle..middle + NEEDLE_BYTES]).collect();
        let of_some = needles.iter().skip(MESSAGES / 4).step_by(MESSAGES / 4).take(OWN_PLACES);
        let mut places = found(whole, &of_some.copied().collect::<Vec<_>>());
        places.extend(around(whole, places.first(), needles.last()));
        let largest = whole.iter().max_by_key(|(_, bytes)| bytes.len());
        let Some((largest, bytes)) = largest.filter(|(_, it)| it.len() > 8 * DAMAGED_BYTES) else {
            return places;
        };
        let mut random = self.trial.random("damage");
        let mut drawn =
            |below: usize| usize::try_from(random.next_u32()).unwrap_or_default() % below.max(1);
        let (first, length) = (bytes.len() / 8, bytes.len() / 8 * 6);
        let part = (length / OTHER_PLACES).max(1);
        for number in 0..OTHER_PLACES {
            places.push(Place::in_file(largest, first + number * part + drawn(part)));
        }
        let pages = length / PAGE;
        if pages > 1 {
            let at = (first / PAGE + 1 + drawn(pages - 1)) * PAGE;
            places.push(Place { zeros: true, ..Place::in_file(largest, at) });
        }
        // Of a small one it may be the last record: that may be dropped (DUR-8).
        let others = whole.iter().filter(|(name, it)| *name != largest && it.len() >= NOT_SMALL);
        places.extend(
            others.take(OTHER_FILES).map(|(it, bytes)| Place::in_file(it, bytes.len() / 3)),
        );
        places
    }

    /// Demands that the target has all that it had accepted, as it was.
    async fn has_all(&self, when: &str) -> Verdict {
        let [_, bob, carol] = self.parties.each_ref().map(Party::on_a_connection_of_its_own);
        let mut ledger = Ledger::of_entries(&self.trial, self.ledger.entries.clone());
        for party in [&bob, &carol] {
            ledger.may_have_been_handed_out(party);
        }
        let held = ledger.polls_hold(&[&bob, &carol], &self.session, when).await;
        // The time began when it was all routed, not now.
        self.ledger.judged(held, "")
    }
}

/// Demands that a target that does not start says so: it exits with an error, and tells which.
fn stopped_clearly(error: &NotStarted, told: &str) -> Verdict {
    let accepted = "it exits with a code other than 0, and prints what is wrong";
    let seen = match error.ended {
        _ if error.is_excused => {
            return Err(Stop::Inconclusive(format!("the target was not started: {error}")));
        }
        Some(HowEnded::Code(0)) => {
            format!("with damage at {told}, the target exits with code 0: {error}")
        }
        Some(_) if !error.printed => {
            format!("with damage at {told}, the target does not start, and prints nothing: {error}")
        }
        Some(_) => return Ok(()),
        None => format!("with damage at {told}, the target hangs: {error}"),
    };
    Err(Stop::broken(seen, accepted))
}

/// Where something is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place<'a> {
    name: &'a str,
    at: usize,
    /// A page of zeros stands there then.
    zeros: bool,
}

impl<'a> Place<'a> {
    fn in_file(name: &'a str, at: usize) -> Self {
        Self { name, at, zeros: false }
    }
}

/// Where each of the needles begins, in the first file that has it.
fn found<'a>(whole: &'a Contents, needles: &[&[u8]]) -> Vec<Place<'a>> {
    let place = |needle: &&[u8]| {
        whole
            .iter()
            .find_map(|(name, bytes)| Some(Place::in_file(name, memmem::find(bytes, needle)?)))
    };
    needles.iter().filter_map(place).collect()
}

/// Before the payload whose middle is at `one`, and among what is written behind all payloads, where
/// that is the middle of a file.
fn around<'a>(
    whole: &'a Contents,
    one: Option<&Place<'a>>,
    last: Option<&&[u8]>,
) -> Vec<Place<'a>> {
    let before = one.and_then(|it| it.at.checked_sub(MESSAGE_BYTES / 2 + HEAD));
    let mut places: Vec<_> =
        one.zip(before).map(|(it, at)| Place::in_file(it.name, at)).into_iter().collect();
    if let Some(last) = last.and_then(|it| found(whole, &[it]).pop()) {
        let (first, end) = (last.at + MESSAGE_BYTES / 2, whole[last.name].len());
        let behind = end.saturating_sub(TAIL).saturating_sub(first);
        if behind >= RECORDS {
            places.push(Place::in_file(last.name, first + behind / 3));
        }
    }
    places
}

fn contents(store: &dyn Store) -> Result<Contents, Stop> {
    let lengths = store.list().map_err(|error| unreadable(&error))?;
    let length: u64 = lengths.values().sum();
    if length > LARGEST_STORE {
        return Err(Stop::NotChecked(format!(
            "the target's store has {} MiB, and the suite copies at most {}",
            length >> 20,
            LARGEST_STORE >> 20
        )));
    }
    store.read().map_err(|error| unreadable(&error))
}

fn unreadable(error: &std::io::Error) -> Stop {
    Stop::NotChecked(format!("the target's store cannot be read and written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_found_where_they_stand() {
        let whole = Contents::from([
            ("index".to_owned(), b"....bc".to_vec()),
            ("log".to_owned(), b"..ab..abc..".to_vec()),
        ]);
        let needles: [&[u8]; 4] = [b"abc", b"ab", b"bc", b"x"];
        let places = [("log", 6), ("log", 2), ("index", 4)].map(|(it, at)| Place::in_file(it, at));
        assert_eq!(found(&whole, &needles), places);
    }

    #[test]
    fn what_is_around_payloads_is_in_the_middle_of_a_file() {
        let needle = [7; NEEDLE_BYTES];
        let log = |behind: usize| {
            let mut bytes = vec![0; HEAD + MESSAGE_BYTES + behind];
            bytes[HEAD + MESSAGE_BYTES / 2..][..NEEDLE_BYTES].copy_from_slice(&needle);
            Contents::from([("log".to_owned(), bytes)])
        };
        for (behind, second) in [(RECORDS + TAIL - 1, None), (RECORDS + TAIL, Some(RECORDS / 3))] {
            let whole = log(behind);
            let needle: &[u8] = &needle;
            let one = found(&whole, &[needle]).pop();
            let places = around(&whole, one.as_ref(), Some(&needle));
            let second = second.map(|it| HEAD + MESSAGE_BYTES + it);
            let places: Vec<_> = places.into_iter().map(|it| it.at).collect();
            assert_eq!(places, [Some(0), second].into_iter().flatten().collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_must_be_told() {
        let error = |ended, printed| {
            let words = "it ended".to_owned();
            NotStarted { ended, printed, is_excused: false, words }
        };
        assert!(stopped_clearly(&error(Some(HowEnded::Code(1)), true), "byte 7").is_ok());
        for (ended, printed) in
            [(Some(HowEnded::Code(0)), true), (Some(HowEnded::Code(1)), false), (None, true)]
        {
            assert!(stopped_clearly(&error(ended, printed), "byte 7").is_err());
        }
    }
}
