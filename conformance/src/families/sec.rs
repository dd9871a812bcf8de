//! SEC: identity.

mod calls;
mod canary;
mod certificates;
mod names;
mod secrets;
mod seen;

use self::certificates::{certificates_out_of_date_are_refused, strangers_get_nothing};
use self::names::{
    calls_in_another_name_are_rejected, coordinators_are_no_parties, only_coordinators_publish,
};
use self::secrets::secrets_are_told_nowhere;
use self::seen::{channels_are_private, join_tokens_are_private, statuses_are_private};
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "SEC",
    title: "identity",
    requirements: &[
        must_of(
            Capability::Secure,
            "SEC-1",
            "A plaintext connection, or one without a trusted client certificate, gets nothing.",
            "Makes every call without TLS, without a certificate, and with certificates that signed \
             themselves, that another authority of the same name signed, or another party: in the name \
             of a party that has messages waiting, and as the coordinator.",
            check!(strangers_get_nothing),
        ),
        must_of(
            Capability::Secure,
            "SEC-2",
            "A call in another party's name (`from_party`, `party_id`) is rejected \
             (PERMISSION_DENIED).",
            "Makes every call in the name of a member as another member, as one whose name differs in \
             letter case or by a character, as a party that has not registered and, where certificates \
             can be made, with the member's name beside or within another common name; also for all \
             sessions, and with a key that the member has used; nothing of it has an effect.",
            check!(calls_in_another_name_are_rejected),
        ),
        must_of(
            Capability::Secure,
            "SEC-3",
            "Only a coordinator publishes session events.",
            "Publishes events of every kind as a member and as others: for their own session, a new one \
             and in the coordinator's words; nobody hears of it, and the session goes on as it was.",
            check!(only_coordinators_publish),
        ),
        must_of(
            Capability::Secure,
            "SEC-4",
            "Only the sender, a recipient or a coordinator sees a message's status \
             (PERMISSION_DENIED or NOT_FOUND).",
            "Asks for the status of messages to one, to several and to all as everybody: before and after \
             they are delivered and acknowledged.",
            check!(statuses_are_private),
        ),
        must_of(
            Capability::Secure,
            "SEC-5",
            "A party sees only its own entry of `join_tokens`.",
            "Publishes events with join tokens for several parties, some of them called nearly alike, to \
             all of them, to some and to nobody in particular, and looks at what each gets, replayed or \
             not.",
            check!(join_tokens_are_private),
        ),
        must_of(
            Capability::Secure,
            "SEC-6",
            "Notification channels are shown to their own party and to coordinators only.",
            "Lists parties with channels as others, as themselves and as the coordinator, with every \
             filter.",
            check!(channels_are_private),
        ),
        must_of(
            Capability::Secure,
            "SEC-7",
            "Payloads, join tokens and notification addresses appear in no log, metric or error \
             message.",
            "Uses words that occur nowhere else as payloads, tokens and addresses, in calls that are \
             accepted, in such as are refused for many reasons, in messages that nobody acknowledges and \
             in notifications that fail, and looks for them, as text, in hex, in base64 and as lists of \
             numbers, in all errors and in all that the target prints, and, where it claims `durable`, \
             when it is stopped. (It sees no metrics.)",
            check!(secrets_are_told_nowhere),
        )
        .at(Turn::Alone),
        should_of(
            Capability::Secure,
            "SEC-8",
            "An expired or not yet valid certificate is refused.",
            "Makes every call with a certificate that was valid until yesterday, and one that will be \
             from tomorrow on.",
            check!(certificates_out_of_date_are_refused),
        ),
        must_of(
            Capability::Secure,
            "SEC-9",
            "A coordinator does not route, subscribe or acknowledge in a party's name.",
            "Makes every call in a party's name with the coordinator's certificate; nothing of it has an \
             effect.",
            check!(coordinators_are_no_parties),
        ),
    ],
};

/// Demands that the target can see who calls.
fn sees_callers(trial: &Trial) -> Verdict {
    match trial.door().tells_who_calls() {
        true => Ok(()),
        false => Err(Stop::NotChecked(
            "the target is reached without TLS: use an https:// address and name certificates under \
             [tls] in the profile, or start it with {certs} in its command"
                .into(),
        )),
    }
}
