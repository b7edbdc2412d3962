//! Mark a thread as read by the viewer.

use sea_orm::DbErr;

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, ThreadId, UserId};
use crate::entity::thread;
use crate::store::writer::{Tx, Unit};
use crate::store::{thread_writes, threads};

/// Marks a thread, and the viewer's alerts of it, as read up to now.
///
/// # Errors
/// When the database fails.
pub async fn mark_thread_read(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    let unit = MarkRead { agency: viewer.agency(), user: viewer.id(), thread };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct MarkRead {
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
}

impl Unit for MarkRead {
    type Output = Result<thread::Model, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let directory = tx.directory(self.agency).await?;
        let seen = match Viewer::of(directory, self.user) {
            Some(viewer) => threads::visible(tx.conn, &viewer.scope(), self.thread).await?,
            None => None,
        };
        let Some(thread) = seen else { return Ok(Err(Refusal::not_found("thread", "threadId"))) };
        thread_writes::mark_read(tx.conn, &thread, self.user, tx.now).await?;
        Ok(Ok(thread))
    }
}
