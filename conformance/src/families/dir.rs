//! DIR: the party directory.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::{GetRegisteredPartiesResponse, NotificationChannel, RegisteredParty};

use super::alike::labels_that_end_differently;
use super::prelude::*;
use crate::many::each;
use crate::party::Party;
use crate::presence::{Silence, beat, silence};
use crate::trial::registration;

pub(super) const FAMILY: Family = Family {
    name: "DIR",
    title: "the party directory",
    requirements: &[
        must(
            "DIR-1",
            "No filter: every registered party, each once.",
            "Registers some 200 parties, with names that are much alike, several times, many at once, \
             and lists them; each is listed as soon as it has registered, and still when it is offline.",
            check!(everybody_is_listed_once),
        ),
        must(
            "DIR-2",
            "`role_filter`: exactly the parties of that role.",
            "Registers 70 parties of each role, some of them twice, and lists each role.",
            check!(a_role_lists_its_parties),
        ),
        must(
            "DIR-3",
            "`only_online`: exactly the parties that are online (see HB).",
            "Keeps 55 parties online by heartbeats alone while 25 fall silent; lists who is online, and \
             again after some have come back and one has registered.",
            check!(only_online_lists_who_is_online),
        ),
        must(
            "DIR-4",
            "`total_count` equals the number of parties in the answer.",
            "Compares the two under every filter, while others register, and when some are offline.",
            check!(the_total_counts_the_answer),
        ),
        should(
            "DIR-5",
            "An unknown `role_filter` is rejected (INVALID_ARGUMENT).",
            "Asks for invented roles, for right ones in capitals, cut short or with a space, and for two \
             at once.",
            check!(an_unknown_role_is_rejected),
        ),
        must(
            "DIR-6",
            "Filters combine: role and online together.",
            "Has 8 parties of each role online and 8 offline, and lists who of each role is online, \
             before and after some come back.",
            check!(filters_combine),
        ),
    ],
};

const ROLES: [&str; 3] = ["persistent", "delegate", "temporary"];

/// What was asked of the directory.
#[derive(Clone, Copy, Debug)]
struct Question<'a> {
    role: &'a str,
    only_online: bool,
}

impl Question<'_> {
    async fn to(self, asking: &Party) -> Result<GetRegisteredPartiesResponse, Stop> {
        asking.list(self.role, self.only_online).await.accepted()
    }

    fn words(self) -> String {
        format!(
            "GetRegisteredParties with role_filter {:?} and only_online = {}",
            self.role, self.only_online
        )
    }

    /// Demands that no party is listed twice; that holds for those of others too.
    fn each_once(self, answer: &GetRegisteredPartiesResponse) -> Verdict {
        let mut known = BTreeSet::new();
        match answer.parties.iter().find(|it| !known.insert(&it.party_id)) {
            None => Ok(()),
            Some(twice) => {
                let seen = format!("{} lists {} twice", self.words(), twice.party_id);
                Err(Stop::broken(seen, "each party once"))
            }
        }
    }

    fn all_of<'a>(
        self,
        wanted: impl IntoIterator<Item = &'a Party>,
        answer: &GetRegisteredPartiesResponse,
        why: &str,
    ) -> Verdict {
        let listed: BTreeSet<_> = answer.parties.iter().map(|it| it.party_id.as_str()).collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        let missing: Vec<_> = wanted.iter().filter(|it| !listed.contains(it.id.as_str())).collect();
        match missing.first() {
            None => Ok(()),
            Some(first) => {
                let seen = format!(
                    "{} lacks {} of {} parties, such as {}",
                    self.words(),
                    missing.len(),
                    wanted.len(),
                    first.id
                );
                Err(Stop::broken(seen, format!("all of them: {why}")))
            }
        }
    }

    /// The first of these that is listed.
    fn any_of<'a>(
        self,
        unwanted: impl IntoIterator<Item = &'a Party>,
        answer: &'a GetRegisteredPartiesResponse,
    ) -> Option<&'a RegisteredParty> {
        let listed: BTreeMap<_, _> =
            answer.parties.iter().map(|it| (it.party_id.as_str(), it)).collect();
        unwanted.into_iter().find_map(|it| listed.get(it.id.as_str()).copied())
    }
}

