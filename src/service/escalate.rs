//! A text to an extension waits for that one user; when they have not taken it in time, the pool
//! is told.

use sea_orm::DbErr;

use super::{Fault, Services};
use crate::domain::routing::pool_route;
use crate::domain::{AgencyId, NotificationKind, ThreadId, ThreadStatus};
use crate::store::thread_writes;
use crate::store::writer::{Notice, Tx, Unit};

/// How many threads one round takes.
const ROUND: u64 = 100;

/// Tells the pools of all threads that have waited long enough. Running it twice tells nobody twice.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn escalate(services: &Services) -> Result<(), Fault> {
    let due = thread_writes::due_escalations(services.reader(), services.clock.now(), ROUND).await?;
    for (agency, thread) in due {
        services.writer.run(agency, Escalate { agency, thread }).await?;
    }
    Ok(())
}

struct Escalate {
    agency: AgencyId,
    thread: ThreadId,
}

impl Unit for Escalate {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let due = thread_writes::due_escalation(tx.conn, self.agency, self.thread, tx.now).await?;
        let Some(thread) = due else { return Ok(()) };
        thread_writes::clear_escalation(tx.conn, self.agency, self.thread).await?;
        if thread.status != ThreadStatus::Unclaimed {
            return Ok(());
        }
        let directory = tx.directory(self.agency).await?;
        let roster = directory.roster(thread.phone_number_id, None, thread.extension_id);
        let known = roster.extension.map(|member| member.user);
        let Some(route) = pool_route(&roster) else { return Ok(()) };
        let notice = Notice {
            kind: NotificationKind::InboundClientMessage,
            users: route.recipients.into_iter().filter(|user| Some(*user) != known).collect(),
            thread: Some(thread.id),
            message: thread.last_message_id,
            call: None,
            rung: Some(route.rung),
        };
        tx.thread_updated(self.agency, thread.id, &[], vec![notice])
    }
}
