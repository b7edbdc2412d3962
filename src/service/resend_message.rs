//! Resend a message: a person has decided that a text which failed, or may never have been sent, is
//! said once more. It is another message; the first one remembers that.

use sea_orm::DbErr;

use super::compose::{Draft, Queued, Request, Seen, say};
use super::own_numbers::refuse_own_number;
use super::report::report;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::delivery::{Report, is_failure};
use crate::domain::delivery_error::RESENT;
use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, Direction, MessageId, MessageStatus, UserId};
use crate::entity::message;
use crate::store::contacts;
use crate::store::writer::{Tx, Unit};

/// Queues the same text again. Whoever does it must be one who may write into the thread.
///
/// # Errors
/// When the database fails.
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
    type Output = Result<Queued, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let Seen { viewer, message, thread } = match Seen::find(tx, self.agency, self.user, self.message).await? {
            Ok(seen) => seen,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(contact) = contacts::by_ids(tx.conn, self.agency, &[thread.contact_id]).await?.pop() else {
            return Ok(Err(Refusal::not_found("message", "messageId")));
        };
        let draft = Draft {
            body: message.body.clone(),
            media_urls: Vec::new(),
            extension: None,
            last_seen: None,
            idempotency_key: self.idempotency_key.clone(),
        };
        if let Err(refusal) = draft.check() {
            return Ok(Err(refusal));
        }
        let what = format!("resendMessage {}", self.message);
        let request = Request::new(self.agency, self.user, &what, &draft);
        if let Some(repeated) = request.repeated(tx).await? {
            return Ok(repeated);
        }
        if let Err(refusal) = may_be_resent(&message) {
            return Ok(Err(refusal));
        }
        let sender = message.twilio_account_id;
        if let Err(refusal) = refuse_own_number(tx.conn, sender, &contact.phone, "messageId").await? {
            return Ok(Err(refusal));
        }
        let said = say(tx, &viewer, &thread, &contact, &request, &draft, self.limits).await?;
        if said.is_ok() {
            report(tx, &viewer.directory, &message, Report::failed(MessageStatus::Failed, RESENT), None).await?;
        }
        Ok(said)
    }
}

fn may_be_resent(message: &message::Model) -> Result<(), Refusal> {
    let conflict = |why: &str| Err(Refusal::new(RefusalCode::Conflict, why).at("messageId"));
    if message.direction == Direction::Inbound {
        return conflict("Only a text that was sent from here can be sent again.");
    }
    if message.error_code.as_deref() == Some(RESENT) {
        return conflict("It was sent again already.");
    }
    if message.flagged_at.is_some() || is_failure(message.status) {
        return Ok(());
    }
    conflict("It is still on its way, or has arrived.")
}
