//! Calls that must be rejected, whatever else is going on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::requirement::Capability;

macro_rules! needs {
    () => {
        Capability::Core
    };
    ($needs:ident) => {
        Capability::$needs
    };
}

macro_rules! wrongs {
    ($($(#[doc = $says:literal])+ $name:ident breaks $requirement:literal $(if $needs:ident)?,)+) => {
        /// What is wrong with a call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Wrong {
            $($(#[doc = $says])+ $name,)+
        }

        impl Wrong {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The requirement by which it must be rejected.
            pub fn breaks(self) -> &'static str {
                match self { $(Self::$name => $requirement),+ }
            }

            /// What the target has to claim for that, beside what every router promises.
            pub fn needs(self) -> Capability {
                match self { $(Self::$name => needs!($($needs)?)),+ }
            }

            fn says(self) -> &'static str {
                match self { $(Self::$name => concat!($($says),+).trim_ascii()),+ }
            }
        }
    };
}

wrongs! {
    /// RegisterParty without a party_id.
    RegisterNobody breaks "REG-2",
    /// RegisterParty without a role, for a name that is new.
    RegisterWithoutRole breaks "REG-3",
    /// RegisterParty with a role that there is not, for a name that is new.
    RegisterUnknownRole breaks "REG-3",
    /// RegisterParty with the role in capitals, for a name that is new.
    RegisterRoleInCapitals breaks "REG-3",
    /// RegisterParty with a role that there is not, for a party that is known.
    RegisterKnownUnknownRole breaks "REG-3",
    /// RegisterParty with another role than before.
    RegisterOtherRole breaks "REG-6",
    /// GetRegisteredParties with a role that there is not.
    ListUnknownRole breaks "DIR-5",
    /// Heartbeat of a name that nobody registered.
    HeartbeatOfStranger breaks "HB-2",
    /// RouteMessage without a session_id.
    RouteWithoutSession breaks "RTE-7",
    /// RouteMessage without a from_party.
    RouteWithoutSender breaks "RTE-7",
    /// RouteMessage with a payload that is one byte too long.
    RouteTooLarge breaks "RTE-9",
    /// RouteMessage with a negative round_number.
    RouteNegativeRound breaks "RTE-12",
    /// RouteMessage to its own sender, and to another member.
    RouteToItself breaks "RTE-13",
    /// RouteMessage to a member, and to a name that is no member.
    RouteAlsoToStranger breaks "SES-2" if Membership,
    /// RouteMessage of a name that is no member.
    RouteOfStranger breaks "SES-1" if Membership,
    /// RouteMessage in a session that was never announced.
    RouteUnannounced breaks "SES-3" if Membership,
    /// SubscribeMessages without a party_id.
    SubscribeNobody breaks "SUB-6",
    /// SubscribeMessages of a name that nobody registered.
    SubscribeStranger breaks "SUB-7",
    /// GetPendingMessages without a party_id.
    PollNobody breaks "PND-7",
    /// GetPendingMessages of a name that nobody registered.
    PollStranger breaks "PND-7",
    /// AcknowledgeMessage of a message_id that there is not.
    AcknowledgeUnknown breaks "ACK-5",
    /// AcknowledgeMessage, as of no use, of a message_id that there is not.
    RefuseUnknown breaks "ACK-5",
    /// AcknowledgeMessage by a name that is no recipient.
    AcknowledgeAsStranger breaks "ACK-6",
    /// AcknowledgeMessage by the message's own sender.
    AcknowledgeAsSender breaks "ACK-6",
    /// AcknowledgeMessage without a session_id.
    AcknowledgeWithoutSession breaks "ACK-7",
    /// GetMessageStatus of a message_id that there is not.
    StatusUnknown breaks "STS-7",
    /// GetMessageStatus without a session_id.
    StatusWithoutSession breaks "STS-7",
    /// PublishSessionEvent without an event.
    PublishNothing breaks "EVT-7",
    /// PublishSessionEvent without a session_id.
    PublishWithoutSession breaks "EVT-7",
    /// PublishSessionEvent without an event_type.
    PublishWithoutType breaks "EVT-7",
    /// PublishSessionEvent with threshold_t over threshold_n.
    PublishOverThreshold breaks "EVT-8",
    /// PublishSessionEvent with a negative threshold.
    PublishNegativeThreshold breaks "EVT-8",
    /// PublishSessionEvent that selects a party twice.
    PublishSelectedTwice breaks "EVT-8",
    /// SubscribeSessionEvents without a party_id.
    ListenNobody breaks "EVT-10",
    /// SubscribeSessionEvents of a name that nobody registered.
    ListenStranger breaks "EVT-10",
    /// RouteMessage with the key of another message, and its own payload.
    KeyWithOtherPayload breaks "IDM-2" if Idempotency,
    /// RouteMessage with the key of another message, and its own round_number.
    KeyWithOtherRound breaks "IDM-2" if Idempotency,
    /// RouteMessage with the key of another message, and its own message_type.
    KeyWithOtherType breaks "IDM-2" if Idempotency,
    /// RouteMessage with the key of another message, and its own recipients.
    KeyWithOtherRecipients breaks "IDM-2" if Idempotency,
    /// RouteMessage in another party's name.
    RouteInAnothersName breaks "SEC-2" if Secure,
    /// SubscribeMessages in another party's name.
    SubscribeInAnothersName breaks "SEC-2" if Secure,
    /// SubscribeMessages to all sessions in another party's name.
    SubscribeToAllInAnothersName breaks "SEC-2" if Secure,
    /// GetPendingMessages in another party's name.
    PollInAnothersName breaks "SEC-2" if Secure,
    /// GetPendingMessages of all sessions in another party's name.
    PollAllInAnothersName breaks "SEC-2" if Secure,
    /// AcknowledgeMessage in another party's name.
    AcknowledgeInAnothersName breaks "SEC-2" if Secure,
    /// Heartbeat in another party's name.
    HeartbeatInAnothersName breaks "SEC-2" if Secure,
    /// RegisterParty in another party's name.
    RegisterInAnothersName breaks "SEC-2" if Secure,
    /// SubscribeSessionEvents in another party's name.
    ListenInAnothersName breaks "SEC-2" if Secure,
    /// PublishSessionEvent by a party.
    PublishAsParty breaks "SEC-3" if Secure,
    /// GetMessageStatus by a party that neither sent the message nor gets it.
    StatusAsOutsider breaks "SEC-4" if Secure,
    /// RouteMessage in a party's name by the coordinator.
    RouteAsCoordinator breaks "SEC-9" if Secure,
    /// SubscribeMessages in a party's name by the coordinator.
    SubscribeAsCoordinator breaks "SEC-9" if Secure,
    /// GetPendingMessages in a party's name by the coordinator.
    PollAsCoordinator breaks "SEC-9" if Secure,
    /// AcknowledgeMessage in a party's name by the coordinator.
    AcknowledgeAsCoordinator breaks "SEC-9" if Secure,
}

impl Wrong {
    /// Whether it is about a message that there is.
    pub fn is_about_a_message(self) -> bool {
        matches!(
            self,
            Self::AcknowledgeAsStranger
                | Self::AcknowledgeAsSender
                | Self::AcknowledgeWithoutSession
                | Self::StatusWithoutSession
                | Self::StatusAsOutsider
                | Self::KeyWithOtherPayload
                | Self::KeyWithOtherRound
                | Self::KeyWithOtherType
                | Self::KeyWithOtherRecipients
                | Self::AcknowledgeInAnothersName
                | Self::AcknowledgeAsCoordinator
        )
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says().trim_end_matches('.'))
    }
}
