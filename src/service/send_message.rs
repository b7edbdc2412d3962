//! Send a reply in a thread.

use super::attachments;
use super::compose::{Draft, IdempotentRequest, Queued, queue_in_thread};
use super::own_numbers::refuse_own_number;
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, ThreadId, UploadId, UserId};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{contacts, threads};

/// Queues a reply. The reply is durable when this returns and is sent afterwards.
pub async fn send_message(services: &Services, viewer: &Viewer, thread: ThreadId, draft: Draft) -> Outcome<Queued> {
    let uploads = draft.check(&services.media_links)?;
    let limits = services.text_limits;
    let unit = SendMessage { agency: viewer.agency(), user: viewer.id(), thread, draft, uploads, limits };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct SendMessage {
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
    draft: Draft,
    uploads: Vec<UploadId>,
    limits: TextLimits,
}

impl Unit for SendMessage {
    type Output = Queued;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Queued, UnitError<Refusal>> {
        let not_found = || Refusal::not_found("thread", "threadId");
        let directory = tx.directory(self.agency).await?;
        let viewer = Viewer::of(directory, self.user).ok_or_else(not_found)?;
        let operation = format!("sendMessage {}", self.thread);
        let request = IdempotentRequest::new(self.agency, self.user, &operation, &self.draft, &self.uploads);
        if let Some(queued) = request.earlier_result(tx).await? {
            return Ok(queued);
        }
        let thread = threads::visible(tx.conn, &viewer.scope(), self.thread).await?.ok_or_else(not_found)?;
        let contact =
            contacts::by_ids(tx.conn, self.agency, &[thread.contact_id]).await?.pop().ok_or_else(not_found)?;
        if let Some(number) = viewer.directory.number(thread.phone_number_id) {
            refuse_own_number(tx.conn, number.twilio_account_id, &contact.phone, "threadId").await?;
        }
        let files = attachments::of_uploads(tx, self.agency, self.user, &self.uploads).await?;
        queue_in_thread(tx, &viewer, &thread, &contact, &request, (&self.draft, files), self.limits).await
    }
}
