//! Abandon a message: a user decides that a text whose delivery status stayed unknown counts as not sent and is not
//! sent again.

use super::compose::{Queued, VisibleMessage};
use super::delivery::record_report;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::delivery::Report;
use crate::domain::delivery_error::ABANDONED;
use crate::domain::{AgencyId, DeliverySource, MessageId, MessageStatus, UserId};
use crate::store::writer::{Tx, Unit, UnitError};

/// Marks a flagged text as failed. The sender, the thread's assignee and admins may do this.
pub async fn abandon_message(services: &Services, viewer: &Viewer, message: MessageId) -> Outcome<Queued> {
    let unit = Abandon { agency: viewer.agency(), user: viewer.id(), message };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct Abandon {
    agency: AgencyId,
    user: UserId,
    message: MessageId,
}

impl Unit for Abandon {
    type Output = Queued;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Queued, UnitError<Refusal>> {
        let VisibleMessage { viewer, message, thread } =
            VisibleMessage::find(tx, self.agency, self.user, self.message).await?;
        if !(viewer.is_admin() || [message.sender_id, thread.assignee_id].contains(&Some(self.user))) {
            let reason = "Only the sender of the text, the thread's assignee or an admin may abandon it.";
            let code = RefusalCode::NotAssignee { assignee: thread.assignee_id };
            return Err(Refusal::new(code, reason).at("messageId").into());
        }
        if message.error_code.as_deref() == Some(ABANDONED) {
            return Ok(Queued { message, thread });
        }
        if message.flagged_at.is_none() {
            let reason = "Only a message whose delivery needs a decision can be abandoned.";
            return Err(Refusal::new(RefusalCode::Conflict, reason).at("messageId").into());
        }
        let abandoned = Report::failed(MessageStatus::Failed, ABANDONED);
        let message = record_report(tx, &viewer.directory, &message, abandoned, None, DeliverySource::Person).await?;
        Ok(Queued { message, thread })
    }
}
