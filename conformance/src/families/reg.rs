//! REG: registration.

use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest, RegisteredParty};

use super::arrivals::{all_of, stream_of};
use super::prelude::*;
use crate::listing;
use crate::party::Party;
use crate::trial::registration;

pub(super) const FAMILY: Family = Family {
    name: "REG",
    title: "registration",
    requirements: &[
        must(
            "REG-1",
            "RegisterParty with a new `party_id` and a role of `persistent`, `delegate` or \
             `temporary` is accepted.",
            "Registers a party of each role.",
            check!(new_parties_are_accepted),
        ),
        must(
            "REG-2",
            "An empty `party_id` is rejected (INVALID_ARGUMENT).",
            "Registers a party with no name.",
            check!(an_empty_party_id_is_rejected),
        ),
        must(
            "REG-3",
            "A role other than the three, the empty one included, is rejected (INVALID_ARGUMENT); \
             letter case matters.",
            "Registers parties under no role, an invented one, and each right one in capitals, with a \
             capital letter or with a space; none of them may show in the directory.",
            check!(other_roles_are_rejected),
        ),
        must(
            "REG-4",
            "Registering the same party again with the same role is accepted, changes \
             `notification` to the new value, and keeps every outstanding delivery.",
            "Gives a party a channel, another one and none, with two messages outstanding, one of them \
             delivered: the directory shows each channel, and both messages come.",
            check!(registering_again_keeps_what_is_outstanding),
        ),
        should(
            "REG-5",
            "`registered_at` lies within `clock_tolerance` of now, and registering again does not \
             move it.",
            "Compares `registered_at` with the suite's clock, then registers the party again.",
            check!(registered_at_is_true_and_stays),
        ),
        should(
            "REG-6",
            "Registering a known party under another role is rejected (FAILED_PRECONDITION).",
            "Registers a party again under each other role; the directory keeps the first one.",
            check!(another_role_is_rejected),
        ),
        must(
            "REG-7",
            "A registered party appears in GetRegisteredParties with the role and notification \
             channel it gave.",
            "Registers parties of each role with each kind of channel and looks them up.",
            check!(parties_show_as_they_registered),
        ),
        must(
            "REG-8",
            "A session's member that has not registered yet is still routed to: what is routed \
             before it registers reaches it afterwards. (An unregistered *sender* is unspecified.)",
            "Routes to members who register only afterwards, alone and by broadcast, and reads both by \
             stream and by poll.",
            check!(members_may_register_late),
        ),
    ],
};

const ROLES: [&str; 3] = ["persistent", "delegate", "temporary"];

async fn new_parties_are_accepted(trial: Trial) -> Verdict {
    for role in ROLES {
        trial.stranger(role).register(role).await.accepted()?;
    }
    Ok(())
}

async fn an_empty_party_id_is_rejected(trial: Trial) -> Verdict {
    let party = trial.stranger("nameless");
    let answer = party.register_with(registration("", "persistent")).await;
    answer.rejected(&[Code::InvalidArgument])?;
    match listed(&party, "").await? {
        None => Ok(()),
        Some(_) => {
            let seen = "after a rejected registration the directory lists a party without a name";
            Err(Stop::broken(seen, "a rejected call has no effect"))
        }
    }
}

async fn other_roles_are_rejected(trial: Trial) -> Verdict {
    let wrong = [
        "",
        "coordinator",
        "PERSISTENT",
        "Persistent",
        "persistent ",
        " delegate",
        "Delegate",
        "TEMPORARY",
        "temporary\0",
        "persist",
    ];
    for (number, role) in wrong.into_iter().enumerate() {
        let party = trial.stranger(&format!("p{number}"));
        party.register(role).await.rejected(&[Code::InvalidArgument])?;
        if listed(&party, &party.id).await?.is_some() {
            let seen = format!("the role {role:?} was rejected, yet the directory lists the party");
            return Err(Stop::broken(seen, "a rejected call has no effect"));
        }
    }
    Ok(())
}

async fn registering_again_keeps_what_is_outstanding(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let first = alice.sends(&session, &[&bob], "first").await?;
    // The first is delivered and the second pending, so that neither state is lost.
    bob.polls(&session).await?;
    let second = alice.sends(&session, &[], "second").await?;
    for channel in [email("one@example.org"), phone("+1 555 0100"), None] {
        let request = RegisterPartyRequest {
            notification: channel.clone(),
            ..registration(&bob.id, "persistent")
        };
        bob.register_with(request).await.accepted()?;
        let entry = must_be_listed(&bob).await?;
        if same_channel(&entry.notification, &channel) {
            continue;
        }
        let seen =
            format!("registered again with {channel:?}, {} shows {:?}", bob.id, entry.notification);
        return Err(Stop::broken(seen, "the notification channel of the latest registration"));
    }
    let mut feed = bob.subscribe(&session);
    all_of(&mut feed, [&keeping], &stream_of(&bob), [&first, &second]).await.map(drop)
}

