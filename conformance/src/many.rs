//! Many calls at a time, for the checks that need volume.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::time::Duration;

use mpc_router_proto::v1::{GetMessageStatusResponse, RouteMessageRequest};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::outcome::Stop;
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// Calls that a check has under way at most: fewer than the streams that HTTP/2 servers commonly
/// allow on one connection.
const AT_ONCE: usize = 64;

/// The longest time for which a check goes on adding volume.
const VOLUME_LIMIT: Duration = Duration::from_secs(2);

/// Work that goes on at the same time.
pub(crate) type Many<T> = Pin<Box<dyn Future<Output = Result<Vec<T>, Stop>> + Send>>;

/// Does `work` with each of the `items`, many at a time, and gives the results in the order of the
/// items.
///
/// # Errors
/// The first one of `work`; what else is under way is cancelled.
pub(crate) fn each<I, T, F>(items: impl IntoIterator<Item = I>, work: impl FnMut(I) -> F) -> Many<T>
where
    F: Future<Output = Result<T, Stop>> + Send + 'static,
    T: Send + 'static,
{
    Box::pin(all(items.into_iter().map(work).collect(), None))
}

/// Routes messages that a check needs, many at a time and so in no order. Where calls take long
/// they are fewer: none is begun after a time in which the target must keep what it has.
///
/// # Errors
/// Without the messages the requirement cannot be checked.
pub(crate) fn volume<'a>(
    trial: &Trial,
    outgoing: impl IntoIterator<Item = (&'a Party, RouteMessageRequest)>,
) -> Many<Sent> {
    let route = |(party, request): (&Party, _)| {
        let party = party.clone();
        async move { party.has_sent_this(request).await }
    };
    Box::pin(all(outgoing.into_iter().map(route).collect(), Some(volume_time(trial))))
}

/// The same, but for those that the target refuses for lack of resources.
///
/// # Errors
/// Without the messages the requirement cannot be checked.
pub(crate) async fn volume_that_fits<'a>(
    trial: &Trial,
    outgoing: impl IntoIterator<Item = (&'a Party, RouteMessageRequest)>,
) -> Result<Vec<Sent>, Stop> {
    let route = |(party, request): (&Party, RouteMessageRequest)| {
        let party = party.clone();
        async move {
            let answer = party.route(request.clone()).await;
            if answer.overload().is_some() {
                return Ok(None);
            }
            Ok(Some(Sent { id: answer.prepared()?.message_id, request }))
        }
    };
    let sent = all(outgoing.into_iter().map(route).collect(), Some(volume_time(trial)));
    Ok(sent.await?.into_iter().flatten().collect())
}

fn volume_time(trial: &Trial) -> Duration {
    VOLUME_LIMIT.min(Duration::from_millis(trial.timers().message_ttl_ms) / 4)
}

/// A sender, so many recipients, and a session of them all.
pub(crate) async fn one_to_many(
    trial: &Trial,
    count: usize,
) -> Result<(Party, Vec<Party>, Session), Stop> {
    let sender = trial.party("many-alice").await?;
    let recipients = each(0..count, |number| {
        let trial = trial.clone();
        async move { trial.party(&format!("many-{number}")).await }
    })
    .await?;
    let members: Vec<_> = recipients.iter().chain([&sender]).collect();
    let session = trial.session("many", &members).await?;
    Ok((sender, recipients, session))
}

/// The status of each message, in the order of the messages.
pub(crate) fn statuses<'a>(
    asking: &Party,
    sent: impl IntoIterator<Item = &'a Sent>,
) -> Many<GetMessageStatusResponse> {
    each(sent, |sent| {
        let (asking, sent) = (asking.clone(), sent.clone());
        async move { asking.status(&sent).await }
    })
}

/// Drives all the work, but begins none after `time`.
async fn all<T, F>(work: Vec<F>, time: Option<Duration>) -> Result<Vec<T>, Stop>
where
    F: Future<Output = Result<T, Stop>> + Send + 'static,
    T: Send + 'static,
{
    let began = Instant::now();
    let mut waiting = work.into_iter().enumerate();
    let mut under_way = JoinSet::new();
    let mut results = Vec::new();
    loop {
        while under_way.len() < AT_ONCE && time.is_none_or(|time| began.elapsed() < time) {
            let Some((place, work)) = waiting.next() else { break };
            under_way.spawn(async move { (place, work.await) });
        }
        let Some(ended) = under_way.join_next().await else { break };
        let (place, result) = ended.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        results.push((place, result?));
    }
    results.sort_unstable_by_key(|(place, _)| *place);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
