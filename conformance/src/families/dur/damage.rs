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
const OTHER_PLACES: usize = 4;

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
        for (number, (name, place)) in places.into_iter().enumerate() {
            let bytes = &whole[name];
            self.ledger.judged(Ok(()), "")?;
            if number > 0 {
                self.store.restore(whole).map_err(|error| unreadable(&error))?;
            }
            let mut damaged = bytes.clone();
            damaged[place..place + DAMAGED_BYTES].iter_mut().for_each(|byte| *byte ^= 0xa5);
            self.store.replace(name, &damaged).map_err(|error| unreadable(&error))?;
            let end = place + DAMAGED_BYTES - 1;
            let told = format!("bytes {place} to {end} of {name}, which has {}", bytes.len());
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

    /// Places in files: payloads, where the store shows them as they were sent, and any others in the
    /// middle of the largest one.
    fn places<'a>(&self, whole: &'a Contents) -> Vec<(&'a str, usize)> {
        let open = |entry: &&Entry| entry.sent.request.payload.len() == MESSAGE_BYTES;
        let payloads = self.ledger.entries.iter().filter(open).map(|it| &it.sent.request.payload);
        let middle = MESSAGE_BYTES / 2;
        let needles: Vec<_> = payloads
            .skip(MESSAGES / 4)
            .step_by(MESSAGES / 4)
            .map(|payload| &payload[middle..middle + NEEDLE_BYTES])
            .take(OWN_PLACES)
            .collect();
        let mut places = found(whole, &needles);
        let largest = whole.iter().max_by_key(|(_, bytes)| bytes.len());
        let Some((name, bytes)) = largest.filter(|(_, bytes)| bytes.len() > 8 * DAMAGED_BYTES)
        else {
            return places;
        };
        let mut random = self.trial.random("damage");
        let (first, length) = (bytes.len() / 8, bytes.len() / 8 * 6);
        let part = (length / OTHER_PLACES).max(1);
        for number in 0..OTHER_PLACES {
            let drawn = usize::try_from(random.next_u32()).unwrap_or_default() % part;
            places.push((name, first + number * part + drawn));
        }
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

/// Where each of the needles begins, in the first file that has it.
fn found<'a>(whole: &'a Contents, needles: &[&[u8]]) -> Vec<(&'a str, usize)> {
    let place = |needle: &&[u8]| {
        whole.iter().find_map(|(name, bytes)| Some((&**name, memmem::find(bytes, needle)?)))
    };
    needles.iter().filter_map(place).collect()
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
        assert_eq!(found(&whole, &needles), [("log", 6), ("log", 2), ("index", 4)]);
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
