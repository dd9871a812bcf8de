//! Routers that are not right, to show that each check can fail.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::{MpcMessage, SessionEvent};

use super::call::Answer;
use super::host::{Key, Output};

/// What becomes of what a right router says.
pub(super) type Tamper = Box<dyn FnMut(Output) -> Vec<Output>>;

/// Each message on a stream becomes these.
pub(super) fn messages(
    mut change: impl FnMut(Key, Box<MpcMessage>) -> Vec<(Key, Box<MpcMessage>)> + 'static,
) -> Tamper {
    Box::new(move |output| match output {
        Output::Message(key, message) => {
            let changed = change(key, message).into_iter();
            changed.map(|(key, message)| Output::Message(key, message)).collect()
        }
        output => vec![output],
    })
}

/// Each message on a stream is altered.
pub(super) fn altered(mut alter: impl FnMut(&mut MpcMessage) + 'static) -> Tamper {
    messages(move |key, mut message| {
        alter(&mut message);
        vec![(key, message)]
    })
}

/// Of two messages on a stream the second comes first.
pub(super) fn swapped() -> Tamper {
    let mut held: BTreeMap<Key, Box<MpcMessage>> = BTreeMap::new();
    let mut swapped = BTreeSet::new();
    messages(move |key, message| {
        if swapped.contains(&key) {
            return vec![(key, message)];
        }
        match held.remove(&key) {
            None => {
                held.insert(key, message);
                Vec::new()
            }
            Some(before) => {
                swapped.insert(key);
                vec![(key, message), (key, before)]
            }
        }
    })
}

/// A message comes again after so many others.
pub(super) fn resurrected(after: u32) -> Tamper {
    let (mut first, mut count) = (None, 0);
    messages(move |key, message| {
        let (of, kept) = first.get_or_insert_with(|| (key, message.clone()));
        count += 1;
        if count == after {
            vec![(key, message), (*of, kept.clone())]
        } else {
            vec![(key, message)]
        }
    })
}

/// What is for one party comes to another one, too.
pub(super) fn betrayed() -> Tamper {
    let mut streams: BTreeSet<(String, Key)> = BTreeSet::new();
    messages(move |key, message| {
        let session = message.session_id.clone();
        streams.insert((session.clone(), key));
        let other = streams.iter().find(|(of, other)| *of == session && *other != key);
        match other {
            Some((_, other)) if !message.is_broadcast => {
                vec![(*other, message.clone()), (key, message)]
            }
            _ => vec![(key, message)],
        }
    })
}

/// Each event is altered, or kept from its listener.
pub(super) fn events(mut alter: impl FnMut(&mut SessionEvent) -> bool + 'static) -> Tamper {
    Box::new(move |output| match output {
        Output::Event(key, mut event) => {
            if alter(&mut event) {
                vec![Output::Event(key, event)]
            } else {
                Vec::new()
            }
        }
        output => vec![output],
    })
}

/// Each answer is altered.
pub(super) fn answers(mut alter: impl FnMut(&mut Answer) + 'static) -> Tamper {
    Box::new(move |mut output| {
        if let Output::Answer(_, Ok(answer)) = &mut output {
            alter(answer);
        }
        vec![output]
    })
}
