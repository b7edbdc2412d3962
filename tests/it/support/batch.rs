//! Puts several texts into one transaction regardless of timing, by blocking the writer until all of them are queued.

use std::convert::Infallible;
use std::sync::Arc;

use partyline::domain::AgencyId;
use partyline::service::Services;
use partyline::store::RETRY_DELAY;
use partyline::store::writer::{Tx, Unit, UnitError, WriteError};
use reqwest::StatusCode;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::app::TestApp;
use super::text::Text;
use super::wait;

/// A unit of work that blocks its lane until the test releases it.
struct BlockLane {
    begun: Option<oneshot::Sender<()>>,
    end: Option<oneshot::Receiver<()>>,
}

impl Unit for BlockLane {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, _: &mut Tx<'_>) -> Result<(), UnitError> {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(());
        }
        if let Some(end) = self.end.take() {
            // A test that ends early drops the sender, which also releases the lane.
            let _ = end.await;
        }
        Ok(())
    }
}

/// A writer whose lane for one agency is blocked.
pub(crate) struct BlockedWriter {
    services: Arc<Services>,
    end: oneshot::Sender<()>,
    blocking: JoinHandle<()>,
}

impl BlockedWriter {
    /// Waits until `count` units of work are queued behind the blocking one.
    pub(crate) async fn wait_for_queued(&self, count: usize) {
        let what = format!("{count} units of work are queued");
        wait::until(&what, || async { (self.services.writer.queue_depth() == count).then_some(()) }).await;
    }

    pub(crate) async fn unblock(self) {
        self.end.send(()).expect("the writer is blocked");
        wait::within("the blocking unit finishes", self.blocking).await.expect("nothing panics");
    }
}

impl TestApp {
    /// Blocks the writer's lane for an agency.
    pub(crate) async fn block_writer(&self, agency: AgencyId) -> BlockedWriter {
        let ((begun, has_begun), (end, ended)) = (oneshot::channel(), oneshot::channel());
        let services = self.services().clone();
        let unit = BlockLane { begun: Some(begun), end: Some(ended) };
        let blocking = tokio::spawn({
            let services = services.clone();
            async move { services.writer.run(agency, unit).await.expect("the database works") }
        });
        wait::within("the writer is blocked", has_begun).await.expect("the unit runs");
        BlockedWriter { services, end, blocking }
    }

    /// The number of failed transactions so far.
    pub(crate) fn failed_batches(&self) -> u64 {
        self.services().writer.figures().failed_batches.get()
    }

    /// Waits, while the database is unavailable, until the agency's lane has dropped all units whose callers timed out.
    pub(crate) async fn wait_for_lane_timeout(&self, agency: AgencyId) {
        let unit = BlockLane { begun: None, end: None };
        assert_eq!(self.services().writer.run(agency, unit).await, Err(WriteError::Failed));
        // The lane may still be in its retry delay.
        self.clock.advance(RETRY_DELAY);
    }

    /// Delivers texts so that they share one transaction; returns the statuses in the order of `texts`. On a server
    /// database, which has several lanes, a text must already have been received at their number.
    pub(crate) async fn post_as_one_batch(&self, agency: AgencyId, texts: &[Text]) -> Vec<StatusCode> {
        let blocked = self.block_writer(agency).await;
        let releasing = async {
            blocked.wait_for_queued(texts.len()).await;
            blocked.unblock().await;
        };
        tokio::join!(self.post_all(texts), releasing).0
    }
}