const EVERYBODY: Question<'static> = Question { role: "", only_online: false };

/// Registers parties of the role given, many at once.
async fn crowd(trial: &Trial, role: &str, label: &str, count: usize) -> Result<Vec<Party>, Stop> {
    each(0..count, |number| {
        let (trial, role, label) = (trial.clone(), role.to_owned(), format!("{label}-{number}"));
        async move { trial.party_as(&label, &role).await }
    })
    .await
}

/// Registers parties again that have registered under this role, three times at once.
async fn registers_again(parties: &[Party], role: &str) -> Verdict {
    each(parties.iter().flat_map(|party| [party; 3]), |party| {
        let (party, role) = (party.clone(), role.to_owned());
        async move { party.register(&role).await.prepared() }
    })
    .await
    .map(drop)
}

async fn everybody_is_listed_once(trial: Trial) -> Verdict {
    let asking = trial.party("party").await?;
    let mut all = vec![asking.clone()];
    // Of one role, so that a target which takes two of them for one has no other reason to object.
    for label in ["party1", "party10", "Party", "PARTY", "part", "parties"] {
        all.push(trial.party(label).await?);
    }
    let odd = ["party ", "party%", "part_", "zo\u{eb}", "zoe\u{308}"].map(String::from);
    for label in odd.into_iter().chain(labels_that_end_differently(&trial)) {
        let party = trial.stranger(&label);
        // Whether such a name is taken, others check.
        if party.register("persistent").await.was_accepted() == Some(true) {
            all.push(party);
        }
    }
    for role in ROLES {
        let crowd = crowd(&trial, role, role, 45).await?;
        registers_again(&crowd[..15], role).await?;
        all.extend(crowd);
    }
    // The very first registration comes several times at once.
    let racing: Vec<_> =
        (0..10).map(|number| trial.stranger(&format!("racing-{number}"))).collect();
    registers_again(&racing, "delegate").await?;
    all.extend(racing);

    let answer = EVERYBODY.to(&asking).await?;
    EVERYBODY.each_once(&answer)?;
    EVERYBODY.all_of(&all, &answer, "they have registered")?;

    all.extend(listed_at_once(&trial).await?);
    let elsewhere = asking.on_a_connection_of_its_own();
    let answer = EVERYBODY.to(&elsewhere).await?;
    EVERYBODY.each_once(&answer)?;
    EVERYBODY.all_of(&all, &answer, "they have registered")?;

    if trial.can_wait_for("heartbeat_timeout", trial.timers().heartbeat_timeout()).is_ok() {
        silence(&trial, &[]).await?;
        let answer = EVERYBODY.to(&asking).await?;
        EVERYBODY.each_once(&answer)?;
        EVERYBODY.all_of(&all, &answer, "they have registered, though they are offline")?;
    }
    Ok(())
}

/// Parties that look for themselves, each as soon as it has registered, while others register.
async fn listed_at_once(trial: &Trial) -> Result<Vec<Party>, Stop> {
    let rows = each(0..6, |row| {
        let trial = trial.clone();
        async move {
            let mut mine = Vec::new();
            for number in 0..6 {
                mine.push(trial.party(&format!("row-{row}-{number}")).await?);
                let asking = mine[number].on_a_connection_of_its_own();
                let answer = EVERYBODY.to(&asking).await?;
                EVERYBODY.each_once(&answer)?;
                EVERYBODY.all_of(&mine, &answer, "they registered before it was called")?;
            }
            Ok(mine)
        }
    })
    .await?;
    Ok(rows.into_iter().flatten().collect())
}

