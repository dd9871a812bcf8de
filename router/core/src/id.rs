use std::fmt;
use std::sync::Arc;

/// An identifier was empty where one is needed (RTE-7, REG-2, SUB-6, PND-7, EVT-7, EVT-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptyId;

impl fmt::Display for EmptyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must not be empty")
    }
}

impl std::error::Error for EmptyId {}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Never empty. Compared byte for byte: nothing is trimmed, folded or normalised. Cloning
        /// shares the text.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` as it is.
            ///
            /// # Errors
            /// If it is empty.
            pub fn parse(text: &str) -> Result<Self, EmptyId> {
                if text.is_empty() { Err(EmptyId) } else { Ok(Self(text.into())) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// Names a session.
    SessionId
}

name! {
    /// Names a party.
    PartyId
}

name! {
    /// Names a session event.
    EventId
}

/// Names a message, for all its recipients (RTE-5). Whoever hands it in has to see that no two
/// messages get the same one.
///
/// It is written as a UUID is, in lower case: `0192c0de-0000-7000-8000-000000000001`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u128);

impl MessageId {
    const TEXT_BYTES: usize = 36;
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];

    /// Reads what `Display` writes, and nothing else: one message has one name.
    ///
    /// # Errors
    /// If `text` is no message identifier; then no message has this name.
    pub fn parse(text: &str) -> Result<Self, MalformedMessageId> {
        if text.len() != Self::TEXT_BYTES {
            return Err(MalformedMessageId);
        }
        let mut value: u128 = 0;
        for (at, byte) in text.bytes().enumerate() {
            let digit = match byte {
                b'-' if Self::HYPHENS.contains(&at) => continue,
                _ if Self::HYPHENS.contains(&at) => return Err(MalformedMessageId),
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return Err(MalformedMessageId),
            };
            value = value << 4 | u128::from(digit);
        }
        Ok(Self(value))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, digits: u32| self.0 >> shift & ((1 << (4 * digits)) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 8),
            part(80, 4),
            part(64, 4),
            part(48, 4),
            part(0, 12)
        )
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no [`MessageId`], so it names no message (ACK-5, STS-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedMessageId;

impl fmt::Display for MalformedMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "is not the identifier of a message: use the one that RouteMessage answered with",
        )
    }
}

impl std::error::Error for MalformedMessageId {}

/// Names an open stream among all streams, ended ones included, of one [`Session`](crate::Session)
/// or of [`Events`](crate::Events).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Names a party's mailbox in one session: counted from 0, in the order in which they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailboxIndex(pub(crate) u32);

impl MailboxIndex {
    /// The number.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// The place of a record in its unit's log. The first record is at 1; 0 is before all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The next place.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_byte_for_byte() {
        assert_eq!(PartyId::parse(""), Err(EmptyId));
        assert_eq!(PartyId::parse(" ").unwrap().as_str(), " ");
        assert_ne!(PartyId::parse("a"), PartyId::parse("A"));
        assert_ne!(PartyId::parse("a"), PartyId::parse("a "));
        assert_ne!(PartyId::parse("\u{e9}"), PartyId::parse("e\u{301}"));
    }

    #[test]
    fn a_message_id_reads_back_what_it_writes() {
        for value in [0, 1, u128::MAX, 0x0192_c0de_0000_7000_8000_0000_0000_0001] {
            let text = MessageId(value).to_string();
            assert_eq!(text.len(), MessageId::TEXT_BYTES);
            assert_eq!(MessageId::parse(&text), Ok(MessageId(value)));
        }
        assert_eq!(
            MessageId(0x0192_c0de_0000_7000_8000_0000_0000_0001).to_string(),
            "0192c0de-0000-7000-8000-000000000001"
        );
    }

    #[test]
    fn a_message_id_has_one_spelling() {
        let text = "0192c0de-0000-7000-8000-00000000000a";
        assert!(MessageId::parse(text).is_ok());
        for wrong in [
            "",
            "m1",
            "0192C0DE-0000-7000-8000-00000000000A",
            "0192c0de00007000800000000000000a",
            "0192c0de-0000-7000-8000-00000000000a ",
            "0192c0de-0000-7000-8000-0000000000-a",
            "0192c0de00000-7000-8000-00000000000a",
            "0192c0de-0000-7000-8000-00000000000\u{e9}",
        ] {
            assert_eq!(MessageId::parse(wrong), Err(MalformedMessageId), "{wrong}");
        }
    }
}
