//! What a session is about, and the tokens by which its members know that the coordinator said so.

use ed25519_dalek::{Signature, Signer as _};
use mpc_router_proto::v1::SessionEvent;

use crate::encoding::{Frame, hex, unhex};
use crate::roster::{CoordinatorKey, Roster};

/// The terms of a session: everything in its announcement that a party acts upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The session's name.
    pub session: String,
    /// The parties that hold a share, as `threshold_n` says.
    pub holders: u16,
    /// How many of them sign, as `threshold_t` says.
    pub threshold: u16,
    /// The members' numbers, in the order of `selected_parties`.
    pub members: Vec<u16>,
    /// What is to be signed; empty for the generation of a key.
    pub message_hash: Vec<u8>,
    /// When the session ends by itself, in Unix milliseconds.
    pub expires_at: i64,
}

/// Why an announcement cannot be acted upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    /// A threshold is out of range.
    #[error("the announcement's thresholds make no sense")]
    Thresholds,
    /// A selected party is not in the roster, or is there twice.
    #[error("the announcement selects {0}, which the roster does not have, or has once only")]
    Member(String),
    /// The token does not belong to these terms and this party.
    #[error("the announcement was altered: its terms are not those the coordinator signed")]
    Token,
}

impl Terms {
    /// Reads the terms of an announcement, and checks that the coordinator signed them for the
    /// party `me`.
    ///
    /// # Errors
    /// If they make no sense, or were altered on the way (EVT-3).
    pub fn verified(event: &SessionEvent, me: u16, roster: &Roster) -> Result<Self, BadTerms> {
        let threshold = |value: i32| u16::try_from(value).map_err(|_| BadTerms::Thresholds);
        let mut members = Vec::new();
        for id in &event.selected_parties {
            match roster.find(id) {
                Some(member) if !members.contains(&member.number) => members.push(member.number),
                _ => return Err(BadTerms::Member(id.clone())),
            }
        }
        let terms = Self {
            session: event.session_id.clone(),
            holders: threshold(event.threshold_n)?,
            threshold: threshold(event.threshold_t)?,
            members,
            message_hash: event.message_hash.to_vec(),
            expires_at: event.expires_at,
        };
        let signature = event
            .join_tokens
            .get(roster.name(me))
            .and_then(|token| Signature::from_slice(&unhex(token)?).ok())
            .ok_or(BadTerms::Token)?;
        roster
            .coordinator()
            .verify_strict(&terms.signed_bytes(me), &signature)
            .map_err(|_| BadTerms::Token)?;
        Ok(terms)
    }

    /// The join token for the party `member`: the coordinator's signature over these terms.
    pub fn token(&self, member: u16, key: &CoordinatorKey) -> String {
        hex(&key.0.sign(&self.signed_bytes(member)).to_bytes())
    }

    fn signed_bytes(&self, member: u16) -> Vec<u8> {
        let mut frame = Frame::new("session terms");
        frame.text(&self.session).number(member).number(self.holders).number(self.threshold);
        frame.number(self.members.len() as u64);
        for member in &self.members {
            frame.number(*member);
        }
        frame.bytes(&self.message_hash).bytes(&self.expires_at.to_be_bytes());
        frame.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn an_altered_announcement_is_noticed_whatever_was_altered() {
        let enrolment = Roster::enrol(Seed(5), "x", 3);
        let terms = Terms {
            session: "s".into(),
            holders: 3,
            threshold: 2,
            members: vec![1, 2, 3],
            message_hash: vec![7; 32],
            expires_at: 99,
        };
        let event = SessionEvent {
            session_id: "s".into(),
            threshold_n: 3,
            threshold_t: 2,
            selected_parties: vec!["x-p1".into(), "x-p2".into(), "x-p3".into()],
            message_hash: vec![7; 32].into(),
            expires_at: 99,
            join_tokens: [("x-p2".to_owned(), terms.token(2, &enrolment.coordinator))].into(),
            ..Default::default()
        };
        let read = |event: &SessionEvent, me| Terms::verified(event, me, &enrolment.roster);
        assert_eq!(read(&event, 2), Ok(terms));
        assert_eq!(read(&event, 1), Err(BadTerms::Token), "no token of its own");

        let alter: [fn(&mut SessionEvent); 7] = [
            |e| e.session_id.push('x'),
            |e| e.threshold_n = 4,
            |e| e.threshold_t = 3,
            |e| e.selected_parties.truncate(2),
            |e| e.selected_parties.swap(0, 1),
            |e| e.message_hash = vec![8; 32].into(),
            |e| e.expires_at = 100,
        ];
        for alter in alter {
            let mut altered = event.clone();
            alter(&mut altered);
            assert_eq!(read(&altered, 2), Err(BadTerms::Token), "{altered:?}");
        }
        let mut altered = event.clone();
        altered.selected_parties.push("x-p1".into());
        assert_eq!(read(&altered, 2), Err(BadTerms::Member("x-p1".into())));
        altered.threshold_t = -1;
        altered.selected_parties.pop();
        assert_eq!(read(&altered, 2), Err(BadTerms::Thresholds));
    }
}
