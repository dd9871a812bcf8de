//! The faults: each one wrong decision of the specimen, named after the bug, with the requirement
//! whose check must find it and how a real team comes to ship it.

use std::fmt;
use std::str::FromStr;

/// Writes the enum and its table from one list, so that no fault lacks its card.
macro_rules! faults {
    ($($fault:ident $name:literal kills $kills:literal: $story:literal)*) => {
        /// One wrong decision that can be planted into the specimen.
        ///
        /// The identifiers never move: a matrix of faults and checks is compared over time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $story] $fault,)*
        }

        impl Fault {
            /// Every fault, in the order of the requirements.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];

            const CARDS: &'static [Card] =
                &[$(Card { name: $name, kills: $kills, story: $story },)*];
        }
    };
}

struct Card {
    name: &'static str,
    kills: &'static str,
    story: &'static str,
}

impl Fault {
    fn card(self) -> &'static Card {
        &Self::CARDS[self as usize]
    }

    /// The name for command lines and reports, such as `acks-cumulatively`.
    pub fn name(self) -> &'static str {
        self.card().name
    }

    /// The requirement that the fault breaks, such as `ACK-11`: its check must say so.
    pub fn kills(self) -> &'static str {
        self.card().kills
    }

    /// One sentence: what is wrong, and how a real team comes to ship it.
    pub fn story(self) -> &'static str {
        self.card().story
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No fault has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fault is named {0:?}")]
pub struct UnknownFault(pub String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::ALL
            .iter()
            .copied()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

faults! {
    TemporaryPartiesRefused "temporary-parties-refused" kills "REG-1":
        "The list of roles was copied before `temporary` was added, so temporary parties are refused."
    DelegateNeedsChannel "delegate-needs-channel" kills "REG-1":
        "Delegates are taken to work offline, so one without a notification channel is refused."
    EmptyPartyRegistered "empty-party-registered" kills "REG-2":
        "The party's name is a map key like any other, and nobody thought of the empty one."
    EmptyPartyRefusedButListed "empty-party-refused-but-listed" kills "REG-2":
        "The row is inserted first and validated afterwards: the call is rejected, the empty party stays."
    RoleCaseFolded "role-case-folded" kills "REG-3":
        "Roles are parsed by a case-insensitive enum parser, so `Persistent` is accepted."
    EmptyRoleMeansPersistent "empty-role-means-persistent" kills "REG-3":
        "A role that is not set falls back to the default of the enum."
    UnknownRolesAccepted "unknown-roles-accepted" kills "REG-3":
        "The role is stored as free text."
    RefusedRoleStillRegisters "refused-role-still-registers" kills "REG-3":
        "The party is upserted before its role is parsed: the call is rejected, the party is there."
    SecondRegistrationRefused "second-registration-refused" kills "REG-4":
        "Registering is a plain INSERT, so a party that restarts gets ALREADY_EXISTS."
    OldChannelKept "old-channel-kept" kills "REG-4":
        "Registering again is INSERT OR IGNORE: accepted, but the new notification channel is dropped."
    ChannelsMerged "channels-merged" kills "REG-4":
        "The new notification channel is merged into the old one, so what was removed stays."
    SecondRegistrationEmptiesMailbox "second-registration-empties-mailbox" kills "REG-4":
        "Registering builds a fresh party record, and the mailbox lives in it."
    RegisteredAtMoves "registered-at-moves" kills "REG-5":
        "`registered_at` is set on every registration, because the upsert writes all columns."
    RegisteredAtInSeconds "registered-at-in-seconds" kills "REG-5":
        "The directory keeps Unix seconds and nobody multiplies them."
    RoleChangedByRegisteringAgain "role-changed-by-registering-again" kills "REG-6":
        "The upsert takes the new role without a look at the old one."
    PushTokenForgotten "push-token-forgotten" kills "REG-7":
        "The mapping of notification channels was written before push tokens came."
    RoleShownInCapitals "role-shown-in-capitals" kills "REG-7":
        "The directory prints the name of the enum's constant, `PERSISTENT`."
    UnregisteredMembersLeftOut "unregistered-members-left-out" kills "REG-8":
        "A broadcast is joined with the table of parties, so members who come later get nothing."
    UnregisteredRecipientRefused "unregistered-recipient-refused" kills "REG-8":
        "Recipients are looked up in the directory alone, so a member that has not registered is refused."
    FirstRegistrationEmptiesMailbox "first-registration-empties-mailbox" kills "REG-8":
        "The first registration creates the mailbox, over the one that routing had created already."

    DirectoryPageOf50 "directory-page-of-50" kills "DIR-1":
        "The query has the page size of the web console, and nobody asks for the next page."
    DirectoryListsEveryRegistration "directory-lists-every-registration" kills "DIR-1":
        "The directory is an append-only table of registrations, listed as it is."
    NamesFoldedToLowerCase "names-folded-to-lower-case" kills "DIR-1":
        "The key column has a case-insensitive collation, so `Alice` and `alice` are one party."
    RoleFilterIgnored "role-filter-ignored" kills "DIR-2":
        "The filter is in the proto, and was never put into the query."
    RoleFilterAlsoListsPersistent "role-filter-also-lists-persistent" kills "DIR-2":
        "Persistent parties can stand in for every role, so each filter lists them too."
    OnlineFilterIgnored "online-filter-ignored" kills "DIR-3":
        "`only_online` is read by no one: the console filters for itself."
    OnlineMeansStreaming "online-means-streaming" kills "DIR-3":
        "`only_online` lists who has an open stream, so parties that poll are missing."
    TotalCountUnfiltered "total-count-unfiltered" kills "DIR-4":
        "`total_count` is a second query, and that one lacks the filters."
    TotalCountOfOnline "total-count-of-online" kills "DIR-4":
        "`total_count` comes from the gauge of parties that are online."
    UnknownRoleFilterListsNobody "unknown-role-filter-lists-nobody" kills "DIR-5":
        "The filter is compared as text, so a typing error lists nobody instead of being refused."
    OnlineFilterLostWithRole "online-filter-lost-with-role" kills "DIR-6":
        "The query is built by `else if`: with a role given, the online filter is not added."
    FiltersEither "filters-either" kills "DIR-6":
        "The query builder joins its conditions by OR."

    HeartbeatTimeInSeconds "heartbeat-time-in-seconds" kills "HB-1":
        "`server_timestamp` is filled from the logger's clock, which counts seconds."
    HeartbeatEchoesClientTime "heartbeat-echoes-client-time" kills "HB-1":
        "`server_timestamp` is filled with the request's own timestamp, for round-trip times."
    HeartbeatRegisters "heartbeat-registers" kills "HB-2":
        "Touching `last_seen` is an upsert, so a heartbeat makes an unknown party known."
    UnknownHeartbeatAccepted "unknown-heartbeat-accepted" kills "HB-2":
        "Touching `last_seen` is an UPDATE that nobody asks how many rows it changed."
    HeartbeatByTwoClocks "heartbeat-by-two-clocks" kills "HB-3":
        "Two nodes behind one address answer in turn, and one clock is a quarter of a second behind."
    HeartbeatMillisecondsUnpadded "heartbeat-milliseconds-unpadded" kills "HB-3":
        "The time is glued together as text, and milliseconds under 100 lose their leading zeros."
    PendingOfOneSession "pending-of-one-session" kills "HB-4":
        "`pending_messages` counts the mailbox of one session, the last by name, not of all."
    PendingUndeliveredOnly "pending-undelivered-only" kills "HB-4":
        "`pending_messages` counts the state `pending`, and forgets what is handed out and not acknowledged."
    PendingCappedAt100 "pending-capped-at-100" kills "HB-4":
        "The count is made by a query with LIMIT 100."
    OnlineForHalfTheTimeout "online-for-half-the-timeout" kills "HB-5":
        "The time-out is halved once by the config loader and once by the sweep, to be on the safe side."
    OnlineForFourFifths "online-for-four-fifths" kills "HB-5":
        "A fifth is taken off the time-out, so that it is over before the client's own one."
    OfflineUntilFirstHeartbeat "offline-until-first-heartbeat" kills "HB-5":
        "Only heartbeats set `last_seen`, so a party that has just registered counts as offline."
    NeverOffline "never-offline" kills "HB-6":
        "`online` is a column that is set to true, and the sweep that clears it is not scheduled."
    OfflineAfterTwiceTheTimeout "offline-after-twice-the-timeout" kills "HB-6":
        "A sweep runs every time-out and marks who has been silent since the last one."
    OfflineForGood "offline-for-good" kills "HB-7":
        "The sweep sets `offline`, and only registering clears it."
    OfflineHeartbeatRefused "offline-heartbeat-refused" kills "HB-7":
        "The sweep evicts the session of the party, so its next heartbeat is answered NOT_FOUND."
    LivenessByClientClock "liveness-by-client-clock" kills "HB-8":
        "`last_seen` takes the timestamp of the request, so a wrong clock makes a party offline."
    SkewedHeartbeatRefused "skewed-heartbeat-refused" kills "HB-8":
        "A replay guard refuses heartbeats whose timestamp is more than five minutes off."
    LastSeenInWholeSeconds "last-seen-in-whole-seconds" kills "HB-9":
        "`last_seen_at` is stored in a column of seconds, so it is older than the heartbeat's answer."
    LastSeenReset "last-seen-reset" kills "HB-9":
        "Registering again resets `last_seen_at` to `registered_at`."
    SubscribingResetsLastSeen "subscribing-resets-last-seen" kills "HB-9":
        "Subscribing loads the party's row into a cache, and `last_seen_at` with it as it was registered."
    EventStreamKeepsOnline "event-stream-keeps-online" kills "HB-10":
        "An open event stream counts as a sign of life for as long as the socket is open."
    OfflineDropsMailbox "offline-drops-mailbox" kills "HB-11":
        "Mailboxes of parties that go offline are freed, to save memory."
    OfflineMailboxOf100 "offline-mailbox-of-100" kills "HB-11":
        "What is kept for a party that is offline is a ring of the newest 100 messages."
    OneHeartbeatForAll "one-heartbeat-for-all" kills "HB-12":
        "The UPDATE of `last_seen` lacks its WHERE."
    HeartbeatForNamePrefix "heartbeat-for-name-prefix" kills "HB-12":
        "The UPDATE matches by LIKE, so `party-1` keeps `party-10` alive."

    UnicastToEverybody "unicast-to-everybody" kills "RTE-1":
        "Messages go to the session's topic, and clients are trusted to drop what is not theirs."
    UnicastToNamePrefix "unicast-to-name-prefix" kills "RTE-1":
        "Topics match by prefix, so what is for `party-1` also reaches `party-10`."
    LosesConcurrentSends "loses-concurrent-sends" kills "RTE-1":
        "The mailbox is read, changed and written back, so of two calls at once one is lost."
    DropsAfterThe50th "drops-after-the-50th" kills "RTE-1":
        "The session's buffer holds 50 messages: what comes later is acknowledged to the sender and dropped."
    MulticastReachesFirstOnly "multicast-reaches-first-only" kills "RTE-2":
        "The handler reads `to_parties[0]`, since all early callers named one party."
    MulticastBeyond50Lost "multicast-beyond-50-lost" kills "RTE-2":
        "Fan-out goes in batches of 50, and only the first batch is sent."
    BroadcastEchoed "broadcast-echoed" kills "RTE-3":
        "A broadcast goes to every member, and the sender is a member."
    BroadcastUnmarked "broadcast-unmarked" kills "RTE-3":
        "A broadcast is expanded to a list early on, and `is_broadcast` is computed from that list."
    MulticastMarkedBroadcast "multicast-marked-broadcast" kills "RTE-3":
        "`is_broadcast` means more than one recipient."
    BroadcastToOnlineOnly "broadcast-to-online-only" kills "RTE-3":
        "A broadcast goes to the members that are online, as in a chat room."
    PayloadCutAt1MiB "payload-cut-at-1-mib" kills "RTE-4":
        "Payloads live in a column of 1 MiB, and the database driver cuts without an error."
    PayloadAsText "payload-as-text" kills "RTE-4":
        "The payload goes through a text type, and bytes that are no UTF-8 are replaced."
    EmptyPayloadRefused "empty-payload-refused" kills "RTE-4":
        "An empty payload looks like a field that was not set, and is refused."
    RoundIn16Bits "round-in-16-bits" kills "RTE-4":
        "`round_number` lives in a column of 16 bits."
    FullPayloadRefused "full-payload-refused" kills "RTE-4":
        "The limit is put on the whole request, so a payload of exactly `max_payload` does not fit."
    MessageTypeTrimmed "message-type-trimmed" kills "RTE-4":
        "`message_type` is trimmed of white space, since it was once typed by hand."
    AnswerHasOtherId "answer-has-other-id" kills "RTE-5":
        "RouteMessage answers with the front end's id, copies carry the one of the store."
    IdFromContent "id-from-content" kills "RTE-5":
        "`message_id` is a hash of the content, so two equal messages share it."
    IdFromMillisecond "id-from-millisecond" kills "RTE-5":
        "`message_id` is sender and millisecond, so two messages of one millisecond share it."
    AnswerWithoutId "answer-without-id" kills "RTE-5":
        "The id is given after the answer was built."
    NamedTwiceDeliveredTwice "named-twice-delivered-twice" kills "RTE-6":
        "Recipients are a list, and nobody removes those named twice."
    NamedTwiceRefused "named-twice-refused" kills "RTE-6":
        "A unique index on message and party makes the whole call fail."
    EmptySessionAccepted "empty-session-accepted" kills "RTE-7":
        "The session is a map key like any other, and nobody thought of the empty one."
    EmptySenderAccepted "empty-sender-accepted" kills "RTE-7":
        "The sender is only a label on the message, and may be empty."
    DeliversUntilBadRecipient "delivers-until-bad-recipient" kills "RTE-8":
        "Recipients are checked and served in one loop: those before the bad one have the message already."
    DeliversToGoodRecipients "delivers-to-good-recipients" kills "RTE-8":
        "Recipients are served by tasks of their own, and the first error is returned at the end."
    PayloadLimitOffByOne "payload-limit-off-by-one" kills "RTE-9":
        "The limit is checked by `>=` on the wrong side, so one byte more than allowed passes."
    OversizedPayloadCut "oversized-payload-cut" kills "RTE-9":
        "What is longer than the limit is cut to it, and accepted."
    OversizedPayloadBansSender "oversized-payload-bans-sender" kills "RTE-9":
        "A payload over the limit looks like an attack, and its sender is locked out."
    PollAcrossSessions "poll-across-sessions" kills "RTE-10":
        "Mailboxes are kept per party, and polls forget to filter by session."
    StreamAcrossSessions "stream-across-sessions" kills "RTE-10":
        "Streams are registered per party, and what is routed looks for the party alone."
    SessionNamesTrimmed "session-names-trimmed" kills "RTE-10":
        "Trailing space is cut from session names, so two sessions become one."
    CreatedAtInLocalTime "created-at-in-local-time" kills "RTE-11":
        "`created_at` is made from the local time of a server in another zone."
    NegativeRoundAccepted "negative-round-accepted" kills "RTE-12":
        "`round_number` is passed through unchecked."
    SelfSendAccepted "self-send-accepted" kills "RTE-13":
        "Recipients are checked for membership only, so a sender can name itself."
    ReplaySortedByRound "replay-sorted-by-round" kills "RTE-14":
        "What is outstanding is loaded ORDER BY round, which looks right in every demonstration."
    OldRoundsDropped "old-rounds-dropped" kills "RTE-14":
        "A message of an earlier round than the sender's latest is taken for a duplicate and dropped."
    UnknownFieldsRefused "unknown-fields-refused" kills "RTE-15":
        "A strict gateway in front refuses requests with fields that its own schema lacks."
    UnknownFieldEndsParsing "unknown-field-ends-parsing" kills "RTE-15":
        "A hand-written decoder stops at the first field that it does not know."
    LonelyBroadcastRefused "lonely-broadcast-refused" kills "RTE-16":
        "A message without a recipient is taken for an error."

    SwapsOnceIn100 "swaps-once-in-100" kills "ORD-1":
        "A worker pool sends, and once in a hundred messages the slower worker has the earlier one."
    LargeMessagesOvertaken "large-messages-overtaken" kills "ORD-1":
        "Payloads over 1 MiB take the way through the blob store, and smaller ones overtake them."
    BroadcastsLag "broadcasts-lag" kills "ORD-2":
        "Broadcasts go through a topic and unicasts through a queue, and the topic is slower."
    ReplaysUnicastsFirst "replays-unicasts-first" kills "ORD-2":
        "On subscribing, the queue of unicasts is replayed first, then the log of broadcasts."
    ReplaysNewestFirst "replays-newest-first" kills "ORD-3":
        "The replay query orders by time, descending, as the console wants it."
    HandedOutReplayedLast "handed-out-replayed-last" kills "ORD-3":
        "On subscribing, what was never handed out comes first, and then what was but is not acknowledged."
    LiveBeforeReplay "live-before-replay" kills "ORD-3":
        "The replay is loaded in the background, so what comes live is sent before it."
    LanePerSender "lane-per-sender" kills "ORD-4":
        "Each sender has its own lane to each recipient: in order by itself, but no lane waits for another."
    ReplaysSenderBySender "replays-sender-by-sender" kills "ORD-4":
        "The replay is grouped by sender, in order within each of them."
    RecipientsSortByName "recipients-sort-by-name" kills "ORD-5":
        "Every mailbox sorts what is concurrent for itself, with keys that differ from mailbox to mailbox."
    PollSortedById "poll-sorted-by-id" kills "ORD-6":
        "A poll orders by `created_at`, then by the random id, so one millisecond is shuffled."
    PollGroupedBySender "poll-grouped-by-sender" kills "ORD-6":
        "A poll collects one list a sender and puts them one behind the other."
    CreatedAtByTwoClocks "created-at-by-two-clocks" kills "ORD-7":
        "Two nodes stamp in turn, and one clock is 30 ms behind."
    CreatedAtBeforeTheQueue "created-at-before-the-queue" kills "ORD-7":
        "`created_at` is taken when a call arrives, and calls then wait for the lock in another order."
    RedeliveryHoldsBack "redelivery-holds-back" kills "ORD-8":
        "The stream's loop waits for the acknowledgement of what it sent again before it goes on."
    RedeliveryShufflesFresh "redelivery-shuffles-fresh" kills "ORD-8":
        "After the first redelivery the queue becomes a heap by attempts, which keeps no order among the new."

    NoReplay "no-replay" kills "SUB-1":
        "A subscription sees what is routed from now on; what waits is for polls."
    ReplayOf50 "replay-of-50" kills "SUB-1":
        "The replay query has a page size of 50."
    WindowOf100 "window-of-100" kills "SUB-1":
        "A stream stops when 100 of its messages are unacknowledged, as a broker's prefetch does."
    StreamDriesUpAfter500 "stream-dries-up-after-500" kills "SUB-1":
        "The stream's credit of 500 items is never refilled."
    SubscribeGap "subscribe-gap" kills "SUB-2":
        "The replay is read first and the live channel opened after it; what comes between falls through."
    LiveLostDuringReplay "live-lost-during-replay" kills "SUB-2":
        "The live channel has no buffer, and while the replay is being sent nobody receives from it."
    StreamedIsDone "streamed-is-done" kills "SUB-3":
        "What was written to a stream is taken out of the mailbox: the acknowledgement is only for the status."
    CancelLosesQueue "cancel-loses-queue" kills "SUB-3":
        "Messages move from the mailbox into the stream's queue, and the queue dies with the stream."
    AcknowledgedReplayed "acknowledged-replayed" kills "SUB-4":
        "The replay reads the session's whole log and leaves it to the client to know what it has."
    AckWhileAwayForgotten "ack-while-away-forgotten" kills "SUB-4":
        "An acknowledgement is handed to the party's stream; with none open only the status learns of it."
    SecondSubscriptionStarved "second-subscription-starved" kills "SUB-5":
        "The first stream of a party stays the registered one until its socket times out."
    SubscriptionsShareMessages "subscriptions-share-messages" kills "SUB-5":
        "Streams of one party are competing consumers of one queue."
    FirstEndSilencesSecond "first-end-silences-second" kills "SUB-5":
        "Streams are registered by party, so the end of the first one takes the second off the register."
    EmptySubscriberAccepted "empty-subscriber-accepted" kills "SUB-6":
        "A stream for the empty party opens and stays silent for ever."
    EmptySubscriberEndsQuietly "empty-subscriber-ends-quietly" kills "SUB-6":
        "A subscription without a party ends at once, with OK, as if all had been read."
    UnknownSubscriberAccepted "unknown-subscriber-accepted" kills "SUB-7":
        "A mailbox is created for whoever asks."
    UnknownSubscriberEndsQuietly "unknown-subscriber-ends-quietly" kills "SUB-7":
        "The error is swallowed by the stream's task: the stream ends at once, with OK."
    StreamEndsWhenDrained "stream-ends-when-drained" kills "SUB-8":
        "The stream is an iterator over the mailbox, and ends where that ends."
    StreamEndsWhenIdle "stream-ends-when-idle" kills "SUB-8":
        "A proxy with an idle time-out of one second ends silent streams, with OK."
    KeepAliveMessages "keep-alive-messages" kills "SUB-8":
        "A silent stream is kept warm by an empty message every second."
    EventHeadersLate "event-headers-late" kills "SUB-10":
        "The event stream sends its headers with its first event."

    PollNewestFirst "poll-newest-first" kills "PND-1":
        "The poll query orders by time, descending."
    PollPageOf100 "poll-page-of-100" kills "PND-1":
        "A poll answers with a page of 100."
    AfterTimestampIgnored "after-timestamp-ignored" kills "PND-2":
        "`after_timestamp` came to the proto later, and was never put into the query."
    AfterTimestampWithSlack "after-timestamp-with-slack" kills "PND-2":
        "A second is taken off `after_timestamp`, so that nothing is lost by clocks."
    AfterTimestampExclusive "after-timestamp-exclusive" kills "PND-3":
        "The query says `>`, so what shares its millisecond with the last one seen is never fetched."
    AckClosesMillisecond "ack-closes-millisecond" kills "PND-3":
        "An acknowledgement moves the mailbox's cursor past its millisecond, and polls from there start behind it."
    PollAnswersWholeBacklog "poll-answers-whole-backlog" kills "PND-4":
        "A poll answers with all there is, however many MiB, and the client's gRPC library refuses it."
    PollSkipsWhatDoesNotFit "poll-skips-what-does-not-fit" kills "PND-4":
        "A poll leaves out what does not fit and goes on with smaller, newer ones."
    MillisecondOverfull "millisecond-overfull" kills "PND-4":
        "More than an answer's worth falls into one millisecond, and the poller gets the same part for ever."
    PollLeavesPending "poll-leaves-pending" kills "PND-5":
        "Only streams mark a delivery as delivered; a poll is a read."
    PollTakesAway "poll-takes-away" kills "PND-5":
        "A poll pops from the mailbox, so an answer that was lost is lost."
    PollCountsAsRetry "poll-counts-as-retry" kills "PND-6":
        "Every hand-out after the first one increments `retry_count`, a poll's too."
    PolledTooOftenFails "polled-too-often-fails" kills "PND-6":
        "The attempts that make a delivery fail include polls, though `retry_count` does not show them."
    UnknownPollerGetsNothing "unknown-poller-gets-nothing" kills "PND-7":
        "A mailbox that does not exist is an empty one."
    EmptyPollerAccepted "empty-poller-accepted" kills "PND-7":
        "The empty party has an empty mailbox, like any other."
    PollIgnoresStreamAcks "poll-ignores-stream-acks" kills "PND-8":
        "Polls read a second table, and acknowledgements of what was streamed do not reach it."
    StreamIgnoresPollAcks "stream-ignores-poll-acks" kills "PND-8":
        "Streams keep a queue of their own, and acknowledgements of what was polled do not reach it."

    AcksForAllRecipients "acks-for-all-recipients" kills "ACK-1":
        "The state lives on the message, so one recipient's acknowledgement is everybody's."
    HundredthAckLost "hundredth-ack-lost" kills "ACK-1":
        "Acknowledgements are written in batches of 100, and an off-by-one drops the last of each batch."
    SecondAckRefused "second-ack-refused" kills "ACK-2":
        "An acknowledgement deletes the row, and the next one does not find it."
    SecondAckMovesTime "second-ack-moves-time" kills "ACK-2":
        "A repeated acknowledgement is accepted by writing it again, time included."
    NackPutsBack "nack-puts-back" kills "ACK-3":
        "A negative acknowledgement asks for another delivery, as it does in a broker."
    NackTakenForAck "nack-taken-for-ack" kills "ACK-3":
        "Nobody reads the flag: every acknowledgement is a good one."
    LateNackOverrides "late-nack-overrides" kills "ACK-4":
        "The last writer wins: a later failure replaces an acknowledgement."
    LateAckRevives "late-ack-revives" kills "ACK-4":
        "A failed delivery can still be acknowledged, since good news is always welcome."
    ContraryAckShrugged "contrary-ack-shrugged" kills "ACK-4":
        "A contrary acknowledgement changes nothing, but is answered with success."
    UnknownMessageAcknowledged "unknown-message-acknowledged" kills "ACK-5":
        "Acknowledging what is not there is a DELETE that nobody asks how many rows it changed."
    UnknownMessageNackAccepted "unknown-message-nack-accepted" kills "ACK-5":
        "The look-up stands on the branch of `success = true` only."
    StrangerAckAccepted "stranger-ack-accepted" kills "ACK-6":
        "Whoever acknowledges is not looked up: without a row to change the call succeeds."
    StrangerAcksForFirst "stranger-acks-for-first" kills "ACK-6":
        "When the party has no row of its own the message's first row is taken."
    AckIgnoresSession "ack-ignores-session" kills "ACK-7":
        "Message ids are unique, so nobody compares the session."
    AckWithoutSession "ack-without-session" kills "ACK-7":
        "The session is compared only when the caller names one."
    PendingAckRefused "pending-ack-refused" kills "ACK-8":
        "The state machine knows no way from `pending` to `acknowledged`."
    PendingAckForgotten "pending-ack-forgotten" kills "ACK-8":
        "The UPDATE says WHERE status = 'delivered', and its count is ignored."
    RedeliversAcknowledged "redelivers-acknowledged" kills "ACK-9":
        "The redelivery timer is not cancelled: one more copy comes after the acknowledgement."
    BatchNotTrimmed "batch-not-trimmed" kills "ACK-9":
        "The stream sends its window again with every new message, acknowledged or not."
    RepeatedAckCountsTwice "repeated-ack-counts-twice" kills "ACK-10":
        "The counter is lowered by every accepted acknowledgement, repeated ones included."
    PendingAckLowersNothing "pending-ack-lowers-nothing" kills "ACK-10":
        "The counter is lowered by the step from `delivered` only."
    AcksCumulatively "acks-cumulatively" kills "ACK-11":
        "A high-water mark replaces single acknowledgements: one takes all earlier ones with it."
    AcksInOrderOnly "acks-in-order-only" kills "ACK-11":
        "An acknowledgement is kept only when all earlier ones have come."
    AckRace "ack-race" kills "ACK-12":
        "The state is read, then written without a comparison: both of two callers win."
    LosingAckWritten "losing-ack-written" kills "ACK-12":
        "The loser of two acknowledgements at once is rejected, after it has overwritten the winner."

    BroadcastIsOneEntry "broadcast-is-one-entry" kills "STS-1":
        "A broadcast is one row, and its status is one entry with the name `*`."
    StatusBeyond50Cut "status-beyond-50-cut" kills "STS-1":
        "The status query has a page size of 50."
    AcceptedIsDelivered "accepted-is-delivered" kills "STS-2":
        "A message counts as delivered when it lies in the mailbox."
    PendingHasDeliveryTime "pending-has-delivery-time" kills "STS-2":
        "`delivered_at` falls back to `created_at` when it is not set."
    StreamedStaysPending "streamed-stays-pending" kills "STS-3":
        "A delivery leaves `pending` by its acknowledgement, or by a poll."
    DeliveredHasAckTime "delivered-has-ack-time" kills "STS-3":
        "One column serves both times."
    AcknowledgedAtInSeconds "acknowledged-at-in-seconds" kills "STS-4":
        "`acknowledged_at` is written by another service, which counts seconds."
    AcknowledgedCalledAcked "acknowledged-called-acked" kills "STS-4":
        "The status is called `acked`, as in the code."
    DisconnectResetsStatus "disconnect-resets-status" kills "STS-5":
        "When a stream ends, what it had in flight becomes `pending` again."
    SecondRegistrationResetsStatus "second-registration-resets-status" kills "STS-5":
        "A party that registers again has forgotten everything, so its deliveries become `pending` again."
    FailedCountsAsAcknowledged "failed-counts-as-acknowledged" kills "STS-6":
        "`all_acknowledged` means that nothing is outstanding."
    AnyAckIsAllAcknowledged "any-ack-is-all-acknowledged" kills "STS-6":
        "`all_acknowledged` is set by the first acknowledgement, since early messages had one recipient."
    UnknownStatusEmpty "unknown-status-empty" kills "STS-7":
        "The status of an unknown message is a query without rows."
    StatusIgnoresSession "status-ignores-session" kills "STS-7":
        "Message ids are unique, so nobody compares the session."
    PollMovesDeliveredAt "poll-moves-delivered-at" kills "STS-8":
        "Every poll writes `delivered_at`."
    SendingMovesDeliveredAt "sending-moves-delivered-at" kills "STS-8":
        "Every sending on a stream writes `delivered_at`, a redelivery and a second stream too."
    StatusWithoutSession "status-without-session" kills "STS-9":
        "`session_id` came to the answer later, and nobody fills it."
    StatusWithoutId "status-without-id" kills "STS-9":
        "The answer was split from a list of answers, and lost the id that was its key."

    NeverRedelivers "never-redelivers" kills "RED-1":
        "The timer is armed when a stream opens, and not again for what is sent on it later."
    RedeliversWithoutPayload "redelivers-without-payload" kills "RED-1":
        "A redelivery is built from the index, which has all but the payload."
    RedeliversTooEarly "redelivers-too-early" kills "RED-2":
        "The timer's tick is half the time-out, and whoever is not acknowledged by the next tick is sent again."
    RedeliversWithEachMessage "redelivers-with-each-message" kills "RED-2":
        "The stream sends what is unacknowledged again with every new message."
    RetryCountStuck "retry-count-stuck" kills "RED-3":
        "The count lives in the stream's task and is never written back."
    RetryCountFromOne "retry-count-from-one" kills "RED-3":
        "`retry_count` counts deliveries, the first one included."
    RedeliversForEver "redelivers-for-ever" kills "RED-4":
        "`max_retries` is read from the configuration and compared with nothing."
    FailsWithLastRetry "fails-with-last-retry" kills "RED-4":
        "The last redelivery fails the delivery at once, without waiting for its acknowledgement."
    RetriesCountWhileAway "retries-count-while-away" kills "RED-5":
        "Attempts are counted by the clock, whether there was a stream to send on or not."
    FailsWhileAway "fails-while-away" kills "RED-5":
        "A reaper fails what was handed out longer ago than all retries take, stream or no stream."
    AckAfterRetryIgnored "ack-after-retry-ignored" kills "RED-6":
        "A redelivery is a job of its own, and the acknowledgement ends only the first one."
    NackKeepsRetrying "nack-keeps-retrying" kills "RED-6":
        "Only a positive acknowledgement stops the timer."
    RedeliversToAllRecipients "redelivers-to-all-recipients" kills "RED-7":
        "The timer belongs to the message, so one recipient's silence sends it again to all."
    TimerStartsInQueue "timer-starts-in-queue" kills "RED-8":
        "A delivery's time runs from when it was queued for the stream, so a slow reader loses it unread."

    NeverExpires "never-expires" kills "EXP-1":
        "The job that expires deliveries is in the design and not in the schedule."
    ExpiresUnreadOnly "expires-unread-only" kills "EXP-1":
        "The job looks for the state `pending`, so what was handed out once is kept for ever."
    ExpiresInHalfTheTime "expires-in-half-the-time" kills "EXP-2":
        "The time to live is set on the message and on its partition, and the partition begins earlier."
    ExpiresEarlyForOffline "expires-early-for-offline" kills "EXP-2":
        "A party that is offline is not expected back, and what it missed lives half as long."

    EventsForSelectedOnly "events-for-selected-only" kills "EVT-1":
        "An event that selects nobody reaches nobody."
    EventsDebounced "events-debounced" kills "EVT-1":
        "Events of one session within a few milliseconds are taken for one, and the later ones dropped."
    EventTypeByPrefix "event-type-by-prefix" kills "EVT-2":
        "`event_types` is matched as a topic prefix."
    FirstEventTypeOnly "first-event-type-only" kills "EVT-2":
        "Only the first of several `event_types` makes it into the filter."
    MessageHashLost "message-hash-lost" kills "EVT-3":
        "`message_hash` is missing from the copy constructor."
    JoinTokensWithheld "join-tokens-withheld" kills "EVT-3":
        "All join tokens are stripped, the subscriber's own as well."
    SelectedPartiesSorted "selected-parties-sorted" kills "EVT-3":
        "`selected_parties` passes through a sorted set, though its order numbers the parties."
    EventIdReplaced "event-id-replaced" kills "EVT-4":
        "Every event gets a new id, given or not."
    EventIdLeftEmpty "event-id-left-empty" kills "EVT-4":
        "An event that came without an id leaves without one."
    EventTimeReplaced "event-time-replaced" kills "EVT-4":
        "`created_at` is always the time of publication."
    CountsStreams "counts-streams" kills "EVT-5":
        "`subscriber_count` counts streams."
    CountsSelected "counts-selected" kills "EVT-5":
        "`subscriber_count` is the number of selected parties, listening or not."
    EventsInTwoLanes "events-in-two-lanes" kills "EVT-6":
        "Events with join tokens go through the encrypting lane, which is slower."
    EventsSwappedOnceIn20 "events-swapped-once-in-20" kills "EVT-6":
        "A pool of workers sends events, and once in twenty the slower one has the earlier event."
    EventWithoutSession "event-without-session" kills "EVT-7":
        "`session_id` is not checked on events."
    EventWithoutType "event-without-type" kills "EVT-7":
        "`event_type` is not checked on events."
    MissingEventAccepted "missing-event-accepted" kills "EVT-7":
        "A request without an event has nothing to publish, which is a success."
    ThresholdOverN "threshold-over-n" kills "EVT-8":
        "The two thresholds are not compared."
    NegativeThreshold "negative-threshold" kills "EVT-8":
        "Negative thresholds pass, since only their order is checked."
    SelectedTwice "selected-twice" kills "EVT-8":
        "A party selected twice passes, since selected parties become a set later."
    LastEventOnlyDeduplicated "last-event-only-deduplicated" kills "EVT-9":
        "A publisher's retry is recognised by the id of the last event, and of that one only."
    UnknownListenerAccepted "unknown-listener-accepted" kills "EVT-10":
        "Event subscriptions do not ask the directory."
    EmptyListenerAccepted "empty-listener-accepted" kills "EVT-10":
        "The empty party gets an event stream, which hears only what is for everybody."
    EndedListenersCounted "ended-listeners-counted" kills "EVT-11":
        "Ended event streams are cleaned up by a sweep that runs once an hour."
    EndedListenerFailsPublish "ended-listener-fails-publish" kills "EVT-11":
        "Sending to a stream that has ended is an error, and publishing returns it."
    PublishWaitsForEnded "publish-waits-for-ended" kills "EVT-11":
        "Streams that have ended are not counted, but each is still sent to, with a time-out of a second."
    EventsToEverybody "events-to-everybody" kills "EVT-12":
        "Events go to all subscribers, and clients are trusted to drop what does not concern them."
}
