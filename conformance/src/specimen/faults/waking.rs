//! Waking parties that are away, and staying fair and honest under load.

macro_rules! of_waking {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

    NotifiedIsDelivered "notified-is-delivered" kills "OFF-1":
        "The notification counts as the delivery, so a party that was told finds nothing to fetch."
    CollapsesWhileAway "collapses-while-away" kills "OFF-1":
        "What waits for a party with a channel is collapsed by sender, as push services do it."
    OfflinePollRefused "offline-poll-refused" kills "OFF-1":
        "A party that was away has to send a heartbeat before anything else is answered."
    OfflineAckRefused "offline-ack-refused" kills "OFF-1":
        "Acknowledgements are taken only of parties that are online."
    NotifiesOfEachMessage "notifies-of-each-message" kills "OFF-2":
        "Each message for a party that is away raises its own notification."
    NotifiesOnceForAllSessions "notifies-once-for-all-sessions" kills "OFF-2":
        "The mark that a party has been told is a column of the party, so a second session raises none."
    NotificationShowsPayload "notification-shows-payload" kills "OFF-2":
        "The notification has a preview of what waits."
    NotificationCarriesMessage "notification-carries-message" kills "OFF-2":
        "The message goes with the notification, in base64, to save the party a poll."
    NotifiesFirstChannelOnly "notifies-first-channel-only" kills "OFF-2":
        "The channels are taken for alternatives, and the first one that has an address is used."
    NotifiesOfUnicastsOnly "notifies-of-unicasts-only" kills "OFF-2":
        "The fan-out of a broadcast has a path of its own, without the hook for notifications."
    HeartbeatLeavesToldMark "heartbeat-leaves-told-mark" kills "OFF-2":
        "The mark that a party has been told is cleared by what fetches something, and not by a heartbeat."
    PollLeavesToldMark "poll-leaves-told-mark" kills "OFF-2":
        "The mark that a party has been told is cleared when it comes online, and a poll does not make it so."
    StreamLeavesToldMark "stream-leaves-told-mark" kills "OFF-2":
        "The mark that a party has been told is cleared by unary calls, and subscribing is none."
    ToldMarkExpires "told-mark-expires" kills "OFF-2":
        "The mark that a party has been told lives in a cache for as long as `heartbeat_timeout`."
    AckClearsToldMark "ack-clears-told-mark" kills "OFF-2":
        "An acknowledgement clears the mark that a party has been told, though it has not come back."
    ToldRace "told-race" kills "OFF-2":
        "The mark that a party has been told is looked up, then written, and all first messages of a round find none."
    NotifiesOnEmptyMailbox "notifies-on-empty-mailbox" kills "OFF-2":
        "The hook stands where a mailbox goes from empty to non-empty, so who left something unread is told of nothing new."
    Only200IsSuccess "only-200-is-success" kills "OFF-2":
        "The gateway's answer is compared with 200, so who says 202 or 204 is told over and over."
    NotifiesOnlineParties "notifies-online-parties" kills "OFF-3":
        "Whoever has a channel is told, and nobody asks whether it is away."
    NotifiesWhoHasNoStream "notifies-who-has-no-stream" kills "OFF-3":
        "A party counts as away where it has no open stream, so pollers are told all the time."
    NotifiesByStalePresence "notifies-by-stale-presence" kills "OFF-3":
        "The notifier asks a cache who is online, so whoever has just come back is told."
    NotifiesWithoutAddress "notifies-without-address" kills "OFF-3":
        "Channels without an address are sent to as well."
    NotificationTriedOnce "notification-tried-once" kills "OFF-4":
        "A notification that fails is logged and forgotten."
    NotificationTriedTwice "notification-tried-twice" kills "OFF-4":
        "A notification that fails is tried once more, at once, and no further."
    OnlyServerErrorsAreRetried "only-server-errors-are-retried" kills "OFF-4":
        "The HTTP client's retry policy is for 5xx, so a gateway that answers 429 or 302 is asked once."
    RetriesFirstChannelOnly "retries-first-channel-only" kills "OFF-4":
        "The retry finds that the party has been told of the session, which its first channel says."
    RoutingWaitsForNotification "routing-waits-for-notification" kills "OFF-4":
        "The notification is sent within RouteMessage, which returns when the gateway has answered."
    RoutingFailsWithNotification "routing-fails-with-notification" kills "OFF-4":
        "An error of the gateway is passed up and becomes that of RouteMessage."
    GatewayFailurePassedOn "gateway-failure-passed-on" kills "OFF-4":
        "A gateway that fails makes RouteMessage answer UNAVAILABLE, so that the sender tries again."
    HangingGatewayHoldsUpAll "hanging-gateway-holds-up-all" kills "OFF-4":
        "One task sends all notifications in turn, without a time-out, so one that hangs stops the rest."
    NotifiesByFirstRegistration "notifies-by-first-registration" kills "OFF-5":
        "The notifier has a table of channels of its own, which is written when a party is new."
    RemovedChannelStillUsed "removed-channel-still-used" kills "OFF-5":
        "A registration without channels overwrites none in the notifier's table."

    StalledReaderHoldsUpSession "stalled-reader-holds-up-session" kills "FLW-1":
        "A session has one queue for all its streams, and the slowest reader sets the pace."
    StalledReaderSlowsFanOut "stalled-reader-slows-fan-out" kills "FLW-1":
        "The fan-out gives each full queue some time to drain before it goes on to the next recipient."
    StalledReaderStopsRouting "stalled-reader-stops-routing" kills "FLW-1":
        "RouteMessage waits until there is room in the queue of each recipient's stream."
    FullQueueHoldsUpOnce "full-queue-holds-up-once" kills "FLW-1":
        "The first time that a queue is full, its session waits for it, until the reader is marked as slow."
    LaggingStreamDropsNewest "lagging-stream-drops-newest" kills "FLW-2":
        "A stream's channel has 1,000 places, and what finds none is dropped by `try_send`."
    LaggingStreamSkipsOldest "lagging-stream-skips-oldest" kills "FLW-2":
        "A stream reads from a ring of 1,000, and goes on behind what was overwritten."
    LaggingStreamDropsLarge "lagging-stream-drops-large" kills "FLW-2":
        "A stream that lags has a budget of bytes, for which large messages are passed over."
    OverflowReadBackwards "overflow-read-backwards" kills "FLW-2":
        "What does not fit into a stream's queue is put on a stack, and comes back from its top."
    MailboxIsACache "mailbox-is-a-cache" kills "FLW-3":
        "Mailboxes live in a cache with a limit in bytes, which throws out the oldest."
    AcceptsMoreThanItHandles "accepts-more-than-it-handles" kills "FLW-3":
        "Accepted messages go through a bounded channel to the writer, and what finds it full is lost."
    WaitsLongForRoom "waits-long-for-room" kills "FLW-3":
        "A call for which there is no room waits for some, and is refused only when it has waited for long."
    RefusesWhatItKept "refuses-what-it-kept" kills "FLW-3":
        "The limit is checked after the message was stored, and nobody takes that back."
    ResetsLeakPermits "resets-leak-permits" kills "FLW-4":
        "A call takes a permit and gives it back at its end, which a call that is reset never comes to."
    WaitingCallsRefuseOthers "waiting-calls-refuse-others" kills "FLW-4":
        "The server refuses calls of every connection while too many wait to be taken up, those that were reset among them: gRPC's C core does so from 1,000 on (grpc.server.max_pending_requests)."
    RequestsReadInTurn "requests-read-in-turn" kills "FLW-4":
        "One lock is held while a request is read, so whoever sends half of one stops all others."
    GarbagePoisonsLock "garbage-poisons-lock" kills "FLW-4":
        "A request that does not decode panics with the lock held, and every later call finds it poisoned."
    FirstPanicHoldsUp "first-panic-holds-up" kills "FLW-4":
        "A request that does not decode panics, and the first panic loads symbols with the lock held."
    DeadlineLeavesHalfBroadcast "deadline-leaves-half-broadcast" kills "FLW-5":
        "A broadcast goes into one mailbox after the other, and a deadline ends that anywhere."
    HeadersMeetTheDeadline "headers-meet-the-deadline" kills "FLW-5":
        "Response headers leave as soon as a call comes, and the time-out is for these alone."

    } };
}

pub(super) use of_waking;
