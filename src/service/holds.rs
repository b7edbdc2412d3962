//! Held texts: a user can cancel them, and a message from the contact or another user stops them.

use super::compose::{Queued, VisibleMessage};
use super::delivery::record_report;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::delivery::Report;
use crate::domain::delivery_error::{CANCELED, STALE_VIEW};
use crate::domain::{AgencyId, DeliverySource, MessageId, MessageStatus, UserId};
use crate::entity::thread;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{messages, outbox, thread_writes};

/// Stops the held texts of a thread because the contact or `writer` sent a message. The texts of `writer` stay held.
///
/// The thread row tells whether any text may be held, so that other threads cost nothing.
pub(super) async fn stop_held(
    tx: &mut Tx<'_>,
    thread: &mut thread::Model,
    writer: Option<UserId>,
) -> Result<(), UnitError> {
    if thread.held_until.is_none_or(|until| until <= tx.now) {
        return Ok(());
    }
    let directory = tx.directory(thread.agency_id).await?;
    let mut stopped = false;
    for row in outbox::held(tx.conn, thread.agency_id, thread.id, tx.now).await? {
        if row.sender_id == writer {
            continue;
        }
        let Some(message) = messages::by_ids(tx.conn, row.agency_id, &[row.message_id]).await?.pop() else { continue };
        let report = Report::failed(MessageStatus::Failed, STALE_VIEW);
        record_report(tx, &directory, &message, report, None, DeliverySource::Outbox).await?;
        thread.revision += 1;
        stopped = true;
    }
    if stopped {
        recount_answers(tx, thread).await?;
    }
    Ok(())
}

/// Cancels a text that waits to be sent. The sender, the thread's assignee and admins may do this. Repeating it changes
/// nothing.
pub async fn cancel_message(services: &Services, viewer: &Viewer, message: MessageId) -> Outcome<Queued> {
    let unit = Cancel { agency: viewer.agency(), user: viewer.id(), message };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct Cancel {
    agency: AgencyId,
    user: UserId,
    message: MessageId,
}

impl Unit for Cancel {
    type Output = Queued;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Queued, UnitError<Refusal>> {
        let VisibleMessage { viewer, message, mut thread } =
            VisibleMessage::find(tx, self.agency, self.user, self.message).await?;
        if !(viewer.is_admin() || [message.sender_id, thread.assignee_id].contains(&Some(self.user))) {
            let reason = "Only the sender of the text, the thread's assignee or an admin may cancel it.";
            let code = RefusalCode::NotAssignee { assignee: thread.assignee_id };
            return Err(Refusal::new(code, reason).at("messageId").into());
        }
        if message.error_code.as_deref() == Some(CANCELED) {
            return Ok(Queued { message, thread });
        }
        // An attempt begins with the opposite conditional statement, so a text is either sent or canceled.
        if !outbox::cancel(tx.conn, self.agency, self.message).await? {
            let code = RefusalCode::TooLate { status: message.status };
            return Err(Refusal::new(
                code,
                "This text can no longer be canceled, because it is being sent or was already sent.",
            )
            .at("messageId")
            .into());
        }
        let report = Report::failed(MessageStatus::Failed, CANCELED);
        let message = record_report(tx, &viewer.directory, &message, report, None, DeliverySource::Person).await?;
        thread.revision += 1;
        recount_answers(tx, &mut thread).await?;
        Ok(Queued { message, thread })
    }
}

/// Counts the answered messages of a thread again after a text that would have answered them was not sent.
async fn recount_answers(tx: &Tx<'_>, thread: &mut thread::Model) -> Result<(), UnitError> {
    let answer = messages::last_answer(tx.conn, thread.agency_id, thread.id).await?;
    let waiting = messages::inbound_since(tx.conn, thread.agency_id, thread.id, answer.as_ref()).await?;
    let count = i32::try_from(waiting.count).unwrap_or(i32::MAX);
    thread.answered_count = thread.inbound_count.saturating_sub(count).max(0);
    thread.waiting_since = waiting.first_at;
    if outbox::held(tx.conn, thread.agency_id, thread.id, tx.now).await?.is_empty() {
        thread.held_until = None;
    }
    Ok(thread_writes::set_answered(tx.conn, thread).await?)
}
