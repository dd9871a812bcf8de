use std::fmt;

/// Where to wake a party that is away. `Debug` shows which channels there are, and no address.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// An address for mail, or empty.
    pub email: String,
    /// A number for text messages, or empty.
    pub phone: String,
    /// A token of a push service, or empty.
    pub push_token: String,
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("email", &!self.email.is_empty())
            .field("phone", &!self.phone.is_empty())
            .field("push_token", &!self.push_token.is_empty())
            .finish()
    }
}

impl Notification {
    /// The address on a channel, if there is one.
    pub fn address(&self, channel: Channel) -> Option<&str> {
        let address = match channel {
            Channel::Email => &self.email,
            Channel::Phone => &self.phone,
            Channel::PushToken => &self.push_token,
        };
        (!address.is_empty()).then_some(address)
    }
}

/// A way to wake a party that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// By mail.
    Email,
    /// By a text message.
    Phone,
    /// By a push service.
    PushToken,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Email, Self::Phone, Self::PushToken];

    /// The word that the contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::PushToken => "push_token",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
