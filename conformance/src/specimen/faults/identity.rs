//! Who calls.

macro_rules! of_identity {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*

    PlaintextPortOpen "plaintext-port-open" kills "SEC-1":
        "The port from before TLS is still open, for the health checks, and serves everything."
    CertificateOptional "certificate-optional" kills "SEC-1":
        "Client certificates are verified if there is one, and whoever has none is nobody in particular."
    AnyCertificateTrusted "any-certificate-trusted" kills "SEC-1":
        "The common name is read from whatever certificate is shown; who signed it was for later."
    AuthorityKnownByName "authority-known-by-name" kills "SEC-1":
        "The issuer's name is compared with the authority's, and no signature is verified."
    PartiesMayCertify "parties-may-certify" kills "SEC-1":
        "A chain is followed up to the authority, and nobody asks whether those between may sign."
    DirectoryNeedsNoCertificate "directory-needs-no-certificate" kills "SEC-1":
        "The directory is read-only, and was put on the list of calls without a certificate."
    SenderNotCompared "sender-not-compared" kills "SEC-2":
        "`from_party` is taken from the message, as before there were certificates."
    PollerNotCompared "poller-not-compared" kills "SEC-2":
        "Streams compare the party with the certificate, and polls were forgotten."
    AcknowledgerNotCompared "acknowledger-not-compared" kills "SEC-2":
        "Acknowledgements are taken from anybody who knows the `message_id`."
    HeartbeatNotCompared "heartbeat-not-compared" kills "SEC-2":
        "Heartbeats are thought to be harmless."
    RegistrationNotCompared "registration-not-compared" kills "SEC-2":
        "Who registers has no name yet, so none is compared."
    ListenerNotCompared "listener-not-compared" kills "SEC-2":
        "Event streams go by the `party_id` of the request."
    NamesComparedWithoutCase "names-compared-without-case" kills "SEC-2":
        "Common names are compared as host names are, without regard to case."
    WildcardPollNotCompared "wildcard-poll-not-compared" kills "SEC-2":
        "Polling all sessions was added with a handler of its own, and the guard stands in the other one."
    WildcardStreamNotCompared "wildcard-stream-not-compared" kills "SEC-2":
        "A session's stream is guarded where the session is looked up, and a stream of all sessions looks none up."
    KnownKeyAnswersAnybody "known-key-answers-anybody" kills "SEC-2":
        "A filter in front answers a repeated call from its cache of keys, before anybody asks who calls."
    NameFromSan "name-from-san" kills "SEC-2":
        "The library's helper for a certificate's name prefers an alternative name, and falls back to the common name."
    NameCutFromDn "name-cut-from-dn" kills "SEC-2":
        "The subject is printed as text and cut at `CN=`, which a common name may hold as well."
    AnybodyPublishes "anybody-publishes" kills "SEC-3":
        "Any certificate lets its holder publish: there is no list of coordinators."
    SelectedPartiesPublish "selected-parties-publish" kills "SEC-3":
        "A party that is selected may publish events of its session, and of any other that selects it."
    StatusForAnybody "status-for-anybody" kills "SEC-4":
        "Whoever knows the `message_id` is told who has got the message, and when."
    StatusForMembers "status-for-members" kills "SEC-4":
        "Every member of the session is told, be the message for it or not."
    AllTokensForEverybody "all-tokens-for-everybody" kills "SEC-5":
        "An event goes out as it came in, with the join tokens of all."
    ReplayHasAllTokens "replay-has-all-tokens" kills "SEC-5":
        "Tokens are taken out where events are sent, and a replay reads them from the store."
    TokensByPrefix "tokens-by-prefix" kills "SEC-5":
        "Tokens are kept under party and number, and read by prefix, so `p1` gets those of `p10` as well."
    ChannelsForAnybody "channels-for-anybody" kills "SEC-6":
        "The directory shows everybody's addresses to everybody."
    FilteredListShowsChannels "filtered-list-shows-channels" kills "SEC-6":
        "Addresses are taken out of the list of all, and the filtered one has a query of its own."
    RefusedCallsLoggedWhole "refused-calls-logged-whole" kills "SEC-7":
        "A refused call is worth a line in the log, with the whole request."
    PayloadLoggedInHex "payload-logged-in-hex" kills "SEC-7":
        "The first bytes of each message are logged in hex, from the days of debugging."
    ChannelLogged "channel-logged" kills "SEC-7":
        "A registration is logged with its e-mail address."
    UndeliveredPrintedAtStop "undelivered-printed-at-stop" kills "SEC-7":
        "What is still in memory is dumped when the router stops, for whoever has to look into it."
    NotificationLogged "notification-logged" kills "SEC-7":
        "Each notification is logged as it is sent, with the address."
    FailedNotificationLogged "failed-notification-logged" kills "SEC-7":
        "The error of the HTTP client is logged where a notification fails, and it holds the request's body."
    DeadLetterLogged "dead-letter-logged" kills "SEC-7":
        "What nobody acknowledged in all attempts is logged as a dead letter, message and all."
    RefusedEventInError "refused-event-in-error" kills "SEC-7":
        "The error of an event that is not valid repeats the event, join tokens included."
    ExpiredCertificateTaken "expired-certificate-taken" kills "SEC-8":
        "The dates of certificates are not looked at."
    BeginOfValidityIgnored "begin-of-validity-ignored" kills "SEC-8":
        "A certificate is refused once it has expired, and taken before it is valid."
    CoordinatorRoutesForAnybody "coordinator-routes-for-anybody" kills "SEC-9":
        "A coordinator may do everything, and so send in any party's name."
    CoordinatorAcknowledgesForAnybody "coordinator-acknowledges-for-anybody" kills "SEC-9":
        "A coordinator cleans up after parties, and may acknowledge for them."
    CoordinatorReadsForAnybody "coordinator-reads-for-anybody" kills "SEC-9":
        "For support there is a way to look into a party's mailbox, and every coordinator has it."

    } };
}

pub(super) use of_identity;
