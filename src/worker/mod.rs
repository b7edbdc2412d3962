//! Background tasks. Each run is idempotent, and the next run makes up for one that failed.
//!
//! A run that panics counts as failed, and the task goes on (`supervisor`). The status of each task is shown at
//! `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::metrics::Metrics;
use crate::service::calls::check_overdue_calls;
use crate::service::carrier_deletions::delete_at_carrier;
use crate::service::escalate::escalate;
use crate::service::fetch_media::media_fetcher;
use crate::service::fetch_recordings::recording_fetcher;
use crate::service::purge_expired::purge_expired;
use crate::service::reconcile::reconcile;
use crate::service::retention::{Purged, apply_retention};
use crate::service::sending::{mark_interrupted_attempts, resolve_unknown_texts};
use crate::service::{Fault, Services};

mod outbox;
mod supervisor;

pub use supervisor::{Task, Timer, supervise};

/// The background tasks of a server. They end when this is dropped.
pub struct Workers {
    services: Arc<Services>,
    sending: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Workers {
    pub fn start(services: &Arc<Services>, metrics: &Arc<Metrics>) -> Self {
        let timer = Timer { services, metrics };
        let second = Duration::from_secs(1);
        let mut tasks = vec![
            timer.every(second, "event_poll", "reads the events of other instances", |services| async move {
                services.feeds.poll().await.map_err(Fault::from)
            }),
            timer.every(second, "presence", "ends presence that is no longer reported", |services| async move {
                services.presence.expire();
                Ok::<(), Fault>(())
            }),
            timer.every(second * 5, "escalation", "notifies the pools of waiting texts", |services| async move {
                escalate(&services).await
            }),
            timer.every(second, "unknown_texts", "looks up texts whose result is unknown", |services| async move {
                mark_interrupted_attempts(&services).await?;
                resolve_unknown_texts(&services).await
            }),
            timer.every(second * 5, "overdue_calls", "asks the carrier about overdue calls", |services| async move {
                check_overdue_calls(&services).await
            }),
            timer.every(second, "reconciliation", "imports what the webhooks missed", {
                let metrics = Arc::clone(metrics);
                move |services| {
                    let metrics = Arc::clone(&metrics);
                    async move { reconcile(&services).await.map(|arrivals| metrics.arrived_late(arrivals)) }
                }
            }),
            timer.every(second, "restore_mark", "records the progress of the database", |services| async move {
                let restore = &services.restore;
                if restore.is_held() { restore.check(&services).await } else { restore.record(&services).await }
            }),
            timer.every(second * 3600, "idempotency_keys", "deletes expired idempotency keys", |services| async move {
                purge_expired(&services).await
            }),
            timer.every(second * 10, "retention", "deletes what is older than the periods of its agency", {
                let metrics = Arc::clone(metrics);
                move |services| {
                    let metrics = Arc::clone(&metrics);
                    async move {
                        let mut purged = Purged::default();
                        let result = apply_retention(&services, &mut purged).await;
                        metrics.purged(&purged);
                        result
                    }
                }
            }),
            timer.every(second * 5, "carrier_deletions", "deletes at Twilio what was deleted here", {
                let metrics = Arc::clone(metrics);
                move |services| {
                    let metrics = Arc::clone(&metrics);
                    async move {
                        metrics.carrier_deletions(delete_at_carrier(&services).await?);
                        Ok::<(), Fault>(())
                    }
                }
            }),
        ];
        // These two look for work every second even while they wait for a slow file.
        let (clock, recordings, media) = (&services.clock, recording_fetcher(services), media_fetcher(services));
        tasks.push(supervise(recordings, "recordings", "fetches voicemail recordings", clock, metrics));
        tasks.push(supervise(media, "media", "fetches attachments of texts", clock, metrics));
        let sending = tokio::spawn(outbox::run(Arc::clone(services), Arc::clone(metrics)));
        Self { services: services.clone(), sending, tasks }
    }

    /// Begins no further attempts, and waits until the attempts in progress are completed, for at most `timeout`. The
    /// result of an interrupted attempt would be unknown after the next start.
    pub async fn stop(mut self, timeout: Duration) {
        self.services.sending.outbox_signal.stop();
        tokio::select! {
            _ = &mut self.sending => {}
            () = self.services.clock.sleep(timeout) => {
                tracing::warn!("attempts to send texts were still in progress at the shutdown");
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.sending.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
