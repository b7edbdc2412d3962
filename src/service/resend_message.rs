//! Resend a message: a user decides that a text that failed, or whose delivery status stayed unknown, is sent again.
//! This queues a new message and marks the first one as resent.

use super::attachments;
use super::compose::{Draft, IdempotentRequest, Queued, VisibleMessage, queue_in_thread, reaches};
use super::delivery::record_report;
use super::own_numbers::refuse_own_number;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::delivery::{Report, is_failure};
use crate::domain::delivery_error::RESENT;
use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, DeliverySource, Direction, MessageId, MessageStatus, UserId};
use crate::entity::message;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{contacts, message_writes};

/// Queues the same text again, with its files and as the same extension, if that is still active. The viewer must be allowed to send to the thread.
pub async fn resend_message(
    services: &Services,
    viewer: &Viewer,
    message: MessageId,
    idempotency_key: String,
) -> Outcome<Queued> {
    let limits = services.text_limits;
    let unit = Resend { agency: viewer.agency(), user: viewer.id(), message, idempotency_key, limits };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct Resend {
    agency: AgencyId,
    user: UserId,
    message: MessageId,
    idempotency_key: String,
    limits: TextLimits,
}

impl Unit for Resend {
    type Output = Queued;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Queued, UnitError<Refusal>> {
        let VisibleMessage { viewer, message, thread } =
            VisibleMessage::find(tx, self.agency, self.user, self.message).await?;
        let contact = contacts::by_ids(tx.conn, self.agency, &[thread.contact_id]).await?.pop();
        let contact = contact.ok_or_else(|| Refusal::not_found("message", "messageId"))?;
        let draft = Draft {
            body: message.body.clone(),
            media_urls: Vec::new(),
            extension: None,
            last_seen: None,
            resends: Some(self.message),
            hold_seconds: 0,
            idempotency_key: self.idempotency_key.clone(),
        };
        draft.check_text(true)?;
        let operation = format!("resendMessage {}", self.message);
        let request = IdempotentRequest::new(self.agency, self.user, &operation, &draft, &[]);
        if let Some(queued) = request.earlier_result(tx).await? {
            return Ok(queued);
        }
        may_be_resent(&message)?;
        let sender = message.twilio_account_id;
        refuse_own_number(tx.conn, sender, &contact.phone, "messageId").await?;
        // Not part of the request's identity: the extension may be deactivated before the request is repeated.
        let extension = message.extension_id.filter(|id| reaches(&viewer, &thread, *id));
        let draft = Draft { extension, ..draft.clone() };
        let files = attachments::of_message(tx, &message).await?;
        let queued = queue_in_thread(tx, &viewer, &thread, &contact, &request, (&draft, files), self.limits).await?;
        let resent = Report::failed(MessageStatus::Failed, RESENT);
        let message = message::Model { resent_as_id: Some(queued.message.id), ..message };
        record_report(tx, &viewer.directory, &message, resent, None, DeliverySource::Person).await?;
        message_writes::set_resent_as(tx.conn, &message).await?;
        Ok(queued)
    }
}

fn may_be_resent(message: &message::Model) -> Result<(), Refusal> {
    let conflict = |reason: &str| Err(Refusal::new(RefusalCode::Conflict, reason).at("messageId"));
    if message.direction == Direction::Inbound {
        return conflict("Only an outbound text can be resent.");
    }
    if message.resent_as_id.is_some() || message.error_code.as_deref() == Some(RESENT) {
        return conflict("This text was already resent.");
    }
    if message.flagged_at.is_some() || is_failure(message.status) {
        return Ok(());
    }
    conflict("This text did not fail. It is still being sent, or it was delivered.")
}
