//! What a log that is late, and a restart, leave of a session.

use expect_test::expect;

use crate::check;

#[test]
fn nothing_is_seen_before_it_is_committed() {
    check(
        "
        announce e0 session_created alice bob
        bob subscribes s1
        bob listens l1
        s1 pulls
        l1 hears
        log holds
        announce e1 session_started alice bob carol
        alice routes m1 to bob
        s1 pulls
        bob polls
        l1 hears
        log commits
        s1 pulls
        l1 hears
        ",
        expect![[r#"
            announce e0 session_created alice bob
                published to 0
            bob subscribes s1
            bob listens l1
            s1 pulls
                nothing
            l1 hears
                e0
            log holds
            announce e1 session_started alice bob carol
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            s1 pulls
                nothing
            bob polls
                nothing
            l1 hears
                nothing
            log commits
                published to 1
                wakes s1
                wakes l1
            s1 pulls
                m1
            l1 hears
                e1
        "#]],
    );
}

#[test]
fn a_restart_keeps_what_was_committed() {
    check(
        "
        announce e1 session_created alice bob
        10 alice routes m1 to bob
        20 alice routes m2
        30 bob polls
        31 bob acks m1
        log holds
        40 alice routes m3
        41 bob acks m2
        restart
        status m1
        status m2
        status m3
        15 alice routes m4               # ORD-7 across a restart
        16 bob polls
        announce e1 session_created alice bob  # EVT-9 across a restart
        announce e1 session_created bob        # the name is another event's
        ",
        expect![[r#"
            announce e1 session_created alice bob
                published to 0
            10 alice routes m1 to bob
                accepted at 10 for 1
                counts for bob
            20 alice routes m2
                broadcast at 20 for 1
            30 bob polls
                m1 m2
            31 bob acks m1
                acknowledged
            log holds
            40 alice routes m3
                broadcast at 40 for 1
            41 bob acks m2
                acknowledged
            restart
                counts for bob
            status m1
                bob acknowledged, delivered 30, acknowledged 31, retries 0
                all acknowledged
            status m2
                bob delivered, delivered 30, acknowledged 0, retries 0
            status m3
                rejected: this session has no such message: use the message_id that RouteMessage answered with, and the message's session_id
            15 alice routes m4
                broadcast at 20 for 1
            16 bob polls
                m2 m4
            announce e1 session_created alice bob
                again
            announce e1 session_created bob
                rejected: event_id names another event of this session already: give another, or leave it empty
        "#]],
    );
}
