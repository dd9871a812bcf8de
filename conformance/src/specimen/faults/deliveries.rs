//! Deliveries: streamed, polled, acknowledged, told of.

macro_rules! of_deliveries {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

    NoReplay "no-replay" kills "SUB-1":
        "A subscription sees what is routed from now on; what waits is for polls."
    ReplayOf50 "replay-of-50" kills "SUB-1":
        "The replay query has a page size of 50."
    WindowOf100 "window-of-100" kills "SUB-1":
        "A stream stops when 100 of its messages are unacknowledged, as a broker's prefetch does."
    StreamDriesUpAfter500 "stream-dries-up-after-500" kills "SUB-1":
        "The stream's credit of 500 items is never refilled."
    ReplaySkipsOver1MiB "replay-skips-over-1-mib" kills "SUB-1":
        "A replay is read in pages of 1 MiB, and what is longer than a page is left out."
    RegisteringSilencesStream "registering-silences-stream" kills "SUB-1":
        "Registering puts a new record in the place of the old one, and the open stream hung on that."
    AnnouncingAgainSilencesStreams "announcing-again-silences-streams" kills "SUB-1":
        "An announcement builds the session's record, also the second time, and the open streams hung on the first."
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
    EndRemovesByIndex "end-removes-by-index" kills "SUB-5":
        "Streams are a list, and each remembers its place in it; after one has ended, another end removes a third."
    ThirdStreamHasNoSlot "third-stream-has-no-slot" kills "SUB-5":
        "A party has a slot for its stream and one for the next while the first one ends; a third stays silent."
    StalledFirstHoldsUpSecond "stalled-first-holds-up-second" kills "SUB-5":
        "The fan-out awaits each of a party's streams in turn, and the oldest is of a client that hangs."
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
    WildcardOfOpening "wildcard-of-opening" kills "SUB-9":
        "The empty `session_id` is resolved to the party's sessions when the stream opens, and later ones are missing."
    WildcardIsLiveOnly "wildcard-is-live-only" kills "SUB-9":
        "The replay is loaded by session, and the empty `session_id` has nothing outstanding."
    WildcardLeavesToOthers "wildcard-leaves-to-others" kills "SUB-9":
        "The most specific subscription wins, so a session's own stream takes its messages from the wildcard one."
    WildcardSilencesOthers "wildcard-silences-others" kills "SUB-9":
        "A party has one subscription, so a wildcard stream takes the place of all others."
    WildcardOfFewSessions "wildcard-of-few-sessions" kills "SUB-9":
        "The query for a party's sessions has the console's page size of 100."
    WildcardPollFindsNothing "wildcard-poll-finds-nothing" kills "SUB-9":
        "Only streams know the empty `session_id`; polls look for a session of that name."
    WildcardPollBySession "wildcard-poll-by-session" kills "SUB-9":
        "A poll of all sessions glues their lists together, and pollers that go on by `created_at` miss some."
    WildcardPollShufflesTies "wildcard-poll-shuffles-ties" kills "SUB-9":
        "A poll of all sessions merges their lists by `created_at` with an unstable sort."
    EventHeadersLate "event-headers-late" kills "SUB-10":
        "The event stream sends its headers with its first event."

    PollNewestFirst "poll-newest-first" kills "PND-1":
        "The poll query orders by time, descending."
    PollPageOf100 "poll-page-of-100" kills "PND-1":
        "A poll answers with a page of 100."
    AnnouncingAgainEmptiesSession "announcing-again-empties-session" kills "PND-1":
        "An announcement builds the session's record, also the second time, and the mailboxes are in it."
    AfterTimestampIgnored "after-timestamp-ignored" kills "PND-2":
        "`after_timestamp` came to the proto later, and was never put into the query."
    AfterTimestampWithSlack "after-timestamp-with-slack" kills "PND-2":
        "A second is taken off `after_timestamp`, so that nothing is lost by clocks."
    AfterTimestampInNanoseconds "after-timestamp-in-nanoseconds" kills "PND-2":
        "`after_timestamp` is made nanoseconds without a look at overflow, so the far future is the past."
    AfterTimestampUnsigned "after-timestamp-unsigned" kills "PND-2":
        "`after_timestamp` is cast to an unsigned number, so one before 1970 is the far future."
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
    EndedRowsTrimmedTo1000 "ended-rows-trimmed-to-1000" kills "ACK-2":
        "Of each session the last 1,000 deliveries that are over are kept, since nobody asks for older ones."
    StatusLivesFromAcceptance "status-lives-from-acceptance" kills "ACK-2":
        "Rows are partitioned by `created_at`, and a partition is dropped when `message_ttl` has passed and nothing in it is outstanding."
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

    } };
}

pub(super) use of_deliveries;
