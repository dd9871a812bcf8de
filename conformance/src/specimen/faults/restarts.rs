//! What a restart does to what was accepted.

macro_rules! of_restarts {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

    MailboxesInMemory "mailboxes-in-memory" kills "DUR-1":
        "Messages and their statuses are in the database, and who waits for what is in a cache that nothing fills again."
    BroadcastsNotIndexed "broadcasts-not-indexed" kills "DUR-1":
        "Mailboxes are built again from `to_parties`, which is empty for broadcasts."
    StopLosesBuffer "stop-loses-buffer" kills "DUR-1":
        "The writer's last buffer is flushed by its timer, and an orderly stop does not wait for that."
    SecondRestartForgets "second-restart-forgets" kills "DUR-1":
        "The log begins anew with each start, and what was read from the old one is never written into the new one."
    RestoresFirst1000 "restores-first-1000" kills "DUR-1":
        "A mailbox is loaded by a query with LIMIT 1000, which nobody had a test for that goes over it."
    NewestSegmentOnly "newest-segment-only" kills "DUR-1":
        "The log begins a new file each 1,000 records, and the start reads the newest one."
    RestoresFiftyRecipients "restores-fifty-recipients" kills "DUR-1":
        "A message's recipients are loaded with it by a join that is cut at 50 rows."
    RestoresHundredSessions "restores-hundred-sessions" kills "DUR-1":
        "Sessions are loaded page by page, and the loop ends with the first page of 100."
    RecoveryNotRestartable "recovery-not-restartable" kills "DUR-2":
        "The start moves the old log into a new one and empties it first, so a second crash meanwhile loses what was not moved yet."
    KillLosesLastRecord "kill-loses-last-record" kills "DUR-2":
        "The answer leaves before the write has reached the disk."
    KillLosesBatch "kill-loses-batch" kills "DUR-2":
        "Writes are collected for 100 ms, and calls are answered meanwhile."
    RecipientsWrittenLater "recipients-written-later" kills "DUR-2":
        "A message is inserted with its first recipient, and the others follow in a transaction of their own."
    ChannelsInMemory "channels-in-memory" kills "DUR-3":
        "The table of parties was made before there were notification channels, and has no column for them."
    FirstChannelComesBack "first-channel-comes-back" kills "DUR-3":
        "Only a party's first registration is written, since later ones change nothing that is in the table."
    RolesComeBackPersistent "roles-come-back-persistent" kills "DUR-3":
        "The role is not written, and reading falls back to the default of the enum."
    MembersInMemory "members-in-memory" kills "DUR-3":
        "Sessions are written without their members, which live in the event hub."
    FirstMembersComeBack "first-members-come-back" kills "DUR-3":
        "Members are written with the session, and a later announcement changes them in memory only."
    EndedSessionsReopen "ended-sessions-reopen" kills "DUR-3":
        "The events that end a session are passed on and not written."
    HeartbeatTimeGoesBack "heartbeat-time-goes-back" kills "DUR-3":
        "Only the times of messages are kept from going back, and heartbeats are answered by a clock that was put right while the router was down."
    RestoredSortedById "restored-sorted-by-id" kills "DUR-4":
        "What is outstanding is loaded in the order of the primary key, which is the `message_id`."
    RestoredComeLast "restored-come-last" kills "DUR-4":
        "The sequence begins at 0 again, so what is routed after a restart sorts before what was outstanding."
    ClockGoesBack "clock-goes-back" kills "DUR-4":
        "`created_at` is kept from going back by a variable, and after a restart the clock is behind it."
    IdsStartAnew "ids-start-anew" kills "DUR-5":
        "Identifiers are a counter in memory."
    IdsCountTheOutstanding "ids-count-the-outstanding" kills "DUR-5":
        "The counter begins at the number of messages that were loaded, and only outstanding ones are."
    IdBlockGivenAgain "id-block-given-again" kills "DUR-5":
        "Identifiers are reserved in blocks, and after a restart the block goes on from its beginning."
    FailedComesBack "failed-comes-back" kills "DUR-6":
        "Only acknowledgements are written, and a failure is computed anew in time."
    TimedOutComesBack "timed-out-comes-back" kills "DUR-6":
        "What fails by its retries fails in the stream's task, which writes nothing."
    AcksCompactedAway "acks-compacted-away" kills "DUR-6":
        "Compaction keeps messages and drops what is older than the start, acknowledgements among it."
    AcknowledgedListedAgain "acknowledged-listed-again" kills "DUR-6":
        "Mailboxes are built from all messages, whatever has become of them."
    AcknowledgedAtRestart "acknowledged-at-restart" kills "DUR-6":
        "Acknowledgements are applied again when the log is read, with the time that it is then."
    TtlStartsAnew "ttl-starts-anew" kills "DUR-6":
        "The timer of what is outstanding is set when it is loaded, for all of `message_ttl`."
    StopEndsStreamsWithOk "stop-ends-streams-with-ok" kills "DUR-7":
        "The channels behind the streams are closed, so clients take it that all has been read."
    StopEndsEventStreamsWithOk "stop-ends-event-streams-with-ok" kills "DUR-7":
        "Message streams end with a status, and the event hub is just dropped."
    StopCancelsStreams "stop-cancels-streams" kills "DUR-7":
        "Streams hang on the server's context, whose end clients see as CANCELLED."
    StopCutsStreams "stop-cuts-streams" kills "DUR-7":
        "The process exits before the last frames have left."
    StopCutsCalls "stop-cuts-calls" kills "DUR-7":
        "Streams are ended, and calls under way are not waited for."
    StopCancelsCalls "stop-cancels-calls" kills "DUR-7":
        "Calls hang on the server's context, whose end clients see as CANCELLED."
    StopClosesStoreFirst "stop-closes-store-first" kills "DUR-7":
        "Components are stopped in the order of their start, the store first, and calls under way are still answered."
    StopWaitsForStreams "stop-waits-for-streams" kills "DUR-7":
        "A graceful stop waits for all calls, and a subscription is one that never ends."
    StopWaitsForStalledStream "stop-waits-for-stalled-stream" kills "DUR-7":
        "An orderly stop first sends what the streams' queues hold, and a reader that is asleep never lets it."
    StopExitsWithOne "stop-exits-with-one" kills "DUR-7":
        "The signal ends the main loop by an error, which becomes exit code 1."
    StopExitsWithOneAfterStreams "stop-exits-with-one-after-streams" kills "DUR-7":
        "Streams that had to be ended are reported as an error of the server's."
    TornTailRefused "torn-tail-refused" kills "DUR-8":
        "Whatever is wrong with the log stops the start, half a record at its end too."
    TornTailTakesOneMore "torn-tail-takes-one-more" kills "DUR-8":
        "The log is cut at the last record that has another one behind it."
    TornTailStays "torn-tail-stays" kills "DUR-8":
        "Reading stops at half a record and leaves it there, and what is written later stands behind it."
    DamageSkipped "damage-skipped" kills "DUR-9":
        "Records whose checksum is wrong are logged and passed over."
    DamageEndsLog "damage-ends-log" kills "DUR-9":
        "Every record that cannot be read is taken for the torn end of the log."
    PayloadsUnchecked "payloads-unchecked" kills "DUR-9":
        "Checksums are compared only where a record cannot be decoded."
    ZerosEndLog "zeros-end-log" kills "DUR-9":
        "The log's file is laid out in advance, so its first block of zeros is taken for what was never written."
    DamagedAckSkipped "damaged-ack-skipped" kills "DUR-9":
        "Only records that carry a payload are worth a stop, and smaller ones that cannot be read are passed over."
    DamageExitsWithZero "damage-exits-with-zero" kills "DUR-9":
        "The error is logged, and main returns as if all were well."
    DamageUntold "damage-untold" kills "DUR-9":
        "The process exits with 1, and the log that tells why is not flushed."
    KeysInMemory "keys-in-memory" kills "IDM-3":
        "Keys live in a cache beside the store."
    KillLosesLatestKey "kill-loses-latest-key" kills "IDM-3":
        "A key is written after its message, in a transaction of its own."

    } };
}

pub(super) use of_restarts;
