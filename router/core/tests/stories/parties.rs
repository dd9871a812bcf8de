//! Who is registered, and who is online.

use expect_test::expect;

use crate::check;

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
fn as_many_parties_are_taken_as_can_be_listed() {
    check(
        "
        1 bob registers as persistent
        1 carol registers as temporary
        1 dave registers as temporary
        1 erin registers as temporary
        1 frank registers as delegate
        1 grace registers as delegate
        2 heidi registers as delegate       # six is all
        3 bob registers as persistent mail
        3 carol registers as temporary mail
        3 dave registers as temporary mail
        3 frank registers as delegate mail  # too long together
        4 bob registers as persistent       # what makes room is fine
        5 frank registers as delegate mail
        ",
        expect![[r#"
            1 bob registers as persistent
                registered at 1
            1 carol registers as temporary
                registered at 1
            1 dave registers as temporary
                registered at 1
            1 erin registers as temporary
                registered at 1
            1 frank registers as delegate
                registered at 1
            1 grace registers as delegate
                registered at 1
            2 heidi registers as delegate
                rejected: this router has as many parties as it can list
            3 bob registers as persistent mail
                registered at 1 again
            3 carol registers as temporary mail
                registered at 1 again
            3 dave registers as temporary mail
                registered at 1 again
            3 frank registers as delegate mail
                rejected: this router has as many parties as it can list
            4 bob registers as persistent
                registered at 1 again
            5 frank registers as delegate mail
                registered at 1 again
        "#]],
    );
}
