//! What a log keeps of whom to tell, and what a restart makes of it (OFF).

use expect_test::expect;

use crate::check;

#[test]
fn it_is_sent_once_it_is_written_down() {
    check(
        "
        notify by email
        1 bob registers as persistent mail
        log holds notices
        40 alice routes m1 to bob
        errands
        log commits
        errands
        ",
        expect![[r#"
            notify by email
            1 bob registers as persistent mail
                registered at 1
            log holds notices
            40 alice routes m1 to bob
                accepted at 40 for 1
                counts for bob
                notes for bob of s: email
            errands
                no more
            log commits
            errands
                email of bob to bob@example.org: s
                no more
        "#]],
    );
}

#[test]
fn a_restart_neither_loses_nor_repeats_it() {
    check(
        "
        notify by email phone
        1 bob registers as persistent mail phone
        1 carol registers as persistent mail
        40 alice routes m1 to bob
        errands
        bob's email sent                      # and the phone is being tried
        50 router restarts
        errands
        51 alice routes m2 to bob carol       # nobody could be heard of since
        errands
        80 carol beats
        81 alice routes m3 to bob carol
        bob's phone sent
        90 router restarts
        130 alice routes m4 to bob carol
        errands
        131 bob beats
        140 router restarts
        180 alice routes m5 to bob
        errands
        ",
        expect![[r#"
            notify by email phone
            1 bob registers as persistent mail phone
                registered at 1
            1 carol registers as persistent mail
                registered at 1
            40 alice routes m1 to bob
                accepted at 40 for 1
                counts for bob
                notes for bob of s: email phone
            errands
                email of bob to bob@example.org: s
                phone of bob to the number of bob: s
                no more
            bob's email sent
                notes for bob of s: phone
            50 router restarts
                bob has something unread
            errands
                phone of bob to the number of bob: s
                no more
            51 alice routes m2 to bob carol
                accepted at 51 for 2
                counts for carol
            errands
                no more
            80 carol beats
                at 80, 1 pending
            81 alice routes m3 to bob carol
                accepted at 81 for 2
            bob's phone sent
                notes for bob of s: all told
            90 router restarts
                bob has something unread
                carol has something unread
            130 alice routes m4 to bob carol
                accepted at 130 for 2
                notes for carol of s: email
            errands
                email of carol to carol@example.org: s
                no more
            131 bob beats
                at 131, 4 pending
                bob is back
            140 router restarts
                bob has something unread
                carol has something unread
            180 alice routes m5 to bob
                accepted at 180 for 1
                notes for bob of s: email phone
            errands
                email of carol to carol@example.org: s
                email of bob to bob@example.org: s
                phone of bob to the number of bob: s
                no more
        "#]],
    );
}

#[test]
fn what_the_log_refuses_is_written_again() {
    check(
        "
        notify by email
        1 bob registers as persistent mail
        session a
        40 alice routes m1 to bob
        errands
        session b
        41 alice routes m2 to bob
        errands
        bob's email failed until 60           # that of a
        log holds notices
        session c
        alice routes m3 to bob
        log refuses notices
        errands                               # that of b is being tried still
        60 errands
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
            errands
                email of bob to bob@example.org: a
                no more
            session b
            41 alice routes m2 to bob
                accepted at 41 for 1
                notes for bob of b: email
            errands
                email of bob to bob@example.org: b
                no more
            bob's email failed until 60
            log holds notices
            session c
            alice routes m3 to bob
                accepted at 41 for 1
                notes for bob of c: email
            log refuses notices
                notes for bob of c: email
            errands
                email of bob to bob@example.org: c
                more at 60
            60 errands
                email of bob to bob@example.org: a, again 1
                no more
        "#]],
    );
}
