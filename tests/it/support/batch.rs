//! Many texts in one transaction, whatever their timing: the writer is held up until all of them wait.

use std::sync::Arc;

use partyline::domain::AgencyId;
use partyline::service::Services;
use partyline::store::RETRY_DELAY;
use partyline::store::writer::{Tx, Unit, WriteError};
use reqwest::StatusCode;
use sea_orm::DbErr;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::app::TestApp;
use super::text::Text;
use super::wait;

/// A piece of work that does nothing for as long as it likes.
struct Hold {
    begun: Option<oneshot::Sender<()>>,
    end: Option<oneshot::Receiver<()>>,
}

impl Unit for Hold {
    type Output = ();

    async fn run(&mut self, _: &mut Tx<'_>) -> Result<(), DbErr> {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(());
        }
        if let Some(end) = self.end.take() {
            // A test that ended before it let go lets go, too.
            let _ = end.await;
        }
        Ok(())
    }
}

/// A writer that is held up in the lane of one agency.
pub(crate) struct Held {
    services: Arc<Services>,
    end: oneshot::Sender<()>,
    holding: JoinHandle<()>,
}

impl Held {
    /// Waits until so many pieces of work wait behind the one that holds.
    pub(crate) async fn until_waiting(&self, count: usize) {
        let what = format!("{count} pieces of work wait");
        wait::until(&what, || async { (self.services.writer.waiting() == count).then_some(()) }).await;
    }

    pub(crate) async fn let_go(self) {
        self.end.send(()).expect("the writer is held");
        wait::within("the writer goes on", self.holding).await.expect("nothing panics");
    }
}

impl TestApp {
    /// Holds up the writer of an agency.
    pub(crate) async fn hold_writer(&self, agency: AgencyId) -> Held {
        let ((begun, has_begun), (end, ended)) = (oneshot::channel(), oneshot::channel());
        let services = self.services().clone();
        let unit = Hold { begun: Some(begun), end: Some(ended) };
        let holding = tokio::spawn({
            let services = services.clone();
            async move { services.writer.run(agency, unit).await.expect("the database works") }
        });
        wait::within("the writer is held", has_begun).await.expect("the unit runs");
        Held { services, end, holding }
    }

    /// How many transactions have failed so far.
    pub(crate) fn failed_batches(&self) -> u64 {
        self.services().writer.figures().counts().failed_batches
    }

    /// While the database is away: waits until the agency's lane has dropped all work that nobody waits for any more.
    pub(crate) async fn until_lane_gave_up(&self, agency: AgencyId) {
        let unit = Hold { begun: None, end: None };
        assert_eq!(self.services().writer.run(agency, unit).await, Err(WriteError::Failed));
        // It may still pause before it looks at them.
        self.clock.advance(RETRY_DELAY);
    }

    /// Sends texts so that they are all of one batch, and gives the statuses in their order. On a
    /// server that has several lanes, the texts' number must have been texted before.
    pub(crate) async fn post_as_one_batch(&self, agency: AgencyId, texts: &[Text]) -> Vec<StatusCode> {
        let held = self.hold_writer(agency).await;
        let releasing = async {
            held.until_waiting(texts.len()).await;
            held.let_go().await;
        };
        tokio::join!(self.post_all(texts), releasing).0
    }
}
