//! How deliveries end, and what is counted until then.

use expect_test::expect;

use crate::check;

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
