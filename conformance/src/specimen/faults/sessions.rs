//! Sessions, their events, and what makes it safe to try again.

macro_rules! of_sessions {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

    EventsForSelectedOnly "events-for-selected-only" kills "EVT-1":
        "An event that selects nobody reaches nobody."
    EventsDebounced "events-debounced" kills "EVT-1":
        "Events of one session within a few milliseconds are taken for one, and the later ones dropped."
    EventRingOf256 "event-ring-of-256" kills "EVT-1":
        "Events go through a broadcast channel of 256, and a reader that lags goes on behind what it missed."
    EventStreamDriesUpAfter500 "event-stream-dries-up-after-500" kills "EVT-1":
        "The event stream's credit of 500 items is never refilled."
    PublishWaitsForReader "publish-waits-for-reader" kills "EVT-1":
        "Publishing awaits room in each subscriber's channel, so one sleeping laptop stops all announcements."
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
    LastEventReplayed "last-event-replayed" kills "EVT-13":
        "Of each session the newest event is retained, as a message broker does."
    EventsReplayedNewestFirst "events-replayed-newest-first" kills "EVT-13":
        "The query for what was missed orders by time, descending, as the console wants it."
    NewestEventsReplayed "newest-events-replayed" kills "EVT-13":
        "What is kept for late subscribers is a ring of 20 events."
    AnnouncementsReplayedOnly "announcements-replayed-only" kills "EVT-13":
        "A late subscriber is told of the sessions that there are, not of what happened in them since."
    ReplayIgnoresTypes "replay-ignores-types" kills "EVT-13":
        "`event_types` filters what is published, and the replay was added beside it."
    ReplayWithoutTokens "replay-without-tokens" kills "EVT-13":
        "Join tokens are secrets, and so are not in the table that the replay is read from."
    EventsReplayedOnce "events-replayed-once" kills "EVT-13":
        "What was replayed to a party is marked as seen, so its next stream does not get it."
    EventsReplayedLate "events-replayed-late" kills "EVT-13":
        "The replay is loaded in the background, and what is published meanwhile comes first."
    ReplayOverlapsLive "replay-overlaps-live" kills "EVT-13":
        "The stream is registered before the replay is read, and what is published in between comes twice."
    ReplayedToMembersOnly "replayed-to-members-only" kills "EVT-13":
        "The replay looks for the sessions that the party is a member of now, not for events that selected it."
    NotReplayedToNewcomers "not-replayed-to-newcomers" kills "EVT-13":
        "A party's inbox of events is created when it registers, so what selected it before is not in it."
    UnselectiveReplayed "unselective-replayed" kills "EVT-13":
        "Events for everybody are kept for everybody, and pile up for whoever comes."

    MembersByCollation "members-by-collation" kills "SES-1":
        "Members are found by a database whose collation takes a letter with its accent for one of two parts."
    BroadcastSenderUnchecked "broadcast-sender-unchecked" kills "SES-1":
        "Membership is looked at where recipients are named, and a broadcast names none."
    MemberElsewhereSends "member-elsewhere-sends" kills "SES-1":
        "A sender's token says that it takes part in a session, and nobody asks in which."
    NoMembersMeansEverybody "no-members-means-everybody" kills "SES-1":
        "A session without selected parties is taken for one that anybody may join."
    RegisteredIsMember "registered-is-member" kills "SES-2":
        "Recipients are looked up in the directory of parties instead of the session's members."
    FirstRecipientChecked "first-recipient-checked" kills "SES-2":
        "Of several recipients the first one is looked up, since early callers named one."
    StrangersSkipped "strangers-skipped" kills "SES-2":
        "The list of recipients is joined with the members, so others drop out of it and the call is accepted."
    UnannouncedSessionOpened "unannounced-session-opened" kills "SES-3":
        "Routing gets or creates the session, as it did before there were announcements."
    RefusedRouteOpensSession "refused-route-opens-session" kills "SES-3":
        "The look-up that finds no session leaves an empty one behind, so only the first call is refused."
    AnyEventAnnounces "any-event-announces" kills "SES-3":
        "Every event creates its session if there is none, whatever its type."
    OnlyCompletedEnds "only-completed-ends" kills "SES-4":
        "The switch over event types closes a session for `session_completed`, and the other ends were added later."
    ExpiryIgnored "expiry-ignored" kills "SES-4":
        "`expires_at` is passed on to the parties, and the router itself never looks at it."
    FirstExpiryStands "first-expiry-stands" kills "SES-4":
        "The session's timer is set by its first announcement, and a later one does not move it."
    LaterEventClearsExpiry "later-event-clears-expiry" kills "SES-4":
        "A later announcement overwrites `expires_at`, also with the 0 that means nothing."
    AnnouncingReopens "announcing-reopens" kills "SES-4":
        "Announcing a session writes its state as `open`, whatever it was."
    EndCachedForASecond "end-cached-for-a-second" kills "SES-4":
        "The session's state is cached for a second, so messages are accepted after its end."
    SessionsInACache "sessions-in-a-cache" kills "SES-4":
        "Sessions live in a cache of 1,000, and one that has fallen out of it has neither ended nor begun."
    EndEmptiesMailboxes "end-empties-mailboxes" kills "SES-5":
        "The end of a session deletes all that belongs to it, unread messages included."
    ExpiredSessionSwept "expired-session-swept" kills "SES-5":
        "A sweep deletes what belongs to sessions whose `expires_at` has passed."
    EndedSessionShut "ended-session-shut" kills "SES-5":
        "One guard stands before all calls, so a session that has ended cannot be read either."
    EndedSessionRefusesAcks "ended-session-refuses-acks" kills "SES-5":
        "Acknowledging is a write, and a session that has ended is read-only."
    MembersNeverChange "members-never-change" kills "SES-6":
        "Members are written when a session is created, and `session_started` only changes its state."
    MembersOnlyAdded "members-only-added" kills "SES-6":
        "Members are upserted one by one, and those who are no longer selected are not removed."
    ChangeEmptiesMailboxes "change-empties-mailboxes" kills "SES-6":
        "A member's row is deleted with all that hangs on it, its unread messages too."
    NewMembersGetHistory "new-members-get-history" kills "SES-6":
        "Broadcasts are kept once for the whole session, so whoever joins later gets the earlier ones."
    BroadcastListKept "broadcast-list-kept" kills "SES-6":
        "The list of a broadcast's recipients is cached with the session, and no change drops it."
    EmptySelectionClearsMembers "empty-selection-clears-members" kills "SES-6":
        "An announcement that selects nobody replaces the members by nobody."
    FormerMembersShutOut "former-members-shut-out" kills "SES-6":
        "Whoever is no longer selected is refused, though there is something for it."
    StrangersPoll "strangers-poll" kills "SES-7":
        "Whoever is no member has an empty mailbox, and may look into it."
    StrangersSubscribe "strangers-subscribe" kills "SES-7":
        "Subscriptions are checked against the directory of parties only."
    MemberElsewhereReads "member-elsewhere-reads" kills "SES-7":
        "The guard asks whether the party takes part in any session."

    KeyIgnored "key-ignored" kills "IDM-1":
        "The gateway in front passes on no metadata that it does not know."
    KeySharedBySenders "key-shared-by-senders" kills "IDM-1":
        "Keys are unique in their session, so two senders that both count from 1 are in each other's way."
    KeySharedBySessions "key-shared-by-sessions" kills "IDM-1":
        "Keys are unique per sender, so one used in another session is taken."
    KeyUsedUpByRejectedCall "key-used-up-by-rejected-call" kills "IDM-1":
        "The key is written before the call is checked, and a rejection does not take it back."
    KeyHashesWholeRequest "key-hashes-whole-request" kills "IDM-1":
        "Contents are compared by a hash of the encoded request, so the order of recipients counts."
    KeyCoversExpandedRecipients "key-covers-expanded-recipients" kills "IDM-1":
        "Contents are compared after a broadcast was expanded, so after a change of members its retry is another call."
    EndedSessionRefusesRetry "ended-session-refuses-retry" kills "IDM-1":
        "The session's state is checked before the key is looked up."
    OldKeysForgotten "old-keys-forgotten" kills "IDM-1":
        "Keys live in a cache of the latest 100."
    KeyForgottenWithAck "key-forgotten-with-ack" kills "IDM-1":
        "The key is a column of the message, whose row goes with its last acknowledgement."
    KeyLivesFromAcceptance "key-lives-from-acceptance" kills "IDM-1":
        "A key is set with `message_ttl` as its time to live when the message is accepted, however late that is acknowledged."
    KeysTrimmedTo1000 "keys-trimmed-to-1000" kills "IDM-1":
        "A sender's keys are a list that is trimmed to its newest 1,000 with each call, since nobody asks for older ones."
    ExpiredSessionRefusesRetry "expired-session-refuses-retry" kills "IDM-1":
        "An event closes the session behind the look-up of keys, and `expires_at` is asked at the door."
    KeyJoinedByDash "key-joined-by-dash" kills "IDM-1":
        "Session, sender and key are joined by a dash into the key of a cache, and each of them may hold one."
    KeyCutAt64 "key-cut-at-64" kills "IDM-1":
        "Keys live in a column of 64 characters, and the database driver cuts without an error."
    KeysWithoutCase "keys-without-case" kills "IDM-1":
        "The column of keys has the database's default collation, which takes no notice of case."
    KeyAloneDecides "key-alone-decides" kills "IDM-2":
        "A known key is answered with its `message_id`, and nobody compares the rest."
    KeyComparesLengthOnly "key-compares-length-only" kills "IDM-2":
        "Payloads are compared by their length, to save the hash of megabytes."
    KeyComparesPayloadOnly "key-compares-payload-only" kills "IDM-2":
        "Payloads are compared, and neither recipients nor round nor type."
    KeyComparesEndsOnly "key-compares-ends-only" kills "IDM-2":
        "Of a payload its length, its first and its last 4 KiB are hashed, to save time with megabytes."
    KeyHashesFieldsGlued "key-hashes-fields-glued" kills "IDM-2":
        "Round, type and payload are fed to one hash with nothing between them, so what ends one may as well begin the next."
    KeyRace "key-race" kills "IDM-3":
        "The key is looked up, then written: two calls at once both find nothing."
    KeyInProgressRefused "key-in-progress-refused" kills "IDM-3":
        "A lock on the key refuses the second call while the first is under way."

    } };
}

pub(super) use of_sessions;
