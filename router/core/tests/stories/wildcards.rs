//! Streams of all of a party's sessions, as one of these sessions sees them (SUB-9).

use expect_test::expect;

use crate::check;

#[test]
fn both_streams_of_a_party_get_everything() {
    check(
        "
        alice routes m1 to bob
        bob subscribes s1
        bob attaches w1
        bob attaches w1               # once is enough
        s1 pulls
        w1 pulls
        alice routes m2 to bob
        w1 pulls
        bob acks m2
        s1 pulls                      # SUB-4
        s1 closes
        alice routes m3 to bob
        w1 pulls
        status m1
        ",
        expect![[r#"
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob subscribes s1
            bob attaches w1
                wakes w1
            bob attaches w1
                not attached
            s1 pulls
                m1
            w1 pulls
                m1
            alice routes m2 to bob
                accepted at 1 for 1
            w1 pulls
                m2
            bob acks m2
                acknowledged
            s1 pulls
                nothing
            s1 closes
            alice routes m3 to bob
                accepted at 1 for 1
            w1 pulls
                m3
            status m1
                bob delivered, delivered 1, acknowledged 0, retries 0
        "#]],
    );
}

#[test]
fn it_reads_where_there_is_something() {
    check(
        "
        bob attaches w1               # nothing was ever sent to him
        alice routes m1 to bob
        bob attaches w1
        w1 pulls
        w1 pulls
        bob acks m1
        bob registers as delegate
        bob beats                     # nothing is left
        alice routes m2 to bob
        w1 pulls
        bob attaches w1
        w1 pulls
        ",
        expect![[r#"
            bob attaches w1
                not attached
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob attaches w1
                wakes w1
            w1 pulls
                m1
            w1 pulls
                nothing
            bob acks m1
                acknowledged
            bob registers as delegate
                registered at 1
            bob beats
                at 1, 0 pending
                detaches w1
            alice routes m2 to bob
                accepted at 1 for 1
                counts for bob
            w1 pulls
                ended: a newer subscription of the same party_id and session_id took over from this one
            bob attaches w1
                wakes w1
            w1 pulls
                m2
        "#]],
    );
}

#[test]
fn it_waits_for_the_log() {
    check(
        "
        log holds
        alice routes m1 to bob
        bob attaches w1
        w1 pulls
        log commits
        w1 pulls
        ",
        expect![[r#"
            log holds
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob attaches w1
            w1 pulls
                nothing
            log commits
                wakes w1
            w1 pulls
                m1
        "#]],
    );
}

#[test]
fn a_newer_one_takes_over() {
    check(
        "
        alice routes m1 to bob
        bob attaches w1
        bob attaches w2
        w1 pulls
        w2 pulls
        bob attaches w1               # it comes too late
        alice routes m2 to bob
        w2 pulls
        ",
        expect![[r#"
            alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob attaches w1
                wakes w1
            bob attaches w2
                detaches w1
                wakes w2
            w1 pulls
                ended: a newer subscription of the same party_id and session_id took over from this one
            w2 pulls
                m1
            bob attaches w1
                not attached
            alice routes m2 to bob
                accepted at 1 for 1
            w2 pulls
                m2
        "#]],
    );
}

#[test]
fn each_stream_sends_again_and_the_last_decides() {
    check(
        "
        1 alice routes m1 to bob
        bob subscribes s1
        bob attaches w1
        1 s1 pulls
        1 s1 sent
        101 w1 pulls
        101 w1 sent
        401 wait
        401 s1 pulls
        401 s1 sent
        501 wait
        501 w1 pulls
        501 w1 sent
        status m1                     # RED-3: together they are no faster than one
        801 wait
        801 s1 pulls
        801 s1 sent
        901 wait
        901 w1 pulls
        901 w1 sent
        1201 wait
        status m1                     # RED-4: the answer to w1's last may still come
        1300 wait
        1301 wait
        status m1
        ",
        expect![[r#"
            1 alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob subscribes s1
            bob attaches w1
                wakes w1
            1 s1 pulls
                m1
            1 s1 sent
            101 w1 pulls
                m1
            101 w1 sent
            401 wait
                next timer at 501
            401 s1 pulls
                m1
            401 s1 sent
            501 wait
                next timer at 801
            501 w1 pulls
                m1
            501 w1 sent
            status m1
                bob delivered, delivered 1, acknowledged 0, retries 1
            801 wait
                next timer at 901
            801 s1 pulls
                m1
            801 s1 sent
            901 wait
                next timer at 1201
            901 w1 pulls
                m1
            901 w1 sent
            1201 wait
                next timer at 1301
            status m1
                bob delivered, delivered 1, acknowledged 0, retries 2
            1300 wait
                next timer at 1301
            1301 wait
                next timer at 12551
            status m1
                bob failed, delivered 1, acknowledged 0, retries 2
        "#]],
    );
}

#[test]
fn what_one_stream_left_to_the_other_is_not_forgotten() {
    check(
        "
        1 alice routes m1 to bob
        bob subscribes s1
        bob attaches w1
        1 s1 pulls
        1 s1 sent
        1 w1 pulls                    # and flow control holds it back
        401 wait
        401 s1 pulls
        401 s1 sent
        801 wait
        801 s1 pulls
        801 s1 sent
        1201 wait
        status m1                     # RED-8
        w1 closes
        1202 wait
        status m1
        ",
        expect![[r#"
            1 alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob subscribes s1
            bob attaches w1
                wakes w1
            1 s1 pulls
                m1
            1 s1 sent
            1 w1 pulls
                m1
            401 wait
                next timer at 10001
            401 s1 pulls
                m1
            401 s1 sent
            801 wait
                next timer at 10001
            801 s1 pulls
                m1
            801 s1 sent
            1201 wait
                next timer at 10001
            status m1
                bob delivered, delivered 1, acknowledged 0, retries 2
            w1 closes
            1202 wait
                next timer at 12452
            status m1
                bob failed, delivered 1, acknowledged 0, retries 2
        "#]],
    );
}

#[test]
fn it_keeps_no_session() {
    check(
        "
        1 alice routes m1 to bob
        bob attaches w1
        2 w1 pulls
        2 w1 sent
        3 bob acks m1
        30000 wait
        bob attaches w1               # there is nothing to read any more
        alice routes m2 to bob
        bob attaches w1
        w1 pulls
        ",
        expect![[r#"
            1 alice routes m1 to bob
                accepted at 1 for 1
                counts for bob
            bob attaches w1
                wakes w1
            2 w1 pulls
                m1
            2 w1 sent
            3 bob acks m1
                acknowledged
            30000 wait
                detaches w1
                no more for bob
                discards the session
                no timer
            bob attaches w1
                not attached
            alice routes m2 to bob
                accepted at 30000 for 1
                counts for bob
            bob attaches w1
                wakes w1
            w1 pulls
                m2
        "#]],
    );
}