async fn a_role_lists_its_parties(trial: Trial) -> Verdict {
    let mut crowds = Vec::new();
    for role in ROLES {
        let crowd = crowd(&trial, role, role, 70).await?;
        registers_again(&crowd[..10], role).await?;
        // With a channel or without, a party has the role that it has.
        for party in &crowd[10..15] {
            let email = format!("{}@example.org", party.id);
            let notification = Some(NotificationChannel { email, ..Default::default() });
            let mut request = registration(&party.id, role);
            request.notification = notification;
            party.register_with(request).await.prepared()?;
        }
        crowds.push((role, crowd));
    }
    let asking = trial.stranger("asking");
    for (role, crowd) in &crowds {
        let question = Question { role, only_online: false };
        let answer = question.to(&asking).await?;
        question.each_once(&answer)?;
        question.all_of(crowd, &answer, &format!("they registered as {role}"))?;
        for (other, crowd) in crowds.iter().filter(|(other, _)| other != role) {
            if let Some(wrong) = question.any_of(crowd, &answer) {
                let seen = format!(
                    "{} lists {}, which registered as {other}",
                    question.words(),
                    wrong.party_id
                );
                return Err(Stop::broken(seen, "parties of the role asked for only"));
            }
        }
    }
    Ok(())
}

/// Parties that must be online and parties that must not be.
#[derive(Debug)]
struct Divided<'a> {
    online: Vec<&'a Party>,
    offline: Vec<&'a Party>,
}

impl Divided<'_> {
    /// Demands that the answer has all who are online, who send a heartbeat first, and nobody who
    /// is not.
    async fn is_shown(
        &self,
        trial: &Trial,
        question: Question<'_>,
        asking: &Party,
        silence: &Silence,
    ) -> Verdict {
        let heard = beat(trial, &self.online).await?;
        let answer = question.to(asking).await?;
        question.each_once(&answer)?;
        let whole = question.all_of(
            self.online.iter().copied(),
            &answer,
            "each was heard of within heartbeat_timeout",
        );
        if whole.is_err() {
            heard.lasts()?;
            return whole;
        }
        let marked_offline = answer.parties.iter().find(|entry| {
            !entry.online && self.online.iter().any(|party| party.id == entry.party_id)
        });
        if let Some(entry) = marked_offline {
            heard.lasts()?;
            let seen = format!("{} lists {} with online = false", question.words(), entry.party_id);
            return Err(Stop::broken(seen, "online = true, as it was heard of just now"));
        }
        let Some(wrong) = question.any_of(self.offline.iter().copied(), &answer) else {
            return Ok(());
        };
        let seen = format!(
            "{} lists {}, which was silent for much longer than heartbeat_timeout",
            question.words(),
            wrong.party_id
        );
        Err(silence.too_late(trial, seen, "parties that are online only").await)
    }
}

async fn only_online_lists_who_is_online(trial: Trial) -> Verdict {
    let kept = crowd(&trial, "persistent", "kept", 55).await?;
    let mut silent = crowd(&trial, "persistent", "silent", 20).await?;
    for number in 0..5 {
        let party = trial.stranger(&format!("silent-with-channel-{number}"));
        let push_token = format!("token-{number}");
        let notification = Some(NotificationChannel { push_token, ..Default::default() });
        let mut request = registration(&party.id, "temporary");
        request.notification = notification;
        party.register_with(request).await.prepared()?;
        silent.push(party);
    }
    let asking = trial.stranger("asking");
    let question = Question { role: "", only_online: true };

    let silence = silence(&trial, &kept.iter().collect::<Vec<_>>()).await?;
    let mut divided = Divided { online: kept.iter().collect(), offline: silent.iter().collect() };
    divided.is_shown(&trial, question, &asking, &silence).await?;

    let newcomer = trial.party_as("newcomer", "delegate").await?;
    divided.online.push(&newcomer);
    let (back, away) = silent.split_at(3);
    divided.online.extend(back);
    divided.offline = away.iter().collect();
    divided.is_shown(&trial, question, &asking, &silence).await
}

