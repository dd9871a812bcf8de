//! What time does to deliveries.

macro_rules! of_timers {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

    NeverRedelivers "never-redelivers" kills "RED-1":
        "The timer is armed when a stream opens, and not again for what is sent on it later."
    RedeliversWithoutPayload "redelivers-without-payload" kills "RED-1":
        "A redelivery is built from the index, which has all but the payload."
    TimerRestartsWithEachMessage "timer-restarts-with-each-message" kills "RED-1":
        "A stream has one timer, and every sending sets it anew, so on a busy stream it never rings."
    PollStopsRedelivery "poll-stops-redelivery" kills "RED-1":
        "A poll takes the delivery over from the stream, timer included."
    RedeliversFirst50Only "redelivers-first-50-only" kills "RED-1":
        "A stream's window of unacknowledged messages has 50 places, and the rest is sent and forgotten."
    WildcardNeverRedelivers "wildcard-never-redelivers" kills "RED-1":
        "Timers are looked up by session, and a stream of all sessions has none."
    LargeRedeliveredFromIndex "large-redelivered-from-index" kills "RED-1":
        "Payloads of a MiB and more live in a store of their own, and a redelivery loads the row alone."
    RedeliversTooEarly "redelivers-too-early" kills "RED-2":
        "The timer's tick is half the time-out, and whoever is not acknowledged by the next tick is sent again."
    RedeliversWithEachMessage "redelivers-with-each-message" kills "RED-2":
        "The stream sends what is unacknowledged again with every new message."
    RedeliversAllWhenOneIsDue "redelivers-all-when-one-is-due" kills "RED-2":
        "When the oldest is overdue the whole window is sent again, as go-back-N does."
    TimerOutlivesStream "timer-outlives-stream" kills "RED-2":
        "Timers belong to the party and go on when its stream ends, so they ring on the next one."
    TimerStartsAtRouting "timer-starts-at-routing" kills "RED-2":
        "The time runs from `created_at`, so what waited for its recipient is sent twice at once."
    RetryCountStuck "retry-count-stuck" kills "RED-3":
        "The count lives in the stream's task and is never written back."
    RetryCountFromOne "retry-count-from-one" kills "RED-3":
        "`retry_count` counts deliveries, the first one included."
    ReplayCountsAsRetry "replay-counts-as-retry" kills "RED-3":
        "Sending something once more on a new stream increments the count."
    RetryCountOfMessage "retry-count-of-message" kills "RED-3":
        "The count is a column of the message, shown for each of its recipients."
    RetriesCountByPresence "retries-count-by-presence" kills "RED-3":
        "The timer asks whether the party is there, so attempts count on while it has a stream for something else."
    RedeliversForEver "redelivers-for-ever" kills "RED-4":
        "`max_retries` is read from the configuration and compared with nothing."
    FailsWithLastRetry "fails-with-last-retry" kills "RED-4":
        "The last redelivery fails the delivery at once, without waiting for its acknowledgement."
    AttemptsPerStream "attempts-per-stream" kills "RED-4":
        "Attempts are counted by the stream, so whoever comes back in time never runs out of them."
    OneRetryMore "one-retry-more" kills "RED-4":
        "The count is compared by `>` where it should be `>=`."
    FailsForAllRecipients "fails-for-all-recipients" kills "RED-4":
        "The state lives on the message, so one recipient's silence fails it for all."
    TimeOutLowersNothing "time-out-lowers-nothing" kills "RED-4":
        "`pending_messages` is a counter that acknowledgements lower, and what fails in vain stays counted."
    RetriesCountWhileAway "retries-count-while-away" kills "RED-5":
        "Attempts are counted by the clock, whether there was a stream to send on or not."
    FailsWhileAway "fails-while-away" kills "RED-5":
        "A reaper fails what was handed out longer ago than all retries take, stream or no stream."
    EachStreamIsAnAttempt "each-stream-is-an-attempt" kills "RED-5":
        "Each new stream that is sent a delivery again counts against the attempts, timed or not."
    AckAfterRetryIgnored "ack-after-retry-ignored" kills "RED-6":
        "A redelivery is a job of its own, and the acknowledgement ends only the first one."
    NackKeepsRetrying "nack-keeps-retrying" kills "RED-6":
        "Only a positive acknowledgement stops the timer."
    AckMissesWildcardTimer "ack-misses-wildcard-timer" kills "RED-6":
        "An acknowledgement stops the timer of its session's stream, and a stream of all sessions came later, with its own."
    RedeliversToAllRecipients "redelivers-to-all-recipients" kills "RED-7":
        "The timer belongs to the message, so one recipient's silence sends it again to all."
    RedeliversToAllUnacknowledged "redelivers-to-all-unacknowledged" kills "RED-7":
        "The timer belongs to the message, so whoever got it later gets it again too early."
    TimerStartsInQueue "timer-starts-in-queue" kills "RED-8":
        "A delivery's time runs from when it was queued for the stream, so a slow reader loses it unread."
    RetriesRunInQueue "retries-run-in-queue" kills "RED-8":
        "The retry loop counts its rounds also while the transport takes nothing."

    NeverExpires "never-expires" kills "EXP-1":
        "The job that expires deliveries is in the design and not in the schedule."
    ExpiresUnreadOnly "expires-unread-only" kills "EXP-1":
        "The job looks for the state `pending`, so what was handed out once is kept for ever."
    PollRenewsTtl "poll-renews-ttl" kills "EXP-1":
        "The store touches what it reads, so a poller keeps its messages alive for ever."
    ExpiredStaysInMailbox "expired-stays-in-mailbox" kills "EXP-1":
        "The job sets the state, and the mailbox from which polls are answered is another table."
    ExpiryLowersNothing "expiry-lowers-nothing" kills "EXP-1":
        "`pending_messages` is a counter that acknowledgements lower, and what has expired stays counted."
    ExpiresInHalfTheTime "expires-in-half-the-time" kills "EXP-2":
        "The time to live is set on the message and on its partition, and the partition begins earlier."
    ExpiresEarlyForOffline "expires-early-for-offline" kills "EXP-2":
        "A party that is offline is not expected back, and what it missed lives half as long."
    ExpiresWholeMailbox "expires-whole-mailbox" kills "EXP-2":
        "The mailbox has one time to live, and goes as a whole with its oldest message."
    ExpiresFromSessionStart "expires-from-session-start" kills "EXP-2":
        "The time to live is set on the session's key, so late messages live shorter."
    EndedSessionSweptLater "ended-session-swept-later" kills "EXP-2":
        "A job deletes what belongs to sessions that ended a while ago, whoever has yet to fetch the last round."

    } };
}

pub(super) use of_timers;
