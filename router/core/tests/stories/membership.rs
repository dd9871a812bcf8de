//! Who takes part in a session, and until when.

use expect_test::expect;

use crate::check;

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
