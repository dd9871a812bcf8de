//! The variants: legal decisions other than the specimen's own. A router that differs in any of
//! them is conformant, and a check that fails it raises a false alarm.

use std::fmt;
use std::str::FromStr;

/// Writes the enum and its table from one list, so that no variant lacks its card.
macro_rules! variants {
    ($($variant:ident $name:literal warns [$($warns:literal)*] lacks [$($lacks:literal)*]: $story:literal)*) => {
        /// One legal decision other than the specimen's own. Variants can be combined.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Variant {
            $(#[doc = $story] $variant,)*
        }

        impl Variant {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const CARDS: &'static [Card] = &[$(Card {
                name: $name,
                warns: &[$($warns),*],
                lacks: &[$($lacks),*],
                story: $story,
            },)*];
        }
    };
}

struct Card {
    name: &'static str,
    warns: &'static [&'static str],
    lacks: &'static [&'static str],
    story: &'static str,
}

impl Variant {
    fn card(self) -> &'static Card {
        &Self::CARDS[self as usize]
    }

    /// The name for command lines and reports, such as `coarse-clock`.
    pub fn name(self) -> &'static str {
        self.card().name
    }

    /// The requirements of which it keeps every MUST and breaks a SHOULD: their checks may warn,
    /// all others must pass.
    pub fn warns(self) -> &'static [&'static str] {
        self.card().warns
    }

    /// The capabilities that a router like this cannot claim, though the specimen can.
    pub fn lacks(self) -> &'static [&'static str] {
        self.card().lacks
    }

    /// One sentence: what is different, and why it is legal where that is not plain.
    pub fn story(self) -> &'static str {
        self.card().story
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No variant has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no variant is named {0:?}")]
pub struct UnknownVariant(pub String);

impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(name: &str) -> Result<Self, UnknownVariant> {
        Self::ALL
            .iter()
            .copied()
            .find(|variant| variant.name() == name)
            .ok_or_else(|| UnknownVariant(name.to_owned()))
    }
}

