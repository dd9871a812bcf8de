//! What the core does, told as stories.

mod story;

use std::sync::Arc;

use expect_test::{Expect, expect};
use mpc_router_core::*;

fn check(script: &str, transcript: Expect) {
    transcript.assert_eq(&story::play(script));
}

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
fn replay_and_live_are_one_walk() {
    check(
        "
        1 alice routes m1 to bob
        2 alice routes m2 to bob
        3 bob subscribes s1
        3 alice routes m3 to bob
        4 s1 pulls
        4 s1 pulls
        5 alice routes m4 to bob
        6 s1 pulls
        7 bob acks m2
        8 s1 closes
        8 bob subscribes s2           # SUB-3, SUB-4
        9 s2 pulls
        status m1
        status m2
        ",
        expect![[r#"
            1 alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            2 alice routes m2 to bob
                accepted at 2 for 1
            3 bob subscribes s1
            3 alice routes m3 to bob
                accepted at 3 for 1
            4 s1 pulls
                m1 m2 m3
            4 s1 pulls
                nothing
            5 alice routes m4 to bob
                accepted at 5 for 1
                wakes s1
            6 s1 pulls
                m4
            7 bob acks m2
                acknowledged
            8 s1 closes
            8 bob subscribes s2
            9 s2 pulls
                m1 m3 m4
            status m1
                bob delivered, delivered 4, acknowledged 0, retries 0
            status m2
                bob acknowledged, delivered 4, acknowledged 7, retries 0
                all acknowledged
        "#]],
    );
}

#[test]
fn a_second_subscription_takes_over() {
    check(
        "
        alice routes m1 to bob
        bob subscribes s1
        s1 pulls
        bob subscribes s2
        alice routes m2 to bob
        s1 pulls
        s2 pulls
        s2 pulls
        s1 closes
        alice routes m3 to bob
        s2 pulls
        ",
        expect![[r#"
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob subscribes s1
            s1 pulls
                m1
            bob subscribes s2
                supersedes s1
            alice routes m2 to bob
                accepted at 1 for 1
            s1 pulls
                ended: a newer subscription of the same party and session took over from this one
            s2 pulls
                m1 m2
            s2 pulls
                nothing
            s1 closes
            alice routes m3 to bob
                accepted at 1 for 1
                wakes s2
            s2 pulls
                m3
        "#]],
    );
}

#[test]
fn a_batch_ends_with_the_message_that_fills_it() {
    check(
        "
        alice routes m1 to bob sized 60
        alice routes m2 to bob sized 60
        alice routes m3 to bob sized 60
        bob subscribes s1
        s1 pulls 100
        status m3
        s1 pulls 100
        s1 pulls 100
        ",
        expect![[r#"
            alice routes m1 to bob sized 60
                accepted at 1 for 1
                counts for bob
            alice routes m2 to bob sized 60
                accepted at 1 for 1
            alice routes m3 to bob sized 60
                accepted at 1 for 1
            bob subscribes s1
            s1 pulls 100
                m1 m2
            status m3
                bob pending, delivered 0, acknowledged 0, retries 0
            s1 pulls 100
                m3
            s1 pulls 100
                nothing
        "#]],
    );
}

#[test]
fn a_terminal_state_stays() {
    check(
        "
        announce e1 session_created alice bob carol
        10 alice routes m1
        20 bob acks m1             # ACK-8
        21 bob acks m1             # ACK-2
        22 bob refuses m1          # ACK-4
        30 carol polls
        31 carol refuses m1        # ACK-3
        32 carol refuses m1
        33 carol acks m1
        status m1                  # STS-6
        carol polls
        alice acks m1              # ACK-6
        bob acks m2                # ACK-5
        status m2                  # STS-7
        ",
        expect![[r#"
            announce e1 session_created alice bob carol
                published to 0
            10 alice routes m1
                broadcast at 10 for 2
                counts for bob
                counts for carol
            20 bob acks m1
                acknowledged
            21 bob acks m1
                acknowledged again
            22 bob refuses m1
                rejected: the delivery is acknowledged already, and that is final
            30 carol polls
                m1
            31 carol refuses m1
                failed
            32 carol refuses m1
                failed again
            33 carol acks m1
                rejected: the delivery is failed already, and that is final
            status m1
                bob acknowledged, delivered 0, acknowledged 20, retries 0
                carol failed, delivered 30, acknowledged 31, retries 0
            carol polls
                nothing
            alice acks m1
                rejected: the message was not sent to this party
            bob acks m2
                rejected: this session has no such message: use the message_id and session_id of the message
            status m2
                rejected: this session has no such message: use the message_id that RouteMessage answered with, and the message's session_id
        "#]],
    );
}

#[test]
fn acknowledgements_come_in_any_order() {
    check(
        "
        alice routes m1 to bob
        alice routes m2 to bob
        alice routes m3 to bob
        bob subscribes s1
        s1 pulls
        bob acks m3
        bob acks m2
        bob polls
        alice routes m4 to bob
        bob acks m1
        bob polls
        bob acks m4
        bob polls
        s1 pulls
        status m4
        ",
        expect![[r#"
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            alice routes m2 to bob
                accepted at 1 for 1
            alice routes m3 to bob
                accepted at 1 for 1
            bob subscribes s1
            s1 pulls
                m1 m2 m3
            bob acks m3
                acknowledged
            bob acks m2
                acknowledged
            bob polls
                m1
            alice routes m4 to bob
                accepted at 1 for 1
            bob acks m1
                acknowledged
            bob polls
                m4
            bob acks m4
                acknowledged
            bob polls
                nothing
            s1 pulls
                nothing
            status m4
                bob acknowledged, delivered 1, acknowledged 1, retries 0
                all acknowledged
        "#]],
    );
}

#[test]
fn a_session_is_counted_while_it_has_something() {
    check(
        "
        bob registers as persistent
        alice routes m1 to bob
        alice routes m2 to bob
        bob beats                  # HB-4
        bob acks m1
        bob acks m1                # ACK-10
        bob beats
        bob refuses m2
        bob beats
        bob beats
        alice routes m3 to bob     # counted again
        bob beats
        ",
        expect![[r#"
            bob registers as persistent
                registered at 1
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            alice routes m2 to bob
                accepted at 1 for 1
            bob beats
                at 1, 2 pending
            bob acks m1
                acknowledged
            bob acks m1
                acknowledged again
            bob beats
                at 1, 1 pending
            bob refuses m2
                failed
            bob beats
                at 1, 0 pending
            bob beats
                at 1, 0 pending
            alice routes m3 to bob
                accepted at 1 for 1
                counts for bob
            bob beats
                at 1, 1 pending
        "#]],
    );
}

#[test]
fn times_never_go_back() {
    check(
        "
        100 alice routes m1 to bob
        50 alice routes m2 to bob      # the clock went back
        40 bob polls
        30 bob acks m1                 # STS-4
        200 bob polls                  # STS-8
        status m1
        status m2
        ",
        expect![[r#"
            100 alice routes m1 to bob
                accepted at 100 for 1
                counts for bob
            50 alice routes m2 to bob
                accepted at 100 for 1
            40 bob polls
                m1 m2
            30 bob acks m1
                acknowledged
            200 bob polls
                m2
            status m1
                bob acknowledged, delivered 100, acknowledged 100, retries 0
                all acknowledged
            status m2
                bob delivered, delivered 100, acknowledged 0, retries 0
        "#]],
    );
}

#[test]
fn a_millisecond_is_full_some_time() {
    check(
        "
        5 alice routes m1 to bob sized 400
        5 alice routes m2 to bob sized 600
        5 alice routes m3 to bob sized 5
        5 alice routes m4 to bob sized 1500    # larger than a millisecond: alone in one
        5 alice routes m5 to bob sized 5
        20 alice routes m6 to bob sized 5
        ",
        expect![[r#"
            5 alice routes m1 to bob sized 400
                accepted at 5 for 1
                counts for bob
            5 alice routes m2 to bob sized 600
                accepted at 5 for 1
            5 alice routes m3 to bob sized 5
                accepted at 6 for 1
            5 alice routes m4 to bob sized 1500
                accepted at 7 for 1
            5 alice routes m5 to bob sized 5
                accepted at 8 for 1
            20 alice routes m6 to bob sized 5
                accepted at 20 for 1
        "#]],
    );
}

#[test]
fn a_poll_holds_what_fits_and_gets_on() {
    check(
        "
        1 alice routes m1 to bob sized 1500
        1 alice routes m2 to bob sized 1500
        1 alice routes m3 to bob sized 1500
        1 alice routes m4 to bob sized 3000
        bob polls
        bob polls after 2
        bob polls after 3          # m3 is the only message of its millisecond
        bob polls after 4
        bob polls after 5
        ",
        expect![[r#"
            1 alice routes m1 to bob sized 1500
                accepted at 1 for 1
                counts for bob
            1 alice routes m2 to bob sized 1500
                accepted at 2 for 1
            1 alice routes m3 to bob sized 1500
                accepted at 3 for 1
            1 alice routes m4 to bob sized 3000
                accepted at 4 for 1
            bob polls
                m1 m2
            bob polls after 2
                m2 m3
            bob polls after 3
                m4
            bob polls after 4
                m4
            bob polls after 5
                nothing
        "#]],
    );
}

#[test]
fn a_poll_gets_on_from_a_time_it_got_elsewhere() {
    check(
        "
        1 alice routes m1 to bob sized 2500
        1 alice routes m2 to bob sized 2500
        bob polls after 1          # PND-4: something newer, though m1 was never handed out
        bob polls
        ",
        expect![[r#"
            1 alice routes m1 to bob sized 2500
                accepted at 1 for 1
                counts for bob
            1 alice routes m2 to bob sized 2500
                accepted at 2 for 1
            bob polls after 1
                m2
            bob polls
                m1
        "#]],
    );
}

#[test]
fn a_poll_repeats_the_equally_old() {
    check(
        "
        1 alice routes m1 to bob
        1 bob polls
        1 alice routes m2 to bob
        1 bob polls after 1        # PND-3: of the same millisecond, and new
        2 bob polls after 2
        ",
        expect![[r#"
            1 alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            1 bob polls
                m1
            1 alice routes m2 to bob
                accepted at 1 for 1
            1 bob polls after 1
                m1 m2
            2 bob polls after 2
                nothing
        "#]],
    );
}

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

#[test]
fn a_party_is_known_by_its_first_role() {
    check(
        "
        1 bob registers as persistent mail
        2 bob registers as delegate        # REG-6
        3 bob registers as Persistent      # REG-3
        4 parties
        5 bob registers as persistent      # REG-4, REG-5
        6 parties
        ",
        expect![[r#"
            1 bob registers as persistent mail
                registered at 1
            2 bob registers as delegate
                rejected: the party is registered as persistent, and a role does not change
            3 bob registers as Persistent
                rejected: must be persistent, delegate or temporary, in lower case
            4 parties
                bob persistent online, since 1, seen 1 bob@example.org
            5 bob registers as persistent
                registered at 1 again
            6 parties
                bob persistent online, since 1, seen 5
        "#]],
    );
}

#[test]
fn who_is_silent_is_offline() {
    check(
        "
        1 bob registers as persistent
        1 carol registers as temporary
        1 dave beats                       # HB-2
        parties
        31 parties online                  # the timeout is 30
        31 carol beats
        32 parties
        60 parties persistent online
        61 parties temporary online
        62 bob beats                       # HB-7
        62 parties persistent online
        20 bob beats                       # HB-3: the clock went back
        ",
        expect![[r#"
            1 bob registers as persistent
                registered at 1
            1 carol registers as temporary
                registered at 1
            1 dave beats
                rejected: no such party is registered: call RegisterParty first
            parties
                bob persistent online, since 1, seen 1
                carol temporary online, since 1, seen 1
            31 parties online
                bob persistent online, since 1, seen 1
                carol temporary online, since 1, seen 1
            31 carol beats
                at 31, 0 pending
            32 parties
                bob persistent offline, since 1, seen 1
                carol temporary online, since 1, seen 31
            60 parties persistent online
            61 parties temporary online
                carol temporary online, since 1, seen 31
            62 bob beats
                at 62, 0 pending
            62 parties persistent online
                bob persistent online, since 1, seen 62
            20 bob beats
                at 62, 0 pending
        "#]],
    );
}

#[test]
fn an_event_goes_to_those_it_concerns() {
    check(
        "
        announce e1 session_created alice bob
        bob listens l1
        bob listens l2
        carol listens l3
        dave listens l4 session_started session_failed
        l1 hears
        announce e2 session_created alice bob        # EVT-5, EVT-12
        announce e3 session_started                  # EVT-1: concerns everybody
        announce e4 session_completed
        announce e4 session_completed                # EVT-9
        announce e4 session_failed
        l1 hears
        l2 hears
        l3 hears
        l4 hears
        l1 closes
        l2 closes
        announce e5 session_completed                # EVT-11
        ",
        expect![[r#"
            announce e1 session_created alice bob
                published to 0
            bob listens l1
            bob listens l2
            carol listens l3
            dave listens l4 session_started session_failed
            l1 hears
                e1
            announce e2 session_created alice bob
                published to 1
            announce e3 session_started
                published to 3
            announce e4 session_completed
                published to 2
            announce e4 session_completed
                again
            announce e4 session_failed
                rejected: event_id names another event of this session already: give another, or leave it empty
            l1 hears
                e2 e3 e4
            l2 hears
                e1 e2 e3 e4
            l3 hears
                e3 e4
            l4 hears
                e3
            l1 closes
            l2 closes
            announce e5 session_completed
                published to 1
        "#]],
    );
}

#[test]
fn a_stream_that_lags_is_told() {
    check(
        "
        bob listens l1
        carol listens l2
        announce e1 a
        announce e2 a
        announce e3 a
        l2 hears
        announce e4 a
        l1 hears 12        # as much as it has room for
        announce e5 a
        l1 hears
        l1 hears
        l2 hears
        ",
        expect![[r#"
            bob listens l1
            carol listens l2
            announce e1 a
                published to 2
            announce e2 a
                published to 2
            announce e3 a
                published to 2
            l2 hears
                e1 e2 e3
            announce e4 a
                published to 1
            l1 hears 12
                e1 e2
            announce e5 a
                published to 1
            l1 hears
                e3
            l1 hears
                ended: the event stream lagged too far behind and missed events: subscribe again, and read faster
            l2 hears
                e4 e5
        "#]],
    );
}

#[test]
fn what_is_not_answered_is_sent_again_and_given_up() {
    check(
        "
        bob subscribes s1
        10 alice routes m1 to bob carol
        s1 pulls
        10 s1 sent
        409 wait
        s1 pulls                        # RED-2
        410 wait                        # RED-1
        411 s1 pulls
        status m1                       # RED-3
        s1 sent
        811 wait
        820 s1 pulls
        s1 sent
        1219 wait
        status m1
        1220 wait                       # RED-4, RED-7
        s1 pulls
        status m1
        bob acks m1
        bob polls
        carol polls                     # RED-5
        ",
        expect![[r#"
            bob subscribes s1
            10 alice routes m1 to bob carol
                accepted at 10 for 2
                counts for bob
                counts for carol
                wakes s1
            s1 pulls
                m1
            10 s1 sent
            409 wait
                next timer at 410
            s1 pulls
                nothing
            410 wait
                next timer at 10010
                wakes s1
            411 s1 pulls
                m1
            status m1
                bob delivered, delivered 10, acknowledged 0, retries 1
                carol pending, delivered 0, acknowledged 0, retries 0
            s1 sent
            811 wait
                next timer at 10010
            820 s1 pulls
                m1
            s1 sent
            1219 wait
                next timer at 1220
            status m1
                bob delivered, delivered 10, acknowledged 0, retries 2
                carol pending, delivered 0, acknowledged 0, retries 0
            1220 wait
                next timer at 10010
            s1 pulls
                nothing
            status m1
                bob failed, delivered 10, acknowledged 0, retries 2
                carol pending, delivered 0, acknowledged 0, retries 0
            bob acks m1
                rejected: the delivery is failed already, and that is final
            bob polls
                nothing
            carol polls
                m1
        "#]],
    );
}

#[test]
fn an_answer_between_two_attempts_ends_them() {
    check(
        "
        bob subscribes s1
        alice routes m1 to bob
        alice routes m2 to bob
        s1 pulls
        s1 sent
        bob acks m1
        401 wait                        # m2 is due
        bob acks m2                     # RED-6
        s1 pulls
        alice routes m3 to bob
        s1 pulls
        10000 wait                      # m3 was held back all the time: RED-8
        s1 sent
        bob acks m3
        wait
        ",
        expect![[r#"
            bob subscribes s1
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
                wakes s1
            alice routes m2 to bob
                accepted at 1 for 1
            s1 pulls
                m1 m2
            s1 sent
            bob acks m1
                acknowledged
            401 wait
                next timer at 10001
            bob acks m2
                acknowledged
            s1 pulls
                nothing
            alice routes m3 to bob
                accepted at 401 for 1
                wakes s1
            s1 pulls
                m3
            10000 wait
                next timer at 10401
            s1 sent
            bob acks m3
                acknowledged
            wait
                no timer
        "#]],
    );
}

#[test]
fn copies_wait_for_what_is_new() {
    check(
        "
        bob subscribes s1
        alice routes m1 to bob
        s1 pulls
        s1 sent
        401 wait
        alice routes m2 to bob
        s1 pulls 10                     # ORD-8
        s1 pulls
        s1 pulls
        ",
        expect![[r#"
            bob subscribes s1
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
                wakes s1
            s1 pulls
                m1
            s1 sent
            401 wait
                next timer at 10001
            alice routes m2 to bob
                accepted at 401 for 1
            s1 pulls 10
                m2
            s1 pulls
                m1
            s1 pulls
                nothing
        "#]],
    );
}

#[test]
fn timers_go_with_their_stream() {
    check(
        "
        bob subscribes s1
        alice routes m1 to bob
        s1 pulls
        s1 sent
        401 wait
        s1 pulls
        s1 sent
        s1 closes
        5000 wait                       # RED-5
        status m1
        bob subscribes s2
        s2 pulls                        # no retry
        s2 sent
        5400 wait
        s2 pulls
        s2 sent
        bob subscribes s3
        9000 wait
        status m1
        ",
        expect![[r#"
            bob subscribes s1
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
                wakes s1
            s1 pulls
                m1
            s1 sent
            401 wait
                next timer at 10001
            s1 pulls
                m1
            s1 sent
            s1 closes
            5000 wait
                next timer at 10001
            status m1
                bob delivered, delivered 1, acknowledged 0, retries 1
            bob subscribes s2
            s2 pulls
                m1
            s2 sent
            5400 wait
                next timer at 10001
            s2 pulls
                m1
            s2 sent
            bob subscribes s3
                supersedes s2
            9000 wait
                next timer at 10001
            status m1
                bob delivered, delivered 1, acknowledged 0, retries 2
        "#]],
    );
}

#[test]
fn what_is_outstanding_for_too_long_expires() {
    check(
        "
        10 alice routes m1 to bob carol
        20 alice routes m2 to bob
        bob subscribes s1
        s1 pulls 1
        carol acks m1
        10009 wait
        status m1                       # EXP-2
        10010 wait                      # EXP-1
        status m1
        s1 pulls
        restart
        status m1
        wait
        bob acks m2
        wait
        ",
        expect![[r#"
            10 alice routes m1 to bob carol
                accepted at 10 for 2
                counts for bob
                counts for carol
            20 alice routes m2 to bob
                accepted at 20 for 1
            bob subscribes s1
            s1 pulls 1
                m1
            carol acks m1
                acknowledged
            10009 wait
                next timer at 10010
            status m1
                bob delivered, delivered 20, acknowledged 0, retries 0
                carol acknowledged, delivered 0, acknowledged 20, retries 0
            10010 wait
                next timer at 10020
            status m1
                bob failed, delivered 20, acknowledged 0, retries 0
                carol acknowledged, delivered 0, acknowledged 20, retries 0
            s1 pulls
                m2
            restart
                counts for bob
                counts for carol
            status m1
                bob failed, delivered 20, acknowledged 0, retries 0
                carol acknowledged, delivered 0, acknowledged 20, retries 0
            wait
                next timer at 10020
            bob acks m2
                acknowledged
            wait
                no timer
        "#]],
    );
}

#[test]
fn only_members_take_part() {
    check(
        "
        members only
        alice routes m1 to bob                      # SES-3
        bob subscribes s1                           # SES-7
        bob polls
        announce e1 session_created alice bob carol
        dave routes m1                              # SES-1
        alice routes m1 to bob dave                 # SES-2, RTE-8
        alice routes m1 to bob
        bob subscribes s1
        dave subscribes s2
        announce e2 session_started alice carol
        alice routes m2
        alice routes m3 to bob                      # SES-6
        s1 pulls                                    # SES-6
        bob acks m1
        bob polls
        announce e3 session_completed
        alice routes m4 to carol                    # SES-4
        carol polls                                 # SES-5
        carol acks m2
        announce e4 session_started alice carol
        alice routes m4 to carol                    # for good
        restart
        alice routes m4 to carol
        ",
        expect![[r#"
            members only
            alice routes m1 to bob
                rejected: the session was never announced: first publish a session_created or session_started event with selected_parties
            bob subscribes s1
                rejected: the party is no member of this session: have it selected by a session_created or session_started event first
            bob polls
                rejected: the party is no member of this session: have it selected by a session_created or session_started event first
            announce e1 session_created alice bob carol
                published to 0
            dave routes m1
                rejected: from_party is no member of this session
            alice routes m1 to bob dave
                rejected: each of to_parties must be a member of this session, and one is not
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob subscribes s1
            dave subscribes s2
                rejected: the party is no member of this session: have it selected by a session_created or session_started event first
            announce e2 session_started alice carol
                published to 0
            alice routes m2
                broadcast at 1 for 1
                counts for carol
            alice routes m3 to bob
                rejected: each of to_parties must be a member of this session, and one is not
            s1 pulls
                m1
            bob acks m1
                acknowledged
            bob polls
                nothing
            announce e3 session_completed
                published to 0
            alice routes m4 to carol
                rejected: the session has ended: announce another one
            carol polls
                m2
            carol acks m2
                acknowledged
            announce e4 session_started alice carol
                published to 0
            alice routes m4 to carol
                rejected: the session has ended: announce another one
            restart
                counts for bob
                counts for carol
            alice routes m4 to carol
                rejected: the session has ended: announce another one
        "#]],
    );
}

#[test]
fn a_session_ends_when_its_time_is_over() {
    check(
        "
        members only
        announce e1 session_created alice bob until 100
        50 announce e2 session_started
        99 alice routes m1 to bob
        99 announce e3 session_progress until 50
        99 announce e4 session_started until 200
        199 alice routes m2 to bob
        200 alice routes m3 to bob                  # SES-4
        201 announce e5 session_started until 300
        202 alice routes m3 to bob
        bob polls                                   # SES-5
        restart
        203 alice routes m3 to bob
        ",
        expect![[r#"
            members only
            announce e1 session_created alice bob until 100
                published to 0
            50 announce e2 session_started
                published to 0
            99 alice routes m1 to bob
                accepted at 99 for 1
                counts for bob
            99 announce e3 session_progress until 50
                published to 0
            99 announce e4 session_started until 200
                published to 0
            199 alice routes m2 to bob
                accepted at 199 for 1
            200 alice routes m3 to bob
                rejected: the session has ended: announce another one
            201 announce e5 session_started until 300
                published to 0
            202 alice routes m3 to bob
                rejected: the session has ended: announce another one
            bob polls
                m1 m2
            restart
                counts for bob
            203 alice routes m3 to bob
                rejected: the session has ended: announce another one
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

#[test]
fn whom_an_event_selects_gets_it_later_too() {
    check(
        "
        announce e1 session_created alice bob until 100
        announce e2 note
        announce e3 note bob
        bob listens l1
        l1 hears                        # EVT-13: nothing that selects nobody
        alice listens l2 note
        l2 hears
        carol listens l3
        l3 hears
        announce e4 session_started carol until 200
        carol listens l4
        l4 hears
        l1 hears
        150 bob listens l5
        l5 hears
        200 bob listens l6              # it has expired
        l6 hears
        announce e5 note bob
        bob listens l7
        l7 hears
        ",
        expect![[r#"
            announce e1 session_created alice bob until 100
                published to 0
            announce e2 note
                published to 0
            announce e3 note bob
                published to 0
            bob listens l1
            l1 hears
                e1 e3
            alice listens l2 note
            l2 hears
                nothing
            carol listens l3
            l3 hears
                nothing
            announce e4 session_started carol until 200
                published to 1
                wakes l3
            carol listens l4
            l4 hears
                e4
            l1 hears
                nothing
            150 bob listens l5
            l5 hears
                e1 e3
            200 bob listens l6
            l6 hears
                nothing
            announce e5 note bob
                published to 1
                wakes l1
                wakes l6
            bob listens l7
            l7 hears
                nothing
        "#]],
    );
}

#[test]
fn what_has_ended_is_not_told_again() {
    check(
        "
        announce e1 session_created alice bob
        announce e2 session_completed alice bob
        bob listens l1
        l1 hears
        announce e3 note bob
        bob listens l2
        l2 hears
        ",
        expect![[r#"
            announce e1 session_created alice bob
                published to 0
            announce e2 session_completed alice bob
                published to 0
            bob listens l1
            l1 hears
                nothing
            announce e3 note bob
                published to 1
                wakes l1
            bob listens l2
            l2 hears
                nothing
        "#]],
    );
}

#[test]
fn a_stream_holds_so_many_bytes_and_any_single_event() {
    let mut events = Events::new(Backlog { events: 10, bytes: 100 });
    let (stream, bob) = (StreamId(1), PartyId::parse("bob").unwrap());
    let content_for = |_: &_, announcement: &Announcement| announcement.content.clone();
    events.handle_subscribe(Millis(0), stream, bob, [], content_for);
    let publish = |events: &mut Events, bytes: usize| {
        let announcement = Arc::new(Announcement {
            event: EventId::parse("e").unwrap(),
            kind: EventKind::parse("a").unwrap(),
            members: [].into(),
            expires_at: Millis(0),
            content: Content::new(vec![0; bytes].into()),
        });
        let session = SessionId::parse("s").unwrap();
        events.handle_publish(Millis(0), &session, &announcement, None, content_for)
    };
    let pull = |events: &mut Events| {
        let mut batch = Vec::new();
        events.handle_pull(stream, Budget::bytes(usize::MAX), &mut batch).map(|()| batch.len())
    };
    assert_eq!(publish(&mut events, 1_000), 1);
    assert_eq!(pull(&mut events), Ok(1));
    assert_eq!([60, 40].map(|bytes| publish(&mut events, bytes)), [1, 1]);
    assert_eq!(publish(&mut events, 1), 0);
    assert_eq!(pull(&mut events), Ok(2));
    assert_eq!(pull(&mut events), Err(EventStreamError::Lagged));
}
