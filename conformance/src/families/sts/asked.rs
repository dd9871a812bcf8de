//! STS-6, STS-7, STS-9: what an answer sums up, refuses and repeats.

use mpc_router_proto::v1::GetMessageStatusResponse;
use rand_core::RngCore as _;
use tokio::time::Duration;

use super::super::prelude::*;
use crate::keeping::Keeping;
use crate::many::{each, one_to_many, statuses, volume};
use crate::party::{Party, Sent};

/// Codes beside the usual one where the identifier may have a shape that the target does not know.
const LENIENT: [Code; 2] = [Code::NotFound, Code::InvalidArgument];

/// Demands that an answer does not contradict itself.
fn agrees_with_itself(status: &GetMessageStatusResponse) -> Verdict {
    let acknowledged = status.deliveries.iter().filter(|it| it.status == "acknowledged").count();
    let all = acknowledged == status.deliveries.len();
    if status.all_acknowledged == all {
        return Ok(());
    }
    let seen = format!(
        "the status of {} has all_acknowledged = {}, and {acknowledged} of {} entries are \
         \"acknowledged\"",
        status.message_id,
        status.all_acknowledged,
        status.deliveries.len()
    );
    Err(Stop::broken(seen, format!("all_acknowledged = {all}")))
}

/// Demands that an answer says whether all have acknowledged.
fn says(status: &GetMessageStatusResponse, all: bool, keeping: &Keeping, why: &str) -> Verdict {
    agrees_with_itself(status)?;
    if status.all_acknowledged == all {
        return Ok(());
    }
    keeping.lasts()?;
    let seen = format!(
        "the status of {} has all_acknowledged = {}",
        status.message_id, status.all_acknowledged
    );
    Err(Stop::broken(seen, format!("all_acknowledged = {all}: {why}")))
}

pub(super) async fn all_acknowledged_sums_up(trial: Trial) -> Verdict {
    let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol, &dave]).await?;
    let outcomes: [&[bool]; 8] = [
        &[true],
        &[false],
        &[true, true, true],
        &[false, true, true],
        &[true, false, true],
        &[true, true, false],
        &[false, false, false],
        &[true, true],
    ];
    for (place, outcomes) in outcomes.into_iter().enumerate() {
        let keeping = trial.keeping();
        let recipients = &[&bob, &carol, &dave][..outcomes.len()];
        let to = if recipients.len() == 3 && place % 2 == 0 { &[] } else { recipients };
        let sent = alice.has_sent(&session, to, "to sum up").await?;
        says(&alice.status(&sent).await?, false, &keeping, "nobody has acknowledged it")?;
        if place % 2 == 0 {
            bob.polls(&session).await?;
            says(&alice.status(&sent).await?, false, &keeping, "nobody has acknowledged it")?;
        }
        for (turn, (party, success)) in recipients.iter().zip(outcomes).enumerate() {
            let request = sent.acknowledgement(party, *success);
            keeping.accepted(party.acknowledge(request).await)?;
            let turns = &outcomes[..=turn];
            let all = turns.len() == outcomes.len() && turns.iter().all(|success| *success);
            let why = format!(
                "{} of {} recipients have acknowledged it, with success = {turns:?}",
                turns.len(),
                outcomes.len()
            );
            says(&alice.status(&sent).await?, all, &keeping, &why)?;
        }
    }
    many_recipients(&trial).await
}

