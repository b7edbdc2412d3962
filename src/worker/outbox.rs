//! The outbox, number by number: each sends at its own pace and has its own turn, so that the backlog
//! of one delays no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::domain::{AgencyId, PhoneNumberId};
use crate::service::sending::{Departure, Next, arrive, next};
use crate::service::{Fault, Services};
use crate::store::outbox::numbers_due;

/// How many texts of one number may be on their way at once; a slow carrier holds up no more.
const AT_A_TIME: usize = 8;
/// Texts whose pause is over, and those that another instance queued, are found by looking.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After the database failed.
const BREATHER: Duration = Duration::from_secs(1);

type Numbers = HashMap<(AgencyId, PhoneNumberId), Arc<Notify>>;

/// Sends what is in the outbox, until the bell is stopped; then what is under way is finished.
pub(super) async fn send(services: Arc<Services>) {
    let mut numbers = Numbers::new();
    // Aborted with it.
    let mut turns = JoinSet::new();
    tokio::select! {
        () = services.restore.released() => {}
        () = services.sending.bell.stopped() => return,
    }
    // Whatever the last server left is taken up at once.
    let mut waking = due(&services).await;
    loop {
        for (agency, number) in waking {
            let bell = numbers.entry((agency, number)).or_insert_with(|| {
                let bell = Arc::new(Notify::new());
                turns.spawn(take_turns(services.clone(), agency, number, bell.clone()));
                bell
            });
            bell.notify_one();
        }
        waking = tokio::select! {
            () = services.sending.bell.stopped() => break,
            rung = services.sending.bell.heard() => rung.into_iter().collect(),
            () = services.clock.sleep(LOOK_EVERY) => due(&services).await,
        };
    }
    while turns.join_next().await.is_some() {}
}

/// The numbers that have a text to try now.
async fn due(services: &Services) -> Vec<(AgencyId, PhoneNumberId)> {
    numbers_due(services.reader(), services.clock.now()).await.unwrap_or_else(|error| {
        let error = Fault::from(error);
        tracing::warn!(%error, "the outbox could not be looked at; it is tried again");
        Vec::new()
    })
}

/// One number's texts, one after the other in each thread.
async fn take_turns(services: Arc<Services>, agency: AgencyId, number: PhoneNumberId, bell: Arc<Notify>) {
    let mut under_way: JoinSet<()> = JoinSet::new();
    // Asked between two steps only: a text that has departed is sent.
    while !services.sending.bell.is_stopped() {
        let step = if under_way.len() < AT_A_TIME {
            next(&services, agency, number).await.unwrap_or_else(|fault| {
                tracing::warn!(error = %fault, "a text could not be taken up; it is tried again");
                Next::Wait(BREATHER)
            })
        } else {
            Next::Rest
        };
        match step {
            Next::Send(departure) => {
                under_way.spawn(carry(services.clone(), departure));
            }
            Next::Again => {}
            // Whatever is queued meanwhile has to wait as well.
            Next::Wait(wait) => {
                tokio::select! {
                    () = services.clock.sleep(wait) => {}
                    () = services.sending.bell.stopped() => {}
                }
            }
            Next::Rest => {
                tokio::select! {
                    () = bell.notified() => {}
                    () = services.sending.bell.stopped() => {}
                    // One that has ended may have been what others of its thread waited for.
                    Some(_) = under_way.join_next() => {}
                }
            }
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

async fn carry(services: Arc<Services>, departure: Departure) {
    let jitter = services.ids.nonce()[0];
    if let Err(fault) = arrive(&services, departure, jitter).await {
        tracing::error!(error = %fault, "what came of a text was not stored; it is looked for");
    }
}
