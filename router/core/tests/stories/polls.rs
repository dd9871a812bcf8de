//! What a poll answers with.

use expect_test::expect;

use crate::check;

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
