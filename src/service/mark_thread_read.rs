use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, ThreadId, UserId};
use crate::entity::thread;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{thread_writes, threads};

/// Marks a thread, and the viewer's notifications about it, as read up to now.
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
    type Output = thread::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<thread::Model, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let visible = match Viewer::of(directory, self.user) {
            Some(viewer) => threads::visible(tx.conn, &viewer.scope(), self.thread).await?,
            None => None,
        };
        let thread = visible.ok_or_else(|| Refusal::not_found("thread", "threadId"))?;
        thread_writes::mark_read(tx.conn, &thread, self.user, tx.now).await?;
        Ok(thread)
    }
}
