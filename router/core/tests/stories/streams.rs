//! What comes on a message stream, and when it ends.

use expect_test::expect;

use crate::check;

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
                ended: a newer subscription of the same party_id and session_id took over from this one
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