variants! {
    SlowAnswers "slow-answers" warns [] lacks []:
        "Every answer leaves 20 ms after the deed."
    JitteryDelivery "jittery-delivery" warns [] lacks []:
        "Each stream hands out its next item after a pause of its own of up to 8 ms, in order."
    LongWire "long-wire" warns [] lacks []:
        "What a stream hands out is on the way for 5 ms, so a copy may arrive after its acknowledgement."
    OtherStatusCodes "other-status-codes"
        warns [
            "REG-2" "REG-3" "REG-6" "DIR-5" "HB-2" "RTE-7" "RTE-9" "RTE-12" "RTE-13" "SUB-6" "SUB-7"
            "PND-7" "ACK-4" "ACK-5" "ACK-6" "ACK-7" "STS-7" "EVT-7" "EVT-8" "EVT-10" "SES-1" "SES-2"
            "SES-3" "SES-4" "SES-6" "SES-7" "IDM-2" "SUB-9" "SEC-2" "SEC-3" "SEC-4" "SEC-9"
        ] lacks []:
        "Rejections carry other status codes than those named, which are a SHOULD."
    SecondNamedCodes "second-named-codes" warns [] lacks []:
        "Where two status codes are named, rejections carry the second."
    RefusesWithoutStatus "refuses-without-status"
        warns [
            "REG-2" "REG-3" "REG-6" "HB-2" "RTE-7" "RTE-9" "RTE-12" "RTE-13"
            "ACK-4" "ACK-5" "ACK-6" "ACK-7" "EVT-7" "EVT-8"
        ] lacks []:
        "Where the answer has a `success`, rejections are OK with `success = false`."
    WithoutText "without-text" warns [] lacks []:
        "Texts for people to read are empty, in answers and in statuses."
    PollsStrictlyAfter "polls-strictly-after" warns [] lacks []:
        "No two messages of a session share a `created_at`, and polls leave out the equal one."
    StatusesReversed "statuses-reversed" warns [] lacks []:
        "A message's recipients are listed in the reverse order."
    DirectoryReversed "directory-reversed" warns [] lacks []:
        "The directory is listed in the reverse order."
    HeadersWithFirstItem "headers-with-first-item" warns ["SUB-10"] lacks []:
        "Streams send their response headers with their first item, as many gRPC stacks do."
    CoarseClock "coarse-clock" warns [] lacks []:
        "Every time that is told is rounded down to 10 ms."
    SupersededStreamEnds "superseded-stream-ends" warns [] lacks []:
        "A second subscription ends the first one of the same party and session, with ABORTED."
    SupersededStreamSilent "superseded-stream-silent" warns [] lacks []:
        "A second subscription leaves the first one open, and nothing comes on it any more."
    LongIds "long-ids" warns [] lacks []:
        "`message_id` and `event_id` are 200 characters long."
    NumericIds "numeric-ids" warns [] lacks []:
        "`message_id` and `event_id` are plain numbers, counted from 1."
    UnknownFieldsInAnswers "unknown-fields-in-answers" warns [] lacks []:
        "Every answer and item carries a protobuf field of a later version."
    ExtraMetadata "extra-metadata" warns [] lacks []:
        "Every answer carries response headers of the operator's own."
    NoEventDedupe "no-event-dedupe" warns ["EVT-9"] lacks []:
        "An event published again is delivered again."
    StreamsKeepOnline "streams-keep-online" warns ["HB-10"] lacks []:
        "An open message stream counts as a sign of life."
    AnyCallIsLife "any-call-is-life" warns [] lacks []:
        "Routing, subscribing, polling and acknowledging count as signs of life, as heartbeats do."
    RecipientsOrderForThemselves "recipients-order-for-themselves" warns ["ORD-5"] lacks []:
        "Messages of one instant and different senders come in another order to each recipient."
    NoRedelivery "no-redelivery" warns [] lacks ["redelivery"]:
        "Nothing is sent again on an open stream."
    OwnJoinTokenOnly "own-join-token-only" warns [] lacks []:
        "A subscriber sees its own join token only."
    FailedHasEndTime "failed-has-end-time" warns [] lacks []:
        "`acknowledged_at` of a failed delivery is the time of its failure."
    RefusesUnannounced "refuses-unannounced" warns [] lacks ["membership"]:
        "Routing in a session that was never announced is refused, for unicasts too; nothing else is asked of who takes part."
    OpenSessions "open-sessions" warns [] lacks ["membership"]:
        "Nothing is asked of who takes part in a session, nor whether it has ended."
    RepeatsCountZero "repeats-count-zero" warns [] lacks []:
        "An event published again is answered with a `subscriber_count` of 0."
    ClockAhead "clock-ahead" warns [] lacks []:
        "The router's clock is 1.5 s ahead, which is within the default `clock_tolerance`."
    ClockOfSeconds "clock-of-seconds" warns [] lacks []:
        "Every time that is told is a whole second, in milliseconds."
    OddIds "odd-ids" warns [] lacks []:
        "`message_id` and `event_id` hold spaces, slashes and letters beyond ASCII."
    AnyoneIsRoutedTo "anyone-is-routed-to" warns [] lacks ["membership"]:
        "A recipient that is neither member nor registered is accepted: without membership nothing forbids it."
    UnannouncedBroadcast "unannounced-broadcast" warns [] lacks ["membership"]:
        "A broadcast in a session that was never announced is accepted, with no deliveries."
    EveryStreamRedelivers "every-stream-redelivers" warns [] lacks []:
        "With two streams open for one party and session, both send again."
    LazyRedelivery "lazy-redelivery" warns [] lacks []:
        "Redeliveries come 20 ms late, as timers do."
    AckImpliesDelivery "ack-implies-delivery" warns [] lacks []:
        "A delivery acknowledged before it was handed out gets a `delivered_at` as well."
    LateNackRefused "late-nack-refused" warns [] lacks []:
        "`success = false` on a delivery that failed by time-out or expiry is rejected."
    LonelyStatusUnknown "lonely-status-unknown" warns [] lacks []:
        "A broadcast that had nobody to go to has no status."
    EventsReachEverybody "events-reach-everybody" warns ["EVT-12"] lacks []:
        "Events go to all subscribers, selected or not, which breaks a SHOULD only."
    NotesHandOutsLate "notes-hand-outs-late" warns [] lacks []:
        "The status of a delivery says 30 ms late that it was handed out, as it is written in batches."
    PlainNamesOnly "plain-names-only" warns [] lacks []:
        "Names of parties and sessions with white space or letters beyond ASCII are refused."
    StrictEvents "strict-events" warns [] lacks []:
        "Events with a threshold of 0, or with a join token for a party that is not selected, are refused."
    ShedsLoad "sheds-load" warns [] lacks []:
        "In a session of hundreds of messages two calls are refused for lack of resources, as under load."
    LongDirectory "long-directory" warns [] lacks []:
        "The directory lists a party of earlier runs as well, and is longer than 4 MiB by it."
    TakesEveryRecipient "takes-every-recipient" warns ["RTE-13"] lacks ["membership"]:
        "Whoever is named is a recipient: the sender itself, a party that nobody knows, the empty name."
    SweptRedelivery "swept-redelivery" warns [] lacks []:
        "A sweep finds what to send again, and comes up to half of `ack_timeout` late."
    SweptExpiry "swept-expiry" warns [] lacks []:
        "A sweep finds what has expired, and comes up to an eighth of `message_ttl` late."
    NoExpiry "no-expiry" warns [] lacks ["expiry"]:
        "Nothing that is outstanding fails by its age."
    NoWildcard "no-wildcard" warns [] lacks ["wildcard"]:
        "An empty `session_id` is refused, on subscribing and on polling."
    NoEventReplay "no-event-replay" warns [] lacks ["event-replay"]:
        "Events reach those who listen when they are published, and nobody later."
    RegisteringAgainIsNoSign "registering-again-is-no-sign" warns [] lacks []:
        "A party that registers again was not heard of by that: it stays offline until its heartbeat."
    KnownByEventId "known-by-event-id" warns [] lacks []:
        "An event whose `event_id` is known counts as the same one again, whatever else is in it."
    EventsReplayedBySession "events-replayed-by-session" warns [] lacks []:
        "A late subscriber gets the events of before session by session."
    EndedSessionsReplayed "ended-sessions-replayed" warns [] lacks []:
        "A late subscriber also gets the events of sessions that have ended, which nothing forbids."
    EndedSessionsAreOver "ended-sessions-are-over" warns [] lacks []:
        "Events of a session that has ended are refused, and so is one that ends what was never announced."
    AsksWhoCalls "asks-who-calls" warns [] lacks []:
        "Callers show a certificate, and each of them does only what is its own to do."
    SlowNotifications "slow-notifications" warns [] lacks []:
        "A notification sets out more than a second after what raised it."
    NotificationCopyAfterFailure "notification-copy-after-failure" warns [] lacks []:
        "A notification that failed is sent twice when it is tried again, since it may have been brought."
    SlowRetries "slow-retries" warns [] lacks []:
        "A notification that failed is tried again after a minute, then after two."
    NoNotifications "no-notifications" warns [] lacks ["offline"]:
        "Nobody is told of anything."
    LimitsBacklog "limits-backlog" warns [] lacks []:
        "What would let more than 32 MiB wait for a party is refused with RESOURCE_EXHAUSTED."
    LimitsUnread "limits-unread" warns [] lacks []:
        "What would let more than 2 MiB wait for a stream that is not read is refused with RESOURCE_EXHAUSTED."
    EndsLaggingStreams "ends-lagging-streams" warns [] lacks []:
        "A stream with 1,000 messages to go is ended with OK when its reader reads on, and the next one brings them."
    LimitsCalls "limits-calls" warns [] lacks []:
        "A sender with more than 100 calls under way is refused with UNAVAILABLE."
    CommitsInTurn "commits-in-turn" warns [] lacks []:
        "A sender's calls beyond 200 that carry 2 KiB or more are committed in turn, each in 10 ms."
    EmptyChannelShown "empty-channel-shown" warns [] lacks []:
        "A party without a notification channel is listed with an empty one."
    ForgetsHandOuts "forgets-hand-outs" warns [] lacks []:
        "What was handed out is not written down: after a restart it is pending, with no retries."
    ForgetsRetries "forgets-retries" warns [] lacks []:
        "Retries are counted in memory, and begin at 0 again after a restart."
    StopRefusesCalls "stop-refuses-calls" warns [] lacks []:
        "Calls that are under way when the router is to stop are refused with UNAVAILABLE."
    SlowStart "slow-start" warns [] lacks []:
        "The router takes 400 ms to start."
    NoStore "no-store" warns [] lacks ["durable"]:
        "Everything is kept in memory, and gone with the process."
}
