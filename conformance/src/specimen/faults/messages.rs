//! Messages on their way in: to whom they go, and in which order.

macro_rules! of_messages {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

    UnicastToEverybody "unicast-to-everybody" kills "RTE-1":
        "Messages go to the session's topic, and clients are trusted to drop what is not theirs."
    UnicastToNamePrefix "unicast-to-name-prefix" kills "RTE-1":
        "Topics match by prefix, so what is for `party-1` also reaches `party-10`."
    LosesConcurrentSends "loses-concurrent-sends" kills "RTE-1":
        "The mailbox is read, changed and written back, so of two calls at once one is lost."
    DropsAfterThe50th "drops-after-the-50th" kills "RTE-1":
        "The session's buffer holds 50 messages: what comes later is acknowledged to the sender and dropped."
    RecipientsCutAt64 "recipients-cut-at-64" kills "RTE-1":
        "Mailboxes are keyed by a column of 64 characters, and what is longer is cut without an error."
    MulticastReachesFirstOnly "multicast-reaches-first-only" kills "RTE-2":
        "The handler reads `to_parties[0]`, since all early callers named one party."
    MulticastBeyond50Lost "multicast-beyond-50-lost" kills "RTE-2":
        "Fan-out goes in batches of 50, and only the first batch is sent."
    FanOutToFirst64Streams "fan-out-to-first-64-streams" kills "RTE-2":
        "The hub has a fixed table of 64 streams a session, and what finds no place in it is left to polls."
    DoublesOnceIn100 "doubles-once-in-100" kills "RTE-2":
        "A send whose lock times out is tried again, and once in a hundred messages the first try had gone out."
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
    PayloadKeyedByRound "payload-keyed-by-round" kills "RTE-4":
        "Payloads over 64 KiB go to a blob store under session, sender, round and type, so equal labels overwrite them."
    PayloadFreedOnceHandedOut "payload-freed-once-handed-out" kills "RTE-4":
        "Once all recipients have had a message its payload is freed, and who asks again gets an empty one."
    ReplayWithoutPayload "replay-without-payload" kills "RTE-4":
        "The replay is built from the index of what is outstanding, and the index has no payloads."
    PollShowsFirstSender "poll-shows-first-sender" kills "RTE-4":
        "A poll loads the sender once and gives it to all of its rows, as tests had one sender only."
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
    SessionNamesCutAt64 "session-names-cut-at-64" kills "RTE-10":
        "Session names live in a column of 64 characters, and two with the same beginning are one session."
    MailboxKeyGlued "mailbox-key-glued" kills "RTE-10":
        "A mailbox is kept under `session:party`, and names with a colon in them make two of these equal."
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
    LanePerConnection "lane-per-connection" kills "ORD-1":
        "Each connection has a queue of its own, and they are merged later, so who reconnects overtakes itself."
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
    LargeReplayedLast "large-replayed-last" kills "ORD-3":
        "On subscribing, payloads over 1 MiB are fetched from the blob store while smaller ones are sent."
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
    ReplayPagesSwapped "replay-pages-swapped" kills "ORD-7":
        "A replay is loaded in pages of 500, side by side, and a later page may be there first."
    RedeliveryHoldsBack "redelivery-holds-back" kills "ORD-8":
        "The stream's loop waits for the acknowledgement of what it sent again before it goes on."
    RedeliveryShufflesFresh "redelivery-shuffles-fresh" kills "ORD-8":
        "After the first redelivery the queue becomes a heap by attempts, which keeps no order among the new."

    } };
}

pub(super) use of_messages;
