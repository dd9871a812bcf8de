//! REG: registration.

mod known;

use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest, RegisteredParty};

use self::known::Known;
use super::arrivals::{all_of, stream_of};
use super::prelude::*;
use crate::listing;
use crate::many::{each, volume, volume_that_fits};
use crate::party::{Party, Sent};
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
             capital letter or with a space; none of them may show in the directory, and a known party \
             stays as it is.",
            check!(other_roles_are_rejected),
        ),
        must(
            "REG-4",
            "Registering the same party again with the same role is accepted, changes \
             `notification` to the new value, and keeps every outstanding delivery.",
            "Gives a party of each role a channel, another one and none, with two messages outstanding, \
             one of them delivered: the directory shows each channel, and both messages come. Then parties \
             register again and again while messages to them are routed.",
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
            "Registers a party again under each other role; its role, its channel and what is outstanding \
             for it stay.",
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
            "Routes hundreds of messages to members who register only afterwards, alone and by broadcast, \
             and reads them by stream and by poll.",
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
    let known = Known::of(&trial, "persistent").await?;
    for role in ["", "Persistent", "coordinator"] {
        let answer = known.party.register_with(known.under(role)).await;
        answer.rejected(&[Code::InvalidArgument])?;
        known.is_as_before().await?;
    }
    Ok(())
}

async fn registering_again_keeps_what_is_outstanding(trial: Trial) -> Verdict {
    let alice = trial.party("alice").await?;
    for role in ROLES {
        one_registers_again(&trial, &alice, role).await?;
    }
    while_messages_are_routed(&trial, &alice).await
}

async fn one_registers_again(trial: &Trial, alice: &Party, role: &str) -> Verdict {
    let bob = trial.party_as(&format!("bob-{role}"), role).await?;
    let session = trial.session(&format!("s-{role}"), &[alice, &bob]).await?;
    let keeping = trial.keeping();
    let first = alice.sends(&session, &[&bob], "first").await?;
    // The first is delivered and the second pending, so that neither state is lost.
    bob.polls(&session).await?;
    let second = alice.sends(&session, &[], "second").await?;
    for channel in [email("one@example.org"), phone("+1 555 0100"), None] {
        let request =
            RegisterPartyRequest { notification: channel.clone(), ..registration(&bob.id, role) };
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

/// Nothing is lost between what a registration reads of its party and what it writes.
async fn while_messages_are_routed(trial: &Trial, alice: &Party) -> Verdict {
    let parties = trial.parties(["busy-1", "busy-2", "busy-3", "busy-4"]).await?;
    let members: Vec<_> = parties.iter().chain([alice]).collect();
    let session = trial.session("busy", &members).await?;
    let keeping = trial.keeping();
    let requests = (0..120).map(|number| {
        let to: &[&Party] = if number % 8 == 0 { &[] } else { &[&parties[number % 4]] };
        (alice, alice.outgoing(&session, to, format!("message {number}")))
    });
    let registering = each(&parties, |party| {
        let party = party.clone();
        async move {
            for _ in 0..8 {
                party.register("persistent").await.accepted()?;
            }
            Ok(())
        }
    });
    let (sent, _) = tokio::try_join!(volume(trial, requests), registering)?;
    for party in &parties {
        let is_its = |it: &&Sent| {
            it.request.to_parties.is_empty() || it.request.to_parties.contains(&party.id)
        };
        let polled = party.polls(&session).await?;
        let verdict = listing::exactly(party, &polled, sent.iter().filter(is_its));
        let told = "it registered again while messages to it were routed";
        keeping.judged(verdict.map_err(|stop| stop.told(told)))?;
    }
    Ok(())
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
        let known = Known::of(&trial, role).await?;
        for other in ROLES.into_iter().filter(|it| *it != role) {
            let answer = known.party.register_with(known.under(other)).await;
            answer.rejected(&[Code::FailedPrecondition])?;
        }
        known.is_as_before().await?;
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
    // More than a provisional buffer of a common size holds.
    let requests = (0..300).map(|number| {
        let to: &[&Party] = if number % 10 == 0 { &[] } else { &[&streaming, &polling] };
        (&alice, alice.outgoing(&session, to, format!("message {number}")))
    });
    let mut all = volume_that_fits(&trial, requests).await?;
    all.extend([to_both, to_all]);
    for party in [&streaming, &polling] {
        party.register("temporary").await.prepared()?;
    }
    let mut feed = streaming.subscribe(&session);
    all_of(&mut feed, [&keeping], &stream_of(&streaming), &all).await?;
    let polled = polling.polls(&session).await?;
    let verdict = listing::exactly(&polling, &polled, &all);
    let told = "it registered after the messages to it were routed";
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
