//! SES: sessions and membership.

mod beside;
mod changes;
mod ends;
mod expiry;
mod forms;
mod members;
mod readers;

use self::changes::a_later_selection_changes_the_members;
use self::ends::{nothing_is_routed_after_the_end, what_was_accepted_before_stays};
use self::members::{
    recipients_must_be_members, senders_must_be_members, unannounced_sessions_are_closed,
};
use self::readers::strangers_cannot_read;
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "SES",
    title: "sessions and membership",
    requirements: &[
        must_of(
            Capability::Membership,
            "SES-1",
            "A sender that is not a member is rejected (PERMISSION_DENIED).",
            "Sends to one, some and all as a stranger, as a member of another session, under names \
             that nearly are a member's or look the same, and in a session without members; none of \
             it arrives, and each of 70 members may send.",
            check!(senders_must_be_members),
        ),
        must_of(
            Capability::Membership,
            "SES-2",
            "A recipient that is not a member is rejected (INVALID_ARGUMENT or NOT_FOUND); RTE-8 \
             holds.",
            "Names strangers, members of another session and names that nearly are a member's, alone \
             and first, last and among good ones, also among 60; nobody gets any of it, nor later.",
            check!(recipients_must_be_members),
        ),
        must_of(
            Capability::Membership,
            "SES-3",
            "Routing in a session never announced is rejected (NOT_FOUND or FAILED_PRECONDITION).",
            "Routes again and again in sessions that nobody announced, of which only other events \
             told, or that are called nearly like one that is there; then announces one, and nothing \
             comes of what was rejected.",
            check!(unannounced_sessions_are_closed),
        ),
        must_of(
            Capability::Membership,
            "SES-4",
            "Routing in a session that has ended or expired is rejected (FAILED_PRECONDITION).",
            "Ends sessions in all four ways, and by `expires_at`, moved forward and back by later \
             announcements; routes at once, with many calls, later, and after they, or a thousand \
             others, were announced. Sessions that are called nearly alike, or last longer, go on.",
            check!(nothing_is_routed_after_the_end),
        ),
        must_of(
            Capability::Membership,
            "SES-5",
            "What was accepted before the end can still be fetched and acknowledged.",
            "Ends sessions with hundreds of deliveries that were streamed, polled or never handed \
             out, also to a party that registers later, and with calls under way; then polls, \
             subscribes, acknowledges and refuses.",
            check!(what_was_accepted_before_stays),
        ),
        must_of(
            Capability::Membership,
            "SES-6",
            "A later `session_started` with other `selected_parties` changes the members from then \
             on; earlier deliveries stay.",
            "Adds, removes and brings back members, a dozen times over; who is in gets broadcasts and \
             may send, who is out does not and keeps what it had, and who is new gets nothing of \
             before. Announcements that select nobody, and other events, change nothing.",
            check!(a_later_selection_changes_the_members),
        ),
        must_of(
            Capability::Membership,
            "SES-7",
            "A party that is not a member, and was not when anything was routed to it, cannot \
             subscribe to or poll the session (PERMISSION_DENIED or NOT_FOUND).",
            "Subscribes and polls as a stranger, as a member of another session and under names that \
             nearly are a member's, in sessions with messages, after their end and never announced; \
             once selected, the same party reads.",
            check!(strangers_cannot_read),
        ),
    ],
};
