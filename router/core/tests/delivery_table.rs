//! The state machine of a delivery, printed.

use expect_test::expect;
use mpc_router_core::{DeliveryEvent, DeliveryState, Transition};

#[test]
fn state_by_event() {
    let mut table = format!("{:<14}", "");
    for event in DeliveryEvent::ALL {
        table += &format!("{:<14}", format!("{event:?}"));
    }
    for state in DeliveryState::ALL {
        table = format!("{}\n{state:<14}", table.trim_end());
        for event in DeliveryEvent::ALL {
            table += &match state.on(event) {
                Transition::To(next) => format!("{next:<14}"),
                Transition::Stays => format!("{:<14}", "-"),
                Transition::Contradicts => format!("{:<14}", "rejected"),
            };
        }
    }
    let table = format!("{}\n", table.trim_end());
    expect![[r#"
                      HandedOut     Taken         Refused       GivenUp
        pending       delivered     acknowledged  failed        failed
        delivered     -             acknowledged  failed        failed
        acknowledged  -             -             rejected      -
        failed        -             rejected      -             -
    "#]]
    .assert_eq(&table);
}

#[test]
fn states_only_move_forward() {
    for state in DeliveryState::ALL {
        for event in DeliveryEvent::ALL {
            if let Transition::To(next) = state.on(event) {
                assert!(state < next, "STS-5: {state} to {next}");
                assert!(!state.is_terminal(), "ACK-4: {state} stays");
            }
        }
    }
}
