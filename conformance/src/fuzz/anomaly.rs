//! What can be wrong with a history.

use std::fmt;

macro_rules! anomalies {
    ($($(#[doc = $says:literal])+ $name:ident $id:literal breaks $requirement:literal,)+) => {
        /// A kind of wrong history.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Anomaly {
            $($(#[doc = $says])+ $name,)+
        }

        impl Anomaly {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What it is called.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }

            /// The requirement that it breaks.
            pub fn breaks(self) -> &'static str {
                match self { $(Self::$name => $requirement),+ }
            }

            /// Whether it is that something came too late, or not in time: a machine that is busy may
            /// be to blame.
            pub fn is_lateness(self) -> bool {
                matches!(
                    self,
                    Self::StreamSilent
                        | Self::NotRepeated
                        | Self::EventLost
                        | Self::NotNotified
                        | Self::OnlineTooLong
                        | Self::OfflineTooSoon
                )
            }

            /// What it is, in a sentence.
            pub fn says(self) -> &'static str {
                match self { $(Self::$name => concat!($($says),+).trim_ascii()),+ }
            }
        }
    };
}

anomalies! {
    // Delivery
    /// What was accepted, and not ended by anybody, is not there.
    Lost "lost" breaks "SUB-3",
    /// A poll does not list what was outstanding all the time.
    MissingFromPoll "missing-from-poll" breaks "PND-1",
    /// A copy of something that nobody routed.
    Phantom "phantom" breaks "RTE-4",
    /// A copy of something whose routing was rejected.
    RefusedYetDelivered "refused-yet-delivered" breaks "RTE-8",
    /// A copy that is not what was sent.
    Altered "altered" breaks "RTE-4",
    /// An answer to a poll lists a message twice.
    ListedTwice "listed-twice" breaks "PND-1",
    /// One message has two `message_id`s.
    TwoNames "two-names" breaks "RTE-5",
    /// Two messages have one `message_id`.
    SharedName "shared-name" breaks "RTE-5",
    /// A party has a copy of what was not for it.
    Misdelivered "misdelivered" breaks "RTE-1",
    /// A sender has a copy of its own message.
    Echoed "echoed" breaks "RTE-3",
    /// A message of one session has come in another.
    Leaked "leaked" breaks "RTE-10",
    /// A copy came before its message was routed.
    BeforeRouted "before-routed" breaks "RTE-4",
    /// A copy came, or is listed, after it must have expired.
    Overdue "overdue" breaks "EXP-1",

    // Order
    /// Of two messages of one sender, one after the other, the later came first.
    SenderOrder "sender-order" breaks "ORD-1",
    /// An answer came before what it answers.
    CausalOrder "causal-order" breaks "ORD-4",
    /// Two recipients have two messages in different orders.
    TotalOrder "total-order" breaks "ORD-5",
    /// A poll's answer is not in the order of `created_at`.
    PollOrder "poll-order" breaks "ORD-6",
    /// A first delivery has an earlier `created_at` than the one before it.
    TimeGoesBack "time-goes-back" breaks "ORD-7",

    // Acknowledgement and redelivery
    /// What was ended came again, on a way that was opened afterwards.
    Resurrected "resurrected" breaks "SUB-4",
    /// What was ended came again behind something routed afterwards.
    LateCopy "late-copy" breaks "ACK-9",
    /// A right acknowledgement was refused.
    AcknowledgementRefused "acknowledgement-refused" breaks "ACK-1",
    /// An acknowledgement was accepted of what the party was never sent.
    AcknowledgementTaken "acknowledgement-taken" breaks "ACK-6",
    /// Both of two contrary acknowledgements were accepted.
    BothWays "both-ways" breaks "ACK-4",
    /// A copy came again on its stream before `ack_timeout` was over.
    TooSoon "too-soon" breaks "RED-2",
    /// More copies came on a stream than there are attempts.
    TooManyCopies "too-many-copies" breaks "RED-4",
    /// What was not acknowledged did not come again.
    NotRepeated "not-repeated" breaks "RED-1",

    // Status
    /// A status is earlier than one that was told before.
    StatusGoesBack "status-goes-back" breaks "STS-5",
    /// A status tells of what nobody can have done yet.
    StatusAhead "status-ahead" breaks "STS-2",
    /// A status does not tell of what was done.
    StatusBehind "status-behind" breaks "STS-3",
    /// A status has other recipients than the message.
    StatusOfOthers "status-of-others" breaks "STS-1",
    /// A status of a message that there is was refused.
    StatusRefused "status-refused" breaks "STS-7",
    /// A status is of something else, or of what there is not.
    StatusNonsense "status-nonsense" breaks "STS-9",
    /// `all_acknowledged` contradicts the deliveries beside it.
    AllAcknowledged "all-acknowledged" breaks "STS-6",
    /// `delivered_at` moved after it was set.
    DeliveredAtMoves "delivered-at-moves" breaks "STS-8",
    /// `acknowledged_at` moved after it was set.
    AcknowledgedAtMoves "acknowledged-at-moves" breaks "ACK-2",
    /// A time is set too soon, or missing, or before the one that must be earlier.
    StatusTimes "status-times" breaks "STS-3",
    /// `retry_count` went back.
    RetriesGoBack "retries-go-back" breaks "RED-3",

    // Counts, time and presence
    /// `pending_messages` is no number that the history allows.
    PendingCount "pending-count" breaks "HB-4",
    /// The router's time went back.
    ServerTimeGoesBack "server-time-goes-back" breaks "HB-3",
    /// `last_seen_at` went back.
    LastSeenGoesBack "last-seen-goes-back" breaks "HB-9",
    /// `last_seen_at` is older than the time with which a heartbeat was answered before.
    LastSeenBehind "last-seen-behind" breaks "HB-9",
    /// A time is far from what the clock shows.
    WrongTime "wrong-time" breaks "HB-1",
    /// `registered_at` moved.
    RegisteredAtMoves "registered-at-moves" breaks "REG-5",
    /// A party is listed with another role than its own.
    WrongRole "wrong-role" breaks "REG-7",
    /// A party is listed with another address than the one that it gave last.
    WrongChannel "wrong-channel" breaks "REG-7",
    /// A party's address is shown to another one.
    ChannelShown "channel-shown" breaks "SEC-6",
    /// `total_count` is not the number of parties in the answer.
    TotalCount "total-count" breaks "DIR-4",
    /// A registered party is not in the directory.
    NotListed "not-listed" breaks "DIR-1",
    /// The directory has a party twice, or one that never registered.
    ListedWrongly "listed-wrongly" breaks "DIR-1",
    /// A party is offline in spite of a sign of life.
    OfflineTooSoon "offline-too-soon" breaks "HB-5",
    /// A party is online without one.
    OnlineTooLong "online-too-long" breaks "HB-6",

    // Acceptance
    /// A call that nothing speaks against was refused.
    RightfulRefused "rightful-refused" breaks "RTE-1",
    /// A call that must be refused was accepted.
    WrongAccepted "wrong-accepted" breaks "SES-1",
    /// A subscription that nothing speaks against was refused, or ended by the router.
    StreamEnded "stream-ended" breaks "SUB-8",
    /// A stream was silent while something was due on it.
    StreamSilent "stream-silent" breaks "SUB-1",

    // Notifications
    /// A party that was away, and had something new, was not told.
    NotNotified "not-notified" breaks "OFF-2",
    /// A party was told twice of a session, and had not come back in between.
    NotifiedAgain "notified-again" breaks "OFF-2",
    /// A party was told of a session, and was online when what waits there was routed.
    NotifiedOnline "notified-online" breaks "OFF-3",
    /// A party was told at another address than the one that it gave last, or without one.
    NotifiedElsewhere "notified-elsewhere" breaks "OFF-5",
    /// A notification carries what was sent.
    NotificationLeaks "notification-leaks" breaks "OFF-2",

    // Events
    /// An event did not reach a subscriber that it concerns.
    EventLost "event-lost" breaks "EVT-1",
    /// An event came twice on one stream.
    EventTwice "event-twice" breaks "EVT-1",
    /// An event that nobody published, or that was refused.
    EventPhantom "event-phantom" breaks "EVT-7",
    /// An event is not what was published.
    EventAltered "event-altered" breaks "EVT-3",
    /// An event is of a type that the subscription is not for.
    EventUnasked "event-unasked" breaks "EVT-2",
    /// An event tells a party the join tokens of others.
    TokensShown "tokens-shown" breaks "SEC-5",
    /// An event that selects nobody came to who subscribed long after it.
    EventReplayed "event-replayed" breaks "EVT-13",
    /// Of two events, one after the other, the later came first.
    EventOrder "event-order" breaks "EVT-6",
    /// An event reached a party that it does not concern.
    EventToOthers "event-to-others" breaks "EVT-12",
    /// `subscriber_count` is no number that the history allows.
    SubscriberCount "subscriber-count" breaks "EVT-5",
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
