//! Abandon a message: a person has decided that a text of which nobody knows was not sent, and is not
//! to be.

use sea_orm::DbErr;

use super::compose::{Queued, Seen};
use super::report::report;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::delivery::Report;
use crate::domain::delivery_error::ABANDONED;
use crate::domain::{AgencyId, MessageId, MessageStatus, UserId};
use crate::store::writer::{Tx, Unit};

/// Settles a flagged text as failed. For who wrote it, the thread's assignee and admins.
///
/// # Errors
/// When the database fails.
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
    type Output = Result<Queued, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let Seen { viewer, message, thread } = match Seen::find(tx, self.agency, self.user, self.message).await? {
            Ok(seen) => seen,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if !(viewer.is_admin() || [message.sender_id, thread.assignee_id].contains(&Some(self.user))) {
            let why = "Only who wrote the text, the thread's assignee or an admin may do this.";
            return Ok(Err(Refusal::new(RefusalCode::NotAssignee, why).at("messageId")));
        }
        if message.error_code.as_deref() == Some(ABANDONED) {
            return Ok(Ok(Queued { message, thread }));
        }
        if message.flagged_at.is_none() {
            let why = "Nobody has to decide about this message.";
            return Ok(Err(Refusal::new(RefusalCode::Conflict, why).at("messageId")));
        }
        let abandoned = Report::failed(MessageStatus::Failed, ABANDONED);
        let message = report(tx, &viewer.directory, &message, abandoned, None).await?;
        Ok(Ok(Queued { message, thread }))
    }
}
