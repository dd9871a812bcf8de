//! Who gets a message, and what is rejected.

use expect_test::expect;

use crate::check;

#[test]
fn a_message_goes_to_those_named_and_nobody_else() {
    check(
        "
        announce e1 session_created alice bob carol dave
        alice subscribes s1
        bob subscribes s2
        carol subscribes s3
        dave subscribes s4
        10 alice routes m1 to bob              # RTE-1
        11 alice routes m2 to bob carol bob    # RTE-2, RTE-6
        12 alice routes m3                     # RTE-3
        s1 pulls
        s2 pulls
        s3 pulls
        s4 pulls
        ",
        expect![[r#"
            announce e1 session_created alice bob carol dave
                published to 0
            alice subscribes s1
            bob subscribes s2
            carol subscribes s3
            dave subscribes s4
            10 alice routes m1 to bob
                accepted at 10 for 1
                counts for bob
                wakes s2
            11 alice routes m2 to bob carol bob
                accepted at 11 for 2
                counts for carol
                wakes s3
            12 alice routes m3
                broadcast at 12 for 3
                counts for dave
                wakes s4
            s1 pulls
                nothing
            s2 pulls
                m1 m2 m3
            s3 pulls
                m2 m3
            s4 pulls
                m3
        "#]],
    );
}

#[test]
fn what_is_rejected_changes_nothing() {
    check(
        "
        alice routes m1                  # nobody knows the members
        announce e1 session_created alice bob
        alice routes m1 to bob alice     # RTE-13, RTE-8
        alice routes m1 to bob
        alice routes m1 to bob
        bob beats
        bob registers as persistent
        bob beats
        bob polls
        ",
        expect![[r#"
            alice routes m1
                rejected: a broadcast needs to know the session's members: first publish a session_created or session_started event with selected_parties, or name the recipients in to_parties
            announce e1 session_created alice bob
                published to 0
            alice routes m1 to bob alice
                rejected: to_parties must not name from_party: leave it out
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            alice routes m1 to bob
                rejected: the message's identifier is in use: give another
            bob beats
                rejected: no such party is registered: call RegisterParty first
            bob registers as persistent
                registered at 1
            bob beats
                at 1, 1 pending
            bob polls
                m1
        "#]],
    );
}

#[test]
fn members_are_those_of_the_newest_event_that_selects_any() {
    check(
        "
        announce e1 session_created alice bob
        announce e2 session_started
        alice routes m1
        announce e3 session_progress alice carol
        alice routes m2
        announce e4 session_started alice carol
        alice routes m3
        announce e5 session_started alice
        alice routes m4                 # RTE-16
        status m4
        bob polls
        carol polls
        ",
        expect![[r#"
            announce e1 session_created alice bob
                published to 0
            announce e2 session_started
                published to 0
            alice routes m1
                broadcast at 1 for 1
                counts for bob
            announce e3 session_progress alice carol
                published to 0
            alice routes m2
                broadcast at 1 for 1
            announce e4 session_started alice carol
                published to 0
            alice routes m3
                broadcast at 1 for 1
                counts for carol
            announce e5 session_started alice
                published to 0
            alice routes m4
                broadcast at 1 for 0
            status m4
                all acknowledged
            bob polls
                m1 m2
            carol polls
                m3
        "#]],
    );
}

#[test]
fn a_call_made_again_under_its_key_happens_once() {
    check(
        "
        members only
        announce e1 session_created alice bob
        alice routes m1 to bob carol as k           # a rejected call uses up no key
        10 alice routes m1 to bob as k
        20 alice routes m2 to bob as k              # IDM-1
        alice routes m2 to bob sized 600 as k       # IDM-2
        bob routes m2 to alice as k                 # another sender's key
        alice routes m3 to bob as l
        alice routes m4 to bob
        bob polls
        bob acks m1
        announce e2 session_completed
        alice routes m5 to bob as k
        restart
        alice routes m5 to bob as k                 # IDM-3
        alice routes m5 to bob sized 600 as k
        ",
        expect![[r#"
            members only
            announce e1 session_created alice bob
                published to 0
            alice routes m1 to bob carol as k
                rejected: each of to_parties must be a member of this session, and one is not
            10 alice routes m1 to bob as k
                accepted at 10 for 1
                counts for bob
            20 alice routes m2 to bob as k
                again as m1 at 10 for 1
            alice routes m2 to bob sized 600 as k
                rejected: this idempotency-key was used for another message: give each message a key of its own
            bob routes m2 to alice as k
                accepted at 20 for 1
                counts for alice
            alice routes m3 to bob as l
                accepted at 20 for 1
            alice routes m4 to bob
                accepted at 20 for 1
            bob polls
                m1 m3 m4
            bob acks m1
                acknowledged
            announce e2 session_completed
                published to 0
            alice routes m5 to bob as k
                again as m1 at 10 for 1
            restart
                counts for bob
                counts for alice
            alice routes m5 to bob as k
                again as m1 at 10 for 1
            alice routes m5 to bob sized 600 as k
                rejected: this idempotency-key was used for another message: give each message a key of its own
        "#]],
    );
}
