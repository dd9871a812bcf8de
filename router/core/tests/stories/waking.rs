//! Whoever is away is told that something waits (OFF).

use expect_test::expect;

use crate::check;

#[test]
fn the_first_message_of_a_session_tells() {
    check(
        "
        notify by email phone
        1 bob registers as persistent mail phone
        31 alice routes m1 to bob             # OFF-3: bob is online still
        32 alice routes m2 to bob
        errands
        bob's email sent
        bob's phone sent
        33 alice routes m3 to bob             # OFF-2: he was told
        session t
        34 alice routes m4 to bob             # but not of this one
        errands
        ",
        expect![[r#"
            notify by email phone
            1 bob registers as persistent mail phone
                registered at 1
            31 alice routes m1 to bob
                accepted at 31 for 1
                counts for bob
            32 alice routes m2 to bob
                accepted at 32 for 1
                notes for bob of s: email phone
            errands
                email of bob to bob@example.org: s
                phone of bob to the number of bob: s
                no more
            bob's email sent
                notes for bob of s: phone
            bob's phone sent
                notes for bob of s: all told
            33 alice routes m3 to bob
                accepted at 33 for 1
            session t
            34 alice routes m4 to bob
                accepted at 34 for 1
                notes for bob of t: email phone
            errands
                email of bob to bob@example.org: t
                phone of bob to the number of bob: t
                no more
        "#]],
    );
}

#[test]
fn neither_who_is_online_nor_who_has_no_channel_is_told() {
    check(
        "
        notify by email
        1 bob registers as persistent mail
        1 carol registers as persistent
        1 dave registers as persistent phone  # and nobody sends text messages
        40 bob beats
        41 alice routes m1 to bob carol dave eve
        errands
        ",
        expect![[r#"
            notify by email
            1 bob registers as persistent mail
                registered at 1
            1 carol registers as persistent
                registered at 1
            1 dave registers as persistent phone
                registered at 1
            40 bob beats
                at 40, 0 pending
            41 alice routes m1 to bob carol dave eve
                accepted at 41 for 4
                counts for bob
                counts for carol
                counts for dave
                counts for eve
            errands
                no more
        "#]],
    );
}

#[test]
fn whoever_has_come_back_is_told_anew() {
    check(
        "
        notify by email
        1 bob registers as persistent mail
        40 alice routes m1 to bob
        50 bob beats
        50 errands                            # he is there
        60 alice routes m2 to bob
        81 alice routes m3 to bob
        errands
        bob's email sent
        90 bob beats
        121 alice routes m4 to bob
        errands
        122 bob beats
        bob's email sent                      # it was on its way
        160 alice routes m5 to bob
        errands
        ",
        expect![[r#"
            notify by email
            1 bob registers as persistent mail
                registered at 1
            40 alice routes m1 to bob
                accepted at 40 for 1
                counts for bob
                notes for bob of s: email
            50 bob beats
                at 50, 1 pending
                bob is back
            50 errands
                no more
            60 alice routes m2 to bob
                accepted at 60 for 1
            81 alice routes m3 to bob
                accepted at 81 for 1
                notes for bob of s: email
            errands
                email of bob to bob@example.org: s
                no more
            bob's email sent
                notes for bob of s: all told
            90 bob beats
                at 90, 3 pending
                bob is back
            121 alice routes m4 to bob
                accepted at 121 for 1
                notes for bob of s: email
            errands
                email of bob to bob@example.org: s
                no more
            122 bob beats
                at 122, 4 pending
                bob is back
            bob's email sent
            160 alice routes m5 to bob
                accepted at 160 for 1
                notes for bob of s: email
            errands
                email of bob to bob@example.org: s
                no more
        "#]],
    );
}

#[test]
fn a_failure_is_tried_again_on_its_own_channel() {
    check(
        "
        notify by email phone
        1 bob registers as persistent mail phone
        40 alice routes m1 to bob
        errands
        bob's phone failed until 60
        bob's email sent
        59 errands
        60 errands
        bob's phone failed until 100
        70 bob beats
        100 errands
        ",
        expect![[r#"
            notify by email phone
            1 bob registers as persistent mail phone
                registered at 1
            40 alice routes m1 to bob
                accepted at 40 for 1
                counts for bob
                notes for bob of s: email phone
            errands
                email of bob to bob@example.org: s
                phone of bob to the number of bob: s
                no more
            bob's phone failed until 60
            bob's email sent
                notes for bob of s: phone
            59 errands
                more at 60
            60 errands
                phone of bob to the number of bob: s, again 1
                no more
            bob's phone failed until 100
            70 bob beats
                at 70, 1 pending
                bob is back
            100 errands
                no more
        "#]],
    );
}

#[test]
fn registering_again_is_coming_back() {
    check(
        "
        notify by email phone
        1 bob registers as persistent mail phone
        40 alice routes m1 to bob
        41 bob registers as persistent        # OFF-5
        errands
        80 alice routes m2 to bob
        errands
        81 bob registers as persistent phone
        120 alice routes m3 to bob
        errands
        bob's phone failed until 130
        125 bob registers as persistent mail
        130 errands
        ",
        expect![[r#"
            notify by email phone
            1 bob registers as persistent mail phone
                registered at 1
            40 alice routes m1 to bob
                accepted at 40 for 1
                counts for bob
                notes for bob of s: email phone
            41 bob registers as persistent
                registered at 1 again
                bob is back
            errands
                no more
            80 alice routes m2 to bob
                accepted at 80 for 1
            errands
                no more
            81 bob registers as persistent phone
                registered at 1 again
            120 alice routes m3 to bob
                accepted at 120 for 1
                notes for bob of s: phone
            errands
                phone of bob to the number of bob: s
                no more
            bob's phone failed until 130
            125 bob registers as persistent mail
                registered at 1 again
                bob is back
            130 errands
                no more
        "#]],
    );
}

#[test]
fn whoever_reads_needs_nothing() {
    check(
        "
        notify by email
        1 bob registers as persistent mail
        bob subscribes s1
        40 alice routes m1 to bob
        s1 closes
        bob attaches w1
        41 alice routes m2 to bob
        errands
        w1 closes
        42 alice routes m3 to bob
        errands
        ",
        expect![[r#"
            notify by email
            1 bob registers as persistent mail
                registered at 1
            bob subscribes s1
            40 alice routes m1 to bob
                accepted at 40 for 1
                counts for bob
                wakes s1
            s1 closes
            bob attaches w1
                wakes w1
            41 alice routes m2 to bob
                accepted at 41 for 1
            errands
                no more
            w1 closes
            42 alice routes m3 to bob
                accepted at 42 for 1
                notes for bob of s: email
            errands
                email of bob to bob@example.org: s
                no more
        "#]],
    );
}

#[test]
fn a_party_is_told_of_so_many_sessions() {
    check(
        "
        notify by email
        1 bob registers as persistent mail
        session a
        40 alice routes m1 to bob
        session b
        alice routes m2 to bob
        session c
        alice routes m3 to bob
        session d
        alice routes m4 to bob
        errands
        ",
        expect![[r#"
            notify by email
            1 bob registers as persistent mail
                registered at 1
            session a
            40 alice routes m1 to bob
                accepted at 40 for 1
                counts for bob
                notes for bob of a: email
            session b
            alice routes m2 to bob
                accepted at 40 for 1
                notes for bob of b: email
            session c
            alice routes m3 to bob
                accepted at 40 for 1
                notes for bob of c: email
            session d
            alice routes m4 to bob
                accepted at 40 for 1
            errands
                email of bob to bob@example.org: a
                email of bob to bob@example.org: b
                email of bob to bob@example.org: c
                no more
        "#]],
    );
}
