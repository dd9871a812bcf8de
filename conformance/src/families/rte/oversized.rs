//! RTE-9: payloads that are too long.

use std::time::Duration;

use bytes::Bytes;
use mpc_router_proto::v1::MpcMessage;
use tokio::time::Instant;
use tonic::Code;

use crate::answer::Fate;
use crate::feed::{Ending, Feed};
use crate::outcome::{Stop, Verdict};
use crate::party::Party;
use crate::trial::{Session, Trial};

/// The longest payload that is sent in this check. Bytes.
const LONGEST_TRIED: u64 = 24 * 1024 * 1024;

/// By how much the payload is too long that any transport's limit refuses. Bytes.
const FAR: usize = 16 * 1024 * 1024;

/// A connection that breaks so often right after such a call is broken by the target.
const BREAKS: usize = 3;

pub(super) async fn too_long_payloads_are_rejected(trial: Trial) -> Verdict {
    let most = trial.timers().max_payload_bytes;
    if most > LONGEST_TRIED {
        let tried = LONGEST_TRIED / (1024 * 1024);
        let why =
            format!("max_payload is {most} bytes, and payloads over {tried} MiB are not sent");
        return Err(Stop::NotChecked(why));
    }
    let most = usize::try_from(most).expect("no more than the longest that is tried");
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let at_bob = bob.subscribe(&session);
    let mut scene = Scene { trial: trial.clone(), at_bob, alice, bob, carol, session };
    scene.routes_on("before").await?;
    one_byte_over(&mut scene, most).await?;
    far_over(&mut scene, most).await?;
    scene.at_bob.stays_quiet("a rejected call has no effect").await
}

/// All of it on one connection, the stream included: it shows whether the connection lives on.
struct Scene {
    trial: Trial,
    alice: Party,
    bob: Party,
    carol: Party,
    session: Session,
    at_bob: Feed<MpcMessage>,
}

impl Scene {
    /// Demands that a message is accepted, and comes next.
    async fn routes_on(&mut self, when: &'static str) -> Verdict {
        let keeping = self.trial.keeping_streamed();
        let sent = self.alice.sends(&self.session, &[&self.bob], when).await?;
        self.at_bob.brings(&[&sent]).await?;
        keeping.accepted(self.bob.acknowledge(sent.acknowledgement(&self.bob, true)).await)?;
        Ok(())
    }

    async fn connection_broke(&mut self) -> bool {
        let soon = Instant::now() + Duration::from_millis(500);
        matches!(self.at_bob.end_until(soon).await, Some(Ending::Lost(_)))
    }
}

async fn one_byte_over(scene: &mut Scene, most: usize) -> Verdict {
    let payload = Bytes::from(vec![0x5a; most + 1]);
    let mut breaks = 0;
    for round in 0..BREAKS {
        let to: [&[&Party]; 3] = [&[&scene.bob], &[&scene.carol, &scene.bob], &[]];
        let request = scene.alice.outgoing(&scene.session, to[round % to.len()], payload.clone());
        let answer = scene.alice.route(request).await;
        // Some servers only reset the call: that is a rejection too, if the connection lives on.
        if !matches!(answer.fate, Fate::Lost(_)) {
            answer.rejected(&[Code::ResourceExhausted, Code::InvalidArgument])?;
        }
        if let Err(stop) = scene.routes_on("after").await {
            if !scene.connection_broke().await {
                return Err(stop);
            }
            breaks += 1;
            scene.at_bob = scene.bob.subscribe(&scene.session);
            scene.routes_on("on another connection").await?;
        }
    }
    if breaks == BREAKS {
        let seen = format!(
            "each of {BREAKS} times, the connection broke after a payload of {} bytes was refused",
            most + 1
        );
        return Err(Stop::broken(seen, "the same connection goes on working"));
    }
    Ok(())
}

async fn far_over(scene: &mut Scene, most: usize) -> Verdict {
    let elsewhere = scene.alice.on_a_connection_of_its_own();
    let payload = Bytes::from(vec![0x5a; most + FAR]);
    let request = elsewhere.outgoing(&scene.session, &[&scene.bob], payload);
    let answer = elsewhere.route(request).await;
    if answer.was_accepted() == Some(true) {
        let seen = format!("a payload of {} bytes was accepted", most + FAR);
        return Err(Stop::broken(seen, format!("a rejection: max_payload is {most}")));
    }
    drop(answer);
    // On the connection that was there before, and on a new one.
    scene.routes_on("after").await?;
    scene.alice = scene.alice.on_a_connection_of_its_own();
    scene.routes_on("on a new connection").await
}
