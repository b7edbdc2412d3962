//! A user's own read mark of a thread.

use sea_orm::DbErr;

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, MessageId, ThreadId, UserId};
use crate::entity::thread;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{messages, thread_writes, threads};

/// Marks a thread, and the viewer's notifications about it, as read: up to a message, or up to now.
pub async fn mark_thread_read(
    services: &Services,
    viewer: &Viewer,
    thread: ThreadId,
    up_to: Option<MessageId>,
) -> Outcome<thread::Model> {
    run(services, viewer, thread, ReadMark::Read { up_to }).await
}

/// Marks the last inbound message of a thread as unread by the viewer.
pub async fn mark_thread_unread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    run(services, viewer, thread, ReadMark::Unread).await
}

async fn run(services: &Services, viewer: &Viewer, thread: ThreadId, mark: ReadMark) -> Outcome<thread::Model> {
    let unit = SetReadMark { agency: viewer.agency(), user: viewer.id(), thread, mark };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

#[derive(Debug, Clone, Copy)]
enum ReadMark {
    Read { up_to: Option<MessageId> },
    Unread,
}

struct SetReadMark {
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
    mark: ReadMark,
}

impl Unit for SetReadMark {
    type Output = thread::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<thread::Model, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let visible = match Viewer::of(directory, self.user) {
            Some(viewer) => threads::visible(tx.conn, &viewer.scope(), self.thread).await?,
            None => None,
        };
        let thread = visible.ok_or_else(|| Refusal::not_found("thread", "threadId"))?;
        match self.mark {
            ReadMark::Read { up_to: None } => {
                thread_writes::mark_read(tx.conn, &thread, self.user, tx.now).await?;
            }
            ReadMark::Read { up_to: Some(message) } => self.read_up_to(tx, &thread, message).await?,
            ReadMark::Unread => {
                let seen = self.seen_count(tx, &thread).await?.min(thread.inbound_count - 1).max(0);
                thread_writes::set_seen_count(tx.conn, &thread, self.user, seen, tx.now).await?;
            }
        }
        tx.thread_read(&thread, self.user)?;
        Ok(thread)
    }
}

impl SetReadMark {
    /// The number of inbound messages that are not unread now.
    async fn seen_count(&self, tx: &Tx<'_>, thread: &thread::Model) -> Result<i32, DbErr> {
        let marks = threads::read_marks(tx.conn, self.agency, self.user, &[thread.id]).await?;
        Ok(marks.first().map_or(thread.answered_count, |mark| mark.seen_count))
    }

    /// A message that the user has read already stays read.
    async fn read_up_to(
        &self,
        tx: &Tx<'_>,
        thread: &thread::Model,
        message: MessageId,
    ) -> Result<(), UnitError<Refusal>> {
        let message = messages::by_ids(tx.conn, self.agency, &[message]).await?.pop();
        let message = message.filter(|message| message.thread_id == thread.id);
        let message = message.ok_or_else(|| Refusal::not_found("message in this thread", "upToMessageId"))?;
        let later = messages::inbound_since(tx.conn, self.agency, thread.id, Some(&message)).await?;
        let later = i32::try_from(later.count).unwrap_or(i32::MAX);
        let seen = self.seen_count(tx, thread).await?.max(thread.inbound_count.saturating_sub(later));
        thread_writes::set_seen_count(tx.conn, thread, self.user, seen, tx.now).await?;
        thread_writes::mark_notifications_read_until(tx.conn, thread, self.user, message.created_at, tx.now).await?;
        Ok(())
    }
}