async fn many_recipients(trial: &Trial) -> Verdict {
    let (alice, recipients, session) = one_to_many(trial, 64).await?;
    let keeping = trial.keeping();
    let to_all: Vec<_> = recipients.iter().collect();
    let requests = (0..8).map(|number| {
        let to = if number % 2 == 0 { &[][..] } else { &to_all };
        (&alice, alice.outgoing(&session, to, "to many"))
    });
    let sent = volume(trial, requests).await?;

    // Of each message one recipient comes last, and of every other one somebody refuses.
    let mut random = trial.random("order");
    let mut turns = Vec::new();
    for (place, sent) in sent.iter().enumerate() {
        for (number, party) in recipients.iter().enumerate().filter(|(number, _)| *number != place)
        {
            let refuses = place % 2 == 1 && number == place + 20;
            turns.push((random.next_u32(), sent, party, !refuses));
        }
    }
    turns.sort_unstable_by_key(|(random, ..)| *random);
    let acknowledging = each(turns, |(_, sent, party, success)| {
        let (party, request) = (party.clone(), sent.acknowledgement(party, success));
        async move { keeping.accepted(party.acknowledge(request).await) }
    });
    let looking = async {
        loop {
            statuses(&alice, &sent).await?.iter().try_for_each(agrees_with_itself)?;
            trial.sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        biased;
        acknowledged = acknowledging => drop(acknowledged?),
        stopped = looking => return stopped,
    }

    for status in statuses(&alice, &sent).await? {
        says(&status, false, &keeping, "one of 64 recipients has not acknowledged it yet")?;
    }
    for (place, sent) in sent.iter().enumerate() {
        let request = sent.acknowledgement(&recipients[place], true);
        keeping.accepted(recipients[place].acknowledge(request).await)?;
    }
    for (place, status) in statuses(&alice, &sent).await?.iter().enumerate() {
        let why = match place % 2 {
            0 => "the last of 64 recipients has acknowledged it",
            _ => "one of 64 recipients has acknowledged it with success = false",
        };
        says(status, place % 2 == 0, &keeping, why)?;
    }
    Ok(())
}

pub(super) async fn unknown_messages_are_rejected(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let other = trial.session("s2", &[&alice, &bob]).await?;
    let sent = [
        alice.has_sent(&session, &[&bob], "pending").await?,
        alice.has_sent(&session, &[], "acknowledged").await?,
        alice.has_sent(&other, &[&bob], "in the other").await?,
    ];
    bob.acks(&sent[1]).await?;

    let mut attempts = vec![
        (session.id.clone(), trial.name("no-such-message"), &[Code::NotFound][..]),
        (session.id.clone(), String::new(), &LENIENT),
        (session.id.clone(), "00000000-0000-7000-8000-000000000000".into(), &LENIENT),
        (session.id.clone(), "x".repeat(1_000), &LENIENT),
        (session.id.clone(), session.id.clone(), &LENIENT),
        (session.id.clone(), alice.id.clone(), &LENIENT),
    ];
    for Sent { id, request } in &sent {
        let shorter = id.char_indices().next_back().map_or("", |(end, _)| &id[..end]);
        for nearly in [format!("{id}0"), format!("x{id}"), shorter.to_owned()] {
            if !sent.iter().any(|it| it.id == nearly) {
                attempts.push((request.session_id.clone(), nearly, &LENIENT));
            }
        }
        let own = &request.session_id;
        for wrong in [&session.id, &other.id, &trial.name("never-announced")] {
            if wrong != own {
                attempts.push((wrong.clone(), id.clone(), &[Code::NotFound]));
            }
        }
        for nearly in [String::new(), format!("{own} "), own.to_uppercase(), own[1..].to_owned()] {
            attempts.push((nearly, id.clone(), &LENIENT));
        }
    }
    let before = statuses(&alice, &sent).await?;
    for asking in [&alice, &bob] {
        each(&attempts, |(session, id, usual)| {
            let (asking, session, id) = (asking.clone(), session.clone(), id.clone());
            let usual = usual.to_vec();
            async move {
                let rejected = asking.status_of(&session, &id).await.rejected(&usual);
                rejected.map_err(|stop| stop.told(&format!("asked for in session {session:?}")))
            }
        })
        .await?;
    }
    let requests = (0..100).map(|_| (&alice, alice.outgoing(&session, &[&bob], "many")));
    let many = volume(&trial, requests).await?;
    each(&many, |sent| {
        let (bob, session, id) = (bob.clone(), other.id.clone(), sent.id.clone());
        async move { bob.status_of(&session, &id).await.rejected(&[Code::NotFound]) }
    })
    .await?;

    // Those that are known still are, whatever was asked.
    let after = statuses(&alice, &sent).await?;
    match before.iter().zip(&after).find(|(before, after)| before.message_id != after.message_id) {
        None => Ok(()),
        Some((_, after)) => {
            let seen = format!("the answer about a known message is about {}", after.message_id);
            Err(Stop::broken(seen, "an answer about the message asked for"))
        }
    }
}

/// Asks, and holds the answer against what was asked.
async fn repeats(asking: &Party, sent: &Sent) -> Verdict {
    let session_id = &sent.request.session_id;
    let answer = asking.status(sent).await?;
    if answer.message_id == sent.id && answer.session_id == *session_id {
        return Ok(());
    }
    let seen = format!(
        "asked for {} of {session_id}, the answer is about {:?} of {:?}",
        sent.id, answer.message_id, answer.session_id
    );
    Err(Stop::broken(seen, "the identifiers asked for"))
}

pub(super) async fn the_answer_repeats_what_was_asked(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let members = [&alice, &bob, &carol];
    let mut sessions = Vec::new();
    for label in ["s", "s2", "Session-3"] {
        sessions.push(trial.session(label, &members).await?);
    }
    let requests = (0..150).map(|number| {
        let to: &[&Party] = match number % 4 {
            0 => &[],
            1 => &[&bob],
            2 => &[&carol],
            _ => &[&carol, &bob],
        };
        (&alice, alice.outgoing(&sessions[number % 3], to, "to ask for"))
    });
    let sent = volume(&trial, requests).await?;
    bob.polls(&sessions[0]).await?;
    for message in sent.iter().take(20) {
        // Those that are not for bob are left as they are.
        drop(bob.acknowledge(message.acknowledgement(&bob, message.id.len() % 2 == 0)).await);
    }
    for asking in [&alice, &bob] {
        repeats(asking, &sent[0]).await?;
    }
    each((0..3).flat_map(|_| &sent), |sent| {
        let (asking, sent) = (alice.clone(), sent.clone());
        async move { repeats(&asking, &sent).await }
    })
    .await
    .map(drop)
}