async fn registered_at_is_true_and_stays(trial: Trial) -> Verdict {
    let party = trial.stranger("party");
    let tolerance = trial.timers().clock_tolerance_ms.cast_signed();
    let before = trial.clock().now_ms();
    let first = party.register("delegate").await.prepared()?.registered_at;
    let after = trial.clock().now_ms();
    let range = before - tolerance..=after + tolerance;
    if !range.contains(&first) {
        let seen = format!("registered_at is {first}, registered between {before} and {after}");
        return Err(Stop::broken(seen, format!("a time within {tolerance} ms of that")));
    }
    trial.sleep(std::time::Duration::from_millis(20)).await;
    let again = party.register("delegate").await.prepared()?.registered_at;
    let listed = must_be_listed(&party).await?.registered_at;
    for (at, what) in [(again, "registering again answers with"), (listed, "the directory shows")] {
        if at != first {
            let seen = format!("registered at {first}, but {what} registered_at {at}");
            return Err(Stop::broken(seen, format!("{first}, the time of the first registration")));
        }
    }
    Ok(())
}

async fn another_role_is_rejected(trial: Trial) -> Verdict {
    for role in ROLES {
        let party = trial.party_as(&format!("first-{role}"), role).await?;
        for other in ROLES.into_iter().filter(|it| *it != role) {
            party.register(other).await.rejected(&[Code::FailedPrecondition])?;
        }
        let entry = must_be_listed(&party).await?;
        if entry.role != role {
            let seen = format!("the role became {:?} by a rejected registration", entry.role);
            return Err(Stop::broken(seen, format!("the role {role:?}")));
        }
    }
    Ok(())
}

async fn parties_show_as_they_registered(trial: Trial) -> Verdict {
    let all = NotificationChannel {
        email: "all@example.org".into(),
        phone: "+1 555 0102".into(),
        push_token: "token-all".into(),
    };
    let token = NotificationChannel { push_token: "token".into(), ..Default::default() };
    let channels = [None, email("p@example.org"), phone("+1 555 0101"), Some(token), Some(all)];
    let mut registered = Vec::new();
    for role in ROLES {
        for (number, channel) in channels.iter().enumerate() {
            let party = trial.stranger(&format!("{role}{number}"));
            let notification = channel.clone();
            let request = RegisterPartyRequest { notification, ..registration(&party.id, role) };
            party.register_with(request).await.prepared()?;
            registered.push((party, role, channel));
        }
    }
    for (party, role, channel) in registered {
        let entry = must_be_listed(&party).await?;
        if entry.role != role || !same_channel(&entry.notification, channel) {
            let seen =
                format!("{} is listed as {:?}, {:?}", party.id, entry.role, entry.notification);
            return Err(Stop::broken(seen, format!("{role:?}, {channel:?}, as it registered")));
        }
    }
    Ok(())
}

async fn members_may_register_late(trial: Trial) -> Verdict {
    let alice = trial.party("alice").await?;
    let (streaming, polling) = (trial.stranger("late-streaming"), trial.stranger("late-polling"));
    let session = trial.session("s", &[&alice, &streaming, &polling]).await?;
    let keeping = trial.keeping();
    let to_both = alice.sends(&session, &[&streaming, &polling], "to both").await?;
    let to_all = alice.sends(&session, &[], "to all").await?;
    for party in [&streaming, &polling] {
        party.register("temporary").await.prepared()?;
    }
    let (mut feed, both) = (streaming.subscribe(&session), [&to_both, &to_all]);
    all_of(&mut feed, [&keeping], &stream_of(&streaming), both).await?;
    let polled = polling.polls(&session).await?;
    let verdict = listing::exactly(&polling, &polled, both);
    let told = "it registered after two messages to it were routed";
    keeping.judged(verdict.map_err(|stop| stop.told(told)))
}

async fn must_be_listed(party: &Party) -> Result<RegisteredParty, Stop> {
    listed(party, &party.id).await?.ok_or_else(|| {
        let seen = format!("{} is registered, and GetRegisteredParties does not list it", party.id);
        Stop::broken(seen, "an entry for it")
    })
}

async fn listed(asking: &Party, id: &str) -> Result<Option<RegisteredParty>, Stop> {
    let parties = asking.list("", false).await.accepted()?.parties;
    Ok(parties.into_iter().find(|it| it.party_id == id))
}

fn email(address: &str) -> Option<NotificationChannel> {
    Some(NotificationChannel { email: address.into(), ..Default::default() })
}

fn phone(number: &str) -> Option<NotificationChannel> {
    Some(NotificationChannel { phone: number.into(), ..Default::default() })
}

/// Whether two channels are the same, where an absent one is the same as one with nothing in it.
fn same_channel(one: &Option<NotificationChannel>, other: &Option<NotificationChannel>) -> bool {
    one.clone().unwrap_or_default() == other.clone().unwrap_or_default()
}
