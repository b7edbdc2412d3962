//! Escalation of texts to an extension: if the extension's user does not take the thread in time, the pool is notified.

use std::convert::Infallible;

use super::{Fault, Services};
use crate::domain::routing::pool_route;
use crate::domain::{AgencyId, NotificationKind, ThreadId, ThreadStatus};
use crate::store::thread_writes;
use crate::store::writer::{Notice, Tx, Unit, UnitError};

const BATCH_SIZE: u64 = 100;

/// Notifies the pools of all threads whose escalation is due. A second run notifies nobody again.
pub async fn escalate(services: &Services) -> Result<(), Fault> {
    let due = thread_writes::due_escalations(services.reader(), services.clock.now(), BATCH_SIZE).await?;
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
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let due = thread_writes::due_escalation(tx.conn, self.agency, self.thread, tx.now).await?;
        let Some(mut thread) = due else { return Ok(()) };
        thread_writes::clear_escalation(tx.conn, self.agency, self.thread).await?;
        if thread.status != ThreadStatus::Unclaimed {
            return Ok(());
        }
        let directory = tx.directory(self.agency).await?;
        let roster = directory.roster(thread.phone_number_id, None, thread.extension_id);
        let already_notified = roster.extension.map(|member| member.user);
        let Some(route) = pool_route(&roster) else { return Ok(()) };
        let notice = Notice {
            kind: NotificationKind::InboundClientMessage,
            users: route.recipients.into_iter().filter(|user| Some(*user) != already_notified).collect(),
            thread: Some(thread.id),
            message: thread.last_message_id,
            call: None,
            node: None,
            rung: Some(route.rung),
        };
        Ok(tx.thread_updated(&mut thread, None, &[], vec![notice])?)
    }
}
