//! What runs by itself, by signal or timer: each round is idempotent, and a failed one is made up for by the
//! next.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::service::calls::look_at_calls;
use crate::service::escalate::escalate;
use crate::service::fetch_recordings::fetch_recordings;
use crate::service::forget_keys::forget_keys;
use crate::service::sending::{cut_off_attempts, look_for_doubtful};
use crate::service::{Fault, Services};

mod outbox;

/// What runs by itself. It ends with this.
pub struct Workers {
    services: Arc<Services>,
    sending: JoinHandle<()>,
    timers: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts all of it.
    pub fn start(services: &Arc<Services>) -> Self {
        let timers = vec![
            every(services, Duration::from_secs(1), "looking for other instances' events", |services| async move {
                services.feeds.poll().await.map_err(Fault::from)
            }),
            every(services, Duration::from_secs(5), "telling pools of waiting texts", |services| async move {
                escalate(&services).await
            }),
            every(services, Duration::from_secs(1), "looking for texts in doubt", |services| async move {
                cut_off_attempts(&services).await?;
                look_for_doubtful(&services).await
            }),
            every(services, Duration::from_secs(1), "fetching recordings", |services| async move {
                fetch_recordings(&services).await
            }),
            every(services, Duration::from_secs(5), "looking what became of calls", |services| async move {
                look_at_calls(&services).await
            }),
            every(services, Duration::from_secs(1), "recording how far the database has got", |services| async move {
                let restore = &services.restore;
                if restore.is_held() { restore.check(&services).await } else { restore.record(&services).await }
            }),
            every(services, Duration::from_secs(60 * 60), "forgetting idempotency keys", |services| async move {
                forget_keys(&services).await
            }),
        ];
        Self { services: services.clone(), sending: tokio::spawn(outbox::send(services.clone())), timers }
    }

    /// Takes up nothing more, and lets the texts that are being sent be finished, for at most
    /// `patience`: one that is cut off would be in doubt after the next start.
    pub async fn stop(mut self, patience: Duration) {
        self.services.sending.bell.stop();
        tokio::select! {
            _ = &mut self.sending => {}
            () = self.services.clock.sleep(patience) => tracing::warn!("texts were still being sent at the end"),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.sending.abort();
        self.timers.iter().for_each(JoinHandle::abort);
    }
}

fn every<W, F, E>(services: &Arc<Services>, period: Duration, what: &'static str, work: W) -> JoinHandle<()>
where
    W: Fn(Arc<Services>) -> F + Send + 'static,
    F: Future<Output = Result<(), E>> + Send,
    E: Display + Send,
{
    let services = services.clone();
    tokio::spawn(async move {
        loop {
            services.clock.sleep(period).await;
            if let Err(fault) = work(services.clone()).await {
                tracing::warn!(error = %fault, "{what} failed; it is tried again");
            }
        }
    })
}
