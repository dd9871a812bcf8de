//! What is sent again, given up, and expires.

use expect_test::expect;

use crate::check;

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
                wakes s1
                next timer at 10010
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
                next timer at 11251
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
                next timer at 21260
        "#]],
    );
}
