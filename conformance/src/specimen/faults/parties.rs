//! Parties: who they are, and whether they are there.

macro_rules! of_parties {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

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
    RefusedRoleEmptiesMailbox "refused-role-empties-mailbox" kills "REG-3":
        "Registering takes the old record out before it parses the role, and the mailbox is in the record."
    SecondRegistrationRefused "second-registration-refused" kills "REG-4":
        "Registering is a plain INSERT, so a party that restarts gets ALREADY_EXISTS."
    OldChannelKept "old-channel-kept" kills "REG-4":
        "Registering again is INSERT OR IGNORE: accepted, but the new notification channel is dropped."
    ChannelsMerged "channels-merged" kills "REG-4":
        "The new notification channel is merged into the old one, so what was removed stays."
    SecondRegistrationEmptiesMailbox "second-registration-empties-mailbox" kills "REG-4":
        "Registering builds a fresh party record, and the mailbox lives in it."
    TemporaryStartsAnew "temporary-starts-anew" kills "REG-4":
        "A temporary party that registers again is taken for a new one, with nothing waiting for it."
    RegisteringRacesWithRouting "registering-races-with-routing" kills "REG-4":
        "Registering reads the party's record, changes it and writes it back, mailbox and all."
    RegisteredAtMoves "registered-at-moves" kills "REG-5":
        "`registered_at` is set on every registration, because the upsert writes all columns."
    RegisteredAtInSeconds "registered-at-in-seconds" kills "REG-5":
        "The directory keeps Unix seconds and nobody multiplies them."
    RoleChangedByRegisteringAgain "role-changed-by-registering-again" kills "REG-6":
        "The upsert takes the new role without a look at the old one."
    RefusedRoleWritesChannel "refused-role-writes-channel" kills "REG-6":
        "The upsert writes the channel first, and then the role is compared and the call refused."
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
    UnregisteredMailboxOf100 "unregistered-mailbox-of-100" kills "REG-8":
        "What waits for a name that nobody has registered goes to a provisional buffer of 100."

    DirectoryPageOf50 "directory-page-of-50" kills "DIR-1":
        "The query has the page size of the web console, and nobody asks for the next page."
    DirectoryListsEveryRegistration "directory-lists-every-registration" kills "DIR-1":
        "The directory is an append-only table of registrations, listed as it is."
    NamesFoldedToLowerCase "names-folded-to-lower-case" kills "DIR-1":
        "The key column has a case-insensitive collation, so `Alice` and `alice` are one party."
    NamesCutAt64 "names-cut-at-64" kills "DIR-1":
        "The name is a column of 64 characters, and what is longer is cut without an error."
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
    StreamEndMeansOffline "stream-end-means-offline" kills "HB-5":
        "The stream's `on_disconnect` marks its party offline, whatever its heartbeats say."
    ListenerEndMeansOffline "listener-end-means-offline" kills "HB-5":
        "Presence is told by the event stream: when it ends, the party is gone."
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
    StaleHeartbeatIgnored "stale-heartbeat-ignored" kills "HB-8":
        "A heartbeat that is no newer than the last one, by its own time, is dropped as one that was overtaken."
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
    OfflineEndsTemporary "offline-ends-temporary" kills "HB-11":
        "Temporary is read as: gone when it goes offline, and its mailbox with it."
    OfflineRegistrationStartsAnew "offline-registration-starts-anew" kills "HB-11":
        "The registration of a party that is offline is taken for its first, and gives it an empty mailbox."
    OneHeartbeatForAll "one-heartbeat-for-all" kills "HB-12":
        "The UPDATE of `last_seen` lacks its WHERE."
    HeartbeatForNamePrefix "heartbeat-for-name-prefix" kills "HB-12":
        "The UPDATE matches by LIKE, so `party-1` keeps `party-10` alive."

    } };
}

pub(super) use of_parties;