async fn the_total_counts_the_answer(trial: Trial) -> Verdict {
    let questions: Vec<_> = ["", ROLES[0], ROLES[1], ROLES[2]]
        .into_iter()
        .flat_map(|role| [true, false].map(|only_online| Question { role, only_online }))
        .collect();
    let [silent, kept] = trial.parties(["silent", "kept"]).await?;
    for role in ROLES {
        trial.party_as(&format!("of-{role}"), role).await?;
    }
    asks_all(&silent, &questions).await?;

    let registering = each(0..3, |row| {
        let trial = trial.clone();
        async move {
            for number in 0..20 {
                trial.party_as(&format!("{row}-{number}"), ROLES[(row + number) % 3]).await?;
            }
            Ok(())
        }
    });
    let asking = each(0..3, |_| {
        let (asking, questions) = (kept.on_a_connection_of_its_own(), questions.clone());
        async move {
            for _ in 0..2 {
                asks_all(&asking, &questions).await?;
            }
            Ok(())
        }
    });
    tokio::try_join!(registering, asking)?;

    silence(&trial, &[&kept]).await?;
    asks_all(&kept, &questions).await
}

async fn asks_all(asking: &Party, questions: &[Question<'static>]) -> Verdict {
    for question in questions {
        let answer = question.to(asking).await?;
        if usize::try_from(answer.total_count) != Ok(answer.parties.len()) {
            let seen = format!(
                "{} answers with {} parties and total_count {}",
                question.words(),
                answer.parties.len(),
                answer.total_count
            );
            return Err(Stop::broken(seen, "the number of parties in the answer"));
        }
    }
    Ok(())
}

async fn an_unknown_role_is_rejected(trial: Trial) -> Verdict {
    for role in ROLES {
        trial.party_as(role, role).await?;
    }
    let asking = trial.stranger("asking");
    let unknown = [
        "coordinator",
        "PERSISTENT",
        "Delegate",
        "persist",
        "temporary ",
        " delegate",
        "persistent,temporary",
        "persistent2",
        " ",
        "*",
        "%",
        "all",
    ];
    for role in unknown {
        for only_online in [false, true] {
            asking.list(role, only_online).await.rejected(&[Code::InvalidArgument])?;
        }
    }
    Ok(())
}

async fn filters_combine(trial: Trial) -> Verdict {
    let mut parties = Vec::new();
    for role in ROLES {
        let kept = crowd(&trial, role, &format!("{role}-kept"), 8).await?;
        let silent = crowd(&trial, role, &format!("{role}-silent"), 8).await?;
        parties.push((role, kept, silent));
    }
    let kept: Vec<_> = parties.iter().flat_map(|(_, kept, _)| kept).collect();
    let asking = trial.stranger("asking");
    let silence = silence(&trial, &kept).await?;
    for back in [0, 2] {
        for (role, kept, silent) in &parties {
            // Whoever has another role must be missing as well, online or not.
            let (back, away) = silent.split_at(back);
            let others = parties.iter().filter(|(other, ..)| other != role);
            let others: Vec<_> =
                others.flat_map(|(_, kept, silent)| kept.iter().chain(silent)).collect();
            let question = Question { role, only_online: true };
            let answer = question.to(&asking).await?;
            if let Some(wrong) = question.any_of(others.iter().copied(), &answer) {
                let seen = format!(
                    "{} lists {}, which registered under another role",
                    question.words(),
                    wrong.party_id
                );
                return Err(Stop::broken(seen, "parties of that role that are online only"));
            }
            let online = kept.iter().chain(back).collect();
            let divided = Divided { online, offline: away.iter().collect() };
            divided.is_shown(&trial, question, &asking, &silence).await?;
            let question = Question { role, only_online: false };
            let answer = question.to(&asking).await?;
            question.all_of(kept.iter().chain(silent), &answer, "only one filter is set")?;
        }
    }
    Ok(())
}
